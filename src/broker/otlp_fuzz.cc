// Arbitrary bytes as a request of OTLP, in both encodings: what is read is records in JSON with
// partition keys, none too large; and what is read of JSON is read of the protobuf made of it too.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "broker/http_records.h"
#include "broker/otlp_json.h"
#include "broker/otlp_records.h"
#include "broker/otlp_shapes.h"
#include "broker/partition_key.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

void check(const Result<OtlpRecords>& all) {
  if (!all.ok()) {
    SPILLWAY_ASSERT(!all.error().message.empty());
    return;
  }
  simdjson::dom::parser parser;
  for (const auto& record : all->records) {
    SPILLWAY_ASSERT(is_partition_key(record.partition_key));
    SPILLWAY_ASSERT(record.data.size() + record.partition_key.size() <= kHttpRecordBytesMax);
    SPILLWAY_ASSERT(parser.parse(record.data).error() == simdjson::SUCCESS);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string json(input);
  json.reserve(json.size() + kOtlpBodyPadding);
  const struct {
    OtlpSignal signal;
    const OtlpMessage& request;
  } signals[] = {{OtlpSignal::kLogs, kOtlpLogsRequest},
                 {OtlpSignal::kMetrics, kOtlpMetricsRequest},
                 {OtlpSignal::kTraces, kOtlpTracesRequest}};
  for (const auto& [signal, request] : signals) {
    check(read_otlp(signal, OtlpEncoding::kProtobuf, input));
    const auto made = otlp_json_to_protobuf(request, json);
    if (!made.ok()) continue;
    const auto all = read_otlp(signal, OtlpEncoding::kJson, json);
    check(all);
    const auto again = read_otlp(signal, OtlpEncoding::kProtobuf, *made);
    SPILLWAY_ASSERT(again.ok() == all.ok());
    if (all.ok()) SPILLWAY_ASSERT(again->records.size() == all->records.size());
  }
  return 0;
}
