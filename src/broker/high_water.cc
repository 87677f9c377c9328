#include "broker/high_water.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/rfc3339.h"
#include "broker/checked_lines.h"
#include "broker/json_members.h"
#include "broker/json_object.h"
#include "stream/sequence_number.h"

namespace spillway::broker {
namespace {

constexpr LinesFormat kFormat{"spillway high water", "1", "the marks of targets"};
// Of Kinesis 56; whoever answers in its place may have others.
constexpr std::size_t kDigitsMax = 128;
constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;

bool is_number(std::string_view digits) {
  return !digits.empty() && digits.size() <= kDigitsMax &&
         std::ranges::all_of(digits, [](char digit) { return digit >= '0' && digit <= '9'; });
}

// As integers.
bool less(std::string_view left, std::string_view right) {
  if (left.size() == right.size()) return left < right;
  const auto strip = [](std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
    return digits;
  };
  left = strip(left);
  right = strip(right);
  return left.size() != right.size() ? left.size() < right.size() : left < right;
}

bool take_line(std::string_view line, HighWaters& to) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string target;
  std::string address;
  StreamShard key;
  HighWater mark;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS || !root.is_object() ||
      !take(root, "target", target) || !take(root, "address", address) ||
      !take(root, "stream", key.first) || !take(root, "shard", key.second) ||
      !take(root, "sequence", mark.sequence_number) || !take(root, "at", mark.at) ||
      !is_number(mark.sequence_number))
    return false;
  auto& known = to[target];
  if (!known.shards.empty() && known.address != address) return false;
  known.address = std::move(address);
  return known.shards.size() < HighWaterMarks::kShardsMax &&
         known.shards.emplace(std::move(key), std::move(mark)).second;
}

// To be put in order: what isn't known comes first.
WallTime known_time(WallTime at, WallTime now) { return is_ahead(at, now) ? WallTime::min() : at; }

// The lowest and the highest number that an answer has in a shard.
struct Span {
  std::string_view lowest;
  std::string_view highest;
};

std::map<std::string_view, Span> spans_of(const std::vector<client::PutOutcome>& outcomes) {
  std::map<std::string_view, Span> spans;
  auto last = spans.end();
  for (const auto& outcome : outcomes) {
    const std::string_view number = outcome.sequence_number;
    if (!outcome.ok()) continue;
    if (last == spans.end() || last->first != outcome.shard_id)
      last = spans.try_emplace(outcome.shard_id, Span{number, number}).first;
    auto& span = last->second;
    if (less(number, span.lowest)) span.lowest = number;
    if (less(span.highest, number)) span.highest = number;
  }
  std::erase_if(spans, [](const auto& span) {
    return !is_number(span.second.lowest) || !is_number(span.second.highest);
  });
  return spans;
}

}  // namespace

std::string encode(const HighWaters& marks) {
  std::string lines;
  for (const auto& [target, known] : marks) {
    for (const auto& [key, mark] : known.shards) {
      lines += JsonObject()
                   .add("target", target)
                   .add("address", known.address)
                   .add("stream", key.first)
                   .add("shard", key.second)
                   .add("sequence", mark.sequence_number)
                   .add("at", rfc3339_millis(mark.at))
                   .text() +
               "\n";
    }
  }
  return with_checksum(kFormat, lines);
}

Result<HighWaters> decode_high_waters(std::string_view text) {
  SPILLWAY_ASSIGN(text, checked_lines(kFormat, text));
  HighWaters marks;
  SPILLWAY_TRY(take_lines(text, "a shard",
                          [&marks](std::string_view line) { return take_line(line, marks); }));
  return marks;
}

Status HighWaterFile::load() {
  marks_.clear();
  const auto bytes = io::read_file(disk_, path_, kFileBytesMax);
  if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) return {};
  if (!bytes.ok()) return bytes.error();
  auto read = decode_high_waters(*bytes);
  if (!read.ok()) return context(path_, std::move(read).error());
  marks_ = *std::move(read);
  return {};
}

TargetHighWater HighWaterFile::of(const std::string& target) const {
  const auto found = marks_.find(target);
  return found != marks_.end() ? found->second : TargetHighWater();
}

Status HighWaterFile::store(HighWaters marks) {
  SPILLWAY_TRY(io::replace_file(disk_, path_, encode(marks)));
  marks_ = std::move(marks);
  return {};
}

void HighWaterMarks::restore(const TargetHighWater& kept) {
  forget();
  address_ = kept.address;
  for (const auto& [key, mark] : kept.shards)
    shards_[key] = Shard{{Rise{answers_, mark.sequence_number}}, mark.at};
}

TargetHighWater HighWaterMarks::kept() const {
  TargetHighWater kept{address_, {}};
  for (const auto& [key, shard] : shards_)
    kept.shards.emplace(key, HighWater{shard.rises.back().number, shard.at});
  return kept;
}

void HighWaterMarks::move_to(const std::string& address) {
  if (address == address_) return;
  forget();
  address_ = address;
}

void HighWaterMarks::forget() {
  shards_.clear();
  under_way_.clear();
  ++era_;
  ++changes_;
}

void HighWaterMarks::forget(const std::string& stream) {
  std::erase_if(shards_, [&](const auto& shard) { return shard.first.first == stream; });
  ++changes_;
}

void HighWaterMarks::keep_only(const std::set<std::string>& streams) {
  const auto gone = std::erase_if(
      shards_, [&](const auto& shard) { return !streams.contains(shard.first.first); });
  changes_ += gone;
}

HighWaterMarks::Sent HighWaterMarks::sent() {
  under_way_.insert(answers_);
  return {era_, answers_};
}

void HighWaterMarks::unanswered(const Sent& sent) {
  if (sent.era == era_) end(sent);
}

void HighWaterMarks::end(const Sent& sent) {
  const auto found = under_way_.find(sent.answers);
  if (found != under_way_.end()) under_way_.erase(found);
}

std::optional<HighWaterMarks::Finding> HighWaterMarks::answered(
    const Sent& sent, const std::string& stream, const std::vector<client::PutOutcome>& outcomes,
    WallTime now) {
  if (sent.era != era_) return std::nullopt;
  end(sent);
  const auto spans = spans_of(outcomes);
  for (const auto& [shard, span] : spans) {
    auto found = compare({stream, std::string(shard)}, std::string(span.lowest), sent.answers);
    if (found) return found;
  }
  ++answers_;
  for (const auto& [shard, span] : spans) raise({stream, std::string(shard)}, span.highest, now);
  bound(now);
  return std::nullopt;
}

std::optional<HighWaterMarks::Finding> HighWaterMarks::compare(const StreamShard& key,
                                                               const std::string& number,
                                                               std::uint64_t answers) const {
  const auto shard = shards_.find(key);
  if (!ordered_ || shard == shards_.end()) return std::nullopt;
  const auto& rises = shard->second.rises;
  const auto later =
      std::ranges::find_if(rises, [answers](const Rise& rise) { return rise.answers > answers; });
  if (later == rises.begin()) return std::nullopt;
  const std::string& mark = std::prev(later)->number;
  // The time of arrival is a part of a number: the same place, taken again later, has a higher one.
  const auto given = stream::parse_sequence_number(number);
  const auto known = stream::parse_sequence_number(mark);
  const bool comparable = given && known;
  if (comparable && (given->shard_created_seconds != known->shard_created_seconds ||
                     given->shard_index != known->shard_index)) {
    return Finding{Kind::kAnother,
                   fmt::format("shard {} of stream {} isn't the one in which it acknowledged {} at "
                               "{}, the stream was made anew",
                               key.second, key.first, mark, rfc3339_millis(shard->second.at))};
  }
  if (comparable ? given->counter > known->counter : less(mark, number)) return std::nullopt;
  return Finding{
      Kind::kBehind,
      fmt::format("in shard {} of stream {} it gave {} to a record, though it had "
                  "acknowledged {} at {}",
                  key.second, key.first, number, mark, rfc3339_millis(shard->second.at))};
}

void HighWaterMarks::raise(const StreamShard& key, std::string_view number, WallTime now) {
  auto& shard = shards_[key];
  if (!shard.rises.empty() && !less(shard.rises.back().number, number)) return;
  const std::uint64_t oldest = under_way_.empty() ? answers_ : *under_way_.begin();
  shard.rises.push_back({answers_, std::string(number)});
  const auto needed = std::ranges::find_if(
      shard.rises, [oldest](const Rise& rise) { return rise.answers > oldest; });
  if (needed - shard.rises.begin() > 1) shard.rises.erase(shard.rises.begin(), needed - 1);
  shard.at = now;
  ++changes_;
}

void HighWaterMarks::bound(WallTime now) {
  if (shards_.size() <= kShardsMax) return;
  // Several at once, so that it isn't done at each answer.
  std::vector<WallTime> times;
  times.reserve(shards_.size());
  for (const auto& [key, shard] : shards_) times.push_back(known_time(shard.at, now));
  const auto limit = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10);
  std::ranges::nth_element(times, limit);
  std::erase_if(shards_,
                [&](const auto& shard) { return known_time(shard.second.at, now) <= *limit; });
}

std::optional<HighWaterMarks::Last> HighWaterMarks::last(const std::string& stream,
                                                         const std::string& canaries,
                                                         WallTime now) const {
  const bool any = stream == canaries;
  std::optional<Last> last;
  WallTime latest;
  for (auto each = any ? shards_.begin() : shards_.lower_bound({stream, ""});
       each != shards_.end() && (any || each->first.first == stream); ++each) {
    const auto& [key, shard] = *each;
    const auto at = known_time(shard.at, now);
    if (key.first == canaries || (last && at <= latest)) continue;
    latest = at;
    last = Last{key.first, key.second, {shard.rises.back().number, shard.at}};
  }
  return last;
}

}  // namespace spillway::broker
