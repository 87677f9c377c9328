#include "broker/marked_target.h"

#include <fmt/format.h>

#include <utility>

#include "base/rfc3339.h"

namespace spillway::broker {

MarkedTarget::MarkedTarget(io::EventLoop& loop, Target& target, std::string canary_stream)
    : loop_(loop),
      target_(target),
      canary_stream_(std::move(canary_stream)),
      marks_(target.packing() == LanePacking::kPrefix) {}

void MarkedTarget::accept() {
  set_back_ = false;
  looked_at_.clear();
  marks_.forget();
}

Task<Status> MarkedTarget::prepare(std::string stream) {
  auto whole = co_await look(stream);
  if (!whole.ok()) co_return whole;
  auto prepared = co_await target_.prepare(std::move(stream));
  co_return prepared;
}

Task<Result<client::PutRecordsResult>> MarkedTarget::put(std::string stream,
                                                         std::vector<client::PutEntry> entries) {
  auto whole = co_await look(stream);
  if (!whole.ok()) co_return std::move(whole).error();
  marks_.move_to(target_.address());  // meanwhile it may have
  const auto sent = marks_.sent();
  auto result = co_await target_.put(stream, std::move(entries));
  if (!result.ok() || set_back_) {
    marks_.unanswered(sent);
    if (!result.ok() && result.error().code == ErrorCode::kIo) look_again();
    if (!result.ok() && result.error().code == ErrorCode::kNotFound) looked_at_.erase(stream);
    co_return result;
  }
  const auto found = marks_.answered(sent, stream, result->outcomes, loop_.wall_now());
  if (!found) co_return result;
  if (found->kind == HighWaterMarks::Kind::kAnother && stream == canary_stream_) {
    marks_.forget(stream);
  } else {
    tell(found->what);
  }
  co_return result;
}

Task<Result<bool>> MarkedTarget::holds(std::string stream, client::PutOutcome place) {
  auto there = co_await target_.holds(std::move(stream), std::move(place));
  co_return there;
}

Task<Status> MarkedTarget::reaches(std::string stream, client::PutOutcome place) {
  auto reached = co_await target_.reaches(std::move(stream), std::move(place));
  co_return reached;
}

// An error where the target has less than it acknowledged in the stream, as far as can be told now,
// or doesn't answer. Of requests that come at the same time one waits for it.
Task<Status> MarkedTarget::look(std::string stream) {
  marks_.move_to(target_.address());
  if (set_back_ || !looked_at_.insert(stream).second) co_return Status();
  const auto last = marks_.last(stream, canary_stream_, loop_.wall_now());
  if (!last) co_return Status();
  client::PutOutcome place;
  place.shard_id = last->shard;
  place.sequence_number = last->mark.sequence_number;
  const auto era = marks_.era();
  const auto reached = co_await target_.reaches(last->stream, std::move(place));
  marks_.move_to(target_.address());
  if (reached.ok() || set_back_ || era != marks_.era()) co_return Status();
  if (reached.error().code == ErrorCode::kIo) {
    looked_at_.erase(stream);
    co_return reached;
  }
  if (!shows_loss(reached.error(), *last)) co_return Status();
  auto found = fmt::format("in shard {} of stream {} it lacks {}, which it acknowledged at {}: {}",
                           last->shard, last->stream, last->mark.sequence_number,
                           rfc3339_millis(last->mark.at), reached.error().message);
  Error refused{ErrorCode::kThrottled, "the target was set back: " + found};
  tell(std::move(found));
  co_return refused;
}

bool MarkedTarget::shows_loss(const Error& error, const HighWaterMarks::Last& last) const {
  if (error.code == ErrorCode::kNotFound) {
    const WallTime now = loop_.wall_now();
    return !is_ahead(last.mark.at, now) && now - last.mark.at < kListedSurely;
  }
  // Others than Spillway may refuse a number for other reasons.
  return error.code == ErrorCode::kInvalid && packing() == LanePacking::kPrefix;
}

void MarkedTarget::look_again() {
  const MonoTime now = loop_.mono_now();
  if (looked_ && now - *looked_ < kLookEvery) return;
  looked_ = now;
  looked_at_.clear();
}

void MarkedTarget::tell(std::string found) {
  if (std::exchange(set_back_, true)) return;
  if (told_) told_(std::move(found));
}

}  // namespace spillway::broker
