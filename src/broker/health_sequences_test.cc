// All sequences of a few events, up to a length: what a breaker must never do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "broker/health.h"

namespace spillway::broker {
namespace {

// Small, so that short sequences reach everything.
constexpr HealthSettings kSettings{.request_deadline = seconds(1),
                                   .failures_in_a_row = 2,
                                   .window = seconds(2),
                                   .bad_slices = 2,
                                   .limits = {},
                                   .slow_after = milliseconds(500),
                                   .unread_canaries = 2,
                                   .hold_first = seconds(1),
                                   .hold_max = seconds(4),
                                   .calm_after = seconds(10),
                                   .good_slices = 1,
                                   .probes_max = 2,
                                   .canary_idle = seconds(1),
                                   .canary_busy = seconds(5)};

enum class Event {
  kSend,
  kStored,     // the oldest request is answered
  kNotStored,  // likewise, with all of its entries failed
  kLost,       // it is reset
  kCanary,
  kCanaryUnread,
  kCanaryLost,
  kShort,
  kSlow,  // longer than slow_after
  kDeadline,
  kHold,
};
constexpr std::size_t kEvents = 11;

struct World {
  Breaker breaker{kSettings, MonoTime(std::chrono::hours(5))};
  MonoTime now{std::chrono::hours(5)};
  std::vector<Breaker::Request> under_way;
  bool faultless = true;     // nothing that could be held against the target
  bool canary_well = false;  // the last one
  std::optional<MonoTime> stored;

  bool apply(Event event);

 private:
  void pass(nanoseconds time) {
    now += time;
    for (const auto& request : under_way)
      if (now - request.sent > kSettings.slow_after) faultless = false;
    breaker.advance(now);
  }
  void canary(CanaryReading reading) {
    breaker.answered(breaker.canary_sent(now), {}, now);
    stored = now;
    canary_well = reading == CanaryReading::kRead;
    faultless = faultless && canary_well;
    breaker.canary_read(reading, "", now);
  }
};

// False where the event can't happen.
bool World::apply(Event event) {
  if (event >= Event::kStored && event <= Event::kLost && under_way.empty()) return false;
  const auto oldest = under_way.empty() ? Breaker::Request{} : under_way.front();
  switch (event) {
    case Event::kSend:
      if (!breaker.may_send()) return false;
      under_way.push_back(breaker.sent(4, now));
      break;
    case Event::kStored:
      stored = now;
      breaker.answered(oldest, {}, now);
      break;
    case Event::kNotStored:
      faultless = false;
      breaker.answered(oldest, {.failed = 4, .detail = "InternalFailure"}, now);
      break;
    case Event::kLost:
      faultless = false;
      breaker.failed(oldest, "connection reset", now);
      break;
    case Event::kCanary:
      canary(CanaryReading::kRead);
      break;
    case Event::kCanaryUnread:
      canary(CanaryReading::kFailed);
      break;
    case Event::kCanaryLost:
      faultless = canary_well = false;
      breaker.failed(breaker.canary_sent(now), "connection refused", now);
      break;
    case Event::kShort:
      pass(milliseconds(200));
      break;
    case Event::kSlow:
      pass(milliseconds(600));
      break;
    case Event::kDeadline:
      pass(seconds(1));
      break;
    case Event::kHold:
      pass(seconds(4));
      break;
  }
  if (event >= Event::kStored && event <= Event::kLost) under_way.erase(under_way.begin());
  return true;
}

// What is wrong, or an empty text.
std::string wrong(const World& before, const World& after) {
  const auto was = before.breaker.health();
  const auto is = after.breaker.health();
  if (is.reason.empty()) return "no reason";
  if (was.state == BreakerState::kClosed && is.state == BreakerState::kHalfOpen)
    return "from closed to half-open";
  if (was.state == BreakerState::kOpen && is.state == BreakerState::kClosed)
    return "from open to closed";
  if (after.faultless && is.state != BreakerState::kClosed) return "open without a fault";
  if (is.state == BreakerState::kOpen) {
    const auto hold = after.breaker.held_until() - is.since;
    if (hold < kSettings.hold_first || hold > kSettings.hold_max) return "a hold out of bounds";
  }
  if (was.state == BreakerState::kOpen && is.state == BreakerState::kHalfOpen) {
    if (after.now < before.breaker.held_until()) return "half-open before the hold's end";
    if (!after.canary_well) return "half-open without a canary";
  }
  if (is.serves && (!after.stored || after.now - *after.stored >= kSettings.window))
    return "serves, and stored nothing lately";
  if (!after.breaker.may_send() &&
      (is.state == BreakerState::kClosed || after.under_way.size() < kSettings.probes_max))
    return "a request is refused without need";
  const auto canary = after.breaker.next_canary();
  if (!canary || *canary > after.now + kSettings.canary_busy) return "no canary";
  return {};
}

// From here on it refuses all: open after a deadline and a half, and a tick, whatever was before.
bool opens(World world) {
  const MonoTime dead = world.now;
  for (; world.now < dead + milliseconds(1600); world.now += Breaker::kTick) {
    world.breaker.advance(world.now);
    const auto canary = world.breaker.next_canary();
    if (canary && *canary <= world.now)
      world.breaker.failed(world.breaker.canary_sent(world.now), "connection refused", world.now);
    if (world.breaker.may_send())
      world.breaker.failed(world.breaker.sent(4, world.now), "connection refused", world.now);
  }
  return world.breaker.state() == BreakerState::kOpen;
}

// From here on all goes well: closed after the longest hold, and what half-open takes.
bool closes(World world) {
  const MonoTime well = world.now;
  for (const auto& request : world.under_way) world.breaker.given_up(request, world.now);
  for (; world.now < well + kSettings.hold_max + seconds(4); world.now += Breaker::kTick) {
    world.breaker.advance(world.now);
    const auto canary = world.breaker.next_canary();
    if (!canary || *canary > world.now) continue;
    world.breaker.answered(world.breaker.canary_sent(world.now), {}, world.now);
    world.breaker.canary_read(CanaryReading::kRead, "", world.now);
  }
  return world.breaker.state() == BreakerState::kClosed;
}

class Sequences {
 public:
  Sequences(std::size_t length, std::size_t futures) : length_(length), futures_(futures) {}

  void look(const World& before) {
    for (std::size_t i = 0; i < kEvents; ++i) {
      World after = before;
      if (!after.apply(static_cast<Event>(i))) continue;
      path_.push_back(i);
      ++seen_;
      ++states_[static_cast<std::size_t>(after.breaker.state())];
      ASSERT_EQ(wrong(before, after), "") << told();
      if (path_.size() <= futures_) {
        ASSERT_TRUE(opens(after)) << told();
        ASSERT_TRUE(closes(after)) << told();
      }
      if (path_.size() < length_) look(after);
      if (testing::Test::HasFatalFailure()) return;
      path_.pop_back();
    }
  }
  std::uint64_t seen() const { return seen_; }
  std::uint64_t of(BreakerState state) const { return states_[static_cast<std::size_t>(state)]; }

 private:
  std::string told() const {
    std::string all = "after the events";
    for (const auto event : path_) all += " " + std::to_string(event);
    return all;
  }

  const std::size_t length_;
  const std::size_t futures_;
  std::vector<std::size_t> path_;
  std::uint64_t seen_ = 0;
  std::array<std::uint64_t, 3> states_{};
};

TEST(BreakerSequences, NoneLeadsToWhatMustNotBe) {
  Sequences sequences(6, 4);
  sequences.look(World{});
  std::printf("%llu sequences: %llu closed, %llu half-open, %llu open at their end\n",
              static_cast<unsigned long long>(sequences.seen()),
              static_cast<unsigned long long>(sequences.of(BreakerState::kClosed)),
              static_cast<unsigned long long>(sequences.of(BreakerState::kHalfOpen)),
              static_cast<unsigned long long>(sequences.of(BreakerState::kOpen)));
  for (const auto state : {BreakerState::kClosed, BreakerState::kHalfOpen, BreakerState::kOpen})
    EXPECT_GT(sequences.of(state), 100u) << to_string(state);
}

}  // namespace
}  // namespace spillway::broker
