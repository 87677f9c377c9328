#pragma once

#include <cstdint>

#include "kinesis/service.h"

namespace spillway::kinesis {

// The list of the metrics of StreamInfo::shard_level_metrics.
void write_metrics_names(wire::DocumentWriter& to, std::uint32_t bits);

}  // namespace spillway::kinesis
