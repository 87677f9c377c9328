// Breakers and switching together, on simulated time: targets whose noise lies around what is
// judged bad don't make a route flap, and targets that really fail are left in time.
// SPILLWAY_SEED=… repeats one seed, SPILLWAY_SEEDS=… runs more of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "broker/simulated_route.h"

namespace spillway::broker {
namespace {

constexpr nanoseconds kHour = std::chrono::hours(1);

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* given = std::getenv("SPILLWAY_SEED")) return {std::strtoull(given, nullptr, 10)};
  if (const char* more = std::getenv("SPILLWAY_SEEDS")) count = std::strtoull(more, nullptr, 10);
  std::vector<std::uint64_t> seeds;
  seeds.reserve(count);
  for (std::uint64_t i = 1; i <= count; ++i) seeds.push_back(i);
  return seeds;
}

std::string told(const SimulatedRoute& route) {
  std::string all;
  for (const auto& line : route.story()) all += "  " + line + "\n";
  return all;
}

// Rates around the limits: up to twice each.
Conduct noisy(Random& random) {
  Conduct conduct;
  const auto some = [&](std::uint64_t most) {
    return random.one_in(3) ? static_cast<std::uint32_t>(random.below(most + 1)) : 0;
  };
  conduct.failed = some(400);
  conduct.throttled = some(1000);
  conduct.slow = some(200);
  conduct.refused = some(200);
  conduct.reset = some(200);
  conduct.silent = some(100);
  conduct.unreadable = some(500);
  conduct.time = milliseconds(random.between(1, 450));
  return conduct;
}

Conduct burst(Random& random) {
  Conduct conduct;
  std::uint32_t* const kinds[] = {&conduct.refused, &conduct.reset,     &conduct.silent,
                                  &conduct.failed,  &conduct.throttled, &conduct.slow};
  *kinds[random.below(std::size(kinds))] = 1000;
  return conduct;
}

// A target that is noisy in one way for a while, then in another, with bursts of failures.
class Weather {
 public:
  explicit Weather(Random random) : random_(random) {}
  void blow(SimulatedTarget& target, MonoTime now) {
    if (now >= next_climate_) {
      climate_ = random_.one_in(4) ? Conduct{} : noisy(random_);
      next_climate_ = now + seconds(random_.between(10, 600));
      target.behave(climate_);
    }
    if (now >= burst_ends_) {
      target.behave(climate_);
      burst_ends_ = MonoTime::max();
    }
    if (now >= next_burst_) {
      target.behave(burst(random_));
      burst_ends_ = now + milliseconds(random_.between(50, 3000));
      next_burst_ = now + seconds(random_.between(5, 300));
    }
  }

 private:
  Random random_;
  Conduct climate_;
  MonoTime next_climate_{};
  MonoTime next_burst_{};
  MonoTime burst_ends_ = MonoTime::max();
};

TEST(SwitchingSimulation, NoisyTargetsDontFlap) {
  // A hold and a return take a minute and more, and grow: see AFlappingTargetIsLeftAlone.
  constexpr std::uint32_t kSwitchesMax = 20;
  constexpr std::uint32_t kPausesMax = 40;
  std::uint32_t most = 0;
  std::uint32_t most_pauses = 0;
  std::uint64_t all = 0;
  std::uint64_t pauses = 0;
  const auto chosen = seeds(12);
  for (const auto seed : chosen) {
    SimulatedRoute route(2, seed);
    std::vector<Weather> weather{Weather(route.random().fork()), Weather(route.random().fork())};
    route.set_rate(static_cast<double>(route.random().between(1, 50)));
    for (const MonoTime end = route.now() + kHour; route.now() < end; route.step())
      for (std::size_t i = 0; i < weather.size(); ++i)
        weather[i].blow(route.target(i), route.now());
    ASSERT_LE(route.switches(), kSwitchesMax) << "SPILLWAY_SEED=" << seed << "\n" << told(route);
    ASSERT_LE(route.pauses(), kPausesMax) << "SPILLWAY_SEED=" << seed << "\n" << told(route);
    most = std::max(most, route.switches());
    most_pauses = std::max(most_pauses, route.pauses());
    all += route.switches();
    pauses += route.pauses();
  }
  const auto hours = static_cast<double>(chosen.size());
  std::printf(
      "%zu seeds of an hour with two noisy targets: %.1f switches an hour, %u at most; %.1f times "
      "an hour without any, %u at most\n",
      chosen.size(), static_cast<double>(all) / hours, most, static_cast<double>(pauses) / hours,
      most_pauses);
}

// The worst there can be: the first target fails whenever it is used, and is well otherwise.
TEST(SwitchingSimulation, AFlappingTargetIsLeftAlone) {
  SimulatedRoute route(2, 1);
  const Conduct well;
  const Conduct fails{.refused = 1000};
  std::vector<std::uint32_t> of_hour;
  for (int hour = 0; hour < 4; ++hour) {
    const auto before = route.switches();
    for (const MonoTime end = route.now() + kHour; route.now() < end; route.step())
      route.target(0).behave(route.used() == 0 ? fails : well);
    of_hour.push_back(route.switches() - before);
  }
  std::printf("a target that fails whenever it is used: %u, %u, %u, %u switches in each hour\n",
              of_hour[0], of_hour[1], of_hour[2], of_hour[3]);
  EXPECT_LE(of_hour[0], 20u) << told(route);
  for (int hour = 1; hour < 4; ++hour)
    EXPECT_LE(of_hour[static_cast<std::size_t>(hour)], 12u) << told(route);
}

struct Failure {
  const char* what;
  Conduct conduct;
  nanoseconds at_most;  // from the first request that failed to the switch
  double rate_min = 0;  // requests a second; few of them can't tell a part from none
};

constexpr nanoseconds kHard = seconds(2);
constexpr nanoseconds kGray = seconds(10);

const Failure kFailures[] = {
    {"refuses", {.refused = 1000}, kHard},
    {"resets", {.reset = 1000}, kHard},
    {"resets after 900 ms", {.reset = 1000, .time = milliseconds(900)}, kHard},
    {"is cut off", {.silent = 1000}, kHard},
    {"refuses or is cut off", {.refused = 500, .silent = 1000}, kHard},
    {"is slow", {.slow = 1000}, kGray},
    {"is slow for every third", {.slow = 300}, kGray, 50},
    {"fails all entries", {.failed = 1000}, kGray},
    {"fails every third entry", {.failed = 330}, kGray, 50},
    {"throttles", {.throttled = 800}, kGray, 5},
    {"never answers every third", {.silent = 330}, kGray, 50},
    {"can't be read", {.unreadable = 1000}, kGray},
};

TEST(SwitchingSimulation, TargetsThatFailAreLeftInTime) {
  for (const auto& failure : kFailures) {
    nanoseconds longest{0};
    for (const double rate : {0.0, 0.3, 5.0, 50.0}) {
      if (rate < failure.rate_min) continue;
      for (const auto seed : seeds(10)) {
        SimulatedRoute route(2, seed);
        route.set_rate(rate);
        route.run(seconds(30) + milliseconds(route.random().between(0, 10'000)));
        ASSERT_EQ(route.used(), 0u);
        route.target(0).take_first_failure();
        route.target(0).behave(failure.conduct);
        std::optional<MonoTime> first;
        for (const MonoTime end = route.now() + seconds(60);
             route.used() == 0u && route.now() < end; route.step()) {
          const auto failed = route.target(0).take_first_failure();
          if (failed && !first) first = failed;
        }
        if (!first) first = route.target(0).take_first_failure();
        ASSERT_EQ(route.used(), 1u)
            << failure.what << " at " << rate << "/s, SPILLWAY_SEED=" << seed;
        ASSERT_TRUE(first);
        const nanoseconds time = route.now() - *first;
        EXPECT_LE(time, failure.at_most)
            << failure.what << " at " << rate << "/s, SPILLWAY_SEED=" << seed << "\n"
            << told(route);
        longest = std::max(longest, time);
      }
    }
    std::printf("%-26s left after %5lld ms at most\n", failure.what,
                static_cast<long long>(longest / milliseconds(1)));
  }
}

TEST(SwitchingSimulation, ReturnsWhenTheFirstIsBackForAMinute) {
  for (const auto& failure : kFailures) {
    SimulatedRoute route(2, 1);
    route.run(seconds(30));
    route.target(0).behave(failure.conduct);
    route.run(std::chrono::minutes(10));
    ASSERT_EQ(route.used(), 1u) << failure.what;
    route.target(0).behave({});
    const MonoTime back = route.now();
    while (route.used() == 1u && route.now() < back + kHour) route.step();
    EXPECT_EQ(route.used(), 0u) << failure.what;
    EXPECT_GE(route.now() - back, seconds(60)) << failure.what;
    // The return, five good slices, and a hold that may have been doubled several times meanwhile.
    EXPECT_LE(route.now() - back, seconds(70) + std::chrono::minutes(10)) << failure.what;
  }
}

TEST(SwitchingSimulation, BothAwayAndBack) {
  SimulatedRoute route(2, 1);
  route.run(seconds(30));
  for (const std::size_t place : {0, 1}) route.target(place).behave({.refused = 1000});
  route.run(seconds(30));
  EXPECT_EQ(route.used(), std::nullopt);
  route.run(std::chrono::hours(17));
  route.target(1).behave({});
  const MonoTime back = route.now();
  while (!route.used()) route.step();
  EXPECT_EQ(route.used(), 1u);
  EXPECT_LE(route.now() - back, seconds(2)) << "as a last resort, then for good";
  route.run(seconds(10));
  EXPECT_EQ(route.switching().choice().footing, Footing::kHealthy);
}

TEST(SwitchingSimulation, ASeedIsAStory) {
  const auto story = [](std::uint64_t seed) {
    SimulatedRoute route(3, seed);
    std::vector<Weather> weather{Weather(route.random().fork()), Weather(route.random().fork()),
                                 Weather(route.random().fork())};
    for (const MonoTime end = route.now() + std::chrono::minutes(20); route.now() < end;
         route.step())
      for (std::size_t i = 0; i < weather.size(); ++i)
        weather[i].blow(route.target(i), route.now());
    return told(route);
  };
  EXPECT_EQ(story(3), story(3));
  EXPECT_NE(story(3), story(4));
}

}  // namespace
}  // namespace spillway::broker
