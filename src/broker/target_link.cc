#include "broker/target_link.h"

#include <algorithm>
#include <utility>

#include "base/uint128.h"

namespace spillway::broker {
namespace {

metrics::Labels labels_of(const Target& target) { return {{"target", target.name()}}; }

std::size_t data_size(const std::vector<client::PutEntry>& entries) {
  std::size_t bytes = 0;
  for (const auto& entry : entries) bytes += entry.data.size();
  return bytes;
}

}  // namespace

TargetLink::TargetLink(io::EventLoop& loop, Target& target, std::string canary_stream,
                       io::EventLog& log, metrics::Registry& metrics)
    : loop_(loop),
      target_(target),
      canary_stream_(std::move(canary_stream)),
      log_(log),
      records_(metrics.counter("spillway_broker_put_records_total",
                               "Records that the target acknowledged", labels_of(target))),
      bytes_(metrics.counter("spillway_broker_put_bytes_total",
                             "Data of requests that the target acknowledged whole, in bytes",
                             labels_of(target))),
      failures_(metrics.counter("spillway_broker_put_failures_total",
                                "Puts that failed, in whole or in part, and were repeated",
                                labels_of(target))),
      given_up_(metrics.counter("spillway_broker_given_up_records_total",
                                "Records that the target refuses for what they are",
                                labels_of(target))),
      put_seconds_(metrics.histogram("spillway_broker_put_seconds",
                                     "From sending a PutRecords to its acknowledgement",
                                     labels_of(target))),
      up_(metrics, "spillway_broker_target_up",
          "1 while the target takes records, 0 while it doesn't", labels_of(target)),
      status_(Error{ErrorCode::kThrottled, "the target was not reached yet"}) {}

bool TargetLink::prepared(const std::string& stream) const {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.state == State::kPrepared;
}

bool TargetLink::preparing(const std::string& stream) const {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.state == State::kPreparing;
}

Task<bool> TargetLink::prepare(std::string stream) {
  const auto [known, is_new] = streams_.try_emplace(stream);
  if (!is_new) {
    Stream& tried = known->second;
    if (tried.state != State::kFailed || loop_.mono_now() < tried.not_before)
      co_return prepared(stream);
    tried.state = State::kPreparing;
  }
  auto ready = co_await target_.prepare(stream);
  if (!ready.ok() && ready.error().code == ErrorCode::kClosed) {
    streams_.erase(stream);  // another target is used
    co_return false;
  }
  if (!ready.ok()) {
    Stream& failed = streams_[stream];
    const bool denied = ready.error().code == ErrorCode::kDenied;
    failed.state = State::kFailed;
    failed.retry = std::min(failed.retry, denied ? kDeniedRetryMax : kPrepareRetryMax);
    failed.not_before = loop_.mono_now() + failed.retry;
    failed.retry *= 2;
    note_failure(ready.error());
    co_return false;
  }
  streams_[stream] = {.state = State::kPrepared};
  note_success();
  co_return true;
}

Task<Result<client::PutRecordsResult>> TargetLink::put(std::string stream,
                                                       std::vector<client::PutEntry> entries) {
  const std::size_t bytes = data_size(entries);
  const MonoTime sent = loop_.mono_now();
  const auto place = place_;
  auto result = co_await target_.put(stream, std::move(entries));
  if (!result.ok() && result.error().code == ErrorCode::kNotFound) streams_.erase(stream);
  const bool abandoned = !result.ok() && result.error().code == ErrorCode::kClosed;
  if (place == place_ && result.ok() && result->failed < result->outcomes.size()) has_taken_ = true;
  if (!closed_ && !abandoned) note(result, bytes, loop_.mono_now() - sent);
  co_return result;
}

Task<void> TargetLink::try_canary(std::optional<stream::Origin> origin) {
  const MonoTime now = loop_.mono_now();
  if (took_canary_ || now < next_canary_) co_return;
  next_canary_ = now + kCanaryEvery;
  const bool prepared = co_await prepare(canary_stream_);
  if (!prepared) co_return;
  std::vector<client::PutEntry> entries(1);
  entries.front() = {"canary", "canary", std::nullopt, origin};
  // A region takes an origin only with a hash key of its lane.
  if (origin) entries.front().explicit_hash_key = to_string(Uint128(origin->lane) << 120);
  const auto result = co_await target_.put(canary_stream_, std::move(entries));
  if (!result.ok() && result.error().code == ErrorCode::kNotFound) streams_.erase(canary_stream_);
  took_canary_ = result.ok() && result->failed == 0;
}

void TargetLink::moved() {
  streams_.clear();
  next_canary_ = {};
  took_canary_ = false;
  on_trust_ = 0;
  has_taken_ = false;
  ++place_;
}

void TargetLink::close() {
  closed_ = true;
  target_.close();
}

void TargetLink::note(const Result<client::PutRecordsResult>& result, std::size_t data_bytes,
                      nanoseconds took) {
  if (!result.ok()) {
    failures_.add();
    // A target that refuses one request and takes others is up.
    if (result.error().code != ErrorCode::kInvalid || !gives_up()) note_failure(result.error());
    return;
  }
  const auto& outcomes = result->outcomes;
  records_.add(outcomes.size() - result->failed);
  if (result->failed == 0) {
    bytes_.add(data_bytes);
    put_seconds_.record(took);
    const std::lock_guard lock(mutex_);
    durations_.push_back(took);
    if (durations_.size() > kPutsRemembered) durations_.pop_front();
  } else {
    failures_.add();
  }
  // A target that takes some is up.
  if (result->failed < outcomes.size()) {
    note_success();
    if (flows_) std::exchange(flows_, nullptr)();
    return;
  }
  if (std::ranges::all_of(outcomes, refused_for_good)) return;
  note_failure(
      {ErrorCode::kThrottled, outcomes.front().error_code + ": " + outcomes.front().error_message});
}

void TargetLink::give_up(const std::string& stream, const client::PutEntry& entry,
                         std::string_view why) {
  given_up_.add();
  if (!has_taken_) ++on_trust_;
  const MonoTime now = loop_.mono_now();
  if (told_ == 0 || now - told_since_ >= kToldWithin) {
    told_ = 0;
    told_since_ = now;
  }
  if (told_ == kToldMax) {
    ++untold_;
    return;
  }
  ++told_;
  log_.error("the target refuses a record for what it is, it is given up",
             {{"target", target_.name()},
              {"stream", stream},
              {"origin", entry.origin ? stream::to_string(*entry.origin) : ""},
              {"bytes", static_cast<std::uint64_t>(entry.data.size())},
              {"error", why},
              {"others_untold", std::exchange(untold_, 0)}});
}

Status TargetLink::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void TargetLink::set_status(Status status) {
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

PutLatency TargetLink::latency() const {
  std::vector<nanoseconds> sorted;
  {
    const std::lock_guard lock(mutex_);
    sorted.assign(durations_.begin(), durations_.end());
  }
  if (sorted.empty()) return {};
  std::ranges::sort(sorted);
  const auto last = sorted.size() - 1;
  return {sorted[last / 2], sorted[last * 99 / 100]};
}

void TargetLink::note_failure(const Error& error) {
  up_.set(0);
  set_status(context("the target doesn't take records", error));
  // A target that is there again may deny what it took before: somebody has to do something.
  const bool denied = error.code == ErrorCode::kDenied;
  if (failing_since_ && (!denied || denial_told_)) return;
  if (!failing_since_) failing_since_ = loop_.mono_now();
  denial_told_ = denied;
  log_.warning(
      denied ? "target denies the broker's requests, its records wait in the spool"
             : "target is down, its records wait in the spool",
      {{"target", target_.name()}, {"address", target_.address()}, {"error", error.message}});
}

void TargetLink::note_success() {
  up_.set(1);
  if (!failing_since_) {
    if (!status().ok()) set_status({});
    return;
  }
  set_status({});
  const auto down = std::chrono::duration_cast<milliseconds>(loop_.mono_now() - *failing_since_);
  failing_since_.reset();
  denial_told_ = false;
  log_.info("target is back", {{"target", target_.name()},
                               {"address", target_.address()},
                               {"down_ms", static_cast<std::int64_t>(down.count())}});
}

}  // namespace spillway::broker
