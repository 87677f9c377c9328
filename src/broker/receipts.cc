#include "broker/receipts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <vector>

#include "base/rfc3339.h"
#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::string_view kSuffix = ".receipt";
constexpr std::string_view kAside = ".damaged";
constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;

std::optional<std::uint64_t> id_of(std::string_view name) {
  if (!name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size() || id == 0) return std::nullopt;
  return id;
}

void add_head(JsonObject& to, const Receipt& receipt) {
  to.add("id", receipt.id)
      .add("time", rfc3339_millis(receipt.time))
      .add("action", to_string(receipt.action))
      .add("from", receipt.from)
      .add("to", receipt.to)
      .add("who", receipt.who)
      .add("reason", receipt.reason);
}

void add_figures(JsonObject& to, ReceiptFigures figures) {
  for (std::size_t i = 0; i < kMatters; ++i) {
    const auto matter = static_cast<Matter>(i);
    const auto& of = figures.of(matter);
    JsonObject object;
    object.add("records", of.records).add("open", of.open);
    if (matter == Matter::kInFlight)
      object.add("acknowledged", figures.acknowledged).add("sent_twice", figures.sent_twice);
    if (matter == Matter::kOldOnly || matter == Matter::kNewOnly)
      object.add("missed_for_good", of.gone);
    if (of.is_resolved && of.resolved) object.add("resolved", rfc3339_millis(*of.resolved));
    to.add_raw(to_string(matter), object.text());
  }
}

}  // namespace

void Receipts::load() {
  const auto names = parts_.disk.list(directory_);
  if (!names.ok() && names.error().code != ErrorCode::kNotFound) {
    // Above all that may be there.
    last_id_ = static_cast<std::uint64_t>(to_millis(parts_.loop.wall_now()));
    parts_.log.error("receipts of switches can't be read",
                     {{"path", directory_}, {"error", names.error().message}});
  }
  if (!names.ok()) return;
  for (const auto& name : *names) {
    const bool aside = name.ends_with(kAside);
    const auto id =
        id_of(std::string_view(name).substr(0, name.size() - (aside ? kAside.size() : 0)));
    if (!id) continue;
    last_id_ = std::max(last_id_, *id);
    if (!aside) load_one(*id, io::join_path(directory_, name));
  }
}

void Receipts::load_one(std::uint64_t id, const std::string& path) {
  const auto bytes = io::read_file(parts_.disk, path, kFileBytesMax);
  auto receipt = bytes.ok() ? decode_receipt(*bytes) : Result<Receipt>(bytes.error());
  if (receipt.ok() && receipt->id != id)
    receipt = Error{ErrorCode::kCorrupt, "it is not the one it is named for"};
  if (receipt.ok()) {
    receipts_.emplace(id, *std::move(receipt));
    return;
  }
  auto moved = parts_.disk.rename(path, path + std::string(kAside));
  if (moved.ok()) moved = parts_.disk.sync_directory(directory_);
  parts_.log.error("the receipt of a switch can't be read",
                   {{"path", path},
                    {"error", receipt.error().message},
                    {"set_aside", moved.ok() ? "as .damaged" : moved.error().message}});
}

std::uint64_t Receipts::begin(const SwitchEvent& event, std::span<const ShardUnderWay> shards) {
  const std::uint64_t id = ++last_id_;
  Receipt& receipt = receipts_[id];
  receipt.id = id;
  receipt.time = event.time;
  receipt.action = event.action;
  receipt.from = event.from;
  receipt.to = event.to;
  receipt.who = event.who;
  receipt.reason = event.reason;
  cut_switch_text(receipt.who);
  cut_switch_text(receipt.reason);
  for (const auto& before : shards) {
    ReceiptShard& shard = receipt.shards[before.id];
    shard.before = before;
    const auto places = places_of(receipt, before.id);
    shard.old_only = count_of(old_only_of(before, places));
    resolve(shard, places, event.time);
  }
  forget_oldest();
  store(id);
  return id;
}

void Receipts::look() {
  if (receipts_.empty()) return;
  const auto last = std::prev(receipts_.end());
  if (look_at(last->second)) unwritten_.insert(last->first);
  // The others in turn, once each at most.
  std::size_t left = kShardsLookedAt;
  for (std::size_t count = receipts_.size() - 1; count > 0 && left > 0; --count) {
    auto next = receipts_.upper_bound(looked_at_);
    if (next == receipts_.end() || next == last) next = receipts_.begin();
    looked_at_ = next->first;
    left -= std::min(left, next->second.shards.size());
    if (look_at(next->second)) unwritten_.insert(next->first);
  }
  // The latest first: of one that fails for ever none is held up that is in use.
  std::vector<std::uint64_t> due(unwritten_.rbegin(), unwritten_.rend());
  if (due.size() > kStoredPerLook) due.resize(kStoredPerLook);
  for (const auto id : due) store(id);
}

// Whether anything was resolved.
bool Receipts::look_at(Receipt& receipt) {
  bool any = false;
  for (auto& [id, shard] : receipt.shards) {
    if (shard.is_resolved()) continue;
    any = resolve(shard, places_of(receipt, id), parts_.loop.wall_now()) || any;
  }
  return any;
}

ShardPlaces Receipts::places_of(const Receipt& receipt, stream::ShardId shard) const {
  ShardPlaces places;
  places.furthest = parts_.cursors.reached(shard);
  places.old_lacks = parts_.cursors.missing(shard, receipt.from);
  places.new_lacks = parts_.cursors.missing(shard, receipt.to);
  places.oldest = parts_.horizon.oldest(shard);
  places.left_behind = parts_.cursors.left_behind(shard);
  if (const auto next = receipts_.upper_bound(receipt.id); next != receipts_.end()) {
    const auto found = next->second.shards.find(shard);
    if (found != next->second.shards.end()) places.until = found->second.before.at;
  }
  return places;
}

void Receipts::forget_oldest() {
  std::size_t shards = 0;
  for (const auto& [id, receipt] : receipts_) shards += receipt.shards.size();
  while (receipts_.size() > 1 && (receipts_.size() > kKept || shards > kShardsKept)) {
    const auto oldest = receipts_.begin();
    shards -= oldest->second.shards.size();
    unwritten_.erase(oldest->first);
    // One that stays is read again at the next start, and goes with the next switch.
    static_cast<void>(parts_.disk.remove(path_of(oldest->first)).ok());
    receipts_.erase(oldest);
  }
}

void Receipts::store(std::uint64_t id) {
  auto stored = parts_.disk.make_directory(directory_);
  if (stored.ok()) stored = io::replace_file(parts_.disk, path_of(id), encode(receipts_.at(id)));
  if (stored.ok()) {
    unwritten_.erase(id);
    if (unwritten_.empty()) failing_ = false;
    return;
  }
  unwritten_.insert(id);
  if (!std::exchange(failing_, true))
    parts_.log.error("the receipt of a switch can't be written, trying again",
                     {{"path", path_of(id)}, {"error", stored.error().message}});
}

std::string Receipts::path_of(std::uint64_t id) const {
  return io::join_path(directory_, fmt::format("{}{}", id, kSuffix));
}

ReceiptFigures Receipts::figures(const Receipt& receipt) const {
  ReceiptFigures sum;
  for (const auto& [id, shard] : receipt.shards) sum.add(figures_of(shard, places_of(receipt, id)));
  return sum;
}

std::string Receipts::list_json() const {
  JsonArray list;
  for (auto at = receipts_.rbegin(); at != receipts_.rend(); ++at) {
    JsonObject object;
    add_head(object, at->second);
    object.add("resolved", figures(at->second).is_resolved());
    list.add_raw(object.text());
  }
  return JsonObject().add_raw("receipts", list.text()).text();
}

Result<std::string> Receipts::json(std::uint64_t id) const {
  const auto found = receipts_.find(id);
  if (found == receipts_.end()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("there is no receipt {}; the latest {} are kept", id, kKept)};
  }
  const auto& receipt = found->second;
  JsonObject object;
  add_head(object, receipt);
  const auto sum = figures(receipt);
  object.add("resolved", sum.is_resolved());
  object.add("in_use", std::next(found) == receipts_.end());
  add_figures(object, sum);
  JsonArray shards;
  for (const auto& [shard, of] : receipt.shards) {
    const auto figures = figures_of(of, places_of(receipt, shard));
    const auto empty = [](const MatterFigures& matter) {
      return matter.records == 0 && matter.open == 0;
    };
    if (std::ranges::all_of(figures.matters, empty)) continue;
    JsonObject each;
    each.add("stream", of.before.stream).add("shard", of.before.number);
    add_figures(each, figures);
    shards.add_raw(each.text());
  }
  object.add_raw("shards", shards.text());
  return object.text();
}

}  // namespace spillway::broker
