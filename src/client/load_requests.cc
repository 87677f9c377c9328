#include "client/load_requests.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/uint128.h"
#include "client/load_answers.h"
#include "client/otlp_load.h"

namespace spillway::client {

namespace {

// A place of the hash keys' ring, as its first 64 bits.
std::uint64_t place_of(double part) {
  constexpr double kAll = 18446744073709551616.0;  // 2^64
  return part >= 1 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(part * kAll);
}

void write_http1(PreparedRequest& request) {
  request.http1_bytes = fmt::format("{} {} HTTP/1.1\r\n", request.head.method, request.head.target);
  for (const auto& header : request.head.headers)
    request.http1_bytes += fmt::format("{}: {}\r\n", header.name, header.value);
  request.http1_bytes += fmt::format("Content-Length: {}\r\n\r\n", request.body.size());
  request.http1_bytes += request.body;
}

}  // namespace

PreparedRequest RequestMaker::sign(std::string_view operation, wire::Format format,
                                   std::string body, WallTime now, std::uint32_t records) const {
  const bool json = format == wire::Format::kJson;
  PreparedRequest request;
  request.records = records;
  request.body = std::move(body);
  request.head.method = "POST";
  request.head.target = "/";
  request.head.headers = {
      {"Host", options_.endpoint.authority},
      {"Content-Type", json ? "application/x-amz-json-1.1" : "application/x-amz-cbor-1.1"},
      {"X-Amz-Target", fmt::format("Kinesis_20131202.{}", operation)},
      {"User-Agent", "spillway-bench"}};
  auth::sign(request.head, request.body, options_.credentials, options_.region, "kinesis", now);
  write_http1(request);
  return request;
}

std::string RequestMaker::random_data() {
  std::string data(options_.record_bytes, '\0');
  for (char& byte : data) byte = static_cast<char>(random_.next());
  return data;
}

template <typename MakeData>
void RequestMaker::write_record(wire::DocumentWriter& to, MakeData& make_data) {
  to.key("Data").blob(make_data());
  to.text("PartitionKey", fmt::format("key-{}", random_.below(1'000'000)));
  if (options_.hash_from <= 0 && options_.hash_below >= 1) return;
  const auto from = place_of(options_.hash_from);
  const auto size = std::max<std::uint64_t>(1, place_of(options_.hash_below) - from);
  to.text("ExplicitHashKey", to_string(Uint128{from + random_.below(size)} << 64));
}

template <typename MakeData>
PreparedRequest RequestMaker::put_with(WallTime now, MakeData make_data) {
  const bool one = options_.kind == LoadKind::kPutRecord || options_.kind == LoadKind::kPutToRead;
  const std::uint32_t records = one ? 1 : options_.records_per_request;
  wire::DocumentWriter to(options_.format,
                          std::size_t{records} * (options_.record_bytes * 4 / 3 + 100));
  to.open_map().text("StreamName", options_.stream);
  if (one) {
    write_record(to, make_data);
  } else {
    to.key("Records").open_list();
    for (std::uint32_t i = 0; i < records; ++i) {
      to.open_map();
      write_record(to, make_data);
      to.close_map();
    }
    to.close_list();
  }
  to.close_map();
  return sign(one ? "PutRecord" : "PutRecords", options_.format,
              std::string(std::move(to).finish().view()), now, records);
}

PreparedRequest RequestMaker::put_logs(WallTime now) {
  PreparedRequest request;
  request.records = options_.records_per_request;
  request.body =
      otlp_logs_request({options_.records_per_request, options_.record_bytes}, now, random_);
  request.head.method = "POST";
  request.head.target = "/v1/logs";
  request.head.headers = {{"Host", options_.endpoint.authority},
                          {"Content-Type", "application/x-protobuf"},
                          {"User-Agent", "spillway-bench"}};
  write_http1(request);
  return request;
}

PreparedRequest RequestMaker::put(WallTime now) {
  if (options_.kind == LoadKind::kOtlpLogs) return put_logs(now);
  return put_with(now, [this] { return random_data(); });
}

PreparedRequest RequestMaker::put_stamped(std::uint64_t stamp, WallTime now) {
  std::string data = fmt::format("{:020}", stamp);
  data.resize(std::max<std::size_t>(options_.record_bytes, kStampDigits), 'x');
  return put_with(now, [&data]() -> const std::string& { return data; });
}

PreparedRequest RequestMaker::get_records(std::string_view iterator, WallTime now) const {
  return sign("GetRecords", wire::Format::kJson,
              fmt::format(R"({{"ShardIterator":"{}"}})", iterator), now);
}

PreparedRequest RequestMaker::list_shards(WallTime now) const {
  return sign("ListShards", wire::Format::kJson,
              fmt::format(R"({{"StreamName":"{}"}})", options_.stream), now);
}

PreparedRequest RequestMaker::get_iterator(std::string_view shard, bool trim_horizon,
                                           WallTime now) const {
  return sign("GetShardIterator", wire::Format::kJson,
              fmt::format(R"({{"StreamName":"{}","ShardId":"{}","ShardIteratorType":"{}"}})",
                          options_.stream, shard, trim_horizon ? "TRIM_HORIZON" : "LATEST"),
              now);
}

PreparedRequest RequestMaker::describe_summary(WallTime now) const {
  return sign("DescribeStreamSummary", wire::Format::kJson,
              fmt::format(R"({{"StreamName":"{}"}})", options_.stream), now);
}

PreparedRequest RequestMaker::register_consumer(std::string_view stream_arn, std::string_view name,
                                                WallTime now) const {
  return sign("RegisterStreamConsumer", wire::Format::kJson,
              fmt::format(R"({{"StreamARN":"{}","ConsumerName":"{}"}})", stream_arn, name), now);
}

PreparedRequest RequestMaker::describe_consumer(std::string_view stream_arn, std::string_view name,
                                                WallTime now) const {
  return sign("DescribeStreamConsumer", wire::Format::kJson,
              fmt::format(R"({{"StreamARN":"{}","ConsumerName":"{}"}})", stream_arn, name), now);
}

PreparedRequest RequestMaker::subscribe(std::string_view consumer_arn, std::string_view shard,
                                        WallTime now) const {
  wire::DocumentWriter to(options_.format);
  to.open_map().text("ConsumerARN", consumer_arn).text("ShardId", shard);
  to.key("StartingPosition").open_map().text("Type", "LATEST").close_map().close_map();
  return sign("SubscribeToShard", options_.format, std::string(std::move(to).finish().view()), now);
}

}  // namespace spillway::client
