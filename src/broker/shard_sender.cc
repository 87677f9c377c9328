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
      pause_(parts.loop) {
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
  if (idle_ || (full_at_ && (draining_ || undelivered().second >= *full_at_))) resume();
}

void ShardSender::rerouted() {
  backoff_.reset();
  if (sending_ != nullptr) return sending_->rerouted();
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
void ShardSender::cut(ShardBatch& batch, const Pending& left) {
  Pending dropped;
  for (const auto number : left) {
    const auto position = batch.first().plus(number);
    if (position >= give_up_before_) break;
    dropped.push_back(number);
    parts_.dropped.add();
    parts_.cursors.give_up(shard_, {position, position.plus(1)});
  }
  batch.give_up(dropped);
  batch.cut(give_up_before_);
}

Task<void> ShardSender::run() {
  while (!closed_ && !leaving_) {
    woken_ = false;
    if (has_to_drop()) drop();
    if (held() > (sends(Part::kLeftBehind) ? 0 : left_behind()) &&
        parts_.route.sendable() == nullptr) {
      stopped_ = true;
      co_await wait(backoff_.next(random_));
      continue;
    }
    if (std::exchange(stopped_, false)) leave_backlog_behind();
    auto batch = co_await read(next_part());
    if (closed_ || leaving_) break;
    if (const auto linger = linger_of(batch); linger > nanoseconds(0)) {
      const auto full = full_at(std::exchange(batch, Batch()));
      co_await wait_for_more(linger, full);
    } else if (!batch.records.empty()) {
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

nanoseconds ShardSender::linger_of(const Batch& batch) {
  const auto& request = parts_.request;
  const auto& records = batch.records;
  const bool full =
      records.entries().size() >= request.records || batch.share.bytes() >= request.bytes;
  if (records.empty() || batch.part != Part::kNext || draining_ || !caught_up_ || full)
    return nanoseconds(0);
  const MonoTime now = parts_.loop.mono_now();
  if (lingers_from_ != records.first()) {
    lingers_from_ = records.first();
    // The clock may have been set back since.
    const nanoseconds age = parts_.loop.wall_now() - batch.arrival;
    lingers_until_ = now + std::clamp(parts_.linger - age, nanoseconds(0), parts_.linger);
  }
  return std::clamp<nanoseconds>(lingers_until_ - now, nanoseconds(0), parts_.linger);
}

// By how large its records are.
stream::Position ShardSender::full_at(const Batch& batch) const {
  const auto size = batch.records.entries().size();
  const auto fill = parts_.request.bytes * size / std::max<std::size_t>(batch.share.bytes(), 1);
  return batch.records.first().plus(std::min(parts_.request.records, std::max(fill, size + 1)));
}

Task<void> ShardSender::wait_for_more(nanoseconds delay, stream::Position full) {
  full_at_ = full;
  co_await wait(delay);
  full_at_.reset();
}

// How long it has to wait before any of it is sent. nullopt: it gives way, and is read again.
std::optional<nanoseconds> ShardSender::turn_of(const Batch& batch) const {
  if (draining_ || batch.part == Part::kNext) return nanoseconds(0);
  const auto bytes = batch.share.bytes();
  if (!is_live_first() || is_due()) return parts_.turn(bytes);
  if (parts_.spare_turn(bytes) > nanoseconds(0)) return std::nullopt;
  return nanoseconds(0);
}

// What comes next of the part; empty where there is nothing, or nothing that could be read now.
Task<ShardSender::Batch> ShardSender::read(Part part) {
  const bool behind = part == Part::kLeftBehind;
  const auto range =
      behind ? ranges_left().front() : PositionRange{cursor_.next, undelivered().second};
  caught_up_ = false;
  const auto& request = parts_.request;
  const auto requests = behind ? 1 : requests_of_next();
  auto share = parts_.budget.take(
      behind ? std::min(kLeftBehindBytesMax, request.bytes)
             : std::min(requests * request.bytes, std::max(request.bytes, parts_.budget.fair())));
  const RequestBounds bounds{requests * request.records, share.bytes()};
  auto read = co_await read_from(range.first, bounds);
  if (read.ok()) {
    if (std::exchange(reading_of(part), {}).failing)
      parts_.log.info("the spool can be read again", {{"stream", stream_}, {"shard", shard_}});
    auto taken = take_batch(*read, range.first, behind ? range.second : read->tip, bounds, request);
    share.settle(taken.bytes);
    // Before what it begins with there is nothing; where it is empty, nothing is said.
    if (behind && taken.entries.empty() && !read->batches.empty())
      taken.first = std::clamp(read->batches.front().first, range.first, range.second);
    if (behind && range.first < taken.first) {
      pass_over(part, {range.first, taken.first}, "the spool doesn't hold them any more");
      woken_ = true;
    }
    caught_up_ = !behind && taken.next == read->tip;
    if (!behind)
      requests_ =
          std::max<std::size_t>(requests_for(taken.entries.size(), taken.bytes, request), 1);
    const auto& before = lanes_before(part, taken.first);
    const auto arrival = taken.arrival;
    co_return Batch{part, ShardBatch(std::move(taken), before, !behind), std::move(share), arrival};
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
    left_behind_from_ = parts_.loop.mono_now() + Backoff::kMax;
  else
    co_await wait(Backoff::kMax);
}

Task<Result<stream::ReadResult>> ShardSender::read_from(stream::Position from,
                                                        RequestBounds bounds) {
  stream::ReadRequest request{shard_, from};
  request.max_records = static_cast<std::uint32_t>(bounds.records);
  request.max_bytes = bounds.bytes;
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

std::size_t ShardSender::requests_of_next() const {
  const auto senders = parts_.budget.holders() + 1;
  const auto share = (parts_.route.requests_at_once() + senders - 1) / senders;
  return std::min({share, 2 * requests_, kRequestsMax});
}

const LaneMarks& ShardSender::lanes_before(Part part, stream::Position first) const {
  static const LaneMarks kUnknown;
  if (part == Part::kNext) return cursor_.lanes;
  return first == left_at_ ? left_lanes_ : kUnknown;
}

Task<void> ShardSender::send(Batch batch) {
  const auto first = batch.records.first();
  const auto part = batch.part;
  BatchSend sending({parts_.loop, parts_.route, stream_, parts_.request,
                     [this, part](std::size_t bytes) {
                       const bool has_turn = draining_ || part == Part::kLeftBehind;
                       return has_turn ? nanoseconds(0) : parts_.turn(bytes);
                     },
                     [this, part, first] { return ends(part, first); }, random_},
                    batch.records);
  sending_ = &sending;
  co_await sending.run();
  under_way_ = under_way();
  sending_ = nullptr;
  stopped_ = stopped_ || sending.took_nothing();
  if (closed_ || (leaving_ && under_way_.sent == 0)) co_return;
  const auto left = sending.left();
  if (give_up_before_ > first) {
    cut(batch.records, left);
  } else if (!left.empty()) {
    co_return;
  }
  const auto* const asked = sending.asked();
  const auto& target = (asked != nullptr ? *asked : parts_.route.current()).target().name();
  finish(std::move(batch), target);
}

bool ShardSender::ends(Part part, stream::Position first) {
  if (closed_ || (leaving_ && under_way().sent == 0) || give_up_before_ > first) return true;
  if (has_to_drop()) drop_left_behind();
  return !sends(part);
}

ShardSender::UnderWay ShardSender::under_way() const {
  if (sending_ == nullptr) return under_way_;
  const auto& progress = sending_->progress();
  return {progress.sent, progress.acknowledged, sending_->end()};
}

void ShardSender::finish(Batch batch, const std::string& target) {
  backoff_.reset();
  under_way_ = {};
  auto& records = batch.records;
  if (batch.part == Part::kLeftBehind) {
    parts_.cursors.fill(shard_, target, {records.first(), records.next()});
    left_at_ = records.next();
    left_lanes_ = records.take_lanes();
    left_behind_due_ = parts_.loop.mono_now() + kLeftBehindEvery;
    return count_left();
  }
  parts_.cursors.take_over(shard_, target, cursor_);
  LaneMarks moved;
  for (const auto& [lane, mark] : records.lanes()) {
    const auto before = cursor_.lanes.find(lane);
    if (before == cursor_.lanes.end() || before->second != mark) moved.emplace(lane, mark);
  }
  cursor_ = {records.next(), records.take_lanes()};
  next_ = cursor_.next.value;
  parts_.cursors.advance(shard_, target, cursor_.next, moved);
}

Task<void> ShardSender::wait(nanoseconds delay) {
  if (!closed_) co_await pause_.wait(delay);
}

void ShardSender::resume() {
  if (sending_ != nullptr) sending_->look();
  pause_.end();
}

}  // namespace spillway::broker
