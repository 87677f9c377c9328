#include "client/load_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/base64.h"

namespace spillway::client {

namespace {

std::uint64_t stamp_in(std::string_view data) {
  std::uint64_t stamp = 0;
  if (data.size() < kStampDigits) return 0;
  const auto parsed = std::from_chars(data.data(), data.data() + kStampDigits, stamp);
  return parsed.ptr == data.data() + kStampDigits ? stamp : 0;
}

SeenRecord record_of_base64(std::string_view text) {
  constexpr std::size_t kStampText = 28;  // 21 bytes
  SeenRecord record{text.size() / 4 * 3 - (text.ends_with("==")  ? 2
                                           : text.ends_with('=') ? 1
                                                                 : 0),
                    0};
  char data[kStampDigits + 4];
  if (text.size() >= kStampText && base64_decode(text.substr(0, kStampText), data))
    record.stamp = stamp_in({data, kStampDigits});
  return record;
}

// Takes a byte string of definite length off the front of `bytes`; RFC 8949 section 3.
std::optional<std::string_view> take_byte_string(std::string_view& bytes) {
  constexpr unsigned kByteString = 0x40;
  if (bytes.empty()) return std::nullopt;
  const unsigned head = static_cast<unsigned char>(bytes.front());
  if ((head & 0xe0) != kByteString) return std::nullopt;
  bytes.remove_prefix(1);
  std::size_t size = head & 31;
  if (size >= 24) {
    const std::size_t length_bytes = std::min(std::size_t{1} << (size - 24), bytes.size());
    size = 0;
    for (const char byte : bytes.substr(0, length_bytes))
      size = size << 8 | static_cast<unsigned char>(byte);
    bytes.remove_prefix(length_bytes);
  }
  const auto taken = bytes.substr(0, size);
  bytes.remove_prefix(taken.size());
  return taken;
}

}  // namespace

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

std::size_t failed_records_in(std::string_view answer, wire::Format format) {
  const bool json = format == wire::Format::kJson;
  using namespace std::string_view_literals;
  if (answer.find(json ? R"("FailedRecordCount":0)"sv : "qFailedRecordCount\0"sv) !=
      std::string_view::npos)
    return 0;
  const std::string_view code = json ? R"("ErrorCode":)" : "iErrorCode";
  std::size_t failed = 0;
  for (std::size_t at = answer.find(code); at != std::string_view::npos;
       at = answer.find(code, at + 1))
    ++failed;
  return failed;
}

std::vector<SeenRecord> find_records(std::string_view answer, wire::Format format) {
  std::vector<SeenRecord> records;
  if (format == wire::Format::kJson) {
    for (const auto text : find_strings(answer, "Data")) records.push_back(record_of_base64(text));
    return records;
  }
  constexpr std::string_view kName = "dData";  // a text of four bytes
  for (std::size_t at = answer.find(kName); at != std::string_view::npos; at = answer.find(kName)) {
    answer.remove_prefix(at + kName.size());
    if (const auto data = take_byte_string(answer))
      records.push_back({data->size(), stamp_in(*data)});
  }
  return records;
}

}  // namespace spillway::client
