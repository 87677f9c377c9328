#include "broker/cursors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/assert.h"
#include "base/bytes.h"
#include "io/on_loop.h"
#include "stream/record_batch.h"

namespace spillway::broker {
namespace {

constexpr std::uint8_t kVersion = 3;
constexpr nanoseconds kRetryDelay = milliseconds(200);
const std::string kNoTarget;  // has what was dropped as its ranges

void append_ranges(std::string& to, const PositionRanges& ranges) {
  append_le(to, static_cast<std::uint32_t>(ranges.size()));
  for (const auto& [first, behind] : ranges) {
    append_le(to, first.value);
    append_le(to, behind.value);
  }
}

void append_cursor(std::string& to, const CursorKey& key, const Cursor& cursor) {
  append_le(to, key.first);
  append_le(to, cursor.next.value);
  append_prefixed(to, key.second);
  append_le(to, static_cast<std::uint32_t>(cursor.lanes.size()));
  for (const auto& [lane, mark] : cursor.lanes) {
    append_le(to, lane);
    to.append(reinterpret_cast<const char*>(mark.producer.data()), mark.producer.size());
    append_le(to, mark.sequence);
  }
  append_ranges(to, cursor.unsent);
  append_ranges(to, cursor.left_behind);
}

std::size_t size_of(const CursorKey& key, const Cursor& cursor) {
  constexpr std::size_t kFixed = 8 + 8 + 4 + 4 + 4 + 4;
  return kFixed + key.second.size() + cursor.lanes.size() * (1 + 16 + 8) +
         (cursor.unsent.size() + cursor.left_behind.size()) * 16;
}

PositionRanges read_ranges(ByteReader& from) {
  PositionRanges ranges;
  for (auto left = from.integer<std::uint32_t>(); left > 0 && from.ok(); --left) {
    const stream::Position first{from.integer<std::uint64_t>()};
    ranges.emplace_back(first, stream::Position{from.integer<std::uint64_t>()});
  }
  return ranges;
}

void read_cursor(ByteReader& from, std::uint8_t version, CursorTable& table) {
  const auto shard = from.integer<std::uint64_t>();
  const stream::Position next{from.integer<std::uint64_t>()};
  Cursor& cursor = table[{shard, std::string(from.prefixed())}];
  cursor.next = next;
  for (auto left = from.integer<std::uint32_t>(); left > 0 && from.ok(); --left) {
    const auto lane = from.integer<std::uint8_t>();
    LaneMark& mark = cursor.lanes[lane];
    const auto producer = from.take(mark.producer.size());
    if (!producer.empty()) std::memcpy(mark.producer.data(), producer.data(), producer.size());
    mark.sequence = from.integer<std::uint64_t>();
  }
  cursor.unsent = version < 2 ? PositionRanges() : read_ranges(from);
  cursor.left_behind = version < 3 ? PositionRanges() : read_ranges(from);
}

void move(Cursor& cursor, const Cursor& to) {
  cursor.next = to.next;
  for (const auto& [lane, mark] : to.lanes) cursor.lanes[lane] = mark;
  cursor.unsent = to.unsent;
  cursor.left_behind = to.left_behind;
}

// nullptr: no target has one of the shard.
const CursorTable::value_type* furthest_of(const CursorTable& table, stream::ShardId shard) {
  const CursorTable::value_type* furthest = nullptr;
  for (auto at = table.upper_bound({shard, kNoTarget});
       at != table.end() && at->first.first == shard; ++at)
    if (furthest == nullptr || is_further(at->second, furthest->second)) furthest = &*at;
  return furthest;
}

// The two that are nearest to each other become one.
void merge_nearest(PositionRanges& ranges) {
  const auto gap = [&](std::size_t i) {
    return ranges[i + 1].first.value - ranges[i].second.value;
  };
  std::size_t nearest = 0;
  for (std::size_t i = 1; i + 1 < ranges.size(); ++i)
    if (gap(i) < gap(nearest)) nearest = i;
  ranges[nearest].second = ranges[nearest + 1].second;
  ranges.erase(ranges.begin() + static_cast<std::ptrdiff_t>(nearest) + 1);
}

stream::AppendItem item_of(stream::ShardId shard, const std::string& data) {
  stream::RecordBatchBuilder builder(
      stream::kBatchHeaderSize + stream::RecordBatchBuilder::size_of(data.size(), 0, false, false));
  builder.add({"", data, std::nullopt, std::nullopt});
  return {shard, 1, std::move(builder).finish()};
}

}  // namespace

bool is_further(const Cursor& one, const Cursor& other) {
  return one.next > other.next ||
         (one.next == other.next && count_of(one.left_behind) < count_of(other.left_behind));
}

std::string encode(const CursorRecord& record) {
  std::string data;
  append_le(data, kVersion);
  data.append(3, '\0');
  append_le(data, static_cast<std::uint32_t>(record.cursors.size()));
  append_le(data, record.whole_at.value);
  for (const auto& [key, cursor] : record.cursors) append_cursor(data, key, cursor);
  return data;
}

Result<CursorRecord> decode_cursors(std::string_view data) {
  ByteReader reader(data);
  const auto version = reader.integer<std::uint8_t>();
  if (version > kVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("the spool's cursors have version {}; this build reads up to {}: use a "
                    "newer spillway",
                    version, kVersion)};
  }
  reader.take(3);
  CursorRecord record;
  auto left = reader.integer<std::uint32_t>();
  record.whole_at.value = reader.integer<std::uint64_t>();
  for (; left > 0 && reader.ok(); --left) read_cursor(reader, version, record.cursors);
  if (version == 0 || !reader.at_end())
    return Error{ErrorCode::kCorrupt, "a record of the spool's cursors is not what was written"};
  return record;
}

Cursors::Cursors(io::EventLoop& loop, stream::Engine& engine, io::EventLog& log)
    : loop_(loop), engine_(engine), log_(log), retry_(loop.make_timer()) {}

Task<Status> Cursors::load(stream::ShardId shard) {
  shard_ = shard;
  auto read = co_await read_stored();
  if (!read.ok() && read.error().code == ErrorCode::kCorrupt) {
    log_.error("the spool's cursors are damaged: what was delivered already may be sent again",
               {{"damage", read.error().message}});
    has_whole_ = false;
    read = Status();
  }
  if (!read.ok()) co_return read;
  for (auto& [key, cursor] : table_) {
    cursor.left_behind = difference(cursor.left_behind, dropped(key.first));
    keep(key, cursor);
  }
  co_return read;
}

// Applies the records of the shard from the last one on that holds every cursor.
Task<Status> Cursors::read_stored() {
  const auto tip = engine_.tip(shard_);
  if (!tip.ok()) co_return tip.error();
  next_ = tip->next;
  // What is at `from` tells where to begin.
  bool begun = false;
  stream::Position from{next_.value > 0 ? next_.value - 1 : 0};
  while (from < next_) {
    auto reading = io::on_loop<Result<stream::ReadResult>>(&loop_, [this, from](auto done) {
      engine_.read({shard_, from}, std::move(done));
    });
    auto read = co_await reading;
    if (!read.ok()) co_return context("read the spool's cursors", std::move(read).error());
    if (read->batches.empty()) break;
    for (const auto& batch : read->batches) {
      stream::RecordBatchReader records(batch.payload);
      const auto stored = records.next();
      if (!stored) co_return Error{ErrorCode::kCorrupt, "the spool's cursors can't be read"};
      auto record = decode_cursors(stored->data);
      if (!record.ok()) co_return std::move(record).error();
      if (!std::exchange(begun, true)) {
        whole_at_ = whole_end_ = record->whole_at;
        has_whole_ = true;
        if (whole_at_ < batch.first) {
          read->next = whole_at_;
          break;
        }
      }
      for (const auto& [key, cursor] : record->cursors) move(table_[key], cursor);
    }
    from = read->next;
  }
  co_return Status();
}

Cursor Cursors::at(stream::ShardId shard, const std::string& target) const {
  const auto found = table_.find({shard, target});
  return found != table_.end() ? found->second : Cursor();
}

Cursor Cursors::furthest(stream::ShardId shard) const {
  const auto* const furthest = furthest_of(table_, shard);
  return furthest != nullptr ? furthest->second : Cursor();
}

stream::Position Cursors::reached(stream::ShardId shard) const {
  const auto* const furthest = furthest_of(table_, shard);
  return furthest != nullptr ? furthest->second.next : stream::Position();
}

PositionRanges Cursors::left_behind(stream::ShardId shard) const {
  const auto* const furthest = furthest_of(table_, shard);
  if (furthest == nullptr || furthest->second.left_behind.empty()) return {};
  return difference(furthest->second.left_behind, dropped(shard));
}

stream::Position Cursors::kept(stream::ShardId shard) const {
  const auto* const furthest = furthest_of(kept_, shard);
  if (furthest == nullptr) return {};
  const auto& [next, lanes, unsent, left] = furthest->second;
  return left.empty() ? next : left.front().first;
}

stream::Position Cursors::kept_by(stream::ShardId shard, std::span<const Copy> targets,
                                  std::size_t copies) const {
  SPILLWAY_ASSERT(copies > 0 && copies <= targets.size());
  const auto end = kept(shard);
  std::vector<stream::Position> whole_before;  // of each target
  whole_before.reserve(targets.size());
  for (const auto& [target, without] : targets) {
    const auto found = kept_.find({shard, target});
    const Cursor cursor = found != kept_.end() ? found->second : Cursor();
    auto missing = cursor.unsent;
    if (cursor.next < end) missing.emplace_back(cursor.next, end);
    // What it was found to have lost counts before that is durable.
    if (const auto now = table_.find({shard, target}); now != table_.end())
      for (const auto& range : now->second.unsent) add(missing, range);
    missing = difference(difference(missing, dropped(shard)), without);
    whole_before.push_back(missing.empty() ? end : std::min(end, missing.front().first));
  }
  const auto at = whole_before.begin() + static_cast<std::ptrdiff_t>(copies - 1);
  std::ranges::nth_element(whole_before, at, std::greater());
  return *at;
}

void Cursors::keep(const CursorKey& key, const Cursor& cursor) {
  kept_[key] = {cursor.next, {}, cursor.unsent, cursor.left_behind};
}

void Cursors::take_over(stream::ShardId shard, const std::string& target, const Cursor& from) {
  const CursorKey key{shard, target};
  auto left = left_behind(shard);
  Cursor& cursor = table_[key];
  if (cursor.next == from.next && cursor.lanes == from.lanes && cursor.left_behind == left) return;
  if (cursor.next < from.next) add(cursor.unsent, {cursor.next, from.next});
  if (cursor.unsent.size() > kUnsentMax) merge_nearest(cursor.unsent);
  cursor.left_behind = std::move(left);
  moved(key, from.next, from.lanes);
}

void Cursors::leave_behind(stream::ShardId shard, const std::string& target, stream::Position next,
                           LaneMarks lanes) {
  take_over(shard, target, furthest(shard));
  Cursor& cursor = table_[{shard, target}];
  for (auto* ranges : {&cursor.unsent, &cursor.left_behind}) add(*ranges, {cursor.next, next});
  if (cursor.unsent.size() > kUnsentMax) merge_nearest(cursor.unsent);
  moved({shard, target}, next, lanes);
}

void Cursors::advance(stream::ShardId shard, const std::string& target, stream::Position next,
                      const LaneMarks& lanes) {
  moved({shard, target}, next, lanes);
}

PositionRanges Cursors::missing(stream::ShardId shard, const std::string& target) const {
  const auto found = table_.find({shard, target});
  auto missing = found != table_.end() ? found->second.unsent : PositionRanges();
  const auto next = found != table_.end() ? found->second.next : stream::Position();
  const auto end = reached(shard);
  if (next < end) missing.emplace_back(next, end);
  return difference(difference(missing, dropped(shard)), left_behind(shard));
}

const PositionRanges& Cursors::dropped(stream::ShardId shard) const {
  static const PositionRanges kNone;
  const auto found = table_.find({shard, kNoTarget});
  return found != table_.end() ? found->second.unsent : kNone;
}

void Cursors::give_up(stream::ShardId shard, PositionRange dropped) {
  auto& ranges = table_[{shard, kNoTarget}].unsent;
  add(ranges, dropped);
  const auto left = left_behind(shard);
  // Behind so many the spool hardly holds the oldest any more, or it was left behind.
  PositionRanges forgotten;
  if (ranges.size() > kDroppedMax) {
    forgotten.push_back(ranges.front());
    ranges.erase(ranges.begin());
  }
  // Before the cursors: were one stored alone, it would say that a target was sent these.
  moved({shard, kNoTarget}, {}, {});
  const auto* const furthest = furthest_of(table_, shard);
  for (auto at = table_.upper_bound({shard, kNoTarget});
       at != table_.end() && at->first.first == shard; ++at) {
    auto& [next, lanes, unsent, behind] = at->second;
    auto now_unsent = difference(unsent, forgotten);
    const bool moves = now_unsent != unsent || (&*at == furthest && behind != left);
    if (!moves) continue;
    unsent = std::move(now_unsent);
    if (unsent.size() > kUnsentMax) merge_nearest(unsent);
    if (&*at == furthest) behind = left;
    moved(at->first, next, {});
  }
}

void Cursors::lose(stream::ShardId shard, const std::string& target, stream::Position first) {
  const auto found = table_.find({shard, target});
  if (found == table_.end() || found->second.next <= first) return;
  auto& [next, lanes, unsent, left] = found->second;
  unsent = clipped(unsent, {{}, first});
  unsent.emplace_back(first, next);
  unsent = difference(unsent, dropped(shard));
  while (unsent.size() > kUnsentMax) merge_nearest(unsent);
  moved({shard, target}, next, {});
}

void Cursors::fill(stream::ShardId shard, const std::string& target, PositionRange sent) {
  take_over(shard, target, furthest(shard));
  Cursor& cursor = table_[{shard, target}];
  cursor.unsent = difference(difference(cursor.unsent, {sent}), dropped(shard));
  while (cursor.unsent.size() > kUnsentMax) merge_nearest(cursor.unsent);
  cursor.left_behind = difference(cursor.left_behind, {sent});
  moved({shard, target}, cursor.next, {});
}

bool Cursors::is_kept(stream::ShardId shard, const std::string& target, PositionRange range) const {
  const auto kept = kept_.find({shard, target});
  return kept != kept_.end() && range.second <= kept->second.next &&
         clipped(kept->second.unsent, range) == clipped(at(shard, target).unsent, range);
}

void Cursors::moved(const CursorKey& key, stream::Position next, const LaneMarks& lanes) {
  Cursor& cursor = table_[key];
  const Cursor to{next, lanes, cursor.unsent, cursor.left_behind};
  move(cursor, to);
  move(moved_[key], to);
  if (!writing_ && !failing_) write();
}

void Cursors::settle(UniqueFunction<void(Status)> done) {
  settled_ = std::move(done);
  if (writing_) return;
  if (moved_.empty()) return told({});
  retry_->cancel();
  write();
}

void Cursors::told(Status status) {
  if (settled_)
    loop_.post([status = std::move(status), done = std::exchange(settled_, nullptr)]() mutable {
      done(std::move(status));
    });
}

void Cursors::write() {
  writing_ = true;
  if (!whole_ && whole_is_due()) whole_ = Whole{next_, {}};
  CursorRecord record{whole_at_, {}};
  CursorTable sent;
  if (whole_) {
    record = next_of_whole();
    for (const auto& [key, cursor] : record.cursors) {
      sent[key] = cursor;
      moved_.erase(key);
    }
  } else {
    record.cursors = sent = next_moved();
  }
  std::vector<stream::AppendItem> items;
  items.push_back(item_of(shard_, encode(record)));
  // What fails is written with what moves next: a cursor never moves back.
  engine_.append(std::move(items),
                 [this, sent = std::move(sent)](
                     const std::vector<Result<stream::Appended>>& outcomes) mutable {
                   loop_.post([this, outcome = outcomes.front(), sent = std::move(sent)]() mutable {
                     written(outcome, std::move(sent));
                   });
                 });
}

// The next cursors of the whole. Only its last record says where it begins: until that is written,
// a restart begins at the one before, and finds these among what has moved since.
CursorRecord Cursors::next_of_whole() {
  CursorRecord record;
  std::size_t bytes = 0;
  auto at = table_.upper_bound(whole_->last);
  for (; at != table_.end(); ++at) {
    bytes += size_of(at->first, at->second);
    if (bytes > kRecordBytesMax && !record.cursors.empty()) break;
    record.cursors.insert(*at);
    whole_->last = at->first;
  }
  record.whole_at = at == table_.end() || !has_whole_ ? whole_->first : whole_at_;
  return record;
}

// Goes round, so that each has its turn.
CursorTable Cursors::next_moved() {
  CursorTable next;
  std::size_t bytes = 0;
  while (!moved_.empty()) {
    auto at = moved_.upper_bound(moved_last_);
    if (at == moved_.end()) at = moved_.begin();
    bytes += size_of(at->first, at->second);
    if (bytes > kRecordBytesMax && !next.empty()) break;
    moved_last_ = at->first;
    next.insert(moved_.extract(at));
  }
  return next;
}

void Cursors::written(const Result<stream::Appended>& outcome, CursorTable sent) {
  writing_ = false;
  if (!outcome.ok()) {
    whole_.reset();
    for (const auto& [key, cursor] : moved_) move(sent[key], cursor);
    moved_ = std::move(sent);
    if (!std::exchange(failing_, true))
      log_.warning("the spool's cursors can't be kept: a restart would send records again",
                   {{"error", outcome.error().message}});
    retry_->start(kRetryDelay, [this] { write(); });
    return told(outcome.error());
  }
  for (const auto& [key, cursor] : sent) keep(key, cursor);
  if (std::exchange(failing_, false)) log_.info("the spool's cursors are kept again");
  next_ = outcome->first.plus(1);
  if (whole_ && table_.upper_bound(whole_->last) == table_.end()) {
    whole_at_ = whole_->first;
    whole_end_ = next_;
    has_whole_ = true;
    whole_.reset();
  }
  if (whole_ || !moved_.empty()) return write();
  told({});
}

}  // namespace spillway::broker
