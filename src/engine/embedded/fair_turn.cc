#include "engine/embedded/fair_turn.h"

#include <algorithm>

namespace spillway::engine {

bool FairTurn::take(std::span<const log::Entry> entries) {
  const auto goes = [this](const log::Entry& entry) {
    const Use& use = uses_[entry.batch.shard];
    return !use.waits && (use.bytes == 0 || use.bytes + entry.stored_size() <= share_);
  };
  const bool taken = std::ranges::all_of(entries, goes);
  for (const auto& entry : entries) {
    Use& use = uses_[entry.batch.shard];
    if (taken) {
      use.bytes += entry.stored_size();
    } else {
      use.waits = true;
    }
  }
  any_waits_ = any_waits_ || !taken;
  return taken;
}

}  // namespace spillway::engine
