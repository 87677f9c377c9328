#include "broker/shard_sender.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "broker/spool_damage.h"
#include "io/on_loop.h"
#include "stream/hash_key.h"

namespace spillway::broker {

ShardSender::ShardSender(Parts parts, std::string stream, const stream::ShardInfo& shard,
                         Random random)
    : parts_(parts),
      stream_(std::move(stream)),
      shard_(shard.id),
      first_lane_(stream::lane_of(shard.first_hash_key)),
      last_lane_(stream::lane_of(shard.last_hash_key)),
      random_(random),
      cursor_(parts.cursors.furthest(shard.id)),
      next_(cursor_.next.value),
      left_behind_due_(parts.loop.mono_now() + kLeftBehindEvery),
      timer_(parts.loop.make_timer()) {
  count_left();
}

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

// One that is idle has none.
void ShardSender::look_for_backlog() {
  if (!idle_) stopped_ = true;
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
  const auto next = tip.ok() ? tip->next.value - std::min(next_.load(), tip->next.value) : 0;
  return next + left_behind_;
}

PositionRange ShardSender::undelivered() const {
  const auto tip = parts_.engine.tip(shard_);
  const auto left = ranges_left();
  return {left.empty() ? cursor_.next : left.front().first,
          tip.ok() ? std::max(tip->next, cursor_.next) : cursor_.next};
}

std::uint64_t ShardSender::held_before(stream::Position next) const {
  return count_of(clipped(ranges_left(), {{}, next})) + std::max(next, cursor_.next).value -
         cursor_.next.value;
}

PositionRanges ShardSender::ranges_left() const {
  return left_behind_ > 0 ? parts_.cursors.left_behind(shard_) : PositionRanges();
}

void ShardSender::count_left() { left_behind_ = count_of(parts_.cursors.left_behind(shard_)); }

void ShardSender::give_up_before(stream::Position next) {
  give_up_before_ = std::max(give_up_before_, next);
  // One that could read none of what it holds is idle, too.
  if (!idle_ || has_to_drop()) resume();
}

void ShardSender::drop() {
  drop_left_behind();
  if (give_up_before_ <= cursor_.next) return;
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

void ShardSender::drop_left_behind() {
  for (const auto& range : clipped(ranges_left(), {{}, give_up_before_})) {
    parts_.dropped.add(range.second.value - range.first.value);
    parts_.cursors.give_up(shard_, range);
  }
  count_left();
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
    if (held() > (sends(Part::kLeftBehind) ? 0 : left_behind()) &&
        parts_.route.sendable() == nullptr) {
      stopped_ = true;
      co_await wait(next_delay());
      continue;
    }
    if (std::exchange(stopped_, false)) leave_backlog_behind();
    auto batch = co_await read(next_part());
    if (closed_ || leaving_) break;
    if (!batch.empty()) {
      const auto delay = turn_of(batch);
      if (!delay) continue;
      if (*delay > nanoseconds(0)) co_await wait(*delay);
      co_await send(std::move(batch));
    } else if (draining_) {
      break;
    } else if (!woken_) {
      idle_ = true;
      co_await wait(left_behind_ > 0 ? kTurn : nanoseconds(0));
      idle_ = false;
    }
  }
}

// The shard goes on at its tip. That there are too many breaks is no reason to send nothing.
void ShardSender::leave_backlog_behind() {
  const auto tip = parts_.engine.tip(shard_);
  if (!is_live_first() || draining_ || !tip.ok()) return;
  const auto left = ranges_left();
  const bool fits = left.size() < Cursors::kUnsentMax || left.back().second == cursor_.next;
  if (tip->next.value - cursor_.next.value < parts_.catch_up.backlog_min || !fits) return;
  if (left.empty()) {
    left_at_ = cursor_.next;
    left_lanes_ = cursor_.lanes;
    left_behind_due_ = parts_.loop.mono_now() + kLeftBehindEvery;
  }
  LaneMarks unknown;
  for (unsigned lane = first_lane_; lane <= last_lane_; ++lane)
    unknown[static_cast<std::uint8_t>(lane)] = {};
  const auto& target = parts_.route.current().target().name();
  parts_.cursors.take_over(shard_, target, cursor_);
  parts_.cursors.leave_behind(shard_, target, tip->next, unknown);
  cursor_.next = tip->next;
  cursor_.lanes = std::move(unknown);
  next_ = cursor_.next.value;
  count_left();
}

// The end waits for nothing that was left behind: it is kept.
bool ShardSender::sends(Part part) const {
  return part == Part::kNext || !draining_ || !is_live_first();
}

ShardSender::Part ShardSender::next_part() const {
  if (left_behind_ == 0 || !sends(Part::kLeftBehind)) return Part::kNext;
  if (!is_live_first()) return Part::kLeftBehind;
  if (parts_.loop.mono_now() < left_behind_from_) return Part::kNext;
  if (is_due()) return Part::kLeftBehind;
  const auto tip = parts_.engine.tip(shard_);
  const bool comes = tip.ok() && cursor_.next < tip->next && !caught_up_;
  // turn_of() asks again: this is so that little is read in vain.
  const bool gives_way = parts_.route.is_crowded() || parts_.spare_turn(0) > nanoseconds(0);
  return comes || gives_way ? Part::kNext : Part::kLeftBehind;
}

// How long it has to wait before it is sent. nullopt: it gives way, and is read again.
std::optional<nanoseconds> ShardSender::turn_of(const Batch& batch) const {
  if (draining_) return nanoseconds(0);
  const auto bytes = batch.share.bytes();
  if (batch.part == Part::kNext || !is_live_first() || is_due()) return parts_.turn(bytes);
  if (parts_.spare_turn(bytes) > nanoseconds(0)) return std::nullopt;
  return nanoseconds(0);
}

// What comes next of the part; empty where there is nothing, or nothing that could be read now.
Task<ShardSender::Batch> ShardSender::read(Part part) {
  const bool behind = part == Part::kLeftBehind;
  const auto range =
      behind ? ranges_left().front() : PositionRange{cursor_.next, undelivered().second};
  caught_up_ = false;
  auto share = parts_.budget.take(behind ? kLeftBehindBytesMax : kRequestBytesMax);
  auto read = co_await read_from(range.first, share.bytes());
  if (read.ok()) {
    if (std::exchange(reading_of(part), {}).failing)
      parts_.log.info("the spool can be read again", {{"stream", stream_}, {"shard", shard_}});
    auto taken = take_batch(*read, range.first, behind ? range.second : read->tip, share.bytes());
    share.settle(taken.bytes);
    // Before what it begins with there is nothing; where it is empty, nothing is said.
    if (behind && taken.entries.empty() && !read->batches.empty())
      taken.first = std::clamp(read->batches.front().first, range.first, range.second);
    if (behind && range.first < taken.first) {
      pass_over(part, {range.first, taken.first}, "the spool doesn't hold them any more");
      woken_ = true;
    }
    caught_up_ = !behind && taken.next == read->tip;
    Batch batch{part, std::move(taken.entries), {}, taken.first, taken.next, {}, std::move(share)};
    batch.given_up.resize(batch.entries.size());
    link(batch);
    co_return batch;
  }
  if (!std::exchange(reading_of(part).failing, true)) {
    parts_.log.error("the spool can't be read, trying again",
                     {{"stream", stream_}, {"shard", shard_}, {"error", read.error().message}});
  }
  share.settle(0);
  // It may have been the reading.
  const bool damaged = read.error().code == ErrorCode::kCorrupt;
  auto& damaged_reads = reading_of(part).damaged_reads;
  damaged_reads = damaged ? damaged_reads + 1 : 0;
  if (damaged_reads > kDamagedReads)
    co_await pass_over_damage(part, range, std::move(read).error());
  else
    co_await put_off(part);
  woken_ = true;
  co_return Batch();
}

// Where what comes goes first, it doesn't wait until what was left behind can be read.
Task<void> ShardSender::put_off(Part part) {
  if (part == Part::kLeftBehind && is_live_first())
    left_behind_from_ = parts_.loop.mono_now() + kRetryMax;
  else
    co_await wait(kRetryMax);
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
Task<void> ShardSender::pass_over_damage(Part part, PositionRange within, Error damage) {
  const auto behind =
      co_await readable_behind(parts_.loop, parts_.engine, shard_, within.first, within.second);
  if (closed_) co_return;
  if (!behind || *behind == within.first) {
    co_await put_off(part);
    co_return;
  }
  pass_over(part, {within.first, *behind}, damage.message);
}

void ShardSender::pass_over(Part part, PositionRange unreadable, std::string_view why) {
  const auto [first, behind] = unreadable;
  const std::uint64_t records = behind.value - first.value;
  parts_.unreadable.add(records);
  parts_.log.error("records in the spool are damaged, they are given up",
                   {{"stream", stream_},
                    {"shard", shard_},
                    {"position", first.value},
                    {"records", records},
                    {"damage", why}});
  reading_of(part).damaged_reads = 0;
  if (part == Part::kNext) return go_on_at(behind);
  parts_.cursors.give_up(shard_, unreadable);
  count_left();
}

void ShardSender::link(Batch& batch) const {
  const bool behind = batch.part == Part::kLeftBehind;
  batch.lanes = behind ? LaneMarks() : cursor_.lanes;
  if (behind && batch.first == left_at_) batch.lanes = left_lanes_;
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    auto& origin = batch.entries[i].origin;
    if (!origin) continue;
    const auto last = batch.lanes.find(origin->lane);
    if (last == batch.lanes.end() ? behind : !last->second.is_known())
      origin->previous = origin->sequence - 1;
    else if (last != batch.lanes.end() && last->second.producer == origin->producer)
      origin->previous = last->second.sequence;
    else
      origin->previous = 0;
    batch.lanes[origin->lane] = {origin->producer,
                                 batch.given_up[i] ? origin->previous : origin->sequence};
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
    if (give_up_before_ > batch.first) {
      cut(batch, pending);
      break;
    }
    if (has_to_drop()) drop_left_behind();
    if (pending.empty()) break;
    if (!sends(batch.part)) co_return;
    if (link == nullptr) {
      stopped_ = true;
      co_await wait(next_delay());
      continue;
    }
    if (!to->prepared(stream_)) {
      const bool prepared = co_await to->prepare(stream_);
      if (!prepared && !to->preparing(stream_)) stopped_ = true;
      if (!prepared) co_await wait(next_delay());
      continue;
    }
    const Pending sent = next_of_lanes(batch.entries, pending, to->target().packing(), most);
    SPILLWAY_ASSERT(!sent.empty());
    std::vector<client::PutEntry> entries;
    entries.reserve(sent.size());
    for (const auto number : sent) entries.push_back(batch.entries[number]);
    under_way_.sent = std::max(under_way_.sent, under_way_.acknowledged + sent.size());
    const MonoTime asked = parts_.loop.mono_now();
    auto result = co_await to->put(stream_, std::move(entries));
    if (closed_) co_return;
    if (!result.ok()) {
      const bool refused = result.error().code == ErrorCode::kInvalid;
      const bool abandoned = result.error().code == ErrorCode::kClosed;
      if (abandoned ? parts_.loop.mono_now() - asked > kAnswered : !refused) stopped_ = true;
      if (refused && sent.size() > 1) {
        most = sent.size() / 2;
      } else if (refused && to->gives_up()) {
        give_up(*to, batch, sent.front(), result.error().message);
        pending = pending_after(pending, sent, {});
      } else if (refused) {
        co_await to->try_canary(batch.entries[sent.front()].origin);
        if (!to->gives_up()) co_await wait(next_delay());
      } else if (!abandoned) {
        co_await wait(next_delay());
      }
      continue;
    }
    most = std::min(2 * most, batch.entries.size());
    const auto [left, refused] = judged(batch.entries, sent, result->outcomes);
    for (const auto& [number, why] : refused) give_up(*to, batch, number, why);
    under_way_.acknowledged += sent.size() - left.size() - refused.size();
    if (left.size() < sent.size()) retry_ = kRetryFirst;
    if (left.size() == sent.size()) stopped_ = true;
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
  if (batch.part == Part::kLeftBehind) {
    parts_.cursors.fill(shard_, target, {batch.first, batch.next});
    left_at_ = batch.next;
    left_lanes_ = std::move(batch.lanes);
    left_behind_due_ = parts_.loop.mono_now() + kLeftBehindEvery;
    return count_left();
  }
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
