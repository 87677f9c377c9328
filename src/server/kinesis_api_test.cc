// The operations behind their wire form, on a real engine, with a clock that the tests move: what a
// client of the API can't wait for, and every error with its whole message.
#include <future>

#include "auth/keys.h"
#include "auth/policy.h"
#include "server/engine_wrapper.h"
#include "server/kinesis_api_fixture.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(KinesisApiTest, StreamsAreNamedByNameOrArn) {
  create("s", 1);
  const auto describe = [&](std::string_view body) { return ask("DescribeStreamSummary", body); };
  EXPECT_THAT(describe(R"({"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"})"),
              HasSubstr(R"("StreamName":"s")"));
  EXPECT_EQ(describe("{}"),
            error("InvalidArgumentException", "Either StreamName or StreamARN must be provided."));
  EXPECT_EQ(
      describe(
          R"({"StreamName":"t","StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"})"),
      error("InvalidArgumentException", "StreamName and StreamARN name different streams."));
  EXPECT_EQ(describe(R"({"StreamARN":"arn:aws:kinesis:us-east-1:111111111111:stream/s"})"),
            error("ResourceNotFoundException",
                  "Stream arn:aws:kinesis:us-east-1:111111111111:stream/s not found: this endpoint "
                  "serves account 000000000000 in us-east-1."));
  const auto missing =
      error("ResourceNotFoundException", "Stream none under account 000000000000 not found.");
  for (const char* operation :
       {"DescribeStream", "DescribeStreamSummary", "ListShards", "DeleteStream"})
    EXPECT_EQ(ask(operation, R"({"StreamName":"none"})"), missing) << operation;
  EXPECT_EQ(ask("PutRecord", R"({"StreamName":"none","Data":"","PartitionKey":"k"})"), missing);
  EXPECT_EQ(
      ask("PutRecords", R"({"StreamName":"none","Records":[{"Data":"","PartitionKey":"k"}]})"),
      missing);
  EXPECT_EQ(ask("GetShardIterator",
                R"({"StreamName":"none","ShardId":"x","ShardIteratorType":"LATEST"})"),
            missing);
}

TEST_F(KinesisApiTest, AStreamIsMadeOnce) {
  create("s", 2);
  EXPECT_EQ(ask("CreateStream", R"({"StreamName":"s","ShardCount":1})"),
            error("ResourceInUseException", "Stream s under account 000000000000 already exists."));
  EXPECT_EQ(ask("CreateStream", R"({"StreamName":"t"})"),
            error("InvalidArgumentException",
                  "ShardCount is required for a stream in Provisioned mode."));
  EXPECT_EQ(
      ask("CreateStream",
          R"({"StreamName":"t","ShardCount":1,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}})"),
      error("InvalidArgumentException",
            "ShardCount cannot be set for a stream in On-Demand mode."));
  EXPECT_THAT(ask("CreateStream", R"({"StreamName":"t","ShardCount":1000001})"),
              HasSubstr(R"({"__type":"LimitExceededException","message":"A stream has at most )"));
  EXPECT_THAT(ask("CreateStream", R"({"StreamName":"t","ShardCount":0})"),
              HasSubstr("Value '0' at 'shardCount' failed to satisfy constraint: Member must have "
                        "value greater than or equal to 1"));
}

TEST_F(KinesisApiTest, RecordsHaveTheLimitsOfTheirStream) {
  create("s", 1);
  const std::string mebibyte(((1u << 20) / 3 + 1) * 4, 'A');  // in base64
  EXPECT_EQ(ask("PutRecord",
                fmt::format(R"({{"StreamName":"s","Data":"{}","PartitionKey":"k"}})", mebibyte)),
            error("InvalidArgumentException",
                  "A record of 1048579 bytes (data and partition key) is larger than the stream's "
                  "maximum of 1024 KiB."));
  EXPECT_EQ(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k",)"
                             R"("ExplicitHashKey":"340282366920938463463374607431768211456"})"),
            error("InvalidArgumentException",
                  "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
                  "Specified value was 340282366920938463463374607431768211456"));
  std::string records;
  for (int i = 0; i < 501; ++i)
    records += fmt::format(R"({}{{"Data":"","PartitionKey":"k"}})", i == 0 ? "" : ",");
  EXPECT_THAT(ask("PutRecords", fmt::format(R"({{"StreamName":"s","Records":[{}]}})", records)),
              HasSubstr("Member must have length less than or equal to 500"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"%","PartitionKey":"k"})"),
              HasSubstr(R"({"__type":"SerializationException","Message":)"));
}

TEST_F(KinesisApiTest, IteratorsAreCheckedAgainstTheirShard) {
  create("s", 2);
  const std::string put =
      ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"0"})");
  const std::string number = value_of("SequenceNumber", put);
  const std::string at = fmt::format(
      R"("ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"{}")", number);
  EXPECT_NE(value_of("ShardIterator", iterator(at)), "");
  EXPECT_EQ(iterator(at, "shardId-000000000001"),
            error("InvalidArgumentException",
                  fmt::format("StartingSequenceNumber {} used in GetShardIterator on shard "
                              "shardId-000000000001 is invalid because it did not come from this "
                              "shard.",
                              number)));
  EXPECT_EQ(iterator(R"("ShardIteratorType":"AFTER_SEQUENCE_NUMBER")"),
            error("InvalidArgumentException",
                  "StartingSequenceNumber is required for AFTER_SEQUENCE_NUMBER."));
  EXPECT_EQ(iterator(R"("ShardIteratorType":"AT_TIMESTAMP")"),
            error("InvalidArgumentException", "Timestamp is required for AT_TIMESTAMP."));
  EXPECT_THAT(iterator(fmt::format(R"("ShardIteratorType":"AT_TIMESTAMP","Timestamp":{})",
                                   now_ms() / 1000 + 100)),
              HasSubstr("The timestampInMillis parameter cannot be greater than the "
                        "currentTimestampInMillis. timestampInMillis: "));
  EXPECT_EQ(iterator(R"("ShardIteratorType":"LATEST")", "shardId-000000000002"),
            error("ResourceNotFoundException",
                  "Shard shardId-000000000002 in stream s under account 000000000000 does not "
                  "exist"));
  EXPECT_EQ(ask("GetRecords", R"({"ShardIterator":"AAAA"})"),
            error("InvalidArgumentException", "Invalid ShardIterator."));
}

TEST_F(KinesisApiTest, TokensExpireAfterFiveMinutes) {
  create("s", 3);
  const std::string old = value_of("ShardIterator", iterator(R"("ShardIteratorType":"LATEST")"));
  const std::string shards =
      value_of("NextToken", ask("ListShards", R"({"StreamName":"s","MaxResults":1})"));
  create("t", 1);
  const std::string streams = value_of("NextToken", ask("ListStreams", R"({"Limit":1})"));
  const std::string read = fmt::format(R"({{"ShardIterator":"{}"}})", old);
  clock_.ahead_ms += 299'000;
  EXPECT_THAT(ask("GetRecords", read), HasSubstr("NextShardIterator"));
  clock_.ahead_ms += 2'000;
  EXPECT_THAT(ask("GetRecords", read),
              testing::AllOf(HasSubstr(R"({"__type":"ExpiredIteratorException","message":)"
                                       R"("Iterator expired. The iterator was created at time )"),
                             HasSubstr("which is further in the future than the tolerated delay of "
                                       "300000 milliseconds.")));
  EXPECT_EQ(ask("ListShards", fmt::format(R"({{"NextToken":"{}"}})", shards)),
            error("ExpiredNextTokenException", "NextToken has expired."));
  EXPECT_EQ(ask("ListStreams", fmt::format(R"({{"NextToken":"{}"}})", streams)),
            error("ExpiredNextTokenException", "NextToken has expired."));
}

TEST_F(KinesisApiTest, ShardsAreListedInPages) {
  create("s", 5);
  std::string body = R"({"StreamName":"s","MaxResults":2})";
  std::string pages;
  while (true) {
    const std::string page = ask("ListShards", body);
    pages += fmt::format("{} ", count_of(R"("ShardId")", page));
    const std::string token = value_of("NextToken", page);
    if (token.empty()) break;
    body = fmt::format(R"({{"NextToken":"{}","MaxResults":2}})", token);
    EXPECT_EQ(
        ask("ListShards", fmt::format(R"({{"StreamName":"s","NextToken":"{}"}})", token)),
        error("InvalidArgumentException", "NextToken and StreamName cannot be provided together."));
    EXPECT_EQ(ask("ListStreams", fmt::format(R"({{"NextToken":"{}"}})", token)),
              error("InvalidArgumentException", "NextToken is invalid."));
  }
  EXPECT_EQ(pages, "2 2 1 ");
  EXPECT_EQ(listed(R"("ExclusiveStartShardId":"shardId-000000000002")"), "34");
  EXPECT_EQ(listed(R"("ExclusiveStartShardId":"x")"),
            error("InvalidArgumentException", "ExclusiveStartShardId x is not a shard's id."));
  const std::string described = ask("DescribeStream", R"({"StreamName":"s","Limit":2})");
  EXPECT_THAT(described, HasSubstr(R"("HasMoreShards":true)"));
  EXPECT_EQ(count_of(R"("ShardId")", described), 2u);
  EXPECT_THAT(
      ask("DescribeStream", R"({"StreamName":"s","ExclusiveStartShardId":"shardId-000000000001"})"),
      testing::AllOf(HasSubstr(R"("HasMoreShards":false)"),
                     Not(HasSubstr("shardId-000000000001"))));
}

// The filters of ListShards, on shard 0 with the children 1 and 2, of which 1 has 3 and 4.
TEST_F(KinesisApiTest, ShardsAreListedByWhenTheyWereOpen) {
  create("s", 1);
  clock_.ahead_ms += 5'000;
  const std::int64_t at_first = now_ms();
  split("s");
  const std::int64_t between = now_ms();
  split("s");
  const auto filter = [](std::string_view type, std::string_view more = "") {
    return fmt::format(R"("ShardFilter":{{"Type":"{}"{}}})", type, more);
  };
  const auto time = [](std::int64_t ms) {
    return fmt::format(R"(,"Timestamp":{:.3f})", double(ms) / 1000);
  };
  EXPECT_EQ(listed(""), "01234");
  EXPECT_EQ(listed(filter("AFTER_SHARD_ID", R"(,"ShardId":"shardId-000000000002")")), "34");
  EXPECT_EQ(listed(filter("AT_LATEST")), "234");
  EXPECT_EQ(listed(filter("AT_TRIM_HORIZON")), "0");
  EXPECT_EQ(listed(filter("FROM_TRIM_HORIZON")), "01234");
  EXPECT_EQ(listed(filter("AT_TIMESTAMP", time(at_first))), "0");
  EXPECT_EQ(listed(filter("AT_TIMESTAMP", time(between))), "12");
  EXPECT_EQ(listed(filter("FROM_TIMESTAMP", time(between))), "1234");
  EXPECT_EQ(listed(filter("AT_TIMESTAMP")),
            error("InvalidArgumentException", "Timestamp is required for AT_TIMESTAMP."));
  EXPECT_EQ(
      listed(filter("FROM_TIMESTAMP", time(now_ms() + 60'000))),
      error("InvalidArgumentException", "The timestamp of the shard filter lies in the future."));
  EXPECT_EQ(listed(filter("AFTER_SHARD_ID")),
            error("InvalidArgumentException", "ShardId is required for AFTER_SHARD_ID."));
  // Beyond the retention of what was in them, closed shards are gone.
  clock_.ahead_ms += 25 * 3'600'000LL;
  EXPECT_EQ(listed(""), "234");
}

TEST_F(KinesisApiTest, AClosedShardIsReadToItsEndAndNamesItsChildren) {
  create("s", 1);
  ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k"})");
  split("s");
  const std::string first =
      value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")"));
  std::string read = ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", first));
  EXPECT_THAT(read, HasSubstr(R"("PartitionKey":"k")"));
  if (const auto next = value_of("NextShardIterator", read); !next.empty())
    read = ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", next));
  EXPECT_THAT(read, Not(HasSubstr("NextShardIterator")));
  EXPECT_EQ(count_of(R"("ParentShards":["shardId-000000000000"])", read), 2u);
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k"})"),
              Not(HasSubstr("shardId-000000000000")));
}

TEST_F(KinesisApiTest, ClosedShardsLeaveTheCatalogWithTheirRecords) {
  create("s", 1);
  split("s");  // 1 and 2
  split("s");  // 1 into 3 and 4
  const auto stored = [&] {
    service_->remove_deleted([&](const Status& removed) {
      EXPECT_TRUE(removed.ok());
      loop_.post([&] { loop_.stop(); });
    });
    loop_.run();
    std::string indexes;
    for (const auto& shard : engine_->catalog()->find("s")->shards)
      indexes += std::to_string(shard.index);
    return indexes;
  };
  EXPECT_EQ(stored(), "01234") << "their records can be read still";
  clock_.ahead_ms += 25 * 3'600'000LL;
  EXPECT_EQ(stored(), "234");
  EXPECT_EQ(listed(""), "234");
  const auto put = [&] {
    return ask("PutRecord",
               R"({"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"0"})");
  };
  EXPECT_EQ(value_of("ShardId", put()), "shardId-000000000003");
  const std::string oldest = value_of(
      "ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")", "shardId-000000000003"));
  EXPECT_THAT(ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", oldest)),
              HasSubstr(R"("PartitionKey":"k")"));
  EXPECT_THAT(iterator(R"("ShardIteratorType":"TRIM_HORIZON")"),
              HasSubstr("ResourceNotFoundException"));
  split("s");
  EXPECT_EQ(stored(), "23456") << "indexes go on";
  EXPECT_NE(value_of("SequenceNumber", put()), "");
}

TEST_F(KinesisApiTest, EncryptionBeginsChangesAndEnds) {
  create("s", 1);
  const auto start = [&](std::string_view key) {
    return ask("StartStreamEncryption",
               fmt::format(R"({{"StreamName":"s","EncryptionType":"KMS","KeyId":"{}"}})", key));
  };
  const auto put = [&] {
    return ask("PutRecord", R"({"StreamName":"s","Data":"aGk=","PartitionKey":"k"})");
  };
  const auto keys = [&] { return engine_->catalog()->find("s")->encryption.keys; };
  EXPECT_THAT(put(), Not(HasSubstr("EncryptionType")));
  EXPECT_EQ(start("alias/none"),
            error("KMSNotFoundException", "There is no master key alias/none."));
  EXPECT_EQ(ask("StartStreamEncryption",
                R"({"StreamName":"s","EncryptionType":"NONE","KeyId":"alias/aws/kinesis"})"),
            error("InvalidArgumentException", "The only valid EncryptionType is KMS."));
  EXPECT_TRUE(keys().empty());
  EXPECT_EQ(start("alias/aws/kinesis"), "");
  EXPECT_THAT(put(), HasSubstr(R"("EncryptionType":"KMS")"));
  EXPECT_EQ(start("alias/aws/kinesis"), "");
  EXPECT_THAT(
      ask("PutRecords", R"({"StreamName":"s","Records":[{"Data":"aGk=","PartitionKey":"k"}]})"),
      HasSubstr(R"(],"EncryptionType":"KMS"})"));
  EXPECT_EQ(ask("StopStreamEncryption",
                R"({"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/gone"})"),
            "");
  EXPECT_THAT(put(), Not(HasSubstr("EncryptionType")));
  ASSERT_EQ(keys().size(), 3u);
  EXPECT_NE(keys()[0].wrapped, keys()[1].wrapped) << "each start has a key of its own";
  EXPECT_EQ(keys()[2].wrapped, "");
  const std::string read = ask(
      "GetRecords",
      fmt::format(R"({{"ShardIterator":"{}"}})",
                  value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")"))));
  EXPECT_EQ(count_of(R"("Data":"aGk=","PartitionKey":"k")", read), 4u);
  EXPECT_EQ(count_of(R"("PartitionKey":"k","EncryptionType":"KMS")", read), 2u);
  // Data keys go when no record can need them any more.
  clock_.ahead_ms += 8761 * 3'600'000LL;
  EXPECT_EQ(start("alias/aws/kinesis"), "");
  EXPECT_EQ(keys().size(), 2u);
}

// What was put before encryption began must not seem to have come later, whenever that was.
class PutsBehindLooks final : public EngineWrapper {
 public:
  PutsBehindLooks(std::unique_ptr<stream::Engine> engine, io::MovableClock& clock)
      : EngineWrapper(std::move(engine)), clock_(clock) {}
  Result<stream::ShardTip> tip(stream::ShardId shard) override {
    auto tip = EngineWrapper::tip(shard);
    clock_.ahead_ms += 5;
    stream::RecordBatchBuilder builder(stream::kBatchHeaderSize + 64);
    builder.add({.partition_key = "k", .data = "x"});
    std::vector<stream::AppendItem> items;
    items.push_back({shard, 1, std::move(builder).finish()});
    const auto arrival = std::make_shared<std::promise<WallTime>>();
    append(std::move(items), [arrival](const std::vector<Result<stream::Appended>>& outcomes) {
      arrival->set_value(outcomes.front().value().arrival);
    });
    last_arrival = arrival->get_future().get();
    return tip;
  }
  WallTime last_arrival{};

 private:
  io::MovableClock& clock_;
};

TEST_F(KinesisApiTest, EncryptionBeginsBehindWhatWasPutBefore) {
  auto puts = std::make_unique<PutsBehindLooks>(std::move(engine_), clock_);
  const auto& put = *puts;
  engine_ = std::move(puts);
  serve({});
  create("s", 1);
  ASSERT_EQ(ask("StartStreamEncryption",
                R"({"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"})"),
            "");
  EXPECT_GE(engine_->catalog()->find("s")->encryption.keys.at(0).since, put.last_arrival);
}

// A put that its shard refused, since the encryption is another one from that point of the log on,
// goes round again with what it was allowed once.
TEST_F(KinesisApiTest, APutThatGoesAnotherRoundIsNotAuthorizedAgain) {
  create("s", 1);
  const std::string_view body = R"({"StreamName":"s","Data":"aGk=","PartitionKey":"k"})";
  kinesis::Call call;
  call.operation = "PutRecord";
  call.body.reserve(body.size() + kinesis::kBodyPadding);
  call.body = body;
  call.loop = &loop_;
  auth::Key denied{.id = "AKIAUSER", .secret = "secret", .session_token = ""};
  denied.policy = std::make_shared<auth::Policy>(
      auth::Policy::parse(R"({"Version":"2012-10-17","Statement":[)"
                          R"({"Effect":"Deny","Action":"*","Resource":"*"}]})",
                          auth::PolicyKind::kIdentity)
          .value());
  std::string answer;
  loop_.post([&] {
    engine_->update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          auto& stream = change.put.emplace_back(*catalog.find("s"));
          stream.encryption.on = true;
          stream.encryption.keys.push_back(
              service_->data_keys()
                  .make(stream, auth::kDefaultMasterKey, clock_.wall_now())
                  .value());
          return change;
        },
        [](const Result<stream::CatalogRef>& changed) { EXPECT_TRUE(changed.ok()); });
    // Most often before the change is durable.
    start(kinesis::find_operation("PutRecord")->handler(*service_, call),
          UniqueFunction<void(kinesis::Reply)>([&](kinesis::Reply reply) {
            EXPECT_EQ(reply.status, 200) << reply.error_message;
            for (const auto& part : reply.body) answer += part.view();
            loop_.post([&] { loop_.stop(); });
          }));
    call.key = std::make_shared<auth::Key>(std::move(denied));
  });
  loop_.run();
  EXPECT_THAT(answer, HasSubstr(R"("EncryptionType":"KMS")"));
}

TEST_F(KinesisApiTest, AStreamHasAThousandDataKeysAYear) {
  create("s", 1);
  const std::string body =
      R"({"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"})";
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(ask("StartStreamEncryption", body), "");
  EXPECT_EQ(ask("StartStreamEncryption", body),
            error("LimitExceededException",
                  "Stream s has changed its encryption 1000 times within a year."));
}

// A batch that was moved between shards by whoever can write files, checksums and all.
TEST_F(KinesisApiTest, ADamagedOrMovedBatchIsAnErrorBehindWhatIsWhole) {
  create("s", 2);
  EXPECT_EQ(ask("StartStreamEncryption",
                R"({"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"})"),
            "");
  const std::string zero =
      R"({"StreamName":"s","Data":"","PartitionKey":"k","ExplicitHashKey":"0"})";
  ask("PutRecord", zero);
  const auto stream = engine_->catalog()->find("s");
  const auto shard = stream->shards[0].id;
  stream::StoredBatch batch;
  engine_->read({shard, stream::Position{}},
                [&](Result<stream::ReadResult> read) { batch = read->batches.at(0); });
  // The same bytes as another shard's.
  const auto moved = SharedBytes::copy_of(batch.payload);
  engine_->append({{stream->shards[1].id, batch.count, moved}},
                  [&](const auto&) { loop_.post([&] { loop_.stop(); }); });
  loop_.run();
  const auto read = [&](std::string_view of) {
    const std::string from =
        value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")", of));
    return ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", from));
  };
  EXPECT_EQ(read("shardId-000000000001"),
            error("InternalFailureException", "a stored batch is damaged"));
  EXPECT_THAT(read("shardId-000000000000"), HasSubstr(R"("PartitionKey":"k")"));
  // Behind a whole one: that one is given first.
  engine_->append({{shard, batch.count + 1, moved}},
                  [&](const auto&) { loop_.post([&] { loop_.stop(); }); });
  loop_.run();
  const std::string first = read("shardId-000000000000");
  EXPECT_EQ(count_of(R"("PartitionKey":"k")", first), 1u);
  EXPECT_EQ(ask("GetRecords",
                fmt::format(R"({{"ShardIterator":"{}"}})", value_of("NextShardIterator", first))),
            error("InternalFailureException", "a stored batch is damaged"));
}

}  // namespace
}  // namespace spillway::server
