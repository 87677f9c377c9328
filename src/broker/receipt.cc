#include "broker/receipt.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/rfc3339.h"
#include "broker/checked_lines.h"
#include "broker/json_members.h"
#include "broker/json_object.h"

namespace spillway::broker {
namespace {

namespace dom = simdjson::dom;

constexpr LinesFormat kFormat{"spillway switch receipt", "1", "a receipt"};

std::string head_line(const Receipt& receipt) {
  return JsonObject()
      .add("id", receipt.id)
      .add("time", rfc3339_millis(receipt.time))
      .add("action", to_string(receipt.action))
      .add("from", receipt.from)
      .add("to", receipt.to)
      .add("who", receipt.who)
      .add("reason", receipt.reason)
      .text();
}

std::string shard_line(const ReceiptShard& shard) {
  std::string resolved = "[";
  for (const auto& time : shard.resolved) {
    if (resolved.size() > 1) resolved += ',';
    append_json_text(resolved, time ? rfc3339_millis(*time) : "");
  }
  const auto& before = shard.before;
  return JsonObject()
      .add("stream", before.stream)
      .add("number", before.number)
      .add("id", before.id)
      .add("at", before.at.value)
      .add("tip", before.tip.value)
      .add("in_flight_end", before.in_flight_end.value)
      .add("in_flight", before.in_flight)
      .add("acknowledged", before.acknowledged)
      .add("left_behind", before.left_behind)
      .add("old_only", shard.old_only)
      .add_raw("resolved", resolved + "]")
      .text();
}

bool take_head(const dom::element& from, Receipt& to) {
  std::string action;
  if (!take(from, "id", to.id) || !take(from, "time", to.time) || !take(from, "action", action) ||
      !take(from, "from", to.from) || !take(from, "to", to.to) || !take(from, "who", to.who) ||
      !take(from, "reason", to.reason))
    return false;
  to.action =
      action == to_string(SwitchAction::kReturn) ? SwitchAction::kReturn : SwitchAction::kSwitch;
  return action == to_string(to.action);
}

bool take_resolved(const dom::element& from, ReceiptShard& to) {
  dom::array times;
  if (from["resolved"].get_array().get(times) != simdjson::SUCCESS || times.size() != kMatters)
    return false;
  std::size_t matter = 0;
  for (const auto each : times) {
    std::string_view text;
    if (each.get_string().get(text) != simdjson::SUCCESS) return false;
    auto& resolved = to.resolved[matter++];
    if (!text.empty() && !(resolved = parse_rfc3339(text))) return false;
  }
  return true;
}

bool take_shard(const dom::element& from, Receipt& to) {
  ReceiptShard shard;
  auto& before = shard.before;
  std::uint64_t number = 0;
  if (!take(from, "stream", before.stream) || !take(from, "number", number) ||
      !take(from, "id", before.id) || !take(from, "at", before.at.value) ||
      !take(from, "tip", before.tip.value) ||
      !take(from, "in_flight_end", before.in_flight_end.value) ||
      !take(from, "in_flight", before.in_flight) ||
      !take(from, "acknowledged", before.acknowledged) || !take(from, "old_only", shard.old_only) ||
      !take_resolved(from, shard))
    return false;
  before.number = static_cast<std::uint32_t>(number);
  if (!take(from, "left_behind", before.left_behind)) before.left_behind = 0;  // of older builds
  const auto id = before.id;
  return to.shards.emplace(id, std::move(shard)).second;
}

std::uint64_t between(stream::Position first, stream::Position behind) {
  return behind.value - std::min(first.value, behind.value);
}

}  // namespace

std::string_view to_string(Matter matter) {
  switch (matter) {
    case Matter::kInFlight:
      return "in_flight";
    case Matter::kSpool:
      return "spool";
    case Matter::kOldOnly:
      return "old_only";
    case Matter::kNewOnly:
      return "new_only";
  }
  return "";
}

std::string encode(const Receipt& receipt) {
  std::string lines = head_line(receipt) + "\n";
  for (const auto& [id, shard] : receipt.shards) lines += shard_line(shard) + "\n";
  return with_checksum(kFormat, lines);
}

Result<Receipt> decode_receipt(std::string_view text) {
  SPILLWAY_ASSIGN(text, checked_lines(kFormat, text));
  Receipt receipt;
  dom::parser parser;
  bool begun = false;
  SPILLWAY_TRY(take_lines(text, "a receipt", [&](std::string_view line) {
    dom::element object;
    return parser.parse(line.data(), line.size()).get(object) == simdjson::SUCCESS &&
           (std::exchange(begun, true) ? take_shard(object, receipt) : take_head(object, receipt));
  }));
  if (!begun) return Error{ErrorCode::kCorrupt, "line 2 is not that of a receipt"};
  return receipt;
}

void ReceiptFigures::add(const ReceiptFigures& other) {
  for (std::size_t i = 0; i < kMatters; ++i) {
    auto& sum = matters[i];
    const auto& each = other.matters[i];
    sum.records += each.records;
    sum.open += each.open;
    sum.gone += each.gone;
    sum.is_resolved = sum.is_resolved && each.is_resolved;
    if (each.resolved)
      sum.resolved = std::max(sum.resolved.value_or(*each.resolved), *each.resolved);
  }
  acknowledged += other.acknowledged;
  sent_twice += other.sent_twice;
}

bool ReceiptShard::is_resolved() const {
  return std::ranges::all_of(resolved, [](const auto& time) { return time.has_value(); });
}

bool ReceiptFigures::is_resolved() const {
  return std::ranges::all_of(matters, &MatterFigures::is_resolved);
}

PositionRanges old_only_of(const ShardUnderWay& before, const ShardPlaces& places) {
  return clipped(difference(places.new_lacks, places.old_lacks), {{}, before.at});
}

ReceiptFigures figures_of(const ReceiptShard& shard, const ShardPlaces& places) {
  const auto& before = shard.before;
  ReceiptFigures figures;
  figures.acknowledged = before.acknowledged;
  for (std::size_t i = 0; i < kMatters; ++i) {
    figures.matters[i].resolved = shard.resolved[i];
    figures.matters[i].is_resolved = shard.resolved[i].has_value();
  }
  const auto fill = [](MatterFigures& matter, std::uint64_t records, std::uint64_t open,
                       std::uint64_t gone) {
    matter.records = records;
    if (!matter.is_resolved) matter.open = open;
    if (!matter.is_resolved) matter.gone = gone;
  };
  const auto left = clipped(places.left_behind, {{}, before.tip});
  // What is left behind is sent oldest first.
  const bool behind = before.in_flight_end <= before.at;
  const PositionRange flight{behind ? stream::Position() : before.at, before.in_flight_end};
  const bool flies = places.furthest < before.in_flight_end || !clipped(left, flight).empty();
  auto& in_flight = figures.of(Matter::kInFlight);
  fill(in_flight, before.in_flight, flies ? before.in_flight : 0, 0);
  figures.sent_twice = in_flight.records - in_flight.open;
  fill(figures.of(Matter::kSpool), between(before.at, before.tip) + before.left_behind,
       between(std::max(before.at, places.furthest), before.tip) + count_of(left), 0);
  const auto old_only = old_only_of(before, places);
  // The old one may be sent afterwards what it lacked itself.
  fill(figures.of(Matter::kOldOnly), shard.old_only, std::min(shard.old_only, count_of(old_only)),
       std::min(shard.old_only, count_of(clipped(old_only, {{}, places.oldest}))));
  const auto until = places.until.value_or(std::max(before.at, places.furthest));
  const auto new_only = clipped(difference(places.old_lacks, places.new_lacks), {before.at, until});
  fill(figures.of(Matter::kNewOnly), between(before.at, until), count_of(new_only),
       count_of(clipped(new_only, {{}, places.oldest})));
  return figures;
}

bool resolve(ReceiptShard& shard, const ShardPlaces& places, WallTime now) {
  const auto figures = figures_of(shard, places);
  bool any = false;
  for (std::size_t i = 0; i < kMatters; ++i) {
    // The new target takes more until the next switch.
    const bool over = static_cast<Matter>(i) != Matter::kNewOnly || places.until;
    if (shard.resolved[i] || figures.matters[i].open > 0 || !over) continue;
    shard.resolved[i] = now;
    any = true;
  }
  return any;
}

}  // namespace spillway::broker
