#include <fmt/format.h>

#include <algorithm>

#include "client/load.h"
#include "wire/shapes.h"

namespace spillway::client {

namespace {

std::string_view name_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::kPutRecords:
      return "put-records";
    case LoadKind::kPutRecord:
      return "put-record";
    case LoadKind::kGetRecords:
      return "get-records";
    case LoadKind::kPutToRead:
      return "put-to-read";
    case LoadKind::kSubscribe:
      return "subscribe";
    case LoadKind::kOtlpLogs:
      return "otlp-logs";
  }
  return "";
}

double per_second(double amount, const LoadReport& report) {
  return amount / std::chrono::duration<double>(report.elapsed).count();
}

double quantile_ms(const LoadReport& report, double q) {
  return std::chrono::duration<double, std::milli>(report.latency->quantile(q)).count();
}

// An answer in CBOR has its message between bytes that are no text.
std::string quoted(std::string_view text) {
  std::string plain(text.substr(0, 500));
  std::ranges::replace_if(
      plain, [](char c) { return c < ' ' || c > '~'; }, '.');
  std::string json;
  wire::append_json_string(json, plain);
  return json;
}

}  // namespace

std::string to_json(const LoadOptions& options, const LoadReport& report) {
  return fmt::format(
      R"({{"kind":"{}","connections":{},"http2_requests":{},"seconds":{:.3f},"requests":{},)"
      R"("records":{},"payload_bytes":{},"failed_records":{},"errors":{},"first_error":{},)"
      R"("requests_per_s":{:.1f},"records_per_s":{:.1f},"payload_mb_per_s":{:.2f},)"
      R"("p50_ms":{:.3f},"p90_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f},)"
      R"("client_cpu_seconds":{:.2f}}})",
      name_of(options.kind), options.connections, options.http2_requests,
      std::chrono::duration<double>(report.elapsed).count(), report.requests, report.records,
      report.payload_bytes, report.failed_records, report.errors, quoted(report.first_error),
      per_second(static_cast<double>(report.requests), report),
      per_second(static_cast<double>(report.records), report),
      per_second(static_cast<double>(report.payload_bytes), report) / 1e6, quantile_ms(report, 0.5),
      quantile_ms(report, 0.9), quantile_ms(report, 0.99), quantile_ms(report, 0.999),
      std::chrono::duration<double, std::milli>(report.latency->max()).count(), report.cpu_seconds);
}

std::string to_text(const LoadOptions& options, const LoadReport& report) {
  std::string text = fmt::format(
      "{}, {} connections{}, {:.1f} s\n"
      "  {:>12.0f} requests/s   {:>12.0f} records/s   {:>10.1f} MB/s of payload\n"
      "  latency: p50 {:.2f} ms, p90 {:.2f} ms, p99 {:.2f} ms, p99.9 {:.2f} ms\n",
      name_of(options.kind), options.connections,
      options.http2_requests == 0
          ? ""
          : fmt::format(" (HTTP/2, {} requests at once on each)", options.http2_requests),
      std::chrono::duration<double>(report.elapsed).count(),
      per_second(static_cast<double>(report.requests), report),
      per_second(static_cast<double>(report.records), report),
      per_second(static_cast<double>(report.payload_bytes), report) / 1e6, quantile_ms(report, 0.5),
      quantile_ms(report, 0.9), quantile_ms(report, 0.99), quantile_ms(report, 0.999));
  if (report.errors + report.failed_records > 0) {
    text += fmt::format("  {} requests and {} records failed; the first: {}\n", report.errors,
                        report.failed_records, report.first_error);
  }
  return text;
}

}  // namespace spillway::client
