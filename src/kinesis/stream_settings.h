#pragma once

#include <string_view>

#include "kinesis/service.h"

namespace spillway::kinesis {

// What there is of the warm throughput that was asked for, in MiB/s: a shard takes one.
std::int64_t warm_now(const stream::StreamInfo& stream);
// To AUTO distribution of records for a stream that is not on demand.
Reply auto_needs_on_demand(std::string_view stream);

}  // namespace spillway::kinesis
