#include "client/otlp_load.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "wire/protobuf.h"

namespace spillway::client {
namespace {

constexpr std::uint64_t kInstances = 64;
constexpr std::string_view kMethods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
constexpr std::string_view kRoutes[] = {"/api/v1/orders", "/api/v1/carts", "/api/v1/customers",
                                        "/api/v1/payments", "/healthz"};
constexpr std::string_view kWords[] = {"accepted", "cache",   "connection", "customer", "from",
                                       "handled",  "in",      "item",       "of",       "order",
                                       "payment",  "request", "retrying",   "shipped",  "stored",
                                       "upstream", "waiting", "with"};

std::string text_value(std::string_view text) {
  std::string value;
  wire::append_bytes(value, 1, text);
  return value;
}

std::string integer_value(std::uint64_t integer) {
  std::string value;
  wire::append_integer(value, 3, integer);
  return value;
}

// Lengths are written as short as they can be, as exporters do.
void append_attribute(std::string& to, std::uint32_t number, std::string_view key,
                      std::string_view value) {
  std::string pair;
  wire::append_bytes(pair, 1, key);
  wire::append_bytes(pair, 2, value);
  wire::append_bytes(to, number, pair);
}

template <std::size_t kBytes>
std::string random_id(Random& random) {
  std::array<char, kBytes> id;
  for (char& byte : id) byte = static_cast<char>(random.next());
  return {id.begin(), id.end()};
}

template <std::size_t kCount>
std::string_view one_of(const std::string_view (&all)[kCount], Random& random) {
  return all[random.below(kCount)];
}

std::string resource(Random& random) {
  const auto instance = random.below(kInstances);
  const std::pair<std::string_view, std::string> attributes[] = {
      {"service.name", "shop"},
      {"service.version", "2.31.4"},
      {"service.instance.id", fmt::format("shop-7d9c5b6f4-{:05}", instance)},
      {"host.name", fmt::format("ip-10-0-3-{}", instance)},
      {"deployment.environment.name", "production"},
      {"telemetry.sdk.language", "java"},
      {"telemetry.sdk.name", "opentelemetry"},
      {"telemetry.sdk.version", "1.54.0"},
  };
  std::string resource;
  for (const auto& [key, text] : attributes) append_attribute(resource, 1, key, text_value(text));
  return resource;
}

// Words and numbers, of so many bytes.
std::string line_of(std::size_t size, Random& random) {
  std::string line;
  line.reserve(size + 32);
  while (line.size() < size)
    line += fmt::format("{} {} ", one_of(kWords, random), random.below(1'000'000));
  line.resize(size);
  return line;
}

std::string log_record(std::size_t bytes, std::uint64_t time, Random& random) {
  std::string record;
  record.reserve(bytes + 64);
  wire::append_fixed64(record, 1, time);
  wire::append_integer(record, 2, 9);
  wire::append_bytes(record, 3, "INFO");
  append_attribute(record, 6, "http.request.method", text_value(one_of(kMethods, random)));
  append_attribute(
      record, 6, "url.path",
      text_value(fmt::format("{}/{}", one_of(kRoutes, random), random.below(1'000'000))));
  append_attribute(record, 6, "http.response.status_code",
                   integer_value(random.one_in(50) ? 503 : 200));
  append_attribute(record, 6, "thread.name",
                   text_value(fmt::format("http-worker-{}", random.below(32))));
  wire::append_bytes(record, 9, random_id<16>(random));
  wire::append_bytes(record, 10, random_id<8>(random));
  wire::append_fixed64(record, 11, time);
  constexpr std::size_t kAroundText = 6;  // the numbers and lengths of the body and the text in it
  const std::size_t taken = record.size() + kAroundText;
  wire::append_bytes(record, 5, text_value(line_of(bytes > taken ? bytes - taken : 0, random)));
  return record;
}

}  // namespace

std::string otlp_logs_request(const OtlpLogsShape& shape, WallTime now, Random& random) {
  const auto time = static_cast<std::uint64_t>(nanoseconds(now.time_since_epoch()).count());
  std::string scope;
  wire::append_bytes(scope, 1, "com.example.shop.http.AccessLog");
  std::string of_scope;
  of_scope.reserve(std::size_t{shape.records} * (shape.record_bytes + 64));
  wire::append_bytes(of_scope, 1, scope);
  for (std::uint32_t i = 0; i < shape.records; ++i)
    wire::append_bytes(of_scope, 2, log_record(shape.record_bytes, time + 1000 * i, random));
  std::string of_resource;
  wire::append_bytes(of_resource, 1, resource(random));
  wire::append_bytes(of_resource, 2, of_scope);
  std::string request;
  wire::append_bytes(request, 1, of_resource);
  return request;
}

std::uint64_t otlp_rejected_in(std::string_view answer) {
  std::uint64_t rejected = 0;
  wire::ProtobufReader reader(answer);
  for (wire::ProtobufField field; reader.next(field);) {
    if (field.number != 1 || field.type != wire::WireType::kBytes) continue;
    wire::ProtobufReader partial(field.bytes);
    for (wire::ProtobufField member; partial.next(member);)
      if (member.number == 1 && member.type == wire::WireType::kVarint) rejected = member.integer;
  }
  return rejected;
}

}  // namespace spillway::client
