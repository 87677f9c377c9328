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

constexpr std::string_view kJsonData = R"("Data":")";
constexpr std::string_view kCborData = "dData";  // a text of four bytes
constexpr std::size_t kStampText = 28;           // 21 bytes in base64
// As many bytes tell whether a record begins with the first of them, and its stamp.
constexpr std::size_t kLook = 64;

std::uint64_t stamp_in_base64(std::string_view text) {
  char data[kStampDigits + 4];
  return text.size() == kStampText && base64_decode(text, data) ? stamp_in({data, kStampDigits})
                                                                : 0;
}

// Four times the bytes of a piece of base64.
std::size_t quarters_of_base64(std::string_view text) {
  const auto last = text.substr(text.size() - std::min<std::size_t>(text.size(), 2));
  return 3 * text.size() - 4 * static_cast<std::size_t>(std::ranges::count(last, '='));
}

struct ByteStringHead {
  std::size_t head_size = 0;  // 0: it isn't whole
  std::size_t size = 0;
};

// Of a byte string of definite length that `bytes` begin with; RFC 8949 section 3.
std::optional<ByteStringHead> byte_string_head(std::string_view bytes) {
  constexpr unsigned kByteString = 0x40;
  if (bytes.empty()) return ByteStringHead{};
  const unsigned first = static_cast<unsigned char>(bytes.front());
  const unsigned argument = first & 31;
  if ((first & 0xe0) != kByteString || argument > 27) return std::nullopt;
  if (argument < 24) return ByteStringHead{1, argument};
  const std::size_t length_bytes = std::size_t{1} << (argument - 24);
  if (bytes.size() <= length_bytes) return ByteStringHead{};
  std::size_t size = 0;
  for (const char byte : bytes.substr(1, length_bytes))
    size = size << 8 | static_cast<unsigned char>(byte);
  return ByteStringHead{1 + length_bytes, size};
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

void RecordFinder::take(std::string_view bytes, std::vector<SeenRecord>& found) {
  const auto scan = [&](std::string_view window) {
    return json_ ? scan_json(window, found) : scan_cbor(window, found);
  };
  while (true) {
    bytes = pass_data(bytes, found);
    if (bytes.empty()) return;
    if (carry_.empty()) {
      bytes.remove_prefix(scan(bytes));
      if (in_data_) continue;
      carry_ = bytes;
      return;
    }
    // With so much more, what is carried is decided.
    const std::size_t carried = carry_.size();
    carry_ += bytes.substr(0, kLook);
    const std::size_t scanned = scan(carry_);
    if (!in_data_ && bytes.size() <= kLook) {
      carry_.erase(0, scanned);
      return;
    }
    bytes.remove_prefix(scanned - carried);
    carry_.clear();
  }
}

// Both give how much is done with: up to the data of a record behind its first bytes (in_data_), or
// to what may begin one and isn't whole.

std::size_t RecordFinder::scan_json(std::string_view bytes, std::vector<SeenRecord>& found) {
  std::size_t at = bytes.find(kJsonData);
  for (; at != std::string_view::npos; at = bytes.find(kJsonData, at)) {
    const auto text = bytes.substr(at + kJsonData.size(), kStampText);
    const std::size_t end = text.find('"');
    if (end == std::string_view::npos && text.size() < kStampText) return at;
    at += kJsonData.size() + std::min(end, text.size());
    stamp_ = stamp_in_base64(text);
    quarters_ = quarters_of_base64(text.substr(0, end));
    in_data_ = end == std::string_view::npos;
    if (in_data_) return at;
    found.push_back({quarters_ / 4, stamp_});
  }
  return bytes.size() - std::min(bytes.size(), kJsonData.size() - 1);
}

std::size_t RecordFinder::scan_cbor(std::string_view bytes, std::vector<SeenRecord>& found) {
  std::size_t at = bytes.find(kCborData);
  for (; at != std::string_view::npos; at = bytes.find(kCborData, at)) {
    const auto value = bytes.substr(at + kCborData.size());
    const auto head = byte_string_head(value);
    const std::size_t first = head ? std::min(head->size, kStampDigits) : 0;
    if (head && (head->head_size == 0 || value.size() < head->head_size + first)) return at;
    at += kCborData.size();
    if (!head) continue;  // a text, which reads so
    found.push_back({head->size, stamp_in(value.substr(head->head_size, first))});
    at += head->head_size + first;
    left_ = head->size - first;
    in_data_ = left_ > 0;
    if (in_data_) return at;
  }
  return bytes.size() - std::min(bytes.size(), kCborData.size() - 1);
}

// What is behind the data that `bytes` begin with.
std::string_view RecordFinder::pass_data(std::string_view bytes, std::vector<SeenRecord>& found) {
  if (!in_data_) return bytes;
  if (!json_) {
    const std::size_t passed = std::min(left_, bytes.size());
    left_ -= passed;
    in_data_ = left_ > 0;
    return bytes.substr(passed);
  }
  const std::size_t end = std::min(bytes.find('"'), bytes.size());
  quarters_ += quarters_of_base64(bytes.substr(0, end));
  if (end == bytes.size()) return {};
  in_data_ = false;
  found.push_back({quarters_ / 4, stamp_});
  return bytes.substr(end);
}

std::vector<SeenRecord> find_records(std::string_view answer, wire::Format format) {
  std::vector<SeenRecord> found;
  RecordFinder(format).take(answer, found);
  return found;
}

}  // namespace spillway::client
