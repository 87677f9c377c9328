#include "broker/telemetry_record.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <charconv>

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kTimeDigits = 12;
constexpr std::size_t kRandomDigits = 16;

Error not_telemetry() { return {ErrorCode::kInvalid, "not a telemetry record"}; }

bool read_text(const simdjson::dom::object& object, std::string_view name, std::string& to) {
  std::string_view text;
  if (object[name].get(text) != simdjson::SUCCESS || text.empty()) return false;
  to = text;
  return true;
}

// [LAST SEQ, DROPPED] for each subject.
std::optional<SubjectEnds> read_ends(const simdjson::dom::object& fields) {
  std::string_view event;
  simdjson::dom::object subjects;
  if (fields["event"].get(event) != simdjson::SUCCESS || event != "stopped" ||
      fields["subjects"].get(subjects) != simdjson::SUCCESS)
    return std::nullopt;
  SubjectEnds ends;
  for (const auto& [name, value] : subjects) {
    SubjectEnd end;
    if (value.at(0).get(end.seq) != simdjson::SUCCESS ||
        value.at(1).get(end.dropped) != simdjson::SUCCESS)
      return std::nullopt;
    ends.emplace(name, end);
  }
  return ends;
}

}  // namespace

std::string make_source_id(WallTime started, io::Entropy& entropy) {
  std::array<unsigned char, kRandomDigits / 2> bytes{};
  entropy.fill(bytes);
  std::uint64_t number = 0;
  for (const unsigned char byte : bytes) number = number << 8 | byte;
  return fmt::format("{:012x}-{:016x}", static_cast<std::uint64_t>(to_millis(started)), number);
}

std::optional<WallTime> source_start(std::string_view id) {
  if (id.size() != kTimeDigits + 1 + kRandomDigits || id[kTimeDigits] != '-') return std::nullopt;
  std::int64_t millis = 0;
  const char* end = id.data() + kTimeDigits;
  const auto parsed = std::from_chars(id.data(), end, millis, 16);
  if (parsed.ec != std::errc{} || parsed.ptr != end || millis < 0) return std::nullopt;
  return from_millis(millis);
}

std::string encode_record(const TelemetryStamp& stamp, std::string_view host,
                          std::string_view fields) {
  JsonObject object;
  object.add("source", stamp.source).add("subject", stamp.subject).add("seq", stamp.seq);
  if (stamp.dropped > 0) object.add("dropped", stamp.dropped);
  object.add("time", to_millis(stamp.time)).add("host", host);
  object.add_raw("fields", fmt::format("{{{}}}", fields));
  return object.text();
}

std::string end_fields(const SubjectEnds& ends) {
  JsonObject subjects;
  for (const auto& [name, end] : ends)
    subjects.add_raw(name, fmt::format("[{},{}]", end.seq, end.dropped));
  JsonObject fields;
  fields.add("event", "stopped").add_raw("subjects", subjects.text());
  return fields.members();
}

Result<TelemetryRecord> parse_record(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS)
    return not_telemetry();
  TelemetryRecord record;
  std::int64_t time = 0;
  if (!read_text(object, "source", record.stamp.source) ||
      !read_text(object, "subject", record.stamp.subject) ||
      object["seq"].get(record.stamp.seq) != simdjson::SUCCESS || record.stamp.seq == 0 ||
      object["time"].get(time) != simdjson::SUCCESS)
    return not_telemetry();
  record.stamp.time = from_millis(time);
  if (const auto dropped = object["dropped"];
      dropped.error() == simdjson::SUCCESS &&
      (dropped.get(record.stamp.dropped) != simdjson::SUCCESS ||
       record.stamp.dropped >= record.stamp.seq))
    return not_telemetry();
  simdjson::dom::object fields;
  if (record.stamp.subject == kSourceSubject && object["fields"].get(fields) == simdjson::SUCCESS)
    record.ends = read_ends(fields);
  return record;
}

}  // namespace spillway::broker
