// For tests: targets that behave as they are told, on simulated time, behind real breakers and a
// real switching, with a sender and canaries as the broker has them.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/health.h"
#include "broker/switching.h"

namespace spillway::broker {

// Chances are in thousandths, of each request.
struct Conduct {
  std::uint32_t refused = 0;  // at once
  std::uint32_t reset = 0;    // after the request's time
  std::uint32_t silent = 0;   // accepted, and never answered
  std::uint32_t slow = 0;     // takes slow_time
  std::uint32_t failed = 0;   // chance of each entry of an answer
  std::uint32_t throttled = 0;
  std::uint32_t unreadable = 0;  // of each canary
  nanoseconds time = milliseconds(20);
  nanoseconds slow_time = milliseconds(800);
};

class SimulatedTarget {
 public:
  static constexpr std::uint32_t kEntries = 20;  // of a request

  SimulatedTarget(const HealthSettings& settings, Random random, MonoTime now)
      : breaker_(settings, now), deadline_(settings.request_deadline), random_(random) {}

  void behave(const Conduct& conduct) { conduct_ = conduct; }
  const Breaker& breaker() const { return breaker_; }
  // When the first of the requests was sent that failed since the last call.
  std::optional<MonoTime> take_first_failure() { return std::exchange(first_failure_, {}); }

  void send(MonoTime now) { begin(breaker_.sent(kEntries, now), now); }
  // What is due ends, a canary begins, the breaker looks at its time.
  void step(MonoTime now) {
    for (std::size_t i = 0; i < under_way_.size();) {
      if (under_way_[i].ends > now) {
        ++i;
        continue;
      }
      const UnderWay ended = under_way_[i];
      under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(i));
      end(ended, now);
    }
    breaker_.advance(now);
    const auto canary = breaker_.next_canary();
    if (canary && *canary <= now) begin(breaker_.canary_sent(now), now);
  }

 private:
  enum class Fate { kAnswered, kRefused, kReset, kSilent };
  struct UnderWay {
    Breaker::Request request;
    Fate fate;
    MonoTime ends;
  };

  bool chance(std::uint32_t thousandths) { return random_.below(1000) < thousandths; }

  void begin(const Breaker::Request& request, MonoTime now) {
    UnderWay one{request, Fate::kAnswered, now + conduct_.time};
    if (chance(conduct_.slow)) one.ends = now + conduct_.slow_time;
    if (chance(conduct_.reset)) one.fate = Fate::kReset;
    if (chance(conduct_.silent)) one.fate = Fate::kSilent;
    if (one.fate == Fate::kSilent || one.ends - now > deadline_) {
      one.fate = Fate::kSilent;
      one.ends = now + deadline_;
    }
    if (chance(conduct_.refused)) one = {request, Fate::kRefused, now};
    under_way_.push_back(one);
  }

  void end(const UnderWay& one, MonoTime now) {
    if (one.fate != Fate::kAnswered) {
      if (!first_failure_) first_failure_ = one.request.sent;
      breaker_.failed(one.request,
                      one.fate == Fate::kRefused ? "connection refused"
                      : one.fate == Fate::kReset ? "connection reset"
                                                 : "no answer",
                      now);
      return;
    }
    Answer answer{.throttled = 0, .failed = 0, .detail = "InternalFailure"};
    for (std::uint32_t entry = 0; entry < one.request.entries; ++entry) {
      if (chance(conduct_.failed)) {
        ++answer.failed;
      } else if (chance(conduct_.throttled)) {
        ++answer.throttled;
      }
    }
    const bool slow = now - one.request.sent > milliseconds(500);
    if ((answer.failed + answer.throttled > 0 || slow) && !first_failure_)
      first_failure_ = one.request.sent;
    breaker_.answered(one.request, answer, now);
    if (!one.request.canary || answer.failed + answer.throttled > 0) return;
    const bool read = !chance(conduct_.unreadable);
    if (!read && !first_failure_) first_failure_ = one.request.sent;
    breaker_.canary_read(read ? CanaryReading::kRead : CanaryReading::kFailed,
                         read ? "" : "GetRecords: InternalFailure", now);
  }

  Breaker breaker_;
  const nanoseconds deadline_;
  Random random_;
  Conduct conduct_;
  std::vector<UnderWay> under_way_;
  std::optional<MonoTime> first_failure_;
};

class SimulatedRoute {
 public:
  static constexpr nanoseconds kStep = milliseconds(20);

  SimulatedRoute(std::size_t targets, std::uint64_t seed, const HealthSettings& health = {},
                 const SwitchingSettings& switching = {})
      : random_(seed), switching_(names(targets), switching) {
    targets_.reserve(targets);
    for (std::size_t i = 0; i < targets; ++i) targets_.emplace_back(health, random_.fork(), now_);
  }

  // Requests that are sent a second, to the target in use.
  void set_rate(double per_second) { per_second_ = per_second; }
  SimulatedTarget& target(std::size_t place) { return targets_[place]; }
  Switching& switching() { return switching_; }
  std::optional<std::size_t> used() const { return switching_.choice().target; }
  MonoTime now() const { return now_; }
  Random& random() { return random_; }

  void step() {
    now_ += kStep;
    for (auto& target : targets_) target.step(now_);
    std::vector<TargetHealth> health;
    health.reserve(targets_.size());
    for (const auto& target : targets_) health.push_back(target.breaker().health());
    if (switching_.decide(health, now_)) note_choice();
    owed_ += per_second_ * static_cast<double>(kStep.count()) / 1e9;
    for (; owed_ >= 1; owed_ -= 1) {
      if (used() && targets_[*used()].breaker().may_send()) targets_[*used()].send(now_);
    }
  }
  void run(nanoseconds time) {
    for (const MonoTime end = now_ + time; now_ < end;) step();
  }

  std::uint32_t switches() const { return switches_; }  // from one target to another
  std::uint32_t pauses() const { return pauses_; }      // times without any target
  // Why each choice was made.
  const std::deque<std::string>& story() const { return story_; }

 private:
  static std::vector<std::string> names(std::size_t targets) {
    std::vector<std::string> names;
    names.reserve(targets);
    for (std::size_t i = 0; i < targets; ++i) names.emplace_back(1, static_cast<char>('a' + i));
    return names;
  }

  void note_choice() {
    const Choice& choice = switching_.choice();
    story_.push_back(
        std::to_string(now_.time_since_epoch() / milliseconds(1)) + " ms: " +
        (choice.target ? std::string(1, static_cast<char>('a' + *choice.target)) : "none") + ", " +
        std::string(to_string(choice.footing)) + ": " + choice.because);
    if (story_.size() > 200) story_.pop_front();
    if (!choice.target) {
      ++pauses_;
      return;
    }
    if (last_ && last_ != choice.target) ++switches_;
    last_ = choice.target;
  }

  Random random_;
  MonoTime now_{std::chrono::hours(1)};
  Switching switching_;
  std::vector<SimulatedTarget> targets_;
  double per_second_ = 10;
  double owed_ = 0;
  std::optional<std::size_t> last_;
  std::uint32_t switches_ = 0;
  std::uint32_t pauses_ = 0;
  std::deque<std::string> story_;
};

}  // namespace spillway::broker
