#include "broker/spool_writer.h"

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

class SpoolWriterTest : public SpoolTest {
 protected:
  void put(std::vector<InputRecord> records) {
    writer_->put(std::move(records), [this] { ++done_; });
  }
  std::uint64_t spooled() { return counts_.records.value(); }
  std::uint64_t stored(std::string_view stream) {
    std::uint64_t records = 0;
    for (const auto& shard : spool_->shards_of(stream))
      records += engine_.tip(shard.id)->next.value;
    return records;
  }

  InputMetrics counts_{metrics_, "test"};
  std::shared_ptr<SpoolWriter> writer_ =
      std::make_shared<SpoolWriter>(loop_, *spool_, "s", counts_);
  int done_ = 0;
};

TEST_F(SpoolWriterTest, IsDoneWhenAllIsDurable) {
  put({{"a", "1"}, {"b", "2"}});
  EXPECT_TRUE(writer_->busy());
  EXPECT_EQ(done_, 0) << "never from within";
  loop_.run();
  EXPECT_FALSE(writer_->busy());
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(spooled(), 2u);
}

TEST_F(SpoolWriterTest, TriesAgainWhatTheSpoolDoesNotTake) {
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  put({{"a", "1"}, {"b", "2"}});
  loop_.run(3 * SpoolWriter::kRetryDelay);
  EXPECT_TRUE(writer_->busy());
  EXPECT_EQ(spooled(), 0u);
  engine_.append_error.reset();
  loop_.run(SpoolWriter::kRetryDelay);
  EXPECT_EQ(done_, 1);
  EXPECT_EQ(spooled(), 2u);
}

TEST_F(SpoolWriterTest, ClosedGivesUp) {
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  put({{"a", "1"}});
  loop_.run();
  writer_->close();
  engine_.append_error.reset();
  loop_.run(2 * SpoolWriter::kRetryDelay);
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(counts_.refused.value(), 1u);
  EXPECT_EQ(spooled(), 0u);
}

TEST_F(SpoolWriterTest, APutUnderWayStaysWithItsStream) {
  start(spool_->open(loop_, {"other"}), UniqueFunction<void(Status)>([](const Status&) {}));
  loop_.run();
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  put({{"a", "1"}});
  loop_.run();
  writer_->set_stream("other");
  engine_.append_error.reset();
  loop_.run(SpoolWriter::kRetryDelay);
  put({{"a", "2"}, {"a", "3"}});
  loop_.run();
  EXPECT_EQ(stored("s"), 1u);
  EXPECT_EQ(stored("other"), 2u);
}

}  // namespace
}  // namespace spillway::broker
