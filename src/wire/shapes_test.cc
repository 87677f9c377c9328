#include "wire/kinesis_shapes.h"

namespace spillway::wire {
namespace {

Result<Value> decode(std::string body, const Shape& shape) {
  static std::string kept;  // the value's texts are views of the parser's memory, not of the body
  kept = std::move(body);
  kept.reserve(kept.size() + kJsonPadding);
  return decode_json(kept, shape);
}

std::vector<std::string> violations_of(std::string body, const Shape& shape) {
  const auto value = decode(std::move(body), shape);
  if (!value.ok()) return {"SerializationException: " + value.error().message};
  return violations(*value);
}

TEST(Shapes, DecodeIntoTheMembersOfTheTable) {
  const auto value = decode(
      R"({"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k\u00e9"},{"Data":"","PartitionKey":"x","ExplicitHashKey":"7"}],"Unknown":{"a":[1]},"StreamARN":null})",
      kinesis::kPutRecordsInput);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ((*value)["StreamName"].text, "s");
  EXPECT_FALSE((*value)["StreamARN"].present) << "null is as good as absent";
  const auto& records = (*value)["Records"].children;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]["PartitionKey"].text, "k\xc3\xa9");
  EXPECT_FALSE(records[0]["ExplicitHashKey"].present);
  EXPECT_EQ(records[1]["ExplicitHashKey"].text, "7");
  EXPECT_TRUE(violations(*value).empty());
}

TEST(Shapes, ReadTimesAsSecondsWithAFraction) {
  const char* body =
      R"({"StreamName":"s","ShardId":"x","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1600000000.1234})";
  EXPECT_EQ((*decode(body, kinesis::kGetShardIteratorInput))["Timestamp"].integer,
            1'600'000'000'123);
}

TEST(Shapes, OtherTypesAreRefusedBeforeConstraints) {
  for (const char* body :
       {"", "[]", "7", "{", R"({"StreamName":7})", R"({"StreamName":"s"} x)",
        R"({"StreamName":["s"]})", R"({"ShardCount":"1"})", R"({"ShardCount":1.5})",
        R"({"Tags":[]})", "{\"StreamName\":\"\xff\"}", R"({"StreamModeDetails":"x"})"})
    EXPECT_FALSE(decode(body, kinesis::kCreateStreamInput).ok()) << body;
}

TEST(Shapes, ViolationsAreWordedAsTheApiDoes) {
  using testing::ElementsAre;
  EXPECT_THAT(
      violations_of("{}", kinesis::kCreateStreamInput),
      ElementsAre("Value null at 'streamName' failed to satisfy constraint: Member must not be "
                  "null"));
  EXPECT_THAT(
      violations_of(R"({"StreamName":"a b","ShardCount":0})", kinesis::kCreateStreamInput),
      ElementsAre("Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy "
                  "regular expression pattern: [a-zA-Z0-9_.-]+",
                  "Value '0' at 'shardCount' failed to satisfy constraint: Member must have "
                  "value greater than or equal to 1"));
  EXPECT_THAT(
      violations_of(R"({"Records":[{"Data":"","PartitionKey":"k"},{"PartitionKey":""}]})",
                    kinesis::kPutRecordsInput),
      ElementsAre(
          "Value null at 'records.2.member.data' failed to satisfy constraint: Member must not "
          "be null",
          "Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must "
          "have length greater than or equal to 1"));
  EXPECT_THAT(
      violations_of(R"({"ShardId":"x","ShardIteratorType":"NOW"})",
                    kinesis::kGetShardIteratorInput),
      ElementsAre("Value 'NOW' at 'shardIteratorType' failed to satisfy constraint: Member must "
                  "satisfy enum value set: [AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, "
                  "TRIM_HORIZON, LATEST, AT_TIMESTAMP]"));
}

TEST(Shapes, NoMoreThanTenViolationsAreTold) {
  std::string body = R"({"Records":[{})";
  for (int i = 0; i < 20; ++i) body += ",{}";
  EXPECT_EQ(violations_of(body + "]}", kinesis::kPutRecordsInput).size(), 10u);
}

TEST(Shapes, PatternsAreMatchedWhole) {
  struct Case {
    const char* arn;
    bool matches;
  };
  for (const auto& test : {Case{"arn:aws:kinesis:us-east-1:000000000000:stream/s", true},
                           Case{"arn:aws-cn:kinesis:x:123456789012:stream/a/b", true},
                           Case{"arn:aws:kinesis:us-east-1:00000000000:stream/s", false},
                           Case{"arn:aws:kinesis:us-east-1:000000000000:stream/", false},
                           Case{"arn:aws:sqs:us-east-1:000000000000:stream/s", false},
                           Case{"arn:aws:kinesis:us-east-1:000000000000:stream/a b", false}}) {
    EXPECT_EQ(violations_of(fmt::format(R"({{"StreamARN":"{}"}})", test.arn),
                            kinesis::kDescribeStreamSummaryInput)
                  .empty(),
              test.matches)
        << test.arn;
  }
}

TEST(Shapes, ArnsOfResourcesAndConsumersAreMatchedWhole) {
  struct Case {
    const char* arn;
    bool resource;
    bool consumer;
  };
  for (const auto& test :
       {Case{"arn:aws:kinesis:us-east-1:000000000000:stream/s", true, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:17", true, true},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:", true, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c", true, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream//consumer/c:17", true, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream/", false, false},
        Case{"arn:aws:kinesis:us-east-1:00000000000:stream/s", false, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:table/s", false, false},
        Case{"arn:aws:kinesis:000000000000:stream/s", false, false},
        Case{"kinesis:us-east-1:000000000000:stream/s/consumer/c:17", false, false},
        Case{"arn:aws:kinesis:us-east-1:000000000000:stream/a b", false, false}}) {
    EXPECT_EQ(violations_of(fmt::format(R"({{"ResourceARN":"{}"}})", test.arn),
                            kinesis::kListTagsForResourceInput)
                  .empty(),
              test.resource)
        << test.arn;
    EXPECT_EQ(violations_of(fmt::format(R"({{"ConsumerARN":"{}"}})", test.arn),
                            kinesis::kDescribeStreamConsumerInput)
                  .empty(),
              test.consumer)
        << test.arn;
  }
}

}  // namespace
}  // namespace spillway::wire
