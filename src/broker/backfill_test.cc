#include "broker/backfill.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "broker/delivery.h"
#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;

class BackfillTest : public SpoolTest {
 protected:
  BackfillTest() { begin(); }
  ~BackfillTest() override { end(); }

  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, silent_);
    load(*cursors_);
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    settings.switching.returns = returns_;
    settings.switching.return_after = seconds(1);
    Target* const targets[] = {&a_, &b_};
    route_ = std::make_unique<Route>(Route::Parts{loop_, silent_, metrics_}, targets, settings,
                                     Switching::Kept{used_, std::nullopt, set_back_});
    const std::vector<std::string> streams = {"s"};
    const std::size_t backfilled[] = {0, 1};
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, silent_, metrics_}, streams, Random(1),
        std::span(backfilled).first(copies_), catch_up_, RequestBounds(), copies_);
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([] {});
    loop_.run(seconds(1));
  }
  // As SIGTERM with no time left.
  void end() {
    used_ = route_->kept().used;
    bool ended = false;
    delivery_->drain(nanoseconds(1), [&] { ended = true; });
    loop_.run(seconds(2));
    EXPECT_TRUE(ended);
    delivery_.reset();
    route_.reset();
  }
  void restart() {
    end();
    cursors_.reset();
    a_.closed = b_.closed = false;
    reopen();
    begin();
  }
  // a takes `first` records of each key, b those up to `last`, while a is away.
  void fail_over(int first, int last) {
    put_all(1, first);
    loop_.run(seconds(1));
    a_.down = true;
    put_all(first + 1, 1);
    loop_.run(seconds(5));
    EXPECT_EQ(route_->choice().target, 1u);
    put_all(first + 2, last - first - 1);
    loop_.run(seconds(5));
    EXPECT_EQ(delivery_->held(), 0u);
  }
  void put_all(int first, int count) {
    for (const auto* key : kKeys) EXPECT_EQ(put(key, first, count), 0u);
  }
  // Until a is closed, and a while longer.
  void bring_back() {
    a_.down = false;
    loop_.run(seconds(40));
    EXPECT_EQ(route_->breaker(0).state(), BreakerState::kClosed);
  }
  // As a broker does where a was found to have lost everything.
  void set_back() {
    route_->set_back(0, "it lost records");
    a_.stored.clear();
    for (const auto& shard : spool_->shards_of("s")) cursors_->lose(shard.id, "a", {});
  }
  const Backfill::Progress& progress() const { return delivery_->backfill(0)->progress(); }
  static std::map<std::string, std::vector<int>> stored(const FakeTarget& target) {
    return target.stored_numbers();
  }

  static constexpr const char* kKeys[] = {"a", "b", "c", "d", "e"};
  FakeTarget a_{loop_, "a"};
  FakeTarget b_{loop_, "b"};
  std::optional<std::size_t> used_;
  std::vector<std::string> set_back_;
  bool returns_ = false;
  CatchUp catch_up_;
  std::size_t copies_ = 1;
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Delivery> delivery_;
};

TEST_F(BackfillTest, ATargetThatIsBackGetsWhatItMissedInOrder) {
  fail_over(10, 700);
  loop_.run(seconds(2));
  EXPECT_EQ(stored(a_)["a"].size(), 10u) << "while it is away it gets nothing";
  bring_back();
  EXPECT_EQ(route_->choice().target, 1u) << "used or not";
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key], up_to(700)) << key;
  EXPECT_EQ(progress().missing, 0u);
  EXPECT_EQ(progress().sent, 5u * 690);
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr(R"(spillway_broker_backfilled_records_total{target="a"} 3450)"));
  // What the other one takes is there a second later.
  put_all(701, 100);
  loop_.run(seconds(5));
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key], up_to(800)) << key;
}

// a was being sent what was left behind when it failed: b has the rest, and then a again all of it.
TEST_F(BackfillTest, WhatWasLeftBehindGoesOnAtTheNextTargetAndIsMissedByTheFirst) {
  catch_up_ = {.live_first = true, .backlog_min = 10};
  delivery_->set_catch_up(catch_up_);
  put_all(1, 10);
  loop_.run(seconds(1));
  a_.down = b_.down = true;
  put_all(11, 1);
  loop_.run(seconds(30));
  put_all(12, 700);
  loop_.run(seconds(30));
  b_.down = false;
  loop_.run(seconds(60));
  put_all(712, 10);
  loop_.run(seconds(30));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(route_->choice().target, 1u);
  bring_back();
  loop_.run(seconds(120));
  EXPECT_EQ(progress().missing, 0u);
  for (const auto* key : kKeys) {
    auto at_b = stored(b_)[key];
    std::ranges::sort(at_b);
    std::vector<int> later = up_to(721);
    later.erase(later.begin(), later.begin() + 10);
    EXPECT_EQ(at_b, later) << key;
    EXPECT_EQ(stored(a_)[key], up_to(721)) << key << ": backfill goes oldest first";
  }
}

TEST_F(BackfillTest, WhatWasLeftBehindIsSentThoughLaterRecordsWereBefore) {
  catch_up_ = {.live_first = true, .backlog_min = 10};
  delivery_->set_catch_up(catch_up_);
  EXPECT_TRUE(route_->hold(1, "b").ok());
  put("a", 1, 10);
  loop_.run(seconds(5));
  b_.down = true;
  put("a", 11, 1);
  loop_.run(seconds(5));
  put("a", 12, 700);
  loop_.run(seconds(5));
  ASSERT_EQ(stored(a_)["a"], up_to(10));
  engine_.damaged = {11, 711};  // for a moment, so that b is sent it after what comes now
  b_.down = false;
  for (int i = 0; i < 100 && delivery_->left_behind() == 0; ++i) loop_.run(milliseconds(100));
  put("a", 712, 10);
  for (int i = 0; i < 25 && a_.stored.size() < 21; ++i) loop_.run(milliseconds(100));
  ASSERT_EQ(stored(a_)["a"].back(), 721);
  ASSERT_EQ(delivery_->left_behind(), 700u);
  engine_.damaged = {0, 0};
  loop_.run(seconds(60));
  EXPECT_EQ(delivery_->left_behind(), 0u);
  auto numbers = stored(a_)["a"];
  std::ranges::sort(numbers);
  EXPECT_EQ(numbers, up_to(721));
  EXPECT_EQ(progress().missing, 0u);
  EXPECT_EQ(progress().gone, 0u);
}

TEST_F(BackfillTest, ATargetThatHasNoBackfillGetsNone) {
  fail_over(10, 20);
  bring_back();
  EXPECT_EQ(stored(b_)["a"].size(), 10u);
  EXPECT_EQ(delivery_->backfill(1), nullptr);
}

TEST_F(BackfillTest, ATargetThatIsUsedAgainGetsItToo) {
  fail_over(10, 700);
  EXPECT_TRUE(route_->hold(0, "back").ok());
  a_.down = false;
  put_all(701, 50);
  loop_.run(seconds(2));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(stored(a_)["a"].back(), 750) << "live records don't wait for it";
  loop_.run(seconds(60));
  for (const auto* key : kKeys) {
    auto numbers = stored(a_)[key];
    std::ranges::sort(numbers);
    EXPECT_EQ(numbers, up_to(750)) << key;
  }
}

TEST_F(BackfillTest, ATargetIsReturnedToWhenItHasWhatItMissed) {
  returns_ = true;
  restart();
  fail_over(10, 1000);
  a_.down = false;
  while (route_->breaker(0).state() != BreakerState::kClosed) loop_.run(milliseconds(100));
  a_.silent = true;
  loop_.run(milliseconds(500));
  for (int i = 0; i < 4; ++i) {
    a_.answer();
    loop_.run(milliseconds(500));
    EXPECT_EQ(route_->choice().target, 1u) << "it lacks records";
  }
  a_.silent = false;
  a_.answer();
  loop_.run(seconds(20));
  EXPECT_EQ(route_->choice().target, 0u);
  put_all(1001, 10);
  loop_.run(seconds(5));
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key], up_to(1010)) << key;
}

TEST_F(BackfillTest, OriginsNameTheRecordBefore) {
  fail_over(10, 700);
  bring_back();
  std::map<std::uint8_t, std::uint64_t> last;
  for (const auto& entry : a_.stored) {
    EXPECT_EQ(entry.origin->previous, last[entry.origin->lane]) << entry.data;
    last[entry.origin->lane] = entry.origin->sequence;
  }
}

TEST_F(BackfillTest, ARestartGoesOnBehindWhatWasAcknowledged) {
  fail_over(10, 2000);
  a_.down = false;
  while (progress().sent < 1000) loop_.run(milliseconds(100));
  const auto before = progress().sent;
  EXPECT_LT(before, 5u * 1990) << "in the middle";
  restart();
  loop_.run(seconds(60));
  EXPECT_EQ(before + progress().sent, 5u * 1990);
  std::size_t total = 0;
  for (const auto* key : kKeys) {
    auto numbers = stored(a_)[key];
    total += numbers.size();
    const std::set<int> distinct(numbers.begin(), numbers.end());
    EXPECT_EQ(distinct.size(), 2000u) << key;
  }
  EXPECT_LE(total, 5u * 2000 + client::kPutRecordsMax);
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, WhatTheSpoolNoLongerHoldsIsMissedForGood) {
  fail_over(1, 3);
  for (int i = 4; i <= 20; ++i) {
    put_all(i, 1);
    loop_.run(seconds(1));
  }
  engine_.expired = 12;
  bring_back();
  const auto expired = [](const std::vector<int>& numbers) {
    return std::ranges::find(numbers, 5) == numbers.end();
  };
  EXPECT_TRUE(expired(stored(a_)["a"]));
  EXPECT_EQ(stored(a_)["a"].back(), 20);
  EXPECT_GT(progress().gone, 0u);
  EXPECT_EQ(progress().gone, progress().missing);
  EXPECT_EQ(progress().gone + a_.stored.size(), 100u) << "nothing is told twice, or not at all";
}

TEST_F(BackfillTest, OnlyWhatWasRefusedIsSentAgain) {
  fail_over(10, 300);
  a_.refuse_every = 7;
  bring_back();
  loop_.run(seconds(600));
  for (const auto* key : kKeys) {
    auto numbers = stored(a_)[key];
    std::ranges::sort(numbers);
    EXPECT_EQ(numbers, up_to(300)) << key;
  }
}

TEST_F(BackfillTest, ARecordThatIsRefusedHoldsUpNone) {
  for (const bool entries : {false, true}) {
    SCOPED_TRACE(entries);
    const int first = entries ? 301 : 1;
    a_.stored.clear();
    a_.refuses_entries = entries;
    a_.poisonous = "a-150";
    if (entries) {
      a_.poisonous = "a-450";
      put_all(first, 300);
      loop_.run(seconds(5));
    } else {
      fail_over(10, 300);
      bring_back();
    }
    loop_.run(seconds(60));
    EXPECT_EQ(stored(a_)["a"].back(), first + 299);
    EXPECT_EQ(progress().missing, 0u);
  }
}

TEST_F(BackfillTest, DamageInTheSpoolIsPassedOver) {
  fail_over(1, 3);
  for (int i = 4; i <= 100; ++i) {
    put_all(i, 1);
    loop_.run(milliseconds(100));
  }
  engine_.damaged = {10, 26};
  bring_back();
  loop_.run(seconds(120));
  auto alone = up_to(100);
  alone.erase(alone.begin() + 10, alone.begin() + 26);
  for (const auto* key : {"a", "c", "e"}) EXPECT_EQ(stored(a_)[key], alone) << key;
  auto of_two = up_to(100);  // in a shard
  of_two.erase(of_two.begin() + 5, of_two.begin() + 13);
  for (const auto* key : {"b", "d"}) EXPECT_EQ(stored(a_)[key], of_two) << key;
}

TEST_F(BackfillTest, YieldsWhileAcknowledgementsAreSlow) {
  fail_over(1, 3);
  const std::string data(1'000'000, 'x');
  const std::vector<stream::RecordView> large(20, {"large", data, std::nullopt, std::nullopt});
  ASSERT_EQ(put(large), 0u);
  loop_.run(seconds(5));
  a_.down = false;
  auto& took = metrics_.histogram("spillway_spool_put_seconds", "");
  const auto step = [&] {
    took.record(seconds(1));
    loop_.run(milliseconds(100));
  };
  const auto sent = [this] {
    return std::ranges::count(a_.stored, "large", &client::PutEntry::partition_key);
  };
  while (sent() == 0) step();
  const auto before = sent();
  for (int i = 0; i < 20; ++i) step();
  EXPECT_LE(sent() - before, 10) << "4 MiB a second";
  EXPECT_GE(sent() - before, 4);
  loop_.run(seconds(10));
  EXPECT_EQ(sent(), 20);
}

TEST_F(BackfillTest, WhatWasDroppedForRoomIsNotSentEither) {
  put("a", 1, 10);
  loop_.run(seconds(1));
  a_.down = b_.down = true;
  for (int i = 11; i <= 40; ++i) put("a", i, 1);
  loop_.run(seconds(5));
  stream::ShardId shard = 0;
  for (const auto& [of, range] : delivery_->undelivered())
    if (range.first < range.second) shard = of;
  delivery_->give_up_before({{shard, {30}}});
  loop_.run(seconds(5));
  b_.down = false;
  loop_.run(seconds(60));
  EXPECT_EQ(route_->choice().target, 1u);
  EXPECT_EQ(stored(b_)["a"].size(), 10u);
  bring_back();
  restart();
  loop_.run(seconds(60));
  auto expected = up_to(10);
  for (int i = 31; i <= 40; ++i) expected.push_back(i);
  EXPECT_EQ(stored(a_)["a"], expected);
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, OfARequestThatWasCutTheOtherTargetGetsWhatOneTook) {
  EXPECT_TRUE(route_->hold(1, "b").ok());
  b_.refuse_every = 6;
  put("a", 1, 7);
  while (b_.puts == 0 || b_.in_flight > 0) loop_.run(milliseconds(1));
  b_.refuse_every = 1;
  a_.down = true;
  loop_.run(seconds(1));
  ASSERT_EQ(stored(b_)["a"].size(), 6u) << "6 is to be sent again";
  stream::ShardId shard = 0;
  for (const auto& [of, range] : delivery_->undelivered())
    if (range.first < range.second) shard = of;
  delivery_->give_up_before({{shard, {7}}});
  loop_.run(seconds(5));
  b_.refuse_every = 0;
  bring_back();
  loop_.run(seconds(60));
  EXPECT_EQ(stored(a_)["a"], (std::vector<int>{1, 2, 3, 4, 5, 7}));
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, AStreamThatIsAddedIsBackfilledToo) {
  fail_over(10, 20);
  bool opened = false;
  spillway::start(spool_->open(loop_, {"s", "t"}), UniqueFunction<void(Status)>([&](Status status) {
                    EXPECT_TRUE(status.ok());
                    opened = true;
                  }));
  loop_.run(milliseconds(10));
  ASSERT_TRUE(opened);
  const std::vector<std::string> streams = {"s", "t"};
  delivery_->add(streams);
  spool_->put("t", std::vector<stream::RecordView>{{"k", "k-1", std::nullopt, std::nullopt}},
              [](const Spool::Outcomes& outcomes) { EXPECT_TRUE(outcomes.front().ok()); });
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
  bring_back();
  EXPECT_EQ(stored(a_)["k"], std::vector<int>{1});
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, ARecordThatIsRefusedFirstOfAllKeepsNoOtherShardFromItsRecords) {
  fail_over(10, 20);
  a_.poisonous = "a-11";
  a_.down = false;
  restart();  // a has taken nothing since
  loop_.run(seconds(120));
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key].back(), 20) << key;
  EXPECT_EQ(stored(a_)["a"].size(), 19u);
  for (const auto& entry : a_.stored) {
    if (entry.data == "a-12") {
      EXPECT_EQ(entry.origin->previous, 10u) << "not what was given up";
    }
  }
}

TEST_F(BackfillTest, ALaneThatIsThrottledKeepsNoOtherShardFromItsRecords) {
  fail_over(10, 20);
  a_.refuse_lane = stream::lane_of(stream::hash_key_of("a"));
  a_.down = false;
  loop_.run(seconds(60));
  EXPECT_EQ(stored(a_)["a"].size(), 10u);
  for (const auto* key : {"b", "c", "d", "e"}) EXPECT_EQ(stored(a_)[key], up_to(20)) << key;
}

TEST_F(BackfillTest, ATargetThatWasAwayTwiceIsReturnedToWhenItHasBoth) {
  returns_ = true;
  restart();
  fail_over(10, 700);
  EXPECT_TRUE(route_->hold(0, "back").ok());
  a_.down = false;
  put_all(701, 50);
  loop_.run(seconds(2));
  EXPECT_EQ(stored(a_)["a"].size(), 60u) << "there is a range before these that it lacks";
  a_.down = true;
  route_->release();
  put_all(751, 250);
  loop_.run(seconds(5));
  EXPECT_EQ(route_->choice().target, 1u);
  a_.down = false;
  for (int i = 0; i < 600 && route_->choice().target == 1u; ++i) loop_.run(milliseconds(100));
  EXPECT_EQ(route_->choice().target, 0u);
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key].size(), 1000u) << key;
}

TEST_F(BackfillTest, OneRequestAtATimeAndARestBehindIt) {
  fail_over(10, 20);
  bring_back();
  put_all(21, 3000);
  a_.silent = true;
  const int before = a_.puts;
  while (a_.in_flight == 0) loop_.run(milliseconds(1));
  loop_.run(milliseconds(500));
  EXPECT_EQ(a_.puts, before + 1);
  a_.answer();
  loop_.run(milliseconds(490));
  EXPECT_EQ(a_.puts, before + 1) << "for as long as it took";
  loop_.run(milliseconds(20));
  EXPECT_EQ(a_.puts, before + 2);
  a_.silent = false;
  a_.answer();
}

TEST_F(BackfillTest, TheNextRequestWaitsUntilWhatWasSentIsDurable) {
  fail_over(10, 700);
  engine_.holding = true;
  const int before = a_.puts;
  bring_back();
  EXPECT_EQ(a_.puts, before + 1);
  engine_.holding = false;
  engine_.release();
  loop_.run(seconds(20));
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key], up_to(700)) << key;
}

TEST_F(BackfillTest, WhatIsUnderWayIsTold) {
  put("a", 1, 10);
  loop_.run(seconds(1));
  a_.silent = true;
  put("a", 11, 5);
  loop_.run(milliseconds(10));
  put("a", 16, 5);
  loop_.run(milliseconds(10));
  std::uint64_t in_flight = 0;
  std::uint64_t in_spool = 0;
  for (const auto& shard : delivery_->under_way()) {
    in_flight += shard.in_flight;
    in_spool += shard.tip.value - shard.at.value;
    EXPECT_EQ(shard.stream, "s");
    EXPECT_EQ(shard.in_flight_end.value - shard.at.value, shard.in_flight);
  }
  EXPECT_EQ(in_flight, 5u);
  EXPECT_EQ(in_spool, 10u);
  a_.silent = false;
  a_.answer();
  loop_.run(seconds(1));
  for (const auto& shard : delivery_->under_way()) EXPECT_EQ(shard.in_flight, 0u);
}

TEST_F(BackfillTest, ATargetThatWasSetBackGetsItBeforeItIsUsed) {
  fail_over(10, 20);
  set_back_ = {"it lost records", ""};
  a_.down = false;
  restart();
  loop_.run(seconds(60));
  EXPECT_EQ(route_->breaker(0).state(), BreakerState::kClosed);
  EXPECT_EQ(route_->choice().target, 1u);
  EXPECT_EQ(stored(a_)["a"], up_to(20));
}

TEST_F(BackfillTest, WhatWasBackfilledBeforeASetBackIsSentAgain) {
  fail_over(10, 20);
  bring_back();
  ASSERT_EQ(stored(a_)["a"], up_to(20));
  set_back();
  loop_.run(seconds(60));
  for (const auto* key : kKeys) EXPECT_EQ(stored(a_)[key], up_to(20)) << key;
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, WhatWasTakenOfARequestBeforeASetBackIsSentAgain) {
  EXPECT_TRUE(route_->hold(1, "b").ok());
  a_.refuse_every = 7;
  put("a", 1, 10);
  while (a_.stored.empty()) loop_.run(milliseconds(1));
  ASSERT_EQ(a_.stored.size(), 9u);
  a_.refuse_every = 0;
  set_back();
  loop_.run(seconds(60));
  auto numbers = stored(a_)["a"];
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  EXPECT_EQ(numbers, up_to(10));
  EXPECT_EQ(progress().missing, 0u);
}

TEST_F(BackfillTest, WithTwoCopiesRoomIsFreeWhenBothTargetsHaveIt) {
  copies_ = 2;
  restart();
  put_all(1, 10);
  loop_.run(seconds(5));
  for (auto* target : {&a_, &b_})
    for (const auto* key : kKeys) EXPECT_EQ(stored(*target)[key], up_to(10)) << key;
  EXPECT_EQ(delivery_->needed(), 0u);
  const auto both = delivery_->delivered();
  b_.down = true;
  put_all(11, 10);
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(delivery_->needed(), 50u) << "a alone has them";
  EXPECT_EQ(delivery_->delivered(), both);
  restart();
  EXPECT_EQ(delivery_->delivered(), both);
  // a's disk is gone for good.
  a_.down = true;
  b_.down = false;
  loop_.run(seconds(60));
  for (const auto* key : kKeys) EXPECT_EQ(stored(b_)[key], up_to(20)) << key;
}

TEST_F(BackfillTest, WithTwoCopiesRoomIsFreeOfWhatTheSpoolCannotGiveASecondTarget) {
  for (int i = 1; i <= 10; ++i) {
    put_all(i, 1);
    loop_.run(seconds(1));
  }
  engine_.expired = 5;
  copies_ = 2;
  restart();
  loop_.run(seconds(60));
  EXPECT_GT(delivery_->backfill(1)->progress().gone, 0u);
  EXPECT_EQ(delivery_->needed(), 0u);
}

// Cursors then make one of two, with what was sent between them.
TEST_F(BackfillTest, MoreGapsThanCursorsKeepApartHaveNothingSentAgainForEver) {
  EXPECT_TRUE(route_->hold(1, "b").ok());
  loop_.run(milliseconds(500));  // between two looks
  int last = 0;
  for (std::size_t i = 0; i < Cursors::kUnsentMax + 6; ++i, last += 4) {
    for (int number = last + 1; number <= last + 4; ++number) put("a", number, 1);
    loop_.run(milliseconds(1));
    ASSERT_EQ(stored(b_)["a"].size(), static_cast<std::size_t>(last + 4));
    engine_.damaged = {static_cast<std::uint64_t>(last + 1), static_cast<std::uint64_t>(last + 2)};
    loop_.run(seconds(10));
  }
  EXPECT_EQ(stored(a_)["a"].size(), static_cast<std::size_t>(last * 3 / 4));
  EXPECT_EQ(progress().missing, progress().gone);
  engine_.damaged = {0, 0};
  set_back();
  loop_.run(seconds(60));
  EXPECT_EQ(stored(a_)["a"], up_to(last)) << "be it that it was sent before";
}

TEST_F(BackfillTest, SoManyGapsThatNotAllAreRememberedKeepNothingFromATarget) {
  put("a", 1, 10);
  loop_.run(seconds(1));
  a_.down = true;
  put("a", 11, 1);
  loop_.run(seconds(5));
  const int last = 111 + 2 * static_cast<int>(Backfill::kPassedOverMax);
  for (int number = 12; number < 12 + last; ++number) put("a", number, 1);
  loop_.run(seconds(30));
  stream::ShardId shard = 0;
  for (const auto& each : spool_->shards_of("s"))
    if (cursors_->reached(each.id).value > 0) shard = each.id;
  // Nobody is sent every second one, and what is between them is gone.
  for (std::uint64_t i = 10; i < static_cast<std::uint64_t>(last); i += 2)
    cursors_->give_up(shard, {{i}, {i + 1}});
  engine_.expired = static_cast<std::uint64_t>(last);
  bring_back();
  loop_.run(seconds(10));
  EXPECT_GT(progress().gone, Backfill::kPassedOverMax);
  EXPECT_EQ(progress().gone, progress().missing);
  EXPECT_EQ(stored(a_)["a"].front(), 1);
  EXPECT_EQ(stored(a_)["a"].back(), last + 11);
  EXPECT_EQ(stored(a_)["a"].size(), 10u + 11u);
}

}  // namespace
}  // namespace spillway::broker
