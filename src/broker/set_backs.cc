#include "broker/set_backs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/rfc3339.h"

namespace spillway::broker {
namespace {

constexpr std::string_view kToldAs =
    "a target was set back: it lacks what it had acknowledged, and isn't used before it is "
    "accepted (spillway switch --accept)";

std::uint64_t changes_of(std::span<const std::unique_ptr<MarkedTarget>> targets) {
  std::uint64_t changes = 0;
  for (const auto& target : targets) changes += target->marks().changes();
  return changes;
}

}  // namespace

SetBacks::SetBacks(Parts parts, std::span<const std::unique_ptr<MarkedTarget>> targets)
    : parts_(std::move(parts)), targets_(targets) {
  gauges_.reserve(targets.size());
  for (std::size_t place = 0; place < targets.size(); ++place) {
    MarkedTarget& target = *targets[place];
    const auto& known = parts_.route.kept().set_back[place];
    gauges_.emplace_back(parts_.metrics, "spillway_broker_target_set_back",
                         "1 while the target isn't used since it lost what it had acknowledged",
                         metrics::Labels{{"target", target.name()}});
    gauges_.back().set(known.empty() ? 0 : 1);
    target.marks().restore(parts_.file.of(target.name()));
    target.on_set_back([this, place](std::string what) { found(place, std::move(what)); });
    if (known.empty()) continue;
    target.is_set_back();
    parts_.log.error(kToldAs, {{"target", target.name()}, {"found", known}});
  }
  parts_.switches.on_accept([this](std::size_t place) { return may_accept(place); },
                            [this](std::size_t place) { return accept(place); });
  stored_changes_ = changes_of(targets_);
  store_next_ = parts_.loop.mono_now() + kStoreEvery;
}

// From within a call.
void SetBacks::found(std::size_t place, std::string what) {
  unstored_[place] = fmt::format("found at {}, {}", rfc3339_seconds(parts_.loop.wall_now()), what);
  parts_.log.error(kToldAs, {{"target", targets_[place]->name()},
                             {"address", targets_[place]->address()},
                             {"found", unstored_[place]}});
  gauges_[place].set(1);
  parts_.loop.post([this, place] { take(place); });
}

void SetBacks::take(std::size_t place) {
  const auto known = unstored_.find(place);
  if (known == unstored_.end()) return;  // somebody was quick
  parts_.route.set_back(place, known->second);
  for (const auto& stream : parts_.spool.streams())
    for (const auto& shard : parts_.spool.shards_of(stream))
      parts_.cursors.lose(shard.id, targets_[place]->name(), parts_.horizon.oldest(shard.id));
  store_and_tell();
}

bool SetBacks::is_kept(std::size_t place) const {
  const auto& name = targets_[place]->name();
  for (const auto& stream : parts_.spool.streams()) {
    for (const auto& shard : parts_.spool.shards_of(stream)) {
      const auto next = parts_.cursors.at(shard.id, name).next;
      if (next.value > 0 && !parts_.cursors.is_kept(shard.id, name, {{}, next})) return false;
    }
  }
  return true;
}

void SetBacks::look() {
  for (auto at = unstored_.begin(); at != unstored_.end();) {
    const bool taken = !parts_.route.kept().set_back[at->first].empty();
    if (!taken || !is_kept(at->first)) {
      ++at;
      continue;
    }
    parts_.switches.record_set_back(at->first, at->second);
    at = unstored_.erase(at);
  }
  forget_other_streams();
  const MonoTime now = parts_.loop.mono_now();
  if (now < store_next_) return;
  store_next_ = now + kStoreEvery;
  if (changes_of(targets_) != stored_changes_) store_and_tell();
}

void SetBacks::store_and_tell() {
  const auto stored = store();
  if (!stored.ok() && !std::exchange(failing_, true)) {
    parts_.log.warning(
        "what targets acknowledged can't be stored: a restart may not notice that "
        "one was set back",
        {{"error", stored.error().message}});
  } else if (stored.ok()) {
    failing_ = false;
  }
}

// What is no longer written to may be deleted: at once, and by whoever starts the broker next.
void SetBacks::forget_other_streams() {
  const auto streams = parts_.switches.streams();
  std::set<std::string> kept(streams.begin(), streams.end());
  kept.insert(parts_.canary_stream);
  for (const auto& target : targets_) target->marks().keep_only(kept);
}

Status SetBacks::store() {
  HighWaters marks;
  for (const auto& target : targets_) marks[target->name()] = target->marks().kept();
  const auto changes = changes_of(targets_);
  SPILLWAY_TRY(parts_.file.store(std::move(marks)));
  stored_changes_ = changes;
  return {};
}

// What shows that it was set back is forgotten then: a restart must know what it lacks.
Status SetBacks::may_accept(std::size_t place) const {
  if (!unstored_.contains(place) || is_kept(place)) return {};
  return Error{ErrorCode::kBusy,
               fmt::format("what {} lacks isn't stored yet: ask again in a second",
                           targets_[place]->name())};
}

Status SetBacks::accept(std::size_t place) {
  targets_[place]->accept();
  unstored_.erase(place);
  gauges_[place].set(0);
  parts_.log.warning("a target that was set back is accepted as it is",
                     {{"target", targets_[place]->name()}});
  return store();
}

Status deliverable(const Route& route) {
  const auto& choice = route.choice();
  const auto& set_back = route.kept().set_back;
  const bool any = std::ranges::any_of(set_back, [](const auto& found) { return !found.empty(); });
  if (choice.target || !any) return {};
  return Error{ErrorCode::kThrottled, choice.because};
}

}  // namespace spillway::broker
