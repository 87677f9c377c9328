#include "broker/set_backs.h"

#include <gmock/gmock.h>

#include "broker/delivery.h"
#include "broker/spool_samples.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

// A broker with the targets a and b, or a alone; a gets what it missed.
class SetBacksTest : public SpoolTest {
 protected:
  explicit SetBacksTest(bool alone = false) : alone_(alone) {
    a_.number = b_.number = 1;
    begin();
  }
  ~SetBacksTest() override { end(); }

  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, silent_);
    load(*cursors_);
    horizon_ = std::make_unique<SpoolHorizon>(loop_, engine_);
    for (const auto& shard : spool_->shards_of("s")) horizon_->add(std::vector{shard.id});
    horizon_->look();
    loop_.run();
    const std::string canaries(FakeTarget::kCanaryStream);
    std::vector<Target*> targets;
    std::vector<std::string> names;
    for (auto* fake : {&a_, &b_}) {
      if (alone_ && fake == &b_) break;
      marked_.push_back(std::make_unique<MarkedTarget>(loop_, *fake, canaries));
      targets.push_back(marked_.back().get());
      names.push_back(fake->name());
    }
    RouteSettings settings;
    settings.canary_stream = canaries;
    settings.switching.return_after = seconds(1);
    state_ = std::make_unique<SwitchState>(disk_, "state");
    EXPECT_TRUE(state_->load().ok());
    log_ = std::make_unique<SwitchLog>(SwitchLogOptions{"log", "aside"}, disk_);
    EXPECT_EQ(log_->open(loop_.wall_now()).fault, "");
    route_ = std::make_unique<Route>(Route::Parts{loop_, silent_, metrics_}, targets, settings,
                                     kept_of(state_->of(std::string(kAllStreams), names), names));
    switches_ = std::make_unique<Switches>(
        Switches::Parts{loop_, *route_, *state_, *log_, silent_, metrics_, streams_}, "edge");
    file_ = std::make_unique<HighWaterFile>(disk_, "high-water");
    EXPECT_TRUE(file_->load().ok());
    set_backs_ = std::make_unique<SetBacks>(
        SetBacks::Parts{loop_, silent_, metrics_, *spool_, *cursors_, *horizon_, *route_,
                        *switches_, *file_, canaries},
        marked_);
    const std::size_t backfilled[] = {0};
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, silent_, metrics_}, streams_, Random(1),
        backfilled);
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([] {});
    run(1);
  }
  void end() {
    bool ended = false;
    delivery_->drain(nanoseconds(1), [&] { ended = true; });
    loop_.run(seconds(2));
    EXPECT_TRUE(ended);
    delivery_.reset();
    set_backs_.reset();
    switches_.reset();
    route_.reset();
    marked_.clear();
  }
  // As SIGKILL.
  void restart() {
    end();
    cursors_.reset();
    a_.closed = b_.closed = false;
    reopen();
    begin();
  }
  void run(int seconds_count) {
    for (int i = 0; i < seconds_count; ++i) {
      loop_.run(seconds(1));
      set_backs_->look();
    }
  }
  void put_some(int first, int count) {
    EXPECT_EQ(put("k", first, count), 0u);
    run(1);
  }
  // a dies, and comes back with what it had when it had acknowledged so many.
  void set_a_back(std::uint64_t number) {
    a_.down = true;
    put_some(100, 1);
    run(5);
    a_.down = false;
    a_.lost = true;
    a_.number = number;
    a_.stored.resize(number - 1);
    run(40);
  }
  Result<Switches::Done> accept(const std::string& target) {
    Switches::Wish wish;
    wish.accept = target;
    wish.reason = "the backup is what we have";
    wish.who = "carol";
    return switches_->make(wish);
  }
  std::string kept_of_a() const { return route_->kept().set_back[0]; }
  std::string log_text() { return disk_.content("log/00000000000000000001.log"); }

  const bool alone_;
  const std::vector<std::string> streams_ = {"s"};
  log::CrashDisk disk_;
  FakeTarget a_{loop_, "a"};
  FakeTarget b_{loop_, "b"};
  std::vector<std::unique_ptr<MarkedTarget>> marked_;
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<SpoolHorizon> horizon_;
  std::unique_ptr<SwitchState> state_;
  std::unique_ptr<SwitchLog> log_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Switches> switches_;
  std::unique_ptr<HighWaterFile> file_;
  std::unique_ptr<SetBacks> set_backs_;
  std::unique_ptr<Delivery> delivery_;
};

class OnlyTargetTest : public SetBacksTest {
 protected:
  OnlyTargetTest() : SetBacksTest(true) {}
};

TEST_F(SetBacksTest, ATargetThatLostRecordsIsSentThemAndNotUsedUntilItIsAccepted) {
  put_some(1, 20);
  ASSERT_EQ(a_.stored.size(), 20u);
  set_a_back(8);
  EXPECT_THAT(kept_of_a(), HasSubstr("in shard 0 of stream s it lacks "));
  EXPECT_EQ(route_->choice().target, 1u);
  EXPECT_EQ(route_->breaker(0).state(), BreakerState::kClosed);
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr("spillway_broker_target_set_back{target=\"a\"} 1\n"));
  const auto numbers = a_.stored_numbers()["k"];
  EXPECT_EQ(std::vector(numbers.begin() + 7, numbers.begin() + 27), up_to(20))
      << "what the spool keeps, in order";
  EXPECT_EQ(delivery_->backfill(0)->progress().missing, 0u);
  EXPECT_THAT(log_text(), HasSubstr(R"("v":2,"sequence":)"));
  EXPECT_THAT(log_text(), HasSubstr(R"("action":"set_back","stream":"*","from":"b","to":"a")"));

  Switches::Wish wish;
  wish.target = "a";
  wish.reason = "back";
  EXPECT_EQ(switches_->make(wish).error().code, ErrorCode::kDenied);
  const auto accepted = accept("a");
  ASSERT_TRUE(accepted.ok());
  EXPECT_TRUE(accepted->changed && accepted->fault.empty()) << accepted->fault;
  EXPECT_THAT(log_text(), HasSubstr(R"("action":"accept","stream":"*","from":"b","to":"a",)"
                                    R"("who":"carol","reason":"the backup is what we have")"));
  a_.lost = false;
  run(5);
  EXPECT_EQ(route_->choice().target, 0u);
  EXPECT_THAT(kept_of_a(), IsEmpty());
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr("spillway_broker_target_set_back{target=\"a\"} 0\n"));
  put_some(200, 1);
  EXPECT_EQ(a_.stored.back().data, "k-200");
  EXPECT_FALSE(accept("a")->changed) << "again";
  EXPECT_EQ(accept("c").error().code, ErrorCode::kNotFound);
}

TEST_F(SetBacksTest, ItStaysSoOverARestart) {
  put_some(1, 20);
  set_a_back(8);
  const auto found = kept_of_a();
  ASSERT_THAT(found, Not(IsEmpty()));
  const auto stored = a_.stored.size();
  restart();
  run(20);
  EXPECT_EQ(kept_of_a(), found);
  EXPECT_EQ(route_->choice().target, 1u);
  EXPECT_EQ(a_.stored.size(), stored) << "and what it was sent again isn't sent once more";
  ASSERT_TRUE(accept("a").ok());
  a_.lost = false;
  restart();
  run(20);
  EXPECT_THAT(kept_of_a(), IsEmpty());
  EXPECT_EQ(route_->choice().target, 0u);
}

TEST_F(SetBacksTest, WhatWasAcknowledgedIsRememberedOverARestart) {
  put_some(1, 20);
  run(15);
  EXPECT_THAT(disk_.content("high-water"), HasSubstr(R"("stream":"s","shard":"0")"));
  end();
  cursors_.reset();
  a_.closed = b_.closed = false;
  a_.lost = true;
  a_.number = 8;
  reopen();
  begin();
  put_some(21, 1);
  EXPECT_THAT(kept_of_a(), HasSubstr("it lacks"));
  EXPECT_EQ(b_.stored.front().data, "k-21") << "nothing that is new goes there";
}

TEST_F(SetBacksTest, ACrashBeforeItIsStoredFindsItAgain) {
  put_some(1, 20);
  run(15);
  a_.lost = true;
  a_.down = true;
  put_some(21, 1);
  a_.down = false;
  a_.number = 8;
  while (kept_of_a().empty()) loop_.run(milliseconds(10));
  EXPECT_THAT(log_text(), Not(HasSubstr("set_back")));
  restart();
  put_some(22, 1);
  run(5);
  EXPECT_THAT(kept_of_a(), HasSubstr("it lacks"));
  EXPECT_THAT(log_text(), HasSubstr("set_back"));
}

TEST_F(SetBacksTest, ItIsAcceptedOnceWhatItLacksIsStored) {
  put_some(1, 20);
  run(15);
  a_.lost = true;
  a_.down = true;
  put_some(21, 1);
  a_.down = false;
  a_.number = 8;
  engine_.holding = true;
  while (kept_of_a().empty()) loop_.run(milliseconds(10));
  EXPECT_EQ(accept("a").error().code, ErrorCode::kBusy);
  EXPECT_THAT(kept_of_a(), Not(IsEmpty()));
  engine_.holding = false;
  engine_.release();
  run(2);
  EXPECT_TRUE(accept("a").ok());
  EXPECT_THAT(kept_of_a(), IsEmpty());
}

TEST_F(SetBacksTest, OneThatAPersonHoldsIsNotUsedEither) {
  Switches::Wish wish;
  wish.target = "a";
  wish.reason = "stay";
  ASSERT_TRUE(switches_->make(wish).ok());
  put_some(1, 20);
  a_.number = 8;
  put_some(21, 1);
  EXPECT_EQ(route_->choice().target, std::nullopt);
  EXPECT_THAT(deliverable(*route_).error().message, HasSubstr("accept it, or release"));
  put_some(22, 3);
  EXPECT_EQ(delivery_->held(), 4u) << "with the one that showed it";
  ASSERT_TRUE(accept("a").ok());
  run(1);
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_TRUE(deliverable(*route_).ok());
}

TEST_F(SetBacksTest, WhatIsNoLongerWrittenToIsForgottenAtOnce) {
  put_some(1, 20);
  EXPECT_THAT(marked_[0]->marks().kept().shards, Not(IsEmpty()));
  switches_->set_streams({"other"});
  set_backs_->look();
  for (const auto& [at, mark] : marked_[0]->marks().kept().shards)
    EXPECT_EQ(at.first, FakeTarget::kCanaryStream);
}

TEST_F(OnlyTargetTest, ItIsSentWhatItLacksOnceItIsThere) {
  put_some(1, 20);
  a_.down = true;
  put_some(21, 1);
  run(2);
  a_.down = false;
  a_.lost = true;
  a_.stored.clear();
  run(5);
  ASSERT_THAT(kept_of_a(), Not(IsEmpty()));
  EXPECT_EQ(a_.stored_numbers()["k"], up_to(20));
  EXPECT_EQ(delivery_->held(), 1u);
}

TEST_F(OnlyTargetTest, WhatItAcknowledgedOfABatchIsSentAgain) {
  const auto lane_of = [](const std::string& key) {
    return stream::lane_of(stream::hash_key_of(key));
  };
  const auto shard_of = [&](const std::string& key) {
    return lane_of(key) / (stream::kLanes / Spool::kShards);
  };
  std::string other = "a";
  while (shard_of(other) != shard_of("k") || lane_of(other) == lane_of("k")) other += "a";
  const std::string data = other + "-1";
  const stream::RecordView records[] = {{"k", "k-1", std::nullopt, std::nullopt},
                                        {other, data, std::nullopt, std::nullopt}};
  a_.refuse_lane = lane_of(other);
  ASSERT_EQ(put(records), 0u);
  run(2);
  ASSERT_EQ(a_.stored_data(), std::vector<std::string>{"k-1"});
  a_.down = true;
  run(3);
  a_.down = false;
  a_.lost = true;
  a_.stored.clear();
  a_.refuse_lane.reset();
  run(5);
  ASSERT_THAT(kept_of_a(), Not(IsEmpty()));
  EXPECT_THAT(a_.stored_data(), IsEmpty());
  ASSERT_TRUE(accept("a").ok());
  a_.lost = false;
  run(5);
  EXPECT_THAT(a_.stored_data(), UnorderedElementsAre("k-1", data));
}

TEST_F(OnlyTargetTest, RecordsWaitUntilItIsAccepted) {
  put_some(1, 20);
  a_.number = 8;
  put_some(21, 1);
  EXPECT_THAT(kept_of_a(), HasSubstr("it gave 8 to a record"));
  const auto status = deliverable(*route_);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("the only target can't be used"));
  put_some(22, 3);
  EXPECT_EQ(delivery_->held(), 4u) << "with the one that showed it";
  restart();
  EXPECT_EQ(delivery_->held(), 4u);
  EXPECT_FALSE(deliverable(*route_).ok());
  const auto accepted = accept("a");
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(accepted->target, "a");
  run(2);
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(a_.stored.back().data, "k-24");
}

}  // namespace
}  // namespace spillway::broker
