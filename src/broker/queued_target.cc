#include "broker/queued_target.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace spillway::broker {

bool throttled(const client::PutOutcome& outcome) {
  return outcome.error_code == "ProvisionedThroughputExceededException" ||
         outcome.error_code == "KMSThrottlingException";
}

QueuedTarget::QueuedTarget(io::EventLoop& loop, Target& target, std::function<bool()> takes,
                           metrics::Registry& metrics)
    : loop_(loop),
      target_(target),
      takes_(std::move(takes)),
      limit_(metrics, "spillway_broker_target_requests_limit",
             "Requests that the target is sent at a time, learned from its answers",
             {{"target", target.name()}}) {
  limit_.set(static_cast<std::int64_t>(limit()));
}

QueuedTarget::~QueuedTarget() {
  SPILLWAY_ASSERT(queued_.empty() && under_way_.empty() && preparing_.empty());
}

void QueuedTarget::abandon() {
  std::vector<UniqueFunction<void(PutResult)>> told;
  told.reserve(queued_.size() + under_way_.size());
  for (auto& call : under_way_) {
    if (!call.done) continue;
    ++abandoned_;
    told.push_back(std::exchange(call.done, nullptr));
  }
  for (auto& call : queued_) told.push_back(std::move(call.done));
  queued_.clear();
  const Error abandoned{ErrorCode::kClosed, "nobody waits for it any more"};
  for (auto& done : told) done(abandoned);
  std::vector<Prepared> waiting;
  waiting.reserve(preparing_.size());
  for (auto& done : preparing_)
    if (done) waiting.push_back(std::exchange(done, nullptr));
  for (auto& done : waiting) done(abandoned);
}

Task<Status> QueuedTarget::prepare(std::string stream) {
  auto over = callback<Status>([this, stream = std::move(stream)](Prepared done) mutable {
    const auto call = preparing_.insert(preparing_.end(), std::move(done));
    start(target_.prepare(std::move(stream)), Prepared([this, call](Status prepared) {
            auto waiting = std::move(*call);
            preparing_.erase(call);
            if (waiting) waiting(std::move(prepared));
          }));
  });
  auto prepared = co_await over;
  co_return prepared;
}

Task<Result<client::PutRecordsResult>> QueuedTarget::put(std::string stream,
                                                         std::vector<client::PutEntry> entries) {
  Call call{std::move(stream), std::move(entries), 0, nullptr};
  for (const auto& entry : call.entries) call.bytes += entry.data.size();
  auto over = callback<PutResult>(
      [this, call = std::move(call)](UniqueFunction<void(PutResult)> done) mutable {
        call.done = std::move(done);
        queued_.push_back(std::move(call));
        send_next();
      });
  auto result = co_await over;
  co_return result;
}

bool QueuedTarget::has_room_for(const Call& call) const {
  const auto bytes_max = std::clamp(limit() * kBytesEach, kBytesMin, kBytesMax);
  return under_way_.empty() ||
         (under_way_.size() < limit() && under_way_bytes_ + call.bytes <= bytes_max);
}

void QueuedTarget::send_next() {
  while (!queued_.empty() && has_room_for(queued_.front()) && takes()) {
    under_way_.splice(under_way_.end(), queued_, queued_.begin());
    const auto call = std::prev(under_way_.end());
    under_way_bytes_ += call->bytes;
    start(send(std::move(call->stream), std::move(call->entries)),
          UniqueFunction<void(PutResult)>([this, call](PutResult result) {
            under_way_bytes_ -= call->bytes;
            auto done = std::move(call->done);
            under_way_.erase(call);
            if (!done) --abandoned_;
            if (!closed_) send_next();
            if (done) done(std::move(result));
          }));
  }
}

Task<Result<client::PutRecordsResult>> QueuedTarget::send(std::string stream,
                                                          std::vector<client::PutEntry> entries) {
  const auto request = concurrency_.sent(loop_.mono_now());
  const auto count = entries.size();
  auto result = co_await target_.put(std::move(stream), std::move(entries));
  note(request, count, result);
  co_return result;
}

void QueuedTarget::note(const Concurrency::Request& request, std::size_t entries,
                        const PutResult& result) {
  const MonoTime now = loop_.mono_now();
  if (result.ok()) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(result->outcomes, throttled));
    concurrency_.answered(request, {entries, count}, now);
  } else if (result.error().code == ErrorCode::kThrottled) {
    concurrency_.answered(request, {entries, entries}, now);
  } else if (result.error().code == ErrorCode::kIo) {
    concurrency_.failed(now);
  } else {
    concurrency_.ended();
  }
  limit_.set(static_cast<std::int64_t>(limit()));
}

Task<Result<bool>> QueuedTarget::holds(std::string stream, client::PutOutcome place) {
  auto there = co_await target_.holds(std::move(stream), std::move(place));
  co_return there;
}

Task<Status> QueuedTarget::reaches(std::string stream, client::PutOutcome place) {
  auto reached = co_await target_.reaches(std::move(stream), std::move(place));
  co_return reached;
}

void QueuedTarget::close() {
  closed_ = true;
  abandon();
  target_.close();
}

}  // namespace spillway::broker
