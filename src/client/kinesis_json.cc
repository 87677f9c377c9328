#include "client/kinesis_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

#include "base/base64.h"
#include "wire/shapes.h"

namespace spillway::client {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;

Error not_the_api(std::string_view what) {
  return {ErrorCode::kCorrupt,
          fmt::format("the answer is not what the Kinesis API gives here ({}); is the endpoint one "
                      "of Kinesis?",
                      what)};
}

void append_member(std::string& json, std::string_view name, std::string_view text) {
  json += json.size() > 1 && json.back() != '{' ? ",\"" : "\"";
  json += name;
  json += "\":";
  wire::append_json_string(json, text);
}

// What is missing or of another type reads as empty, zero or none: servers differ in what they
// leave out. What a caller can't do without, it checks.
std::string text_at(element object, std::string_view name) {
  std::string_view text;
  if (object[name].get(text) != simdjson::SUCCESS) return {};
  return std::string(text);
}

std::int64_t integer_at(element object, std::string_view name) {
  std::int64_t value = 0;
  if (object[name].get(value) != simdjson::SUCCESS) return 0;
  return value;
}

bool flag_at(element object, std::string_view name) {
  bool value = false;
  return object[name].get(value) == simdjson::SUCCESS && value;
}

// Seconds since 1970 with a fraction.
WallTime time_at(element object, std::string_view name) {
  constexpr double kYear10000 = 253402300800;
  double value = 0;
  if (object[name].get(value) != simdjson::SUCCESS) return {};
  if (!(value >= 0 && value < kYear10000)) return {};
  return from_millis(std::llround(value * 1000));
}

Result<element> parse(simdjson::dom::parser& parser, const std::string& json) {
  element root;
  if (const auto failed = parser.parse(json).get(root); failed != simdjson::SUCCESS)
    return not_the_api(simdjson::error_message(failed));
  if (!root.is_object()) return not_the_api("not an object");
  return root;
}

Result<array> list_at(element object, std::string_view name) {
  array list;
  if (object[name].get(list) != simdjson::SUCCESS) return not_the_api(name);
  return list;
}

PutOutcome outcome_of(element object) {
  return {text_at(object, "ShardId"), text_at(object, "SequenceNumber"),
          text_at(object, "ErrorCode"), text_at(object, "ErrorMessage")};
}

Shard shard_of(element object) {
  Shard shard;
  shard.id = text_at(object, "ShardId");
  shard.parent = text_at(object, "ParentShardId");
  shard.adjacent_parent = text_at(object, "AdjacentParentShardId");
  element range;
  if (object["HashKeyRange"].get(range) == simdjson::SUCCESS) {
    shard.first_hash_key = text_at(range, "StartingHashKey");
    shard.last_hash_key = text_at(range, "EndingHashKey");
  }
  if (object["SequenceNumberRange"].get(range) == simdjson::SUCCESS) {
    shard.first_sequence_number = text_at(range, "StartingSequenceNumber");
    shard.last_sequence_number = text_at(range, "EndingSequenceNumber");
  }
  return shard;
}

Result<stream::Origin> origin_of(element object) {
  const auto producer = stream::parse_producer(text_at(object, "Producer"));
  const auto lane = integer_at(object, "Lane");
  const auto sequence = stream::parse_sequence(text_at(object, "Sequence"));
  const auto previous = stream::parse_sequence(text_at(object, "Previous"));
  if (!producer || lane < 0 || lane > UINT8_MAX || !sequence || !previous || *previous >= *sequence)
    return not_the_api("an Origin that is none");
  return stream::Origin{*producer, static_cast<std::uint8_t>(lane), *sequence, *previous};
}

Result<Record> record_of(element object) {
  Record record;
  record.sequence_number = text_at(object, "SequenceNumber");
  record.partition_key = text_at(object, "PartitionKey");
  record.arrival = time_at(object, "ApproximateArrivalTimestamp");
  std::string_view data;
  if (object["Data"].get(data) != simdjson::SUCCESS) return not_the_api("a record without Data");
  record.data.resize(base64_decoded_size_max(data.size()));
  const auto size = base64_decode(data, record.data.data());
  if (!size) return not_the_api("Data that is not base64");
  record.data.resize(*size);
  if (element origin; object["Origin"].get(origin) == simdjson::SUCCESS) {
    SPILLWAY_ASSIGN(record.origin, origin_of(origin));
  }
  return record;
}

std::string_view name_of(IteratorType type) {
  switch (type) {
    case IteratorType::kTrimHorizon:
      return "TRIM_HORIZON";
    case IteratorType::kLatest:
      return "LATEST";
    case IteratorType::kAtSequenceNumber:
      return "AT_SEQUENCE_NUMBER";
    case IteratorType::kAfterSequenceNumber:
      return "AFTER_SEQUENCE_NUMBER";
    case IteratorType::kAtTimestamp:
      return "AT_TIMESTAMP";
  }
  return "";
}

}  // namespace

std::string shard_iterator_body(std::string_view stream, std::string_view shard_id,
                                const IteratorStart& start) {
  std::string json = "{";
  append_member(json, "StreamName", stream);
  append_member(json, "ShardId", shard_id);
  append_member(json, "ShardIteratorType", name_of(start.type));
  if (start.type == IteratorType::kAtSequenceNumber ||
      start.type == IteratorType::kAfterSequenceNumber)
    append_member(json, "StartingSequenceNumber", start.sequence_number);
  if (start.type == IteratorType::kAtTimestamp) {
    const std::int64_t millis = to_millis(start.timestamp);
    json += fmt::format(R"(,"Timestamp":{}.{:03})", millis / 1000, millis % 1000);
  }
  return json + "}";
}

Result<NamePage> parse_names(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  SPILLWAY_ASSIGN(const array names, list_at(root, "StreamNames"));
  NamePage page;
  for (const element name : names) {
    std::string_view text;
    if (name.get(text) != simdjson::SUCCESS) return not_the_api("StreamNames");
    page.names.emplace_back(text);
  }
  page.more = flag_at(root, "HasMoreStreams");
  return page;
}

Result<ShardPage> parse_shards(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  SPILLWAY_ASSIGN(const array shards, list_at(root, "Shards"));
  ShardPage page;
  for (const element shard : shards) page.shards.push_back(shard_of(shard));
  page.next_token = text_at(root, "NextToken");
  return page;
}

Result<StreamSummary> parse_summary(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  element description;
  if (root["StreamDescriptionSummary"].get(description) != simdjson::SUCCESS)
    return not_the_api("StreamDescriptionSummary");
  StreamSummary summary;
  summary.name = text_at(description, "StreamName");
  summary.arn = text_at(description, "StreamARN");
  summary.status = text_at(description, "StreamStatus");
  summary.created = time_at(description, "StreamCreationTimestamp");
  summary.retention_hours = integer_at(description, "RetentionPeriodHours");
  summary.open_shards = integer_at(description, "OpenShardCount");
  element mode;
  if (description["StreamModeDetails"].get(mode) == simdjson::SUCCESS)
    summary.mode = text_at(mode, "StreamMode");
  return summary;
}

Result<PutOutcome> parse_put_outcome(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  return outcome_of(root);
}

Result<std::vector<PutOutcome>> parse_put_outcomes(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  SPILLWAY_ASSIGN(const array records, list_at(root, "Records"));
  std::vector<PutOutcome> outcomes;
  for (const element record : records) outcomes.push_back(outcome_of(record));
  return outcomes;
}

Result<std::string> parse_shard_iterator(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  std::string iterator = text_at(root, "ShardIterator");
  if (iterator.empty()) return not_the_api("no ShardIterator");
  return iterator;
}

Result<GetRecordsResult> parse_records(const std::string& json) {
  simdjson::dom::parser parser;
  SPILLWAY_ASSIGN(const element root, parse(parser, json));
  SPILLWAY_ASSIGN(const array records, list_at(root, "Records"));
  GetRecordsResult result;
  for (const element object : records) {
    SPILLWAY_ASSIGN(auto record, record_of(object));
    result.records.push_back(std::move(record));
  }
  if (auto next = text_at(root, "NextShardIterator"); !next.empty())
    result.next_iterator = std::move(next);
  result.behind = milliseconds(integer_at(root, "MillisBehindLatest"));
  array children;
  if (root["ChildShards"].get(children) != simdjson::SUCCESS) return result;
  for (const element object : children) {
    ChildShard child{text_at(object, "ShardId"), {}};
    SPILLWAY_ASSIGN(const array parents, list_at(object, "ParentShards"));
    for (const element parent : parents) {
      std::string_view id;
      if (parent.get(id) == simdjson::SUCCESS) child.parents.emplace_back(id);
    }
    result.children.push_back(std::move(child));
  }
  return result;
}

ApiError parse_api_error(const std::string& json) {
  simdjson::dom::parser parser;
  const auto root = parse(parser, json);
  if (!root.ok()) return {};
  ApiError error{text_at(*root, "__type"), text_at(*root, "message")};
  if (error.message.empty()) error.message = text_at(*root, "Message");
  error.type.erase(0, error.type.find('#') + 1);
  return error;
}

}  // namespace spillway::client
