#include "broker/http_records.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "broker/partition_key.h"

namespace spillway::broker {
namespace {

static_assert(kHttpBodyPadding >= simdjson::SIMDJSON_PADDING);
constexpr std::string_view kSpace = " \t\r\n";

struct Piece {
  std::size_t number;
  std::string_view text;
};

Error invalid(std::string why) { return {ErrorCode::kInvalid, std::move(why)}; }

Error too_many() {
  return invalid(fmt::format("a request may have {} records at most", kHttpRecordsMax));
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Result<std::vector<Piece>> split_lines(std::string_view body) {
  std::vector<Piece> pieces;
  for (std::size_t number = 1; !body.empty(); ++number) {
    const auto end = std::min(body.find('\n'), body.size());
    const auto line = trimmed(body.substr(0, end));
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.empty()) continue;
    if (pieces.size() == kHttpRecordsMax) return too_many();
    pieces.push_back({number, line});
  }
  return pieces;
}

// Where the array's element that begins at `begin` ends: at the ',' or ']' behind it, which is
// outside of its strings and brackets. That it is JSON is not said.
std::optional<std::size_t> element_end(std::string_view body, std::size_t begin) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = begin; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0 && (c == ',' || c == ']')) {
      return i;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return std::nullopt;
      --depth;
    }
  }
  return std::nullopt;
}

Result<std::vector<Piece>> split_array(std::string_view body) {
  body = trimmed(body);
  if (!body.starts_with('[')) return invalid("the body is not a JSON array");
  std::vector<Piece> pieces;
  std::size_t begin = 1;
  for (bool more = true; more;) {
    const auto end = element_end(body, begin);
    if (!end) return invalid("the JSON array has no end, or a bracket too many");
    const auto element = trimmed(body.substr(begin, *end - begin));
    more = body[*end] == ',';
    begin = *end + 1;
    if (element.empty() && pieces.empty() && !more) break;  // [ ]
    if (pieces.size() == kHttpRecordsMax) return too_many();
    pieces.push_back({pieces.size() + 1, element});
  }
  if (begin != body.size()) return invalid("something follows the JSON array");
  return pieces;
}

// A text, a whole number or a truth value as a partition key; nullopt: it is none of those.
std::optional<std::string> key_text(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
      return std::string(std::string_view(value));
    case simdjson::dom::element_type::INT64:
      return std::to_string(std::int64_t(value));
    case simdjson::dom::element_type::UINT64:
      return std::to_string(std::uint64_t(value));
    case simdjson::dom::element_type::BOOL:
      return bool(value) ? "true" : "false";
    default:
      return std::nullopt;
  }
}

Result<std::string> key_in(simdjson::dom::element value, const std::string& member) {
  simdjson::dom::element found;
  const auto error = member.starts_with('/') ? value.at_pointer(member).get(found)
                                             : value.at_key(member).get(found);
  if (error != simdjson::SUCCESS) return invalid(fmt::format("it has no member {}", member));
  auto key = key_text(found);
  if (!key || !is_partition_key(*key)) {
    return invalid(fmt::format(
        "its member {} is no partition key: a text of 1 to {} characters, a whole number, true or "
        "false",
        member, kPartitionKeyLengthMax));
  }
  return *std::move(key);
}

// Reads one value after the other.
class ValueReader {
 public:
  ValueReader(const PartitionKeyRule& rule, std::uint64_t spread)
      : rule_(rule), parser_(kHttpRecordBytesMax), spread_(spread) {}

  Result<HttpRecord> read(const Piece& piece) {
    if (piece.text.size() > kHttpRecordBytesMax) return too_large(piece.text.size());
    simdjson::dom::element value;
    // Behind it stands the rest of the body, or its padding.
    const auto error =
        parser_.parse(piece.text.data(), piece.text.size(), /*realloc_if_needed=*/false).get(value);
    if (error != simdjson::SUCCESS)
      return invalid(fmt::format("it is not JSON: {}", simdjson::error_message(error)));
    HttpRecord record{piece.number, piece.text, rule_.fixed};
    if (record.key.empty() && !rule_.member.empty()) {
      SPILLWAY_ASSIGN(record.key, key_in(value, rule_.member));
    } else if (record.key.empty()) {
      record.key = fmt::format("{:016x}", spread_++);
    }
    const std::size_t size = record.data.size() + record.key.size();
    if (size > kHttpRecordBytesMax) return too_large(size);
    return record;
  }

 private:
  static Error too_large(std::size_t size) {
    return invalid(fmt::format("it has {} bytes with its key; a record may have {}", size,
                               kHttpRecordBytesMax));
  }

  const PartitionKeyRule& rule_;
  simdjson::dom::parser parser_;
  std::uint64_t spread_;
};

}  // namespace

Result<HttpRecords> read_http_records(HttpBody kind, std::string_view body,
                                      const PartitionKeyRule& rule, std::uint64_t spread) {
  SPILLWAY_ASSIGN(const auto pieces,
                  kind == HttpBody::kLines ? split_lines(body) : split_array(body));
  HttpRecords all;
  all.records.reserve(pieces.size());
  ValueReader reader(rule, spread);
  for (const auto& piece : pieces) {
    auto record = reader.read(piece);
    if (record.ok()) {
      all.records.push_back(*std::move(record));
    } else {
      all.refused.push_back({piece.number, std::move(record).error().message});
    }
  }
  return all;
}

}  // namespace spillway::broker
