#include "broker/shard_sender.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "broker/spool_damage.h"
#include "io/on_loop.h"

namespace spillway::broker {

ShardSender::ShardSender(Parts parts, std::string stream, stream::ShardId shard, Random random)
    : parts_(parts),
      stream_(std::move(stream)),
      shard_(shard),
      random_(random),
      cursor_(parts.cursors.furthest(shard)),
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

void ShardSender::rerouted() {
  retry_ = kRetryFirst;
  if (!idle_) resume();
}

void ShardSender::drain() {
  draining_ = true;
  wake();
}

void ShardSender::leave() {
  leaving_ = true;
  resume();
}

void ShardSender::close() {
  closed_ = true;
  resume();
}

std::uint64_t ShardSender::held() const {
  const auto tip = parts_.engine.tip(shard_);
  return tip.ok() ? tip->next.value - std::min(next_.load(), tip->next.value) : 0;
}

PositionRange ShardSender::undelivered() const {
  const auto tip = parts_.engine.tip(shard_);
  return {cursor_.next, tip.ok() ? std::max(tip->next, cursor_.next) : cursor_.next};
}

void ShardSender::give_up_before(stream::Position next) {
  give_up_before_ = std::max(give_up_before_, next);
  // One that could read none of what it holds is idle, too.
  if (!idle_ || has_to_drop()) resume();
}

void ShardSender::drop() {
  parts_.dropped.add(give_up_before_.value - cursor_.next.value);
  go_on_at(give_up_before_);
}

// No later record names one that was before this as its lane's previous one, and no target is sent
// these any more. The one in use counts as having got them: their room is free once that is
// durable, be there a later record or not.
void ShardSender::go_on_at(stream::Position next) {
  parts_.cursors.give_up(shard_, {cursor_.next, next});
  const auto& target = parts_.route.current().target().name();
  parts_.cursors.take_over(shard_, target, cursor_);
  cursor_.next = next;
  next_ = next.value;
  parts_.cursors.advance(shard_, target, next, {});
}

// What was acknowledged behind that is read and sent again: a copy, in order.
void ShardSender::cut(Batch& batch, const Pending& pending) {
  const std::uint64_t gone = give_up_before_.value - std::min(give_up_before_, batch.first).value;
  const auto size = std::min<std::size_t>(gone, batch.entries.size());
  for (const auto number : pending) {
    if (number >= size) break;
    batch.given_up[number] = true;
    parts_.dropped.add();
    const auto position = batch.first.plus(number);
    parts_.cursors.give_up(shard_, {position, position.plus(1)});
  }
  batch.entries.resize(size);
  batch.given_up.resize(size);
  batch.next = std::min(batch.next, give_up_before_);
  link(batch);
}

Task<void> ShardSender::run() {
  while (!closed_ && !leaving_) {
    woken_ = false;
    if (has_to_drop()) drop();
    if (held() > 0 && parts_.route.sendable() == nullptr) {
      co_await wait(next_delay());
      continue;
    }
    auto batch = co_await read();
    if (closed_ || leaving_) break;
    if (!batch.empty()) {
      const auto delay = draining_ ? nanoseconds(0) : parts_.turn(batch.share.bytes());
      if (delay > nanoseconds(0)) co_await wait(delay);
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
  auto share = parts_.budget.take(kRequestBytesMax);
  auto read = co_await read_from(cursor_.next, share.bytes());
  if (read.ok()) {
    damaged_reads_ = 0;
    if (std::exchange(unreadable_, false))
      parts_.log.info("the spool can be read again", {{"stream", stream_}, {"shard", shard_}});
    auto taken = take_batch(*read, cursor_.next, read->tip, share.bytes());
    share.settle(taken.bytes);
    Batch batch{std::move(taken.entries), {}, taken.first, taken.next, {}, std::move(share)};
    batch.given_up.resize(batch.entries.size());
    link(batch);
    co_return batch;
  }
  if (!std::exchange(unreadable_, true)) {
    parts_.log.error("the spool can't be read, trying again",
                     {{"stream", stream_}, {"shard", shard_}, {"error", read.error().message}});
  }
  share.settle(0);
  // It may have been the reading.
  const bool damaged = read.error().code == ErrorCode::kCorrupt;
  damaged_reads_ = damaged ? damaged_reads_ + 1 : 0;
  if (damaged_reads_ > kDamagedReads)
    co_await pass_over_damage(std::move(read).error());
  else
    co_await wait(kRetryMax);
  woken_ = true;
  co_return Batch();
}

Task<Result<stream::ReadResult>> ShardSender::read_from(stream::Position from, std::size_t bytes) {
  stream::ReadRequest request{shard_, from};
  request.max_records = client::kPutRecordsMax;
  request.max_bytes = bytes;
  auto reading = io::on_loop<Result<stream::ReadResult>>(
      &parts_.loop, [this, request](auto done) { parts_.engine.read(request, std::move(done)); });
  co_return co_await reading;
}

// Whoever waited for it to be whole again would wait for ever, with all that is behind it.
Task<void> ShardSender::pass_over_damage(Error damage) {
  const auto tip = parts_.engine.tip(shard_);
  std::optional<stream::Position> behind;
  if (tip.ok())
    behind = co_await readable_behind(parts_.loop, parts_.engine, shard_, cursor_.next, tip->next);
  if (closed_) co_return;
  if (!behind) {
    co_await wait(kRetryMax);
    co_return;
  }
  const std::uint64_t records = behind->value - cursor_.next.value;
  parts_.unreadable.add(records);
  parts_.log.error("records in the spool are damaged, they are given up",
                   {{"stream", stream_},
                    {"shard", shard_},
                    {"position", cursor_.next.value},
                    {"records", records},
                    {"damage", damage.message}});
  damaged_reads_ = 0;
  go_on_at(*behind);
}

void ShardSender::link(Batch& batch) const {
  batch.lanes = cursor_.lanes;
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    auto& origin = batch.entries[i].origin;
    if (!origin || batch.given_up[i]) continue;
    LaneMark& last = batch.lanes[origin->lane];
    origin->previous = last.producer == origin->producer ? last.sequence : 0;
    last = {origin->producer, origin->sequence};
  }
}

Task<void> ShardSender::send(Batch batch) {
  TargetLink* to = nullptr;
  Pending pending;
  std::size_t most = 0;  // of a request
  auto set_backs = parts_.route.set_backs();
  while (!closed_) {
    // The same target, once it is accepted, may lack what it acknowledged of this.
    if (set_backs != parts_.route.set_backs()) {
      set_backs = parts_.route.set_backs();
      to = nullptr;
    }
    if (leaving_ && under_way_.sent == 0) co_return;
    TargetLink* const link = parts_.route.sendable();
    if (link != nullptr && link != to) {
      to = link;
      pending = all_of(batch);
      most = pending.size();
      under_way_ = {0, 0, batch.next};
    }
    if (to == nullptr) pending = all_of(batch);
    if (has_to_drop()) {
      cut(batch, pending);
      break;
    }
    if (pending.empty()) break;
    if (link == nullptr) {
      co_await wait(next_delay());
      continue;
    }
    if (!to->prepared(stream_)) {
      const bool prepared = co_await to->prepare(stream_);
      if (!prepared) co_await wait(next_delay());
      continue;
    }
    const Pending sent = next_of_lanes(batch.entries, pending, to->target().packing(), most);
    SPILLWAY_ASSERT(!sent.empty());
    std::vector<client::PutEntry> entries;
    entries.reserve(sent.size());
    for (const auto number : sent) entries.push_back(batch.entries[number]);
    under_way_.sent = std::max(under_way_.sent, under_way_.acknowledged + sent.size());
    auto result = co_await to->put(stream_, std::move(entries));
    if (closed_) co_return;
    if (!result.ok()) {
      const bool refused = result.error().code == ErrorCode::kInvalid;
      if (refused && sent.size() > 1) {
        most = sent.size() / 2;
      } else if (refused && to->gives_up()) {
        give_up(*to, batch, sent.front(), result.error().message);
        pending = pending_after(pending, sent, {});
      } else if (refused) {
        co_await to->try_canary(batch.entries[sent.front()].origin);
        if (!to->gives_up()) co_await wait(next_delay());
      } else if (result.error().code != ErrorCode::kClosed) {
        co_await wait(next_delay());
      }
      continue;
    }
    most = std::min(2 * most, batch.entries.size());
    const auto [left, refused] = judged(batch.entries, sent, result->outcomes);
    for (const auto& [number, why] : refused) give_up(*to, batch, number, why);
    under_way_.acknowledged += sent.size() - left.size() - refused.size();
    if (left.size() < sent.size()) retry_ = kRetryFirst;
    pending = pending_after(pending, sent, left);
    if (!left.empty()) co_await wait(next_delay());
  }
  if (closed_) co_return;
  const TargetLink& last = to != nullptr ? *to : parts_.route.current();
  finish(std::move(batch), last.target().name());
}

Pending ShardSender::all_of(const Batch& batch) {
  Pending all;
  all.reserve(batch.entries.size());
  for (std::size_t i = 0; i < batch.entries.size(); ++i)
    if (!batch.given_up[i]) all.push_back(i);
  return all;
}

void ShardSender::give_up(TargetLink& to, Batch& batch, std::size_t number, std::string_view why) {
  to.give_up(stream_, batch.entries[number], why);
  batch.given_up[number] = true;
  link(batch);
}

void ShardSender::finish(Batch batch, const std::string& target) {
  retry_ = kRetryFirst;
  under_way_ = {};
  parts_.cursors.take_over(shard_, target, cursor_);
  LaneMarks moved;
  for (const auto& [lane, mark] : batch.lanes) {
    const auto before = cursor_.lanes.find(lane);
    if (before == cursor_.lanes.end() || before->second != mark) moved.emplace(lane, mark);
  }
  cursor_ = {batch.next, std::move(batch.lanes)};
  next_ = cursor_.next.value;
  parts_.cursors.advance(shard_, target, cursor_.next, moved);
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
