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
  for (const char* body : {"", "[]", "7", "{", R"({"StreamName":7})", R"({"StreamName":"s"} x)",
                           R"({"StreamName":["s"]})", R"({"ShardCount":"1"})", R"({"Tags":[]})",
                           "{\"StreamName\":\"\xff\"}", R"({"StreamModeDetails":"x"})"})
    EXPECT_FALSE(decode(body, kinesis::kCreateStreamInput).ok()) << body;
}

TEST(Shapes, OtherTypesAreToldInTheWordsOfJava) {
  const std::string number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
  struct Case {
    const char* body;
    std::string message;
  };
  for (const auto& test :
       {Case{R"({"StreamName":7})", number + " can not be converted to an String"},
        Case{R"({"StreamName":7.5})", number + " can not be converted to an String"},
        Case{R"({"StreamName":true})", "class java.lang.Boolean can not be converted to an String"},
        Case{R"({"StreamName":[]})", "Start of list found where not expected"},
        Case{R"({"StreamName":{}})", "Start of structure or map found where not expected."},
        Case{R"({"ShardCount":"7"})", "class java.lang.String can not be converted to an Integer"},
        Case{R"({"Tags":"a"})", "Expected map or null"},
        Case{R"({"Tags":[]})", "Start of list found where not expected"},
        Case{R"({"StreamModeDetails":7})", "Expected null"},
        Case{R"({"StreamModeDetails":[]})", "Start of list found where not expected"}}) {
    EXPECT_EQ(decode(test.body, kinesis::kCreateStreamInput).error().message, test.message)
        << test.body;
  }
  for (const auto& test :
       {Case{R"({"Records":7})", "Expected list or null"},
        Case{R"({"Records":{}})", "Start of structure or map found where not expected."},
        Case{R"({"Records":[{"Data":7}]})", number + " can not be converted to a Blob"}}) {
    EXPECT_EQ(decode(test.body, kinesis::kPutRecordsInput).error().message, test.message)
        << test.body;
  }
  EXPECT_EQ(decode(R"({"EnforceConsumerDeletion":7})", kinesis::kDeleteStreamInput).error().message,
            number + " can not be converted to an Boolean");
  EXPECT_EQ(decode(R"({"Timestamp":"7"})", kinesis::kGetShardIteratorInput).error().message,
            "class java.lang.String can not be converted to milliseconds since epoch");
}

TEST(Shapes, NumbersLoseTheirFractionAndWhatIsBeyond32Bits) {
  struct Case {
    const char* number;
    std::int64_t integer;
  };
  for (const auto& test : {Case{"1.5", 1}, Case{"-1.5", -1}, Case{"2147483648", 2147483647},
                           Case{"18446744073709551615", 2147483647}, Case{"1e300", 2147483647},
                           Case{"-2147483649", -2147483648}, Case{"-1e300", -2147483648}}) {
    const auto value =
        decode(fmt::format(R"({{"ShardCount":{}}})", test.number), kinesis::kCreateStreamInput);
    EXPECT_EQ((*value)["ShardCount"].integer, test.integer) << test.number;
  }
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

TEST(Shapes, PatternsAreToldBeforeLengths) {
  EXPECT_THAT(
      violations_of(R"({"StreamName":""})", kinesis::kCreateStreamInput),
      testing::ElementsAre(
          "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy "
          "regular expression pattern: [a-zA-Z0-9_.-]+",
          "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater "
          "than or equal to 1"));
}

TEST(Shapes, ElementsKeysAndValuesAreToldAllAtOnce) {
  using testing::ElementsAre;
  const std::string key_bounds =
      "[Member must have length less than or equal to 128, Member must have length greater than or "
      "equal to 1]";
  EXPECT_THAT(
      violations_of(R"({"TagKeys":["a","","b",""]})", kinesis::kRemoveTagsFromStreamInput),
      ElementsAre("Value '[a, , b, ]' at 'tagKeys' failed to satisfy constraint: Member must "
                  "satisfy constraint: " +
                  key_bounds));
  EXPECT_THAT(
      violations_of(R"({"TagKeys":[]})", kinesis::kRemoveTagsFromStreamInput),
      ElementsAre("Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length "
                  "greater than or equal to 1"));
  EXPECT_THAT(violations_of(R"({"Tags":{}})", kinesis::kAddTagsToStreamInput),
              ElementsAre("Value '{}' at 'tags' failed to satisfy constraint: Member must have "
                          "length greater than or equal to 1"));
  EXPECT_THAT(violations_of(R"({"Tags":{"a":"1","":"2"}})", kinesis::kAddTagsToStreamInput),
              ElementsAre("Value '{a=1, =2}' at 'tags' failed to satisfy constraint: Map keys must "
                          "satisfy constraint: " +
                          key_bounds));
  const std::string longest(256, 'v');
  EXPECT_THAT(
      violations_of(fmt::format(R"({{"Tags":{{"a":"{}","b":"{}w"}}}})", longest, longest),
                    kinesis::kAddTagsToStreamInput),
      ElementsAre(fmt::format(
          "Value '{{a={}, b={}w}}' at 'tags' failed to satisfy constraint: Map value must satisfy "
          "constraint: [Member must have length less than or equal to 256, Member must have length "
          "greater than or equal to 0]",
          longest, longest)));
  EXPECT_THAT(violations_of(R"({"StreamName":"s","ShardLevelMetrics":["ALL","SOME"]})",
                            kinesis::kEnableEnhancedMonitoringInput),
              ElementsAre(testing::AllOf(
                  testing::StartsWith("Value '[ALL, SOME]' at 'shardLevelMetrics' failed to "
                                      "satisfy constraint: Member must satisfy constraint: [Member "
                                      "must satisfy enum value set: [IncomingBytes, "),
                  testing::EndsWith("ALL]]"))));
}

TEST(Shapes, LongValuesAreCutBetweenCharacters) {
  std::string name;
  for (int i = 0; i < 1000; ++i) name += "\xe2\x82\xac";
  const auto found =
      violations_of(fmt::format(R"({{"StreamName":"{}"}})", name), kinesis::kCreateStreamInput);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[1], testing::StartsWith(fmt::format("Value '{}' at", name.substr(0, 1023))));
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
