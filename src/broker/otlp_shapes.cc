#include "broker/otlp_shapes.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace spillway::broker {
namespace {

using enum OtlpType;

constexpr bool kRepeated = true;

// opentelemetry/proto/common/v1/common.proto
constexpr OtlpField kArrayFields[] = {{1, "values", kMessage, kRepeated, &kOtlpAnyValue}};
constexpr OtlpMessage kArray = {kArrayFields};
constexpr OtlpField kKeyValueListFields[] = {{1, "values", kMessage, kRepeated, &kOtlpKeyValue}};
constexpr OtlpMessage kKeyValueList = {kKeyValueListFields};
constexpr OtlpField kAnyValueFields[] = {
    {1, "stringValue"},
    {2, "boolValue", kBool},
    {3, "intValue", kInt64},
    {4, "doubleValue", kDouble},
    {5, "arrayValue", kMessage, false, &kArray},
    {6, "kvlistValue", kMessage, false, &kKeyValueList},
    {7, "bytesValue", kBytes},
};
constexpr OtlpField kKeyValueFields[] = {
    {1, "key"},
    {2, "value", kMessage, false, &kOtlpAnyValue},
};
constexpr OtlpField kScopeFields[] = {
    {1, "name"},
    {2, "version"},
    {3, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "droppedAttributesCount", kUnsigned},
};

// opentelemetry/proto/resource/v1/resource.proto
constexpr OtlpField kResourceFields[] = {
    {1, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {2, "droppedAttributesCount", kUnsigned},
};

// opentelemetry/proto/logs/v1/logs.proto
constexpr OtlpField kLogRecordFields[] = {
    {1, "timeUnixNano", kTime},
    {11, "observedTimeUnixNano", kTime},
    {2, "severityNumber", kUnsigned},
    {3, "severityText"},
    {12, "eventName"},
    {5, "body", kMessage, false, &kOtlpAnyValue},
    {6, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {7, "droppedAttributesCount", kUnsigned},
    {8, "flags", kFixed32},
    {9, "traceId", kId},
    {10, "spanId", kId},
};
constexpr OtlpField kScopeLogsFields[] = {
    {1, "scope", kMessage, false, &kOtlpScope},
    {2, "logRecords", kMessage, kRepeated, &kOtlpLogRecord},
};
constexpr OtlpMessage kScopeLogs = {kScopeLogsFields};
constexpr OtlpField kResourceLogsFields[] = {
    {1, "resource", kMessage, false, &kOtlpResource},
    {2, "scopeLogs", kMessage, kRepeated, &kScopeLogs},
};
constexpr OtlpMessage kResourceLogs = {kResourceLogsFields};
constexpr OtlpField kLogsRequestFields[] = {
    {1, "resourceLogs", kMessage, kRepeated, &kResourceLogs},
};

// opentelemetry/proto/trace/v1/trace.proto
constexpr OtlpField kEventFields[] = {
    {1, "timeUnixNano", kTime},
    {2, "name"},
    {3, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "droppedAttributesCount", kUnsigned},
};
constexpr OtlpMessage kEvent = {kEventFields};
constexpr OtlpField kLinkFields[] = {
    {1, "traceId", kId},
    {2, "spanId", kId},
    {3, "traceState"},
    {4, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {5, "droppedAttributesCount", kUnsigned},
    {6, "flags", kFixed32},
};
constexpr OtlpMessage kLink = {kLinkFields};
constexpr OtlpField kStatusFields[] = {{2, "message"}, {3, "code", kUnsigned}};
constexpr OtlpMessage kStatus = {kStatusFields};
constexpr OtlpField kSpanFields[] = {
    {1, "traceId", kId},
    {2, "spanId", kId},
    {3, "traceState"},
    {4, "parentSpanId", kId},
    {16, "flags", kFixed32},
    {5, "name"},
    {6, "kind", kUnsigned},
    {7, "startTimeUnixNano", kTime},
    {8, "endTimeUnixNano", kTime},
    {9, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {10, "droppedAttributesCount", kUnsigned},
    {11, "events", kMessage, kRepeated, &kEvent},
    {12, "droppedEventsCount", kUnsigned},
    {13, "links", kMessage, kRepeated, &kLink},
    {14, "droppedLinksCount", kUnsigned},
    {15, "status", kMessage, false, &kStatus},
};
constexpr OtlpField kScopeSpansFields[] = {
    {1, "scope", kMessage, false, &kOtlpScope},
    {2, "spans", kMessage, kRepeated, &kOtlpSpan},
};
constexpr OtlpMessage kScopeSpans = {kScopeSpansFields};
constexpr OtlpField kResourceSpansFields[] = {
    {1, "resource", kMessage, false, &kOtlpResource},
    {2, "scopeSpans", kMessage, kRepeated, &kScopeSpans},
};
constexpr OtlpMessage kResourceSpans = {kResourceSpansFields};
constexpr OtlpField kTracesRequestFields[] = {
    {1, "resourceSpans", kMessage, kRepeated, &kResourceSpans},
};

// opentelemetry/proto/metrics/v1/metrics.proto
constexpr OtlpField kExemplarFields[] = {
    {2, "timeUnixNano", kTime}, {3, "asDouble", kDouble},
    {6, "asInt", kSfixed64},    {7, "filteredAttributes", kMessage, kRepeated, &kOtlpKeyValue},
    {5, "traceId", kId},        {4, "spanId", kId},
};
constexpr OtlpMessage kExemplar = {kExemplarFields};
constexpr OtlpField kNumberPointFields[] = {
    {2, "startTimeUnixNano", kTime},
    {3, "timeUnixNano", kTime},
    {7, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "asDouble", kDouble},
    {6, "asInt", kSfixed64},
    {5, "exemplars", kMessage, kRepeated, &kExemplar},
    {8, "flags", kUnsigned},
};
constexpr OtlpMessage kNumberPoint = {kNumberPointFields};
constexpr OtlpField kHistogramPointFields[] = {
    {2, "startTimeUnixNano", kTime},
    {3, "timeUnixNano", kTime},
    {9, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "count", kFixed64},
    {5, "sum", kDouble},
    {11, "min", kDouble},
    {12, "max", kDouble},
    {6, "bucketCounts", kFixed64, kRepeated},
    {7, "explicitBounds", kDouble, kRepeated},
    {8, "exemplars", kMessage, kRepeated, &kExemplar},
    {10, "flags", kUnsigned},
};
constexpr OtlpMessage kHistogramPoint = {kHistogramPointFields};
constexpr OtlpField kBucketsFields[] = {
    {1, "offset", kZigzag},
    {2, "bucketCounts", kUnsigned, kRepeated},
};
constexpr OtlpMessage kBuckets = {kBucketsFields};
constexpr OtlpField kExponentialPointFields[] = {
    {2, "startTimeUnixNano", kTime},
    {3, "timeUnixNano", kTime},
    {1, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "count", kFixed64},
    {5, "sum", kDouble},
    {12, "min", kDouble},
    {13, "max", kDouble},
    {6, "scale", kZigzag},
    {7, "zeroCount", kFixed64},
    {14, "zeroThreshold", kDouble},
    {8, "positive", kMessage, false, &kBuckets},
    {9, "negative", kMessage, false, &kBuckets},
    {11, "exemplars", kMessage, kRepeated, &kExemplar},
    {10, "flags", kUnsigned},
};
constexpr OtlpMessage kExponentialPoint = {kExponentialPointFields};
constexpr OtlpField kQuantileFields[] = {{1, "quantile", kDouble}, {2, "value", kDouble}};
constexpr OtlpMessage kQuantile = {kQuantileFields};
constexpr OtlpField kSummaryPointFields[] = {
    {2, "startTimeUnixNano", kTime},
    {3, "timeUnixNano", kTime},
    {7, "attributes", kMessage, kRepeated, &kOtlpKeyValue},
    {4, "count", kFixed64},
    {5, "sum", kDouble},
    {6, "quantileValues", kMessage, kRepeated, &kQuantile},
    {8, "flags", kUnsigned},
};
constexpr OtlpMessage kSummaryPoint = {kSummaryPointFields};

constexpr OtlpField kGaugeFields[] = {{1, "dataPoints", kMessage, kRepeated, &kNumberPoint}};
constexpr OtlpMessage kGauge = {kGaugeFields};
constexpr OtlpField kSumFields[] = {
    {1, "dataPoints", kMessage, kRepeated, &kNumberPoint},
    {2, "aggregationTemporality", kUnsigned},
    {3, "isMonotonic", kBool},
};
constexpr OtlpMessage kSum = {kSumFields};
constexpr OtlpField kHistogramFields[] = {
    {1, "dataPoints", kMessage, kRepeated, &kHistogramPoint},
    {2, "aggregationTemporality", kUnsigned},
};
constexpr OtlpMessage kHistogram = {kHistogramFields};
constexpr OtlpField kExponentialFields[] = {
    {1, "dataPoints", kMessage, kRepeated, &kExponentialPoint},
    {2, "aggregationTemporality", kUnsigned},
};
constexpr OtlpMessage kExponential = {kExponentialFields};
constexpr OtlpField kSummaryFields[] = {{1, "dataPoints", kMessage, kRepeated, &kSummaryPoint}};
constexpr OtlpMessage kSummary = {kSummaryFields};
constexpr OtlpField kMetricHeadFields[] = {
    {1, "name"},
    {2, "description"},
    {3, "unit"},
    {12, "metadata", kMessage, kRepeated, &kOtlpKeyValue},
};
constexpr OtlpField kMetricDataFields[] = {
    {5, "gauge", kMessage, false, &kGauge},
    {7, "sum", kMessage, false, &kSum},
    {9, "histogram", kMessage, false, &kHistogram},
    {10, "exponentialHistogram", kMessage, false, &kExponential},
    {11, "summary", kMessage, false, &kSummary},
};
constexpr auto kMetricFields = [] {
  std::array<OtlpField, std::size(kMetricHeadFields) + std::size(kMetricDataFields)> all;
  std::ranges::copy(kMetricDataFields, std::ranges::copy(kMetricHeadFields, all.begin()).out);
  return all;
}();
constexpr OtlpMessage kMetric = {kMetricFields};
constexpr OtlpField kMetricDataHeadFields[] = {
    {2, "aggregationTemporality", kUnsigned},
    {3, "isMonotonic", kBool},
};
constexpr OtlpField kScopeMetricsFields[] = {
    {1, "scope", kMessage, false, &kOtlpScope},
    {2, "metrics", kMessage, kRepeated, &kMetric},
};
constexpr OtlpMessage kScopeMetrics = {kScopeMetricsFields};
constexpr OtlpField kResourceMetricsFields[] = {
    {1, "resource", kMessage, false, &kOtlpResource},
    {2, "scopeMetrics", kMessage, kRepeated, &kScopeMetrics},
};
constexpr OtlpMessage kResourceMetrics = {kResourceMetricsFields};
constexpr OtlpField kMetricsRequestFields[] = {
    {1, "resourceMetrics", kMessage, kRepeated, &kResourceMetrics},
};

}  // namespace

constinit const OtlpMessage kOtlpAnyValue = {kAnyValueFields};
constinit const OtlpMessage kOtlpKeyValue = {kKeyValueFields};
constinit const OtlpMessage kOtlpScope = {kScopeFields};
constinit const OtlpMessage kOtlpResource = {kResourceFields};
constinit const OtlpMessage kOtlpLogRecord = {kLogRecordFields};
constinit const OtlpMessage kOtlpLogsRequest = {kLogsRequestFields};
constinit const OtlpMessage kOtlpSpan = {kSpanFields};
constinit const OtlpMessage kOtlpTracesRequest = {kTracesRequestFields};
constinit const OtlpMessage kOtlpMetricHead = {kMetricHeadFields};
constinit const OtlpMessage kOtlpMetricData = {kMetricDataFields};
constinit const OtlpMessage kOtlpMetricDataHead = {kMetricDataHeadFields};
constinit const OtlpMessage kOtlpMetricsRequest = {kMetricsRequestFields};

const OtlpField* OtlpMessage::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &OtlpField::name);
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace spillway::broker
