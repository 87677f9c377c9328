#include "broker/shard_sender.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "io/on_loop.h"
#include "stream/record_batch.h"

namespace spillway::broker {

ShardSender::ShardSender(Parts parts, std::string stream, stream::ShardId shard, Random random)
    : parts_(parts),
      stream_(std::move(stream)),
      shard_(shard),
      random_(random),
      cursor_(parts.cursors.at(shard, parts.link.target().name())),
      next_(cursor_.next.value),
      timer_(parts.loop.make_timer()) {}

ShardSender::~ShardSender() { SPILLWAY_ASSERT(!running_); }

void ShardSender::start(UniqueFunction<void()> ended) {
  running_ = true;
  spillway::start(run(), [this, ended = std::move(ended)]() mutable {
    running_ = false;
    parts_.loop.post(std::move(ended));
  });
}

void ShardSender::wake() {
  woken_ = true;
  if (idle_) resume();
}

void ShardSender::drain() {
  draining_ = true;
  wake();
}

void ShardSender::close() {
  closed_ = true;
  resume();
}

std::uint64_t ShardSender::held() const {
  const auto tip = parts_.engine.tip(shard_);
  return tip.ok() ? tip->next.value - std::min(next_.load(), tip->next.value) : 0;
}

Task<void> ShardSender::run() {
  while (!closed_) {
    woken_ = false;
    auto batch = co_await read();
    if (closed_) break;
    if (!batch.empty()) {
      co_await send(std::move(batch));
    } else if (draining_) {
      break;
    } else if (!woken_) {
      idle_ = true;
      co_await wait(nanoseconds(0));
      idle_ = false;
    }
  }
}

// What comes next; empty where there is nothing, or nothing that could be read now.
Task<ShardSender::Batch> ShardSender::read() {
  stream::ReadRequest request{shard_, cursor_.next};
  request.max_records = client::kPutRecordsMax;
  request.max_bytes = kRequestBytesMax;
  auto reading = io::on_loop<Result<stream::ReadResult>>(
      &parts_.loop, [this, request](auto done) { parts_.engine.read(request, std::move(done)); });
  auto read = co_await reading;
  if (read.ok()) co_return take(*read);
  parts_.log.error("the spool can't be read, trying again",
                   {{"stream", stream_}, {"error", read.error().message}});
  co_await wait(kRetryMax);
  woken_ = true;
  co_return Batch();
}

// The first records of what was read that fit one request.
ShardSender::Batch ShardSender::take(const stream::ReadResult& read) {
  Batch batch;
  batch.next = cursor_.next;
  batch.lanes = cursor_.lanes;
  std::size_t bytes = 0;
  for (const auto& stored : read.batches) {
    stream::RecordBatchReader records(stored.payload);
    stream::Position position = stored.first;
    for (auto record = records.next(); record;
         record = records.next(), position = position.plus(1)) {
      if (position < cursor_.next) continue;
      bytes += record->data.size() + record->partition_key.size();
      const bool fits = batch.entries.size() < client::kPutRecordsMax &&
                        (batch.empty() || bytes <= kRequestBytesMax);
      if (!fits) return batch;
      if (record->origin) {
        LaneMark& last = batch.lanes[record->origin->lane];
        if (last.producer == record->origin->producer) record->origin->previous = last.sequence;
        last = {record->origin->producer, record->origin->sequence};
      }
      batch.entries.push_back(entry_of(*record));
      batch.next = position.plus(1);
    }
  }
  return batch;
}

Task<void> ShardSender::send(Batch batch) {
  auto entries = std::move(batch.entries);
  while (!closed_) {
    if (!parts_.link.prepared(stream_)) {
      const bool prepared = co_await parts_.link.prepare(stream_);
      if (!prepared) co_await wait(next_delay());
      continue;
    }
    auto result = co_await parts_.link.put(stream_, entries);
    if (closed_) co_return;
    if (result.ok() && result->failed == 0) break;
    if (result.ok()) {
      std::vector<client::PutEntry> failed;
      failed.reserve(result->failed);
      for (std::size_t i = 0; i < entries.size(); ++i)
        if (!result->outcomes[i].ok()) failed.push_back(std::move(entries[i]));
      if (failed.size() < entries.size()) retry_ = kRetryFirst;
      entries = std::move(failed);
    }
    co_await wait(next_delay());
  }
  if (closed_) co_return;
  retry_ = kRetryFirst;
  LaneMarks moved;
  for (const auto& [lane, mark] : batch.lanes) {
    const auto before = cursor_.lanes.find(lane);
    if (before == cursor_.lanes.end() || before->second != mark) moved.emplace(lane, mark);
  }
  cursor_ = {batch.next, std::move(batch.lanes)};
  next_ = cursor_.next.value;
  parts_.cursors.advance(shard_, parts_.link.target().name(), cursor_.next, moved);
}

// Between half of the delay and all of it.
nanoseconds ShardSender::next_delay() {
  const auto delay = std::exchange(retry_, std::min(2 * retry_, kRetryMax));
  return nanoseconds(random_.between(delay.count() / 2, delay.count()));
}

Task<void> ShardSender::wait(nanoseconds delay) {
  if (closed_) co_return;
  auto woken = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    waiting_ = std::move(done);
    if (delay > nanoseconds(0)) timer_->start(delay, [this] { resume(); });
  });
  co_await woken;
}

void ShardSender::resume() {
  timer_->cancel();
  if (waiting_) std::exchange(waiting_, nullptr)(true);
}

}  // namespace spillway::broker
