#include "client/put_documents.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "wire/shapes.h"

namespace spillway::client {

namespace {

using wire::Format;
using wire::Kind;

const wire::Shape kText{Kind::kString};
const wire::Member kOutcomeMembers[] = {{"ShardId", &kText},
                                        {"SequenceNumber", &kText},
                                        {"ErrorCode", &kText},
                                        {"ErrorMessage", &kText}};
const wire::Shape kOutcome{Kind::kStructure, {}, {}, "", {}, kOutcomeMembers};
const wire::Shape kOutcomes{Kind::kList, {}, kPutRecordsMax, "", {}, {}, &kOutcome};
const wire::Member kPutRecordsOutputMembers[] = {{"Records", &kOutcomes}};
const wire::Shape kPutRecordsOutput{Kind::kStructure, {}, {}, "", {}, kPutRecordsOutputMembers};
const wire::Member kErrorMembers[] = {{"__type", &kText}, {"message", &kText}, {"Message", &kText}};
const wire::Shape kError{Kind::kStructure, {}, {}, "", {}, kErrorMembers};

void write_origin(wire::DocumentWriter& to, const stream::Origin& origin) {
  to.key("Origin").open_map();
  to.text("Producer", stream::to_string(origin.producer)).number("Lane", origin.lane);
  to.text("Sequence", fmt::format_int(origin.sequence).c_str());
  to.text("Previous", fmt::format_int(origin.previous).c_str()).close_map();
}

void write_entry(wire::DocumentWriter& to, const PutEntry& entry) {
  to.key("Data").blob(entry.data).text("PartitionKey", entry.partition_key);
  if (entry.explicit_hash_key) to.text("ExplicitHashKey", *entry.explicit_hash_key);
  if (entry.origin) write_origin(to, *entry.origin);
}

// With what is around it in a list, and more than that only where a text is escaped.
std::size_t room_for(const PutEntry& entry, Format format) {
  constexpr std::size_t kFixed = 64;    // names and punctuation
  constexpr std::size_t kHashKey = 64;  // likewise, with its value
  constexpr std::size_t kOrigin = 150;
  const std::size_t data =
      format == Format::kJson ? base64_encoded_size(entry.data.size()) : entry.data.size();
  return kFixed + data + entry.partition_key.size() + (entry.explicit_hash_key ? kHashKey : 0) +
         (entry.origin ? kOrigin : 0);
}

}  // namespace

SharedBytes put_record_body(std::string_view stream, const PutEntry& entry) {
  wire::DocumentWriter to(Format::kJson, room_for(entry, Format::kJson) + stream.size());
  to.open_map();
  write_entry(to, entry);
  to.text("StreamName", stream).close_map();
  return std::move(to).finish();
}

SharedBytes put_records_body(std::string_view stream, std::span<const PutEntry> entries,
                             std::span<const std::size_t> which, Format format) {
  std::size_t size = 64 + stream.size();
  for (const auto i : which) size += room_for(entries[i], format);
  wire::DocumentWriter to(format, size);
  to.open_map().key("Records").open_list();
  for (const auto i : which) {
    to.open_map();
    write_entry(to, entries[i]);
    to.close_map();
  }
  to.close_list().text("StreamName", stream).close_map();
  return std::move(to).finish();
}

Result<std::vector<PutOutcome>> read_put_outcomes(const std::string& body, Format format) {
  if (format == Format::kJson) return parse_put_outcomes(body);
  const auto read = wire::decode_cbor(body, kPutRecordsOutput, format);
  if (!read.ok() || !(*read)["Records"].present) {
    return Error{ErrorCode::kCorrupt,
                 "the answer is not what the Kinesis API gives here; is the "
                 "endpoint one of Kinesis?"};
  }
  const auto& records = (*read)["Records"].children;
  std::vector<PutOutcome> outcomes;
  outcomes.reserve(records.size());
  for (const auto& record : records) {
    auto& outcome = outcomes.emplace_back();
    if (!record.present) continue;
    outcome.shard_id = record["ShardId"].text;
    outcome.sequence_number = record["SequenceNumber"].text;
    outcome.error_code = record["ErrorCode"].text;
    outcome.error_message = record["ErrorMessage"].text;
  }
  return outcomes;
}

ApiError read_cbor_error(std::string_view body) {
  const auto read = wire::decode_cbor(body, kError, Format::kCbor);
  if (!read.ok()) return {};
  const auto type = (*read)["__type"].text;
  const auto message = (*read)["message"].text;
  return {std::string(type.substr(type.find('#') + 1)),
          std::string(message.empty() ? (*read)["Message"].text : message)};
}

}  // namespace spillway::client
