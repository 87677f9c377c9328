// Traffic at /metrics: of every stream, and of the shards of streams that EnableEnhancedMonitoring
// was called for. Series go away with their stream, or shard.
#pragma once

#include <memory>
#include <vector>

#include "kinesis/traffic.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::kinesis {

// More would make a text of many megabytes: what is beyond is counted, not shown.
inline constexpr std::size_t kStreamsShown = 1000;
inline constexpr std::size_t kShardsShown = 10'000;

// What it is handed outlives the handles.
[[nodiscard]] std::vector<std::shared_ptr<void>> show_traffic(const Traffic& traffic,
                                                              stream::Engine& engine,
                                                              metrics::Registry& metrics);

}  // namespace spillway::kinesis
