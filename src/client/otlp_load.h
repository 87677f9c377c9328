// What the load generator sends as OpenTelemetry's logs, and finds in the answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace spillway::client {

// The shape of a request of logs: one resource and one scope with `records` log records, each of
// which takes about `record_bytes`, or what its attributes take where that is more.
struct OtlpLogsShape {
  std::uint32_t records = 0;
  std::size_t record_bytes = 0;
};

// An ExportLogsServiceRequest as a service's exporter would write it: the resource is one of 64
// instances of a service, and each record has a time, a severity, the ids of a span, attributes and
// a line of text.
std::string otlp_logs_request(const OtlpLogsShape& shape, WallTime now, Random& random);

// How many records an ExportLogsServiceResponse says were rejected.
std::uint64_t otlp_rejected_in(std::string_view answer);

}  // namespace spillway::client
