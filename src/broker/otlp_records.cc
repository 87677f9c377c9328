#include "broker/otlp_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/http_records.h"
#include "broker/otlp_json.h"
#include "broker/otlp_shapes.h"
#include "broker/otlp_text.h"
#include "broker/partition_key.h"
#include "wire/protobuf.h"

namespace spillway::broker {
namespace {

using wire::ProtobufField;
using wire::ProtobufReader;
using wire::WireType;

constexpr std::string_view kUnknownService = "unknown_service";  // as the semantic conventions say

const OtlpMessage& request_of(OtlpSignal signal) {
  switch (signal) {
    case OtlpSignal::kLogs:
      return kOtlpLogsRequest;
    case OtlpSignal::kMetrics:
      return kOtlpMetricsRequest;
    case OtlpSignal::kTraces:
      return kOtlpTracesRequest;
  }
  return kOtlpLogsRequest;
}

Error too_many() {
  return {ErrorCode::kNoSpace,
          fmt::format("it has more than {} records, or they have more than {} bytes with their "
                      "resources",
                      kOtlpRecordsMax, kOtlpRecordsBytesMax)};
}

// The messages of the field `number` of `message`, which must be protobuf to its end.
Result<std::vector<std::string_view>> messages_in(std::string_view message, std::uint32_t number) {
  std::vector<std::string_view> found;
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.number != number || field.type != WireType::kBytes) continue;
    if (found.size() == kOtlpRecordsMax) return too_many();
    found.push_back(field.bytes);
  }
  if (!reader.ok()) return Error{ErrorCode::kInvalid, "it is not protobuf, or cut short"};
  return found;
}

// Its instance, else its host, else the service alone: what one of them sends stays in order. One
// that is no partition key is made one, of its ASCII.
std::string key_of(std::string_view resource) {
  std::string key = OtlpText::text_attribute(resource, "service.name");
  if (key.empty()) key = kUnknownService;
  std::string instance = OtlpText::text_attribute(resource, "service.instance.id");
  if (instance.empty()) instance = OtlpText::text_attribute(resource, "host.name");
  if (!instance.empty()) key += "/" + instance;
  if (is_partition_key(key)) return key;
  std::erase_if(key, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  key.resize(std::min<std::size_t>(key.size(), kPartitionKeyLengthMax));
  return key.empty() ? std::string(kUnknownService) : key;
}

class Collector {
 public:
  Collector(OtlpSignal signal, OtlpRoom room) : signal_(signal), room_(std::move(room)) {}

  Status add_resource(std::string_view bytes) {
    SPILLWAY_ASSIGN(const auto resources, messages_in(bytes, 1));
    SPILLWAY_ASSIGN(const auto scopes, messages_in(bytes, 2));
    const auto resource = resources.empty() ? std::string_view() : resources.back();
    SPILLWAY_ASSIGN(key_, keep(key_of(resource)));
    std::string head = "{";
    SPILLWAY_TRY(add_part(head, "resource", kOtlpResource, resource));
    for (const auto scope : scopes) SPILLWAY_TRY(add_scope(head, scope));
    return {};
  }
  OtlpRecords take() && { return std::move(all_); }

 private:
  Status add_part(std::string& to, std::string_view name, const OtlpMessage& message,
                  std::string_view bytes) {
    if (bytes.empty()) return {};
    to += fmt::format("{}\"{}\":{{", to.back() == '{' ? "" : ",", name);
    SPILLWAY_TRY(text_.append_members(to, message, bytes));
    to += '}';
    return {};
  }

  // What a scope or a metric repeats of what is around it costs as much where it has no record.
  Status count(const std::string& head) {
    made_ += head.size();
    return made_ > kOtlpRecordsBytesMax ? Status(too_many()) : Status();
  }

  Status add_scope(std::string head, std::string_view bytes) {
    SPILLWAY_TRY(count(head));
    SPILLWAY_ASSIGN(const auto scopes, messages_in(bytes, 1));
    SPILLWAY_ASSIGN(const auto items, messages_in(bytes, 2));
    if (!scopes.empty()) SPILLWAY_TRY(add_part(head, "scope", kOtlpScope, scopes.back()));
    for (const auto item : items) {
      switch (signal_) {
        case OtlpSignal::kLogs:
          SPILLWAY_TRY(add_record(head, kOtlpLogRecord, item));
          break;
        case OtlpSignal::kMetrics:
          SPILLWAY_TRY(add_metric(head, item));
          break;
        case OtlpSignal::kTraces:
          SPILLWAY_TRY(add_record(head, kOtlpSpan, item));
          break;
      }
    }
    return {};
  }

  // A record for each data point, with what is said of the metric as a whole.
  Status add_metric(std::string head, std::string_view bytes) {
    SPILLWAY_TRY(count(head));
    SPILLWAY_TRY(text_.append_members(head, kOtlpMetricHead, bytes));
    const OtlpField* kind = nullptr;
    std::string_view data;
    ProtobufReader metric(bytes);
    for (ProtobufField field; metric.next(field);) {
      const auto* known = kOtlpMetricData.find(field.number);
      if (known == nullptr || field.type != WireType::kBytes) continue;
      kind = known;
      data = field.bytes;
    }
    if (kind == nullptr) return {};
    head += fmt::format("{}\"type\":\"{}\"", head.back() == '{' ? "" : ",", kind->name);
    SPILLWAY_TRY(text_.append_members(head, kOtlpMetricDataHead, data));
    SPILLWAY_ASSIGN(const auto points, messages_in(data, 1));
    const auto& point = *kind->message->find(1)->message;
    for (const auto one : points) SPILLWAY_TRY(add_record(head, point, one));
    return {};
  }

  Status add_record(const std::string& head, const OtlpMessage& message, std::string_view bytes) {
    record_ = head;
    SPILLWAY_TRY(text_.append_members(record_, message, bytes));
    record_ += '}';
    const std::size_t size = record_.size() + key_.size();
    made_ += size;
    if (all_.records.size() == kOtlpRecordsMax || made_ > kOtlpRecordsBytesMax) return too_many();
    if (size > kHttpRecordBytesMax) {
      ++all_.too_large;
      return {};
    }
    SPILLWAY_ASSIGN(const auto data, keep(record_));
    all_.records.push_back({key_, data, std::nullopt, std::nullopt});
    return {};
  }

  // Where `text` is from now on, if there is room for it and for what reading it took.
  Result<std::string_view> keep(std::string_view text) {
    const std::size_t reading = text_.memory();
    const std::size_t more =
        all_.texts.more_for(text.size()) + reading - std::exchange(text_bytes_, reading);
    if (more > 0 && room_ && !room_(more))
      return Error{ErrorCode::kThrottled, "Too many requests are under way"};
    return all_.texts.add(text);
  }

  const OtlpSignal signal_;
  OtlpRoom room_;
  OtlpText text_;
  std::size_t text_bytes_ = 0;  // of its memory, that room_ was asked for
  std::string_view key_;        // of the resource's records
  std::string record_;          // the one that is being made
  std::size_t made_ = 0;        // bytes, of records that are too large too, and of what they repeat
  OtlpRecords all_;
};

}  // namespace

Result<OtlpRecords> read_otlp(OtlpSignal signal, OtlpEncoding encoding, std::string_view body,
                              OtlpRoom room) {
  std::string made;
  if (encoding == OtlpEncoding::kJson) {
    SPILLWAY_ASSIGN(made, otlp_json_to_protobuf(request_of(signal), body));
    body = made;
  }
  SPILLWAY_ASSIGN(const auto resources, messages_in(body, 1));
  Collector collector(signal, std::move(room));
  for (const auto resource : resources) SPILLWAY_TRY(collector.add_resource(resource));
  return std::move(collector).take();
}

}  // namespace spillway::broker
