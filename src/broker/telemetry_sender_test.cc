#include "broker/telemetry_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/telemetry_checker.h"
#include "io/manual_loop.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr WallTime kNow{milliseconds{1'700'000'000'000}};

// Takes what it is given, or fails as the test says; keeps what it took.
class FakeTarget final : public TelemetryTarget {
 public:
  explicit FakeTarget(io::ManualLoop& loop) : loop_(loop) {}

  Task<Status> prepare() override {
    ++prepares;
    auto over =
        callback<bool>([this](UniqueFunction<void(bool)> done) { answer_later(std::move(done)); });
    co_await over;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    gone = false;
    co_return Status();
  }

  Task<Result<client::PutRecordsResult>> put(std::vector<client::PutEntry> entries) override {
    ++puts;
    most_in_flight = std::max(most_in_flight, ++in_flight);
    auto over =
        callback<bool>([this](UniqueFunction<void(bool)> done) { answer_later(std::move(done)); });
    co_await over;
    --in_flight;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (gone) co_return Error{ErrorCode::kNotFound, "no stream"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    client::PutRecordsResult result;
    for (auto& entry : entries) {
      client::PutOutcome outcome;
      if (refuse_every > 0 && ++entries_seen % refuse_every == 0) {
        outcome.error_code = "ProvisionedThroughputExceededException";
        ++result.failed;
      } else {
        stored.push_back(std::move(entry.data));
      }
      result.outcomes.push_back(std::move(outcome));
    }
    co_return result;
  }

  void close() override {
    closed = true;
    answer();
  }
  void answer() {
    if (pending_) std::exchange(pending_, nullptr)(true);
  }
  std::string name() const override { return "a fake"; }

  bool down = false;
  bool gone = false;
  bool silent = false;  // never answers
  bool closed = false;
  int refuse_every = 0;
  int entries_seen = 0;
  int prepares = 0;
  int puts = 0;
  int in_flight = 0;
  int most_in_flight = 0;
  std::vector<std::string> stored;

 private:
  void answer_later(UniqueFunction<void(bool)> done) {
    pending_ = std::move(done);
    if (!silent)
      loop_.post([this] {
        if (pending_) std::exchange(pending_, nullptr)(true);
      });
  }
  io::ManualLoop& loop_;
  UniqueFunction<void(bool)> pending_;
};

class RecordingLog final : public io::EventLog {
 public:
  void write(io::LogLevel, std::string_view event, std::initializer_list<io::LogField>) override {
    events.emplace_back(event);
  }
  std::vector<std::string> events;
};

class TelemetrySenderTest : public testing::Test {
 protected:
  void TearDown() override {
    if (ended_) return;
    sender_.drain(seconds(5), [this] { ended_ = true; });
    loop_.run(seconds(10));
    EXPECT_TRUE(ended_);
  }

  void start() {
    sender_.start([this] { ++flowed_; });
    loop_.run();
  }
  void push(int count) {
    for (int i = 0; i < count; ++i) buffer_.push_metrics("cpu", "", kNow);
    sender_.wake();
    loop_.run();
  }
  CheckedTotals check() const {
    TelemetryChecker checker(kNow - seconds(1));
    for (const auto& data : target_.stored) checker.add(*parse_record(data));
    return checker.final_totals();
  }

  io::ManualLoop loop_;
  FakeTarget target_{loop_};
  metrics::Registry registry_;
  TelemetryBuffer buffer_{"018bcfe56800-0000000000000001", "host-1", {.records = 1000}, registry_};
  RecordingLog log_;
  TelemetrySender sender_{loop_, target_, buffer_, log_, registry_};
  int flowed_ = 0;
  bool ended_ = false;
};

TEST_F(TelemetrySenderTest, PutsWhatComesOneRequestAtATime) {
  EXPECT_FALSE(sender_.status().ok());
  start();
  EXPECT_TRUE(sender_.status().ok());
  EXPECT_EQ(flowed_, 0) << "nothing was put yet";
  push(3);
  push(900);
  EXPECT_EQ(flowed_, 1);
  EXPECT_EQ(target_.puts, 3);
  EXPECT_EQ(target_.most_in_flight, 1);
  EXPECT_EQ(check().records, 903u);
  EXPECT_TRUE(check().complete());
  EXPECT_EQ(buffer_.records(), 0u);
  EXPECT_EQ(sender_.acknowledged(), 903u);
}

TEST_F(TelemetrySenderTest, SaysOnceThatTheTargetIsDownAndGoesOnWhenItIsBack) {
  start();
  push(1);
  target_.down = true;
  push(10);
  for (int i = 0; i < 5; ++i) {
    push(1);
    loop_.run(seconds(10));
  }
  EXPECT_THAT(log_.events, ElementsAre("target is down, collecting goes on"));
  EXPECT_THAT(sender_.status().error().message, HasSubstr("connection refused"));
  EXPECT_THAT(registry_.prometheus_text(), HasSubstr("spillway_broker_target_up 0"));
  EXPECT_EQ(buffer_.records(), 15u);
  target_.down = false;
  loop_.run(TelemetrySender::kRetryDelay);
  EXPECT_THAT(log_.events, ElementsAre("target is down, collecting goes on", "target is back"));
  EXPECT_TRUE(sender_.status().ok());
  EXPECT_EQ(check().records, 16u);
  EXPECT_TRUE(check().complete());
  target_.down = true;
  push(1);
  EXPECT_EQ(log_.events.size(), 3u) << "the next time is said again";
}

TEST_F(TelemetrySenderTest, TellsHowLongPutsTook) {
  start();
  EXPECT_EQ(sender_.latency().p50, nanoseconds(0));
  for (int i = 0; i < 100; ++i) {
    target_.silent = true;
    push(1);
    loop_.run(milliseconds(i < 98 ? 2 : 50));
    target_.answer();
    loop_.run();
  }
  EXPECT_EQ(sender_.latency().p50, milliseconds(2));
  EXPECT_EQ(sender_.latency().p99, milliseconds(50));
  target_.silent = false;
}

TEST_F(TelemetrySenderTest, WaitsForATargetThatWasNeverThere) {
  target_.down = true;
  start();
  push(5);
  loop_.run(seconds(20));
  EXPECT_EQ(target_.puts, 0);
  EXPECT_GE(target_.prepares, 20);
  target_.down = false;
  loop_.run(seconds(1));
  EXPECT_EQ(check().records, 5u);
}

TEST_F(TelemetrySenderTest, RepeatsOnlyWhatWasRefused) {
  start();
  target_.refuse_every = 3;
  push(100);
  EXPECT_EQ(buffer_.records(), 100u) << "released as a whole";
  loop_.run(seconds(30));
  EXPECT_EQ(check().records, 100u);
  EXPECT_EQ(check().doubled, 0u);
  EXPECT_EQ(check().lost, 0u);
  EXPECT_EQ(buffer_.records(), 0u);
}

TEST_F(TelemetrySenderTest, MakesTheStreamAgain) {
  start();
  target_.gone = true;
  push(5);
  loop_.run(seconds(3));
  EXPECT_EQ(target_.prepares, 2);
  EXPECT_EQ(check().records, 5u);
}

TEST_F(TelemetrySenderTest, DrainPutsWhatIsHeldFirst) {
  start();
  target_.down = true;
  push(700);
  sender_.drain(seconds(5), [this] { ended_ = true; });
  loop_.run(seconds(2));
  EXPECT_FALSE(ended_);
  target_.down = false;
  loop_.run(seconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(check().records, 700u);
}

TEST_F(TelemetrySenderTest, DrainGivesUpAtItsBound) {
  start();
  target_.silent = true;
  push(10);
  sender_.drain(seconds(5), [this] { ended_ = true; });
  loop_.run(seconds(5) - nanoseconds(1));
  EXPECT_FALSE(ended_);
  loop_.run(nanoseconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(buffer_.records(), 10u);
}

TEST_F(TelemetrySenderTest, DrainEndsAtOnceWithNothingToPut) {
  start();
  bool within = true;
  sender_.drain(seconds(5), [&] {
    ended_ = true;
    EXPECT_FALSE(within);
  });
  within = false;
  loop_.run();
  EXPECT_TRUE(ended_);
}

}  // namespace
}  // namespace spillway::broker
