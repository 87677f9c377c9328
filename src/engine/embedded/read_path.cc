#include <algorithm>

#include "engine/embedded/engine_impl.h"

namespace spillway::engine {

namespace {

constexpr std::size_t kReadsQueuedMax = 10'000;

}  // namespace

stream::StoredBatch stored(const log::Batch& batch) {
  return {stream::Position{batch.first}, batch.count, from_millis(batch.arrival_ms), batch.owner,
          batch.payload};
}

std::int64_t EmbeddedEngine::horizon_ms(const Shard& shard) const {
  const auto now = seams_.clock.wall_now();
  return std::max(to_millis(now) - shard.retention_ms,
                  std::min(shard.expired_before_ms, to_millis(now - stream::kRetentionMin)));
}

std::optional<std::int64_t> EmbeddedEngine::horizon_ms(stream::ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  return shard == nullptr ? std::nullopt : std::optional(horizon_ms(*shard));
}

void set_tip(const Shard& shard, stream::ReadResult& result) {
  result.tip = stream::Position{shard.visible_next};
  result.last_arrival = from_millis(shard.visible_arrival_ms);
  result.ended = shard.visibly_closed && result.next == result.tip;
}

stream::ReadResult EmbeddedEngine::tail_read(const Shard& shard,
                                             const stream::ReadRequest& request) const {
  stream::ReadResult result;
  result.next = request.from;
  const std::int64_t horizon = horizon_ms(shard);
  std::uint64_t records = 0;
  std::size_t bytes = 0;
  auto at = std::partition_point(shard.tail.begin(), shard.tail.end(), [&](const TailBatch& held) {
    return held.batch.end() <= request.from.value;
  });
  for (; at != shard.tail.end() && records < request.max_records && bytes < request.max_bytes;
       ++at) {
    result.next = stream::Position{at->batch.end()};
    if (at->batch.arrival_ms < horizon) continue;
    records += at->batch.end() - std::max(at->batch.first, request.from.value);
    bytes += at->batch.payload.size();
    result.batches.push_back(stored(at->batch));
  }
  if (at == shard.tail.end()) result.next = stream::Position{shard.visible_next};
  set_tip(shard, result);
  return result;
}

// The first position in the tail that arrived at or after `time_ms`; the tip if there is none.
stream::Position tail_find(const Shard& shard, std::int64_t time_ms) {
  const auto at = std::ranges::partition_point(
      shard.tail, [time_ms](const TailBatch& held) { return held.batch.arrival_ms < time_ms; });
  return stream::Position{at == shard.tail.end() ? shard.visible_next : at->batch.first};
}

bool EmbeddedEngine::enqueue_read(UniqueFunction<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || reads_.size() >= kReadsQueuedMax) return false;
    reads_.push_back(std::move(job));
    reader_->wake();
  }
  return true;
}

void EmbeddedEngine::read(stream::ReadRequest request,
                          UniqueFunction<void(Result<stream::ReadResult>)> done) {
  std::unique_lock lock(mutex_);
  const Shard* shard = table_.find(request.shard);
  std::optional<Result<stream::ReadResult>> answer;
  if (shard == nullptr) {
    answer = Error{ErrorCode::kNotFound, "there is no such shard"};
  } else if (request.from.value > shard->visible_next) {
    answer = Error{ErrorCode::kInvalid, "the position is beyond the shard's last record"};
  } else if (request.from.value >= shard->tail_begin() ||
             (!shard->tail.empty() && shard->tail.front().batch.arrival_ms < horizon_ms(*shard))) {
    answer = tail_read(*shard, request);
  }
  const bool full = !answer && reads_.size() >= kReadsQueuedMax;
  lock.unlock();
  if (answer) return done(std::move(*answer));
  if (full) return done(Error{ErrorCode::kThrottled, "too many reads wait for the disk"});
  auto shared = std::make_shared<UniqueFunction<void(Result<stream::ReadResult>)>>(std::move(done));
  if (!enqueue_read([this, request, shared] { (*shared)(segment_read(request)); }))
    (*shared)(Error{ErrorCode::kClosed, "the engine is stopping"});
}

Result<std::uint64_t> EmbeddedEngine::tail_begin(stream::ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
  return shard->tail_begin();
}

Result<stream::ReadResult> EmbeddedEngine::segment_read(const stream::ReadRequest& request) {
  while (true) {
    // Taken before the search: what is evicted from the tail during it is in segments that the
    // search may not have seen.
    SPILLWAY_ASSIGN(const std::uint64_t searched_to, tail_begin(request.shard));
    log::SegmentQuery query{.shard = request.shard,
                            .from = request.from.value,
                            .max_records = request.max_records,
                            .max_bytes = request.max_bytes};
    if (const auto horizon = horizon_ms(request.shard)) query.horizon_ms = *horizon;
    std::vector<log::Batch> batches;
    const auto searched = segments_->read(query, batches);
    // What lies before a damage is handed over; the damage is met again by the next read.
    if (!searched.ok() && batches.empty()) return searched.error();
    const std::lock_guard lock(mutex_);
    const Shard* shard = table_.find(request.shard);
    if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
    if (!batches.empty()) {
      stream::ReadResult result;
      for (const auto& batch : batches) result.batches.push_back(stored(batch));
      result.next = stream::Position{batches.back().end()};
      set_tip(*shard, result);
      return result;
    }
    if (shard->tail_begin() != searched_to) continue;
    // All that segments held has expired.
    stream::ReadRequest rest = request;
    rest.from.value = std::max(rest.from.value, searched_to);
    return tail_read(*shard, rest);
  }
}

void EmbeddedEngine::find_by_time(stream::ShardId id, WallTime time,
                                  UniqueFunction<void(Result<stream::Position>)> done) {
  std::unique_lock lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) {
    lock.unlock();
    return done(Error{ErrorCode::kNotFound, "there is no such shard"});
  }
  const std::int64_t time_ms = std::max(to_millis(time), horizon_ms(*shard));
  if (segments_->list()->empty() ||
      (!shard->tail.empty() && shard->tail.front().batch.arrival_ms < time_ms)) {
    const stream::Position position = tail_find(*shard, time_ms);
    lock.unlock();
    return done(position);
  }
  lock.unlock();
  auto shared = std::make_shared<UniqueFunction<void(Result<stream::Position>)>>(std::move(done));
  if (!enqueue_read([this, id, time_ms, shared] { (*shared)(segment_find(id, time_ms)); }))
    (*shared)(Error{ErrorCode::kThrottled, "too many reads wait for the disk"});
}

Result<stream::Position> EmbeddedEngine::segment_find(stream::ShardId id, std::int64_t time_ms) {
  while (true) {
    SPILLWAY_ASSIGN(const std::uint64_t searched_to, tail_begin(id));
    SPILLWAY_ASSIGN(const auto position, segments_->find_by_time(id, time_ms));
    if (position) return stream::Position{*position};
    const std::lock_guard lock(mutex_);
    const Shard* shard = table_.find(id);
    if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
    if (shard->tail_begin() != searched_to) continue;
    return tail_find(*shard, time_ms);
  }
}

io::Step EmbeddedEngine::read_from_disk() {
  UniqueFunction<void()> job;
  {
    const std::lock_guard lock(mutex_);
    if (reads_.empty()) return io::Step::kWait;
    job = std::move(reads_.front());
    reads_.pop_front();
  }
  disk_reads_.add();
  job();
  return io::Step::kAgain;
}

}  // namespace spillway::engine
