// What one telemetry record looks like (docs/telemetry.md gives every member), and how readers can
// tell that none is missing:
//
// A *source* is one start of a broker. Within a source each *subject* ("cpu", "disk/sda",
// "file/var/log/syslog") counts its records from 1, and is their partition key: all of them are in
// one shard, in order, so that a reader of that shard alone sees a gap at the next record. (One
// count for the whole source would show a gap only once all shards were read to the same time.)
// `dropped` says how many of the subject's records before this one were given up because the
// broker's buffer was full: a gap as large as its rise is known to the source, any other is a loss.
// Where the end of a count is, a source tells with its last record, of the subject "source".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "io/entropy.h"

namespace spillway::broker {

inline constexpr std::string_view kSourceSubject = "source";

// "0199a1b2c3d4-0123456789abcdef": the start in milliseconds since 1970 and a random number, in
// hexadecimal digits.
std::string make_source_id(WallTime started, io::Entropy& entropy);
// nullopt where `id` is not of that form.
std::optional<WallTime> source_start(std::string_view id);

struct TelemetryStamp {
  std::string source;
  std::string subject;
  std::uint64_t seq = 0;      // from 1, within source and subject
  std::uint64_t dropped = 0;  // of the same, with a lower seq
  WallTime time{};            // when it was collected
};

// How far a subject's count had come when its source ended.
struct SubjectEnd {
  std::uint64_t seq = 0;  // the last one's
  std::uint64_t dropped = 0;
};
using SubjectEnds = std::map<std::string, SubjectEnd, std::less<>>;

struct TelemetryRecord {
  TelemetryStamp stamp;
  std::optional<SubjectEnds> ends;  // in a source's last record
};

// `fields`: the members of a JSON object, without its braces. The result has no newline.
std::string encode_record(const TelemetryStamp& stamp, std::string_view host,
                          std::string_view fields);
// The fields of a source's last record.
std::string end_fields(const SubjectEnds& ends);

// kInvalid where `json` is not a telemetry record.
Result<TelemetryRecord> parse_record(std::string_view json);

}  // namespace spillway::broker
