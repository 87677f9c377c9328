#include "broker/otlp_records.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "broker/http_records.h"
#include "broker/otlp_json.h"
#include "broker/otlp_shapes.h"
#include "wire/protobuf.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string padded(std::string_view json) {
  std::string body(json);
  body.reserve(body.size() + kOtlpBodyPadding);
  return body;
}

Result<OtlpRecords> read_json(std::string_view json) {
  return read_otlp(OtlpSignal::kLogs, OtlpEncoding::kJson, padded(json));
}

// Each as KEY=DATA.
std::vector<std::string> texts(const Result<OtlpRecords>& all) {
  if (!all.ok()) return {all.error().message};
  std::vector<std::string> found;
  found.reserve(all->records.size());
  for (const auto& record : all->records)
    found.push_back(fmt::format("{}={}", record.partition_key, record.data));
  return found;
}

// One log record of a resource with these attributes.
std::string logs(std::string_view attributes, std::string_view record) {
  return fmt::format(
      R"({{"resourceLogs":[{{"resource":{{"attributes":[{}]}},"scopeLogs":[{{"logRecords":[{}]}}]}}]}})",
      attributes, record);
}

std::string attribute(std::string_view key, std::string_view text) {
  return fmt::format(R"({{"key":"{}","value":{{"stringValue":"{}"}}}})", key, text);
}

// The record of `record`, without its resource.
std::string record_of(std::string_view record) {
  const auto found = texts(read_json(logs("", record)));
  return found.empty() ? "none" : found.front();
}

TEST(OtlpRecords, ALogRecordIsWholeByItself) {
  const auto all = read_json(
      R"({"resourceLogs":[{"resource":{"attributes":[)" + attribute("service.name", "shop") +
      R"(]},"scopeLogs":[{"scope":{"name":"till","version":"2"},"logRecords":[
        {"timeUnixNano":"1795650000000000001","severityNumber":9,"severityText":"INFO",
         "body":{"stringValue":"sold \"out\""},"attributes":[{"key":"item","value":{"intValue":"7"}}],
         "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174"},
        {"body":{"stringValue":"next"}}]}]}]})");
  EXPECT_THAT(
      texts(all),
      ElementsAre(
          R"(shop={"resource":{"attributes":{"service.name":"shop"}},"scope":{"name":"till","version":"2"},)"
          R"("timeUnixNano":"1795650000000000001","severityNumber":9,"severityText":"INFO",)"
          R"("body":"sold \"out\"","attributes":{"item":7},)"
          R"("traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"})",
          R"(shop={"resource":{"attributes":{"service.name":"shop"}},"scope":{"name":"till","version":"2"},)"
          R"("body":"next"})"));
}

TEST(OtlpRecords, ValuesStandWithoutTheNamesOfTheirTypes) {
  const struct {
    std::string_view value;
    std::string_view text;
  } cases[] = {
      {R"({"stringValue":"a"})", "\"a\""},
      {R"({"stringValue":""})", "\"\""},
      {R"({"boolValue":false})", "false"},
      {R"({"intValue":"-9223372036854775808"})", "-9223372036854775808"},
      {R"({"intValue":3})", "3"},
      {R"({"doubleValue":0.1})", "0.1"},
      {R"({"doubleValue":"NaN"})", "\"NaN\""},
      {R"({"doubleValue":"-Infinity"})", "\"-Infinity\""},
      {R"({"bytesValue":"AAEC"})", "\"AAEC\""},
      {R"({"arrayValue":{"values":[{"intValue":1},{"stringValue":"b"},{}]}})", "[1,\"b\",null]"},
      {R"({"arrayValue":{}})", "[]"},
      {R"({"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{"values":[{"intValue":1}]}}},
          {"key":"none"}]}})",
       R"({"k":[1],"none":null})"},
      {"{}", "null"},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(record_of(fmt::format(R"({{"body":{}}})", one.value)),
              fmt::format(R"(unknown_service={{"body":{}}})", one.text));
  }
}

TEST(OtlpRecords, ADataPointSaysWhatItsMetricIs) {
  const auto metric = [](std::string_view kind, std::string_view data) {
    const auto body = padded(fmt::format(
        R"({{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","unit":"s","{}":{}}}]}}]}}]}})",
        kind, data));
    return texts(read_otlp(OtlpSignal::kMetrics, OtlpEncoding::kJson, body));
  };
  EXPECT_THAT(metric("sum", R"({"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
                  {"timeUnixNano":"5","asInt":"-7"},{"asDouble":0.5}]})"),
              ElementsAre(R"(unknown_service={"name":"m","unit":"s","type":"sum",)"
                          R"("aggregationTemporality":2,"isMonotonic":true,)"
                          R"("timeUnixNano":"5","asInt":-7})",
                          R"(unknown_service={"name":"m","unit":"s","type":"sum",)"
                          R"("aggregationTemporality":2,"isMonotonic":true,"asDouble":0.5})"));
  EXPECT_THAT(metric("gauge", R"({"dataPoints":[{"asInt":0}]})"),
              ElementsAre(R"(unknown_service={"name":"m","unit":"s","type":"gauge","asInt":0})"));
  EXPECT_THAT(metric("histogram", R"({"dataPoints":[{"count":"3","sum":1,"bucketCounts":["1","2"],
                  "explicitBounds":[0.1],"exemplars":[{"asDouble":2,"spanId":"0a"}]}]})"),
              ElementsAre(R"(unknown_service={"name":"m","unit":"s","type":"histogram","count":3,)"
                          R"("sum":1,"bucketCounts":[1,2],"explicitBounds":[0.1],)"
                          R"("exemplars":[{"asDouble":2,"spanId":"0a"}]})"));
  EXPECT_THAT(
      metric("exponentialHistogram",
             R"({"dataPoints":[{"scale":-3,"positive":{"offset":-1,"bucketCounts":["4"]}}]})"),
      ElementsAre(R"(unknown_service={"name":"m","unit":"s","type":"exponentialHistogram",)"
                  R"("scale":-3,"positive":{"offset":-1,"bucketCounts":[4]}})"));
  EXPECT_THAT(
      metric("summary", R"({"dataPoints":[{"quantileValues":[{"quantile":0.5,"value":2}]}]})"),
      ElementsAre(R"(unknown_service={"name":"m","unit":"s","type":"summary",)"
                  R"("quantileValues":[{"quantile":0.5,"value":2}]})"));
  EXPECT_THAT(metric("newKind", R"({"dataPoints":[{}]})"), IsEmpty());
}

TEST(OtlpRecords, RepeatedNumbersMayBePacked) {
  const auto in_message = [](std::uint32_t number, const std::string& bytes) {
    std::string message;
    wire::append_bytes(message, number, bytes);
    return message;
  };
  const auto request = [&](const std::string& point) {
    const auto body =
        in_message(1, in_message(2, in_message(2, in_message(9, in_message(1, point)))));
    return texts(read_otlp(OtlpSignal::kMetrics, OtlpEncoding::kProtobuf, body));
  };
  const std::string two("\2\0\0\0\0\0\0\0", 8);
  EXPECT_THAT(request(in_message(6, two + two)),
              ElementsAre(R"(unknown_service={"type":"histogram","bucketCounts":[2,2]})"));
  EXPECT_THAT(request(in_message(6, two + "2")), ElementsAre(HasSubstr("cut short")));
}

TEST(OtlpRecords, ASpanIsARecord) {
  const auto body = padded(
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01","spanId":"02","name":"GET /",
          "kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2","status":{"code":2,"message":"no"},
          "events":[{"name":"e","attributes":[{"key":"k","value":{"boolValue":true}}]}],
          "links":[{"traceId":"03"}]}]}]}]})");
  EXPECT_THAT(
      texts(read_otlp(OtlpSignal::kTraces, OtlpEncoding::kJson, body)),
      ElementsAre(R"(unknown_service={"traceId":"01","spanId":"02","name":"GET /","kind":2,)"
                  R"("startTimeUnixNano":"1","endTimeUnixNano":"2",)"
                  R"("events":[{"name":"e","attributes":{"k":true}}],)"
                  R"("links":[{"traceId":"03"}],"status":{"message":"no","code":2}})"));
}

TEST(OtlpRecords, AServicesInstanceStaysInOrder) {
  const auto key = [](const std::string& attributes) {
    const auto all = read_json(logs(attributes, "{}"));
    return all.ok() ? std::string(all->records.at(0).partition_key) : all.error().message;
  };
  const std::string service = attribute("service.name", "shop");
  const std::string host = attribute("host.name", "web-1");
  const std::string instance = attribute("service.instance.id", "i-7");
  EXPECT_EQ(key(service), "shop");
  EXPECT_EQ(key(host + "," + service), "shop/web-1");
  EXPECT_EQ(key(host + "," + service + "," + instance), "shop/i-7");
  EXPECT_EQ(key(""), "unknown_service");
  EXPECT_EQ(key(attribute("service.name", std::string(300, 's'))), std::string(256, 's'));
  EXPECT_EQ(key(attribute("service.name", "ä" + std::string(300, 's'))), std::string(256, 's'));
  std::string umlauts;
  for (int i = 0; i < 257; ++i) umlauts += "ä";
  EXPECT_EQ(key(attribute("service.name", umlauts)), "unknown_service");
}

TEST(OtlpRecords, WhatIsNotKnownIsPassedOver) {
  EXPECT_EQ(record_of(R"({"severityText":null,"newMember":{"a":[1]},"flags":1})"),
            R"(unknown_service={"flags":1})");
  EXPECT_THAT(texts(read_json("{}")), IsEmpty());
  EXPECT_THAT(texts(read_json(R"({"resourceLogs":[]})")), IsEmpty());
}

TEST(OtlpRecords, ARequestThatCanNotBeReadIsRefusedWhole) {
  EXPECT_THAT(texts(read_json("{")), ElementsAre(HasSubstr("not JSON")));
  EXPECT_THAT(texts(read_json("[]")), ElementsAre(HasSubstr("not an object")));
  for (const std::string_view record :
       {R"({"body":"text"})", R"({"severityNumber":"INFO"})", R"({"severityNumber":-1})",
        R"({"timeUnixNano":1.5})", R"({"attributes":{}})", R"({"traceId":"xy"})",
        R"({"traceId":"abc"})", R"({"flags":4294967296})", R"({"body":{"bytesValue":"?"}})",
        R"({"body":{"boolValue":"true"}})", R"({"severityText":3})"}) {
    const auto all = read_json(logs("", fmt::format("{{}},{}", record)));
    ASSERT_FALSE(all.ok()) << record;
    EXPECT_EQ(all.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(all.error().message, HasSubstr("another type")) << record;
  }
}

TEST(OtlpRecords, ProtobufThatIsCutShortIsRefusedWhole) {
  const auto body = otlp_json_to_protobuf(
      kOtlpLogsRequest, padded(logs(attribute("service.name", "shop"),
                                    R"({"body":{"stringValue":"sold out"},"flags":1})")));
  ASSERT_TRUE(body.ok());
  const auto read = [](std::string_view bytes) {
    return read_otlp(OtlpSignal::kLogs, OtlpEncoding::kProtobuf, bytes);
  };
  EXPECT_EQ(read(*body)->records.size(), 1u);
  for (std::size_t size = 1; size < body->size(); ++size)
    EXPECT_FALSE(read(std::string_view(*body).substr(0, size)).ok()) << size;
}

TEST(OtlpRecords, IsNestedAsDeepAsProtobufTakesIt) {
  const auto nested = [](int depth) {
    std::string value = R"({"intValue":1})";
    for (int i = 0; i < depth; ++i) value = R"({"arrayValue":{"values":[)" + value + "]}}";
    return logs("", R"({"body":)" + value + "}");
  };
  EXPECT_TRUE(read_json(nested(40)).ok());
  EXPECT_THAT(texts(read_json(nested(100))), ElementsAre(HasSubstr("nested deeper")));
  std::string value;
  wire::append_integer(value, 3, 1);
  const auto in_message = [](std::uint32_t number, const std::string& bytes) {
    std::string message;
    wire::append_bytes(message, number, bytes);
    return message;
  };
  for (int i = 0; i < 100; ++i) value = in_message(5, in_message(1, value));
  const std::string body = in_message(1, in_message(2, in_message(2, in_message(5, value))));
  EXPECT_THAT(texts(read_otlp(OtlpSignal::kLogs, OtlpEncoding::kProtobuf, body)),
              ElementsAre(HasSubstr("nested deeper")));
}

TEST(OtlpRecords, WhatIsLargerThanARecordIsRefusedByItself) {
  const std::string large(kHttpRecordBytesMax, 'x');
  const auto all =
      read_json(logs("", R"({"flags":1},{"severityText":")" + large + R"("},{"flags":2})"));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->too_large, 1u);
  EXPECT_THAT(texts(all),
              ElementsAre(R"(unknown_service={"flags":1})", R"(unknown_service={"flags":2})"));
}

TEST(OtlpRecords, ResourcesDoNotMakeASmallRequestLarge) {
  std::string records = "{}";
  for (int i = 1; i < 200; ++i) records += ",{}";
  for (const std::size_t size : {std::size_t{500'000}, kHttpRecordBytesMax}) {
    const auto all = read_json(logs(attribute("k", std::string(size, 'x')), records));
    ASSERT_FALSE(all.ok());
    EXPECT_EQ(all.error().code, ErrorCode::kNoSpace);
  }
  std::string many;
  for (std::size_t i = 0; i <= kOtlpRecordsMax; ++i) wire::append_bytes(many, 2, "");
  std::string scope;
  wire::append_bytes(scope, 2, many);
  std::string request;
  wire::append_bytes(request, 1, scope);
  const auto all = read_otlp(OtlpSignal::kLogs, OtlpEncoding::kProtobuf, request);
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.error().code, ErrorCode::kNoSpace);
}

TEST(OtlpRecords, AreMadeWhileThereIsRoom) {
  const std::string text(3000, 'x');
  std::string records;
  for (int i = 0; i < 100; ++i)
    records += fmt::format(R"({}{{"severityText":"{}"}})", i > 0 ? "," : "", text);
  const auto body = otlp_json_to_protobuf(kOtlpLogsRequest,
                                          padded(logs(attribute("service.name", "shop"), records)));
  std::size_t asked = 0;
  const auto read = [&](std::size_t most) {
    asked = 0;
    return read_otlp(OtlpSignal::kLogs, OtlpEncoding::kProtobuf, *body,
                     [&asked, most](std::size_t bytes) {
                       asked += bytes;
                       return asked <= most;
                     });
  };
  const auto all = read(std::size_t{1} << 20);
  ASSERT_TRUE(all.ok());
  std::size_t size = 0;
  for (const auto& record : all->records) size += record.data.size();
  EXPECT_GT(asked, size);
  EXPECT_LT(asked, size + 2 * TextBlocks::kBlockBytesMax);
  const std::size_t needed = asked;
  EXPECT_TRUE(read(needed).ok());
  const auto refused = read(needed - 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kThrottled);
  EXPECT_FALSE(read(size / 2).ok());
  EXPECT_LT(asked, size / 2 + 2 * TextBlocks::kBlockBytesMax) << "it ends there";
}

TEST(OtlpRecords, JsonGrowsNoMoreThanIsAskedFor) {
  std::string numbers = "1";
  for (int i = 0; i < 10'000; ++i) numbers += ",1";
  const auto json = padded(
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[)" +
      numbers + "]}]}}]}]}]}");
  const auto made = otlp_json_to_protobuf(kOtlpMetricsRequest, json);
  ASSERT_TRUE(made.ok());
  EXPECT_GT(made->size(), 4 * json.size()) << "the worst there is";
  EXPECT_LE(made->size(), otlp_json_bytes_max(json.size()) - 14 * json.size());
  constexpr std::size_t kBodyMax = std::size_t{16} << 20;
  EXPECT_LT(otlp_json_bytes_max(kBodyMax), std::size_t{400} << 20) << "one is always read";
}

TEST(OtlpRecords, NeitherDoScopesAndMetricsWithoutRecords) {
  std::string value;
  wire::append_bytes(value, 1, std::string(std::size_t{2} << 20, 'x'));
  std::string labelled;
  wire::append_bytes(labelled, 1, "k");
  wire::append_bytes(labelled, 2, value);
  std::string resource;
  wire::append_bytes(resource, 1, labelled);
  const auto read = [&](OtlpSignal signal, const std::string& scope) {
    std::string all;
    wire::append_bytes(all, 1, resource);
    for (int i = 0; i < 100; ++i) wire::append_bytes(all, 2, scope);
    std::string request;
    wire::append_bytes(request, 1, all);
    return read_otlp(signal, OtlpEncoding::kProtobuf, request);
  };
  EXPECT_EQ(read(OtlpSignal::kLogs, "").error().code, ErrorCode::kNoSpace);
  std::string metric;
  wire::append_bytes(metric, 2, "");
  EXPECT_EQ(read(OtlpSignal::kMetrics, metric).error().code, ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace spillway::broker
