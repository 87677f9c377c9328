// The records of one request of OTLP/HTTP: one for each log record, data point of a metric, and
// span, each whole by itself (docs/formats/otlp-records.md).
//
// A request stands or falls whole where it can't be read, so that nothing of it is a record before
// all of it is. Only what is larger than a record may be is refused by itself: OTLP has an answer
// for that, "partial success".
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_function.h"
#include "broker/text_blocks.h"
#include "stream/record_batch.h"

namespace spillway::broker {

// Of one request; beyond, all of it is refused. Records repeat their resource's attributes, so that
// they may be far larger than what they came in.
inline constexpr std::size_t kOtlpRecordsMax = 100'000;
inline constexpr std::size_t kOtlpRecordsBytesMax = std::size_t{64} << 20;

enum class OtlpSignal { kLogs, kMetrics, kTraces };
enum class OtlpEncoding { kProtobuf, kJson };

struct OtlpRecords {
  std::vector<stream::RecordView> records;  // views into `texts`
  TextBlocks texts;
  std::size_t too_large = 0;
};

// Memory that a request asks for before it takes it, and has until its end; false: there is none.
using OtlpRoom = UniqueFunction<bool(std::size_t bytes)>;

// Behind a body in JSON stand kOtlpBodyPadding readable bytes, and while it is read it may take
// otlp_json_bytes_max() more. `room` is asked for the records, and for what reading protobuf takes;
// none: there is room without bound. kInvalid: it can't be read; kNoSpace: it has more records than
// one may; kThrottled: there is no room.
Result<OtlpRecords> read_otlp(OtlpSignal signal, OtlpEncoding encoding, std::string_view body,
                              OtlpRoom room = nullptr);

}  // namespace spillway::broker
