#include "broker/health.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kDetailMax = 200;      // bytes of what is kept of a failure's words
constexpr std::uint32_t kDoublingsMax = 20;  // far beyond any hold_max

std::string in_seconds(nanoseconds time) {
  return fmt::format("{:.3g} s", static_cast<double>(time.count()) / 1e9);
}

std::string with_detail(std::string said, std::string_view detail) {
  return detail.empty() ? said : fmt::format("{} ({})", said, detail);
}

}  // namespace

std::string_view to_string(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kHalfOpen:
      return "half-open";
    case BreakerState::kOpen:
      return "open";
  }
  return "";
}

Breaker::Breaker(const HealthSettings& settings, MonoTime now)
    : settings_(settings), now_(now), since_(now), window_(settings.window), sent_at_(now) {}

Breaker::Request Breaker::begin(std::uint32_t entries, bool canary, MonoTime now) {
  advance(now);
  sent_at_ = now_;
  Request request{next_request_++, entries, now_, canary, watched_.size() < kWatchedMax};
  if (request.watched) watched_.emplace(request.number, Watched{request.sent, entries});
  return request;
}

Breaker::Request Breaker::sent(std::uint32_t entries, MonoTime now) {
  auto request = begin(entries, false, now);
  ++under_way_;
  return request;
}

Breaker::Request Breaker::canary_sent(MonoTime now) {
  SPILLWAY_ASSERT(!canary_under_way_);
  auto request = begin(1, true, now);
  canary_at_ = now_;
  canary_under_way_ = true;
  return request;
}

bool Breaker::end(const Request& request) {
  if (request.canary) {
    SPILLWAY_ASSERT(canary_under_way_);
    canary_under_way_ = false;
    canary_went_well_ = false;
  } else {
    SPILLWAY_ASSERT(under_way_ > 0);
    --under_way_;
  }
  return watched_.erase(request.number) > 0 || !request.watched;
}

void Breaker::answered(const Request& request, const Answer& answer, MonoTime now) {
  advance(now);
  const bool in_time = end(request);
  const auto failed = std::min(answer.failed, request.entries);
  const auto throttled = std::min(answer.throttled, request.entries - failed);
  const auto stored = request.entries - failed - throttled;
  const bool slow = now_ - request.sent > settings_.slow_after;
  if (in_time) {
    window_.add({.requests = 1,
                 .slow = slow ? 1u : 0u,
                 .entries = request.entries,
                 .failed = failed,
                 .throttled = throttled},
                now_);
  }
  if (stored < request.entries) detail_ = answer.detail.substr(0, kDetailMax);
  if (stored > 0) stored_at_ = now_;
  if (request.canary) canary_went_well_ = !slow && stored > 0;
  unanswered_from_ = next_request_;
  silence_.reset();
  judge();
}

void Breaker::failed(const Request& request, std::string_view detail, MonoTime now) {
  advance(now);
  if (end(request)) {
    window_.add({.requests = 1, .entries = request.entries, .failed = request.entries}, now_);
    note_silence(request.number, request.sent, detail);
  }
  detail_ = detail.substr(0, kDetailMax);
  judge();
}

void Breaker::given_up(const Request& request, MonoTime now) {
  advance(now);
  end(request);
}

void Breaker::canary_read(CanaryReading reading, std::string_view detail, MonoTime now) {
  advance(now);
  unread_ = reading == CanaryReading::kRead ? 0 : unread_ + 1;
  unread_detail_ = reading == CanaryReading::kBehind && detail.empty()
                       ? "what was written did not appear"
                       : detail.substr(0, kDetailMax);
  judge();
}

void Breaker::note_silence(std::uint64_t number, MonoTime sent, std::string_view detail) {
  if (number < unanswered_from_) return;
  if (!silence_) silence_ = Silence{sent, sent, 0, 0, {}};
  silence_->since = std::min(silence_->since, sent);
  silence_->latest = std::max(silence_->latest, sent);
  silence_->detail = detail.substr(0, kDetailMax);
  if (number < silence_->next_request) return;
  silence_->next_request = next_request_;
  ++silence_->failures;
}

void Breaker::look_at_deadlines() {
  while (!watched_.empty()) {
    const auto [number, oldest] = *watched_.begin();
    if (now_ - oldest.sent < settings_.request_deadline) break;
    watched_.erase(watched_.begin());
    window_.add({.requests = 1, .slow = 1, .entries = oldest.entries, .failed = oldest.entries},
                now_);
    detail_ = fmt::format("no answer within {}", in_seconds(settings_.request_deadline));
    note_silence(number, oldest.sent, detail_);
  }
}

void Breaker::advance(MonoTime now) {
  now_ = std::max(now_, now);
  window_.advance(now_);
  look_at_deadlines();
  judge();
}

// Whether a request that was sent after the last answer has been waiting for so long.
bool Breaker::waits_for(nanoseconds at_least) const {
  const auto oldest = watched_.lower_bound(unanswered_from_);
  return oldest != watched_.end() && now_ - oldest->second.sent >= at_least;
}

std::optional<std::string> Breaker::silence_fault() const {
  if (!silence_) return std::nullopt;
  const auto deadline = settings_.request_deadline;
  const nanoseconds time = now_ - silence_->since;
  const bool failing = silence_->failures >= settings_.failures_in_a_row;
  // What failed at one time proves nothing, unless something sent later has failed or waits for
  // long.
  const auto later = deadline * 2 / 5;
  const bool confirmed =
      silence_->failures > 1 || silence_->latest - silence_->since >= later || waits_for(later);
  if (time < (failing ? deadline : deadline * 3 / 2) || !confirmed) return std::nullopt;
  return with_detail(fmt::format("nothing was answered for {}", in_seconds(time)),
                     silence_->detail);
}

std::optional<std::string> Breaker::unread_fault(std::uint32_t at_least) const {
  if (unread_ < at_least) return std::nullopt;
  return with_detail(fmt::format("{} canaries in a row could be written, and not be read", unread_),
                     unread_detail_);
}

// Of a closed target.
std::optional<std::string> Breaker::fault() const {
  if (auto silence = silence_fault()) return silence;
  if (auto unread = unread_fault(settings_.unread_canaries)) return unread;
  const auto summary = window_.summary(settings_.limits);
  if (summary.bad < settings_.bad_slices) return std::nullopt;
  const auto worst = worst_of(summary.of_bad, settings_.limits, settings_.slow_after);
  return with_detail(
      fmt::format("for {} of the last {}, {}", in_seconds(summary.bad * window_.slice()),
                  in_seconds(settings_.window), worst),
      detail_);
}

void Breaker::judge() {
  switch (state_) {
    case BreakerState::kClosed:
      if (auto found = fault()) open(*std::move(found));
      return;
    case BreakerState::kHalfOpen: {
      const auto summary = window_.summary(settings_.limits);
      if (silence_) {
        open(with_detail("half-open, a request failed", silence_->detail));
      } else if (unread_ > 0) {
        open(with_detail("half-open, a canary could not be read", unread_detail_));
      } else if (summary.bad > 0) {
        open(with_detail(
            "half-open, " + worst_of(summary.of_bad, settings_.limits, settings_.slow_after),
            detail_));
      } else if (summary.good_in_a_row >= settings_.good_slices) {
        set(BreakerState::kClosed,
            fmt::format("good for {}", in_seconds(settings_.good_slices * window_.slice())));
      }
      return;
    }
    case BreakerState::kOpen:
      if (now_ >= held_until_ && canary_went_well_ && unread_ == 0 && !silence_)
        set(BreakerState::kHalfOpen, "canaries go well again");
      return;
  }
}

void Breaker::open(std::string reason) {
  if (state_ == BreakerState::kClosed) {
    const auto forgotten = (now_ - since_) / settings_.calm_after;
    doublings_ = static_cast<std::uint32_t>(std::max<std::int64_t>(0, doublings_ - forgotten));
  }
  const nanoseconds hold = settings_.hold_first * (std::int64_t{1} << doublings_);
  held_until_ = now_ + std::min(hold, settings_.hold_max);
  doublings_ = std::min(doublings_ + 1, kDoublingsMax);
  set(BreakerState::kOpen, std::move(reason));
}

void Breaker::set(BreakerState state, std::string reason) {
  state_ = state;
  since_ = now_;
  reason_ = std::move(reason);
  window_.clear();
  detail_.clear();
  canary_went_well_ = false;
}

TargetHealth Breaker::health() const {
  const bool serves =
      stored_at_ && now_ - *stored_at_ < settings_.window && !silence_fault().has_value();
  return {state_, serves, since_, reason_};
}

bool Breaker::may_send() const {
  return state_ == BreakerState::kClosed || under_way_ < settings_.probes_max;
}

std::optional<MonoTime> Breaker::next_canary() const {
  if (canary_under_way_) return std::nullopt;
  if (!canary_at_) return now_;
  if (state_ == BreakerState::kOpen) return *canary_at_ + settings_.canary_idle;
  if (silence_ || waits_for(settings_.request_deadline / 2))
    return *canary_at_ + settings_.request_deadline / 10;
  if (state_ == BreakerState::kHalfOpen) return *canary_at_ + settings_.canary_idle / 2;
  if (unread_ > 0) return *canary_at_ + settings_.canary_idle;
  return std::min(sent_at_ + settings_.canary_idle, *canary_at_ + settings_.canary_busy);
}

}  // namespace spillway::broker
