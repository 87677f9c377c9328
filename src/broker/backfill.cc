#include "broker/backfill.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "broker/spool_damage.h"
#include "io/on_loop.h"

namespace spillway::broker {
namespace {

// What precedes the first of a lane isn't read.
void link(std::vector<client::PutEntry>& entries, const std::vector<bool>& given_up) {
  LaneMarks lanes;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& origin = entries[i].origin;
    if (!origin) continue;
    LaneMark& last = lanes[origin->lane];
    if (last.producer != origin->producer) last = {origin->producer, origin->sequence - 1};
    origin->previous = last.sequence;
    if (!given_up[i]) last.sequence = origin->sequence;
  }
}

}  // namespace

Backfill::Backfill(Parts parts, std::size_t place)
    : parts_(parts),
      place_(place),
      name_(parts.route.link(place).target().name()),
      sent_(parts.metrics.counter("spillway_broker_backfilled_records_total",
                                  "Records that the target had missed, and was sent from the spool",
                                  {{"target", name_}})),
      missing_(parts.metrics, "spillway_broker_missing_records",
               "Records that the target lacks, of those that another one has", {{"target", name_}}),
      gone_(parts.metrics, "spillway_broker_missed_for_good_records",
            "Those of them that the spool no longer holds", {{"target", name_}}),
      timer_(parts.loop.make_timer()) {}

Backfill::~Backfill() { SPILLWAY_ASSERT(!running_); }

void Backfill::start(UniqueFunction<void()> ended) {
  running_ = true;
  spillway::start(run(), [this, ended = std::move(ended)]() mutable {
    running_ = false;
    parts_.loop.post(std::move(ended));
  });
}

void Backfill::close() {
  closed_ = true;
  timer_->cancel();
  if (waiting_) std::exchange(waiting_, nullptr)(true);
}

Task<void> Backfill::run() {
  look();
  parts_.route.lag(place_, true);
  while (!closed_) {
    bool more = false;
    bool through = true;
    // Others may be added meanwhile.
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      const bool takes = !closed_ && parts_.route.spare(place_) != nullptr;
      const auto left = takes ? co_await fill(shards_[i]) : Left::kUnknown;
      through = through && left != Left::kUnknown;
      more = more || left == Left::kSome;
      if (!takes) break;
    }
    look();
    parts_.route.lag(place_, more || !through);
    if (!more) co_await wait(kLook);
  }
}

// One request of what comes next.
Task<Backfill::Left> Backfill::fill(Shard shard) {
  // What was sent before a target was set back is lost there.
  const auto set_backs = parts_.route.set_backs();
  if (std::exchange(set_backs_, set_backs) != set_backs) passed_over_.clear();
  const auto range = next_of(shard.id);
  if (!range) co_return Left::kNone;
  // What the other target takes from now on is left to the next look.
  const auto end = parts_.cursors.missing(shard.id, name_).back().second;
  auto batch = co_await read(shard.id, *range);
  if (closed_ || !batch) co_return Left::kUnknown;
  const auto held = batch->entries.empty() ? range->second : batch->first;
  if (range->first < held) pass_over(shard.id, {range->first, held});
  if (batch->entries.empty()) co_return Left::kSome;
  while (!closed_) {
    const auto delay = parts_.turn(batch->bytes);
    if (delay <= nanoseconds(0)) break;
    co_await wait(delay);
  }
  const std::uint64_t records = batch->entries.size();
  const MonoTime began = parts_.loop.mono_now();
  const bool sent = co_await send(shard.stream, std::move(batch->entries));
  if (!sent || set_backs != parts_.route.set_backs()) co_return Left::kUnknown;
  filled(shard.id, {batch->first, batch->next});
  progress_.sent += records;
  sent_.add(records);
  co_await wait(parts_.loop.mono_now() - began);
  while (!closed_ && !parts_.cursors.is_kept(shard.id, name_, {batch->first, batch->next}))
    co_await wait(kTurn);
  const auto next = next_of(shard.id);
  co_return next && next->first < end ? Left::kSome : Left::kNone;
}

// Where cursors make one of two ranges, what was sent between them is missing again: were it sent
// again, the next two would be made one, without end.
void Backfill::filled(stream::ShardId shard, PositionRange sent) {
  const auto left = difference(parts_.cursors.missing(shard, name_), {sent});
  parts_.cursors.fill(shard, name_, sent);
  const auto merged = difference(parts_.cursors.missing(shard, name_), left);
  for (const auto& range : merged) pass_over(shard, range);
}

// Of too many, those become one that have nothing between them that it is to be sent, or will be
// once another target has it. What it has, and what nobody is sent, may be passed over as well.
void Backfill::pass_over(stream::ShardId shard, PositionRange range) {
  PositionRanges& passed = passed_over_[shard];
  broker::add(passed, range);
  if (passed.size() <= kPassedOverMax) return;
  auto apart = lacks(shard);
  for (const auto& left : parts_.cursors.left_behind(shard)) broker::add(apart, left);
  bound(passed, apart, kPassedOverMax);
}

// What it lacks and the spool may hold.
PositionRanges Backfill::lacks(stream::ShardId shard) const {
  const auto missing = parts_.cursors.missing(shard, name_);
  const auto passed = passed_over_.find(shard);
  return passed != passed_over_.end() ? difference(missing, passed->second) : missing;
}

std::optional<PositionRange> Backfill::next_of(stream::ShardId shard) const {
  const auto ranges = lacks(shard);
  return ranges.empty() ? std::nullopt : std::optional(ranges.front());
}

// Without entries where the spool holds nothing of the range any more. nullopt: not now.
Task<std::optional<SpoolBatch>> Backfill::read(stream::ShardId shard, PositionRange range) {
  int damaged = 0;
  while (!closed_ && range.first < range.second) {
    stream::ReadRequest request{shard, range.first};
    request.max_records = kRequest.records;
    request.max_bytes = kRequest.bytes;
    auto reading = io::on_loop<Result<stream::ReadResult>>(
        &parts_.loop, [this, request](auto done) { parts_.engine.read(request, std::move(done)); });
    const auto read = co_await reading;
    if (read.ok()) co_return take_batch(*read, range.first, range.second, kRequest, kRequest);
    if (read.error().code != ErrorCode::kCorrupt) break;
    // It may have been the reading.
    if (++damaged <= kDamagedReads) {
      co_await wait(kLook);
      continue;
    }
    const auto behind =
        co_await readable_behind(parts_.loop, parts_.engine, shard, range.first, range.second);
    if (!behind) break;
    parts_.log.error("records in the spool are damaged, a target that missed them goes without",
                     {{"target", name_},
                      {"shard", shard},
                      {"position", range.first.value},
                      {"records", behind->value - range.first.value},
                      {"damage", read.error().message}});
    damaged = 0;
    pass_over(shard, {range.first, *behind});
    range.first = *behind;
  }
  co_return std::nullopt;
}

// Whether the target has all of them, but for what it refuses for good. False where it takes none
// now: it may take those of other shards.
Task<bool> Backfill::send(std::string stream, std::vector<client::PutEntry> entries) {
  std::vector<bool> given_up(entries.size());
  link(entries, given_up);
  const auto give_up = [&](TargetLink& to, std::size_t number, std::string_view why) {
    to.give_up(stream, entries[number], why);
    given_up[number] = true;
    link(entries, given_up);
  };
  Pending pending(entries.size());
  for (std::size_t i = 0; i < pending.size(); ++i) pending[i] = i;
  std::size_t most = pending.size();
  while (!pending.empty()) {
    auto* const to = co_await turn();
    if (to == nullptr) co_return false;
    if (!to->prepared(stream)) {
      const bool prepared = co_await to->prepare(stream);
      if (!prepared) co_return false;
      continue;
    }
    const Pending sent =
        next_of_lanes(entries, pending, to->target().packing(), {most, kRequest.bytes});
    std::vector<client::PutEntry> chosen;
    chosen.reserve(sent.size());
    for (const auto number : sent) chosen.push_back(entries[number]);
    const auto result = co_await to->put(stream, std::move(chosen));
    if (closed_) co_return false;
    if (!result.ok()) {
      const bool refused = result.error().code == ErrorCode::kInvalid;
      if (refused && sent.size() > 1) {
        most = sent.size() / 2;
      } else if (refused && to->gives_up()) {
        give_up(*to, sent.front(), result.error().message);
        pending = pending_after(pending, sent, {});
      } else if (refused) {
        co_await to->try_canary(entries[sent.front()].origin);
        if (!to->gives_up()) co_return false;
      } else {
        co_return false;
      }
      continue;
    }
    most = std::min(2 * most, entries.size());
    const auto [left, refused] = judged(entries, sent, result->outcomes);
    for (const auto& [number, why] : refused) give_up(*to, number, why);
    pending = pending_after(pending, sent, left);
    if (left.size() == sent.size()) co_return false;
    if (!left.empty()) co_await wait(kLook);
  }
  co_return true;
}

// nullptr: at the end.
Task<TargetLink*> Backfill::turn() {
  while (!closed_) {
    if (auto* const to = parts_.route.spare(place_)) co_return to;
    co_await wait(kTurn);
  }
  co_return nullptr;
}

void Backfill::look() {
  progress_.missing = progress_.gone = 0;
  for (const auto& shard : shards_) {
    const auto missing = count_of(parts_.cursors.missing(shard.id, name_));
    progress_.missing += missing;
    progress_.gone += missing - count_of(lacks(shard.id));
  }
  missing_.set(static_cast<std::int64_t>(progress_.missing));
  gone_.set(static_cast<std::int64_t>(progress_.gone));
}

Task<void> Backfill::wait(nanoseconds delay) {
  if (closed_ || delay <= nanoseconds(0)) co_return;
  auto over = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    waiting_ = std::move(done);
    timer_->start(delay, [this] { std::exchange(waiting_, nullptr)(true); });
  });
  co_await over;
}

}  // namespace spillway::broker
