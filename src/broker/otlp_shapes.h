// The messages of the OpenTelemetry protocol (opentelemetry-proto 1.x) as tables: what its protobuf
// numbers and its JSON names. Members that are in development, as a resource's entity_refs, are not
// among them: what isn't known is passed over, as the protocol asks of a receiver.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace spillway::broker {

enum class OtlpType : std::uint8_t {
  kText,
  kId,        // bytes; in JSON hexadecimal digits
  kBytes,     // in JSON base64
  kBool,      //
  kUnsigned,  // uint32, uint64, and enumerations, which JSON has as numbers too
  kInt64,     //
  kZigzag,    // sint32
  kFixed32,   //
  kFixed64,   //
  kSfixed64,  //
  kTime,  // fixed64: nanoseconds since 1970, which are texts in records too (a double is too small)
  kDouble,  //
  kMessage,
};

struct OtlpMessage;

struct OtlpField {
  std::uint32_t number = 0;
  std::string_view name;  // in JSON
  OtlpType type = OtlpType::kText;
  bool repeated = false;
  const OtlpMessage* message = nullptr;  // of kMessage
};

struct OtlpMessage {
  static constexpr std::uint32_t kNumberMax = 16;  // of all fields that are known

  constexpr OtlpMessage(std::span<const OtlpField> its_fields)  // NOLINT(*-explicit-*)
      : fields(its_fields) {
    for (std::size_t i = 0; i < fields.size(); ++i)
      places[fields[i].number] = static_cast<std::uint8_t>(i + 1);
  }

  const OtlpField* find(std::uint32_t number) const {
    const std::size_t place = number <= kNumberMax ? places[number] : 0;
    return place == 0 ? nullptr : &fields[place - 1];
  }
  const OtlpField* find(std::string_view name) const;

  std::span<const OtlpField> fields;
  // Of each number in `fields`, counted from 1; 0: it isn't known.
  std::array<std::uint8_t, kNumberMax + 1> places{};
};

// Logs, metrics and traces have the same form: a request has, in its field 1, a message for each
// resource: the resource is its field 1, and its field 2 a message for each scope, whose field 1 is
// the scope, and field 2 a log record, a metric or a span.
extern const OtlpMessage kOtlpLogsRequest;
extern const OtlpMessage kOtlpResource;
extern const OtlpMessage kOtlpScope;
extern const OtlpMessage kOtlpLogRecord;

extern const OtlpMessage kOtlpTracesRequest;
extern const OtlpMessage kOtlpSpan;

// A metric is what it is called, and one of several kinds of data, each of which has its points in
// its field 1.
extern const OtlpMessage kOtlpMetricsRequest;
extern const OtlpMessage kOtlpMetricHead;
extern const OtlpMessage kOtlpMetricData;
extern const OtlpMessage kOtlpMetricDataHead;  // of all kinds, but for their points

extern const OtlpMessage kOtlpKeyValue;
extern const OtlpMessage kOtlpAnyValue;

}  // namespace spillway::broker
