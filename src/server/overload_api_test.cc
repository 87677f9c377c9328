// What clients are told when the engine takes no more. An engine in memory stands in for the real
// one, whose queue is full for as long as a disk is slow: not as long as a test needs.
#include "server/kinesis_api_fixture.h"
#include "stream/memory_engine.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;

class OverloadApiTest : public KinesisApiTest {
 protected:
  OverloadApiTest() {
    service_.reset();
    auto engine = std::make_unique<stream::MemoryEngine>();
    memory_engine_ = engine.get();
    engine_ = std::move(engine);
    serve({});
    create("s", 1);
  }

  stream::MemoryEngine* memory_engine_;
};

constexpr std::string_view kOne = R"({"StreamName":"s","Data":"YQ==","PartitionKey":"k"})";
constexpr std::string_view kTwo =
    R"({"StreamName":"s","Records":[{"Data":"YQ==","PartitionKey":"k"},)"
    R"({"Data":"Yg==","PartitionKey":"k"}]})";

TEST_F(OverloadApiTest, AFullQueueIsAnExceededThroughputAndPasses) {
  memory_engine_->append_error = Error{ErrorCode::kThrottled, "the queue is full"};
  EXPECT_EQ(ask("PutRecord", kOne),
            error("ProvisionedThroughputExceededException",
                  "Rate exceeded for shard shardId-000000000000 in stream s under account "
                  "000000000000."));
  const auto answer = ask("PutRecords", kTwo);
  EXPECT_THAT(answer, HasSubstr(R"("FailedRecordCount":2)"));
  EXPECT_EQ(count_of(R"("ErrorCode":"ProvisionedThroughputExceededException")", answer), 2u);
  memory_engine_->append_error.reset();
  EXPECT_THAT(ask("PutRecords", kTwo), HasSubstr(R"("FailedRecordCount":0)"));
}

TEST_F(OverloadApiTest, AFailedDiskIsAnInternalFailure) {
  memory_engine_->append_error = Error{ErrorCode::kIo, "write journal: Input/output error"};
  EXPECT_THAT(ask("PutRecord", kOne), HasSubstr(R"({"__type":"InternalFailureException")"));
  const auto answer = ask("PutRecords", kTwo);
  EXPECT_EQ(count_of(R"("ErrorCode":"InternalFailure")", answer), 2u);
}

TEST_F(OverloadApiTest, ReadsBeyondWhatTheDiskGivesAreThrottled) {
  const auto number = value_of("SequenceNumber", ask("PutRecord", kOne));
  const auto at = iterator(fmt::format(
      R"("ShardIteratorType":"AT_SEQUENCE_NUMBER","StartingSequenceNumber":"{}")", number));
  const auto read = fmt::format(R"({{"ShardIterator":"{}"}})", value_of("ShardIterator", at));
  memory_engine_->read_error = Error{ErrorCode::kThrottled, "too many reads wait"};
  EXPECT_THAT(ask("GetRecords", read),
              HasSubstr(R"({"__type":"ProvisionedThroughputExceededException")"));
  memory_engine_->read_error.reset();
  EXPECT_THAT(ask("GetRecords", read), HasSubstr(R"("Data":"YQ==")"));
}

}  // namespace
}  // namespace spillway::server
