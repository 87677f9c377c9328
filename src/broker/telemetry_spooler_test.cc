#include "broker/telemetry_spooler.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"
#include "broker/telemetry_checker.h"
#include "io/recording_log.h"
#include "stream/record_batch.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;

constexpr WallTime kNow{milliseconds{1'700'000'000'000}};

class TelemetrySpoolerTest : public SpoolTest {
 protected:
  TelemetrySpoolerTest() {
    spooler_ = std::make_unique<TelemetrySpooler>(loop_, *spool_, "s", buffer_, log_);
    spooler_->start();
  }
  ~TelemetrySpoolerTest() override {
    if (!ended_) drain();
    EXPECT_TRUE(ended_);
  }

  void push(int count) {
    for (int i = 0; i < count; ++i) buffer_.push_metrics("cpu", "", kNow);
    spooler_->wake();
    loop_.run();
  }
  void drain() {
    spooler_->drain(seconds(5), [this] { ended_ = true; });
    loop_.run(seconds(6));
  }
  CheckedTotals check() {
    TelemetryChecker checker(kNow - seconds(1));
    for (const auto& shard : spool_->shards_of("s")) {
      engine_.read({shard.id, {}}, [&](const Result<stream::ReadResult>& read) {
        for (const auto& batch : read->batches) {
          stream::RecordBatchReader records(batch.payload);
          while (const auto record = records.next()) checker.add(*parse_record(record->data));
        }
      });
    }
    return checker.final_totals();
  }

  TelemetryBuffer buffer_{"018bcfe56800-0000000000000001", "host-1", {.records = 1000}, metrics_};
  io::RecordingLog log_;
  std::unique_ptr<TelemetrySpooler> spooler_;
  bool ended_ = false;
};

TEST_F(TelemetrySpoolerTest, SpoolsWhatComes) {
  push(3);
  push(900);
  EXPECT_EQ(check().records, 903u);
  EXPECT_TRUE(check().complete());
  EXPECT_EQ(buffer_.records(), 0u);
}

TEST_F(TelemetrySpoolerTest, HoldsWhatIsNotDurableYet) {
  engine_.holding = true;
  push(10);
  EXPECT_EQ(buffer_.records(), 10u);
  engine_.holding = false;
  engine_.release();
  loop_.run();
  EXPECT_EQ(buffer_.records(), 0u);
}

TEST_F(TelemetrySpoolerTest, SaysOnceThatTheSpoolTakesNothingAndGoesOnWhenItDoes) {
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  push(10);
  for (int i = 0; i < 5; ++i) {
    push(1);
    loop_.run(seconds(10));
  }
  EXPECT_THAT(log_.events, ElementsAre("the spool takes no telemetry, collecting goes on"));
  EXPECT_EQ(buffer_.records(), 15u);
  engine_.append_error.reset();
  loop_.run(TelemetrySpooler::kRetryDelay);
  EXPECT_THAT(log_.events, ElementsAre("the spool takes no telemetry, collecting goes on",
                                       "the spool takes telemetry again"));
  EXPECT_EQ(check().records, 15u);
  EXPECT_TRUE(check().complete());
}

TEST_F(TelemetrySpoolerTest, DrainSpoolsWhatIsHeldFirst) {
  engine_.append_error = Error{ErrorCode::kThrottled, "the spool is full"};
  push(700);
  spooler_->drain(seconds(5), [this] { ended_ = true; });
  loop_.run(seconds(2));
  EXPECT_FALSE(ended_);
  engine_.append_error.reset();
  loop_.run(seconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(check().records, 700u);
}

TEST_F(TelemetrySpoolerTest, DrainGivesUpAtItsBound) {
  engine_.append_error = Error{ErrorCode::kThrottled, "the spool is full"};
  push(10);
  spooler_->drain(seconds(5), [this] { ended_ = true; });
  loop_.run(seconds(5) - nanoseconds(1));
  EXPECT_FALSE(ended_);
  loop_.run(nanoseconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(buffer_.records(), 10u);
}

TEST_F(TelemetrySpoolerTest, DrainEndsAtOnceWithNothingToSpool) {
  bool within = true;
  spooler_->drain(seconds(5), [&] {
    ended_ = true;
    EXPECT_FALSE(within);
  });
  within = false;
  loop_.run();
  EXPECT_TRUE(ended_);
}

}  // namespace
}  // namespace spillway::broker
