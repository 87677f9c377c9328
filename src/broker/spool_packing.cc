#include "broker/spool_packing.h"

#include <algorithm>

namespace spillway::broker {

void SpoolPacking::look(const Undelivered& held, std::uint64_t stored_bytes, MonoTime now) {
  const bool is_delivered = !mark_ || std::ranges::all_of(mark_->ends, [&](const auto& end) {
    const auto found = held.find(end.first);
    return found == held.end() || found->second.first >= end.second;
  });
  if (is_delivered) {
    mark_ = Mark{now, {}};
    for (const auto& [shard, range] : held) mark_->ends[shard] = range.second;
  }
  packs_ = now - mark_->at >= kAfter || stored_bytes >= kUnpackedBytesMax;
}

}  // namespace spillway::broker
