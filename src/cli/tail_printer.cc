#include "cli/tail_printer.h"

#include <fmt/format.h>

#include <optional>

#include "base/base64.h"
#include "base/rfc3339.h"
#include "cli/text_output.h"
#include "stream/origin.h"
#include "stream/sequence_number.h"
#include "wire/aggregate.h"

namespace spillway::cli {
namespace {

// One line: a record, or one of those in it.
struct Line {
  const TailRegion* region;  // null: there is only one
  std::string_view partition_key;
  std::string_view data;
  std::optional<std::size_t> sub_sequence_number;
};

// As the API has it (docs/formats/origin.md), with names as the others here.
void append_origin(std::string& json, const stream::Origin& origin) {
  json += fmt::format(R"(,"origin":{{"producer":"{}","lane":{},"sequence":"{}","previous":"{}"}})",
                      stream::to_string(origin.producer), origin.lane, origin.sequence,
                      origin.previous);
}

void append_json(std::string& to, const TailFormat& format, const std::string& shard_id,
                 const client::Record& record, const Line& line) {
  std::string json = "{";
  append_json_member(json, "stream", format.stream);
  if (line.region != nullptr) append_json_member(json, "region", line.region->name);
  append_json_member(json, "shard", shard_id);
  append_json_member(json, "sequence_number", record.sequence_number);
  if (line.sub_sequence_number)
    json += fmt::format(R"(,"sub_sequence_number":{})", *line.sub_sequence_number);
  append_json_member(json, "partition_key", line.partition_key);
  append_json_member(json, "arrival", rfc3339_millis(record.arrival));
  if (line.region != nullptr && record.origin) append_origin(json, *record.origin);
  if (line.region != nullptr && line.region->late) json += R"(,"late":true)";
  if (is_utf8(line.data)) {
    append_json_member(json, "data", line.data);
  } else {
    std::string base64(base64_encoded_size(line.data.size()), '\0');
    base64_encode(line.data, base64.data());
    append_json_member(json, "data_base64", base64);
  }
  to += json;
  to += "}\n";
}

void append_plain(std::string& to, const TailFormat& format, const std::string& shard_id,
                  const client::Record& record, const Line& line) {
  const auto index = stream::parse_shard_name(shard_id);
  const auto shard = index ? fmt::format("shard-{}", *index) : printable(shard_id);
  constexpr std::string_view kPlain = "{} {}{} {}{}  {}\n";
  constexpr std::string_view kColoured =
      "\x1b[2m{}\x1b[0m \x1b[36m{}{}\x1b[0m \x1b[33m{}\x1b[0m{}  {}\n";
  const auto region = line.region == nullptr ? "" : fmt::format("{} ", line.region->name);
  const auto* late = line.region != nullptr && line.region->late ? " late" : "";
  to +=
      fmt::format(fmt::runtime(format.colours ? kColoured : kPlain), rfc3339_millis(record.arrival),
                  region, shard, printable(line.partition_key), late, printable(line.data));
}

}  // namespace

std::string tail_text(const TailFormat& format, const std::string& shard_id,
                      const client::Record& record, std::uint64_t most, std::uint64_t& lines,
                      const TailRegion* region) {
  std::string text;
  const auto append = [&](const Line& line) {
    if (lines == most) return;
    ++lines;
    (format.json ? append_json : append_plain)(text, format, shard_id, record, line);
  };
  lines = 0;
  const auto parts = format.deaggregate ? wire::split_aggregate(record.data) : std::nullopt;
  if (!parts) {
    append({region, record.partition_key, record.data, std::nullopt});
    return text;
  }
  for (std::size_t i = 0; i < parts->size(); ++i)
    append({region, (*parts)[i].partition_key, (*parts)[i].data, i});
  return text;
}

}  // namespace spillway::cli
