#include "client/load_requests.h"

#include <fmt/format.h>

#include "base/base64.h"

namespace spillway::client {

namespace {

std::string base64(std::string_view bytes) {
  std::string text(base64_encoded_size(bytes.size()), '\0');
  base64_encode(bytes, text.data());
  return text;
}

}  // namespace

PreparedRequest RequestMaker::sign(std::string_view operation, std::string body, WallTime now,
                                   std::uint32_t records) const {
  PreparedRequest request;
  request.records = records;
  request.body = std::move(body);
  request.head.method = "POST";
  request.head.target = "/";
  request.head.headers = {{"Host", options_.address},
                          {"Content-Type", "application/x-amz-json-1.1"},
                          {"X-Amz-Target", fmt::format("Kinesis_20131202.{}", operation)},
                          {"User-Agent", "spillway-bench"}};
  auth::sign(request.head, request.body, options_.credentials, options_.region, "kinesis", now);
  request.http1_bytes = "POST / HTTP/1.1\r\n";
  for (const auto& header : request.head.headers)
    request.http1_bytes += fmt::format("{}: {}\r\n", header.name, header.value);
  request.http1_bytes += fmt::format("Content-Length: {}\r\n\r\n", request.body.size());
  request.http1_bytes += request.body;
  return request;
}

std::string RequestMaker::random_data() {
  std::string data(options_.record_bytes, '\0');
  for (char& byte : data) byte = static_cast<char>(random_.next());
  return base64(data);
}

PreparedRequest RequestMaker::put(WallTime now) {
  if (options_.kind == LoadKind::kPutRecord) {
    return sign("PutRecord",
                fmt::format(R"({{"StreamName":"{}","Data":"{}","PartitionKey":"key-{}"}})",
                            options_.stream, random_data(), random_.below(1'000'000)),
                now, 1);
  }
  std::string body = fmt::format(R"({{"StreamName":"{}","Records":[)", options_.stream);
  for (std::uint32_t i = 0; i < options_.records_per_request; ++i) {
    body += fmt::format(R"({}{{"Data":"{}","PartitionKey":"key-{}"}})", i == 0 ? "" : ",",
                        random_data(), random_.below(1'000'000));
  }
  return sign("PutRecords", body + "]}", now, options_.records_per_request);
}

PreparedRequest RequestMaker::put_stamped(std::uint64_t stamp, WallTime now) {
  std::string data = fmt::format("{:020}", stamp);
  data.resize(std::max<std::size_t>(options_.record_bytes, kStampDigits), 'x');
  return sign("PutRecord",
              fmt::format(R"({{"StreamName":"{}","Data":"{}","PartitionKey":"key-{}"}})",
                          options_.stream, base64(data), random_.below(1'000'000)),
              now, 1);
}

PreparedRequest RequestMaker::get_records(std::string_view iterator, WallTime now) const {
  return sign("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", iterator), now);
}

PreparedRequest RequestMaker::list_shards(WallTime now) const {
  return sign("ListShards", fmt::format(R"({{"StreamName":"{}"}})", options_.stream), now);
}

PreparedRequest RequestMaker::get_iterator(std::string_view shard, bool trim_horizon,
                                           WallTime now) const {
  return sign("GetShardIterator",
              fmt::format(R"({{"StreamName":"{}","ShardId":"{}","ShardIteratorType":"{}"}})",
                          options_.stream, shard, trim_horizon ? "TRIM_HORIZON" : "LATEST"),
              now);
}

std::vector<std::string_view> find_strings(std::string_view json, std::string_view name) {
  const std::string before = fmt::format(R"("{}":")", name);
  std::vector<std::string_view> found;
  for (std::size_t at = json.find(before); at != std::string_view::npos;
       at = json.find(before, at)) {
    at += before.size();
    const std::size_t end = json.find('"', at);
    if (end == std::string_view::npos) break;
    found.push_back(json.substr(at, end - at));
    at = end;
  }
  return found;
}

}  // namespace spillway::client
