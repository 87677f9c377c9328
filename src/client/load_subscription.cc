#include "client/load_subscription.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace spillway::client {

namespace {

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kPrelude =
    12;  // of an event: its length, its headers' length, their checksum
constexpr std::size_t kChecksum = 4;
constexpr std::string_view kNewline = "\r\n";

std::size_t big_endian(std::string_view bytes) {
  std::size_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

LoadSubscription::LoadSubscription(std::unique_ptr<io::ByteStream> stream)
    : stream_(std::move(stream)), buffer_(kReadBytes, '\0') {}

void LoadSubscription::begin(const PreparedRequest& request, UniqueFunction<void(Status)> begun,
                             UniqueFunction<void(std::string_view)> on_event,
                             UniqueFunction<void(Error)> ended) {
  begun_ = std::move(begun);
  on_event_ = std::move(on_event);
  ended_ = std::move(ended);
  out_ = request.http1_bytes;
  stream_->write(std::span(&out_, 1), [this](Status written) {
    if (!written.ok()) fail(std::move(written).error());
  });
  read_more();
}

void LoadSubscription::fail(Error error) {
  if (begun_) return std::exchange(begun_, nullptr)(std::move(error));
  if (ended_) std::exchange(ended_, nullptr)(std::move(error));
}

void LoadSubscription::read_more() {
  stream_->read(buffer_, [this](Result<std::size_t> got) {
    if (!got.ok()) return fail(std::move(got).error());
    if (*got == 0) return fail(Error{ErrorCode::kIo, "the server closed the connection"});
    if (auto taken = take(std::string_view(buffer_).substr(0, *got)); !taken.ok())
      return fail(std::move(taken).error());
    read_more();
  });
}

Status LoadSubscription::take(std::string_view bytes) {
  if (!in_events_) {
    held_ += bytes;
    return take_head();
  }
  SPILLWAY_TRY(take_chunks(bytes));
  return take_events();
}

Status LoadSubscription::take_head() {
  const std::size_t end = held_.find("\r\n\r\n");
  if (end == std::string::npos) return {};
  if (!held_.starts_with("HTTP/1.1 200 ") || held_.find("Transfer-Encoding: chunked") > end)
    return Error{ErrorCode::kInvalid, "SubscribeToShard: " + held_};
  in_events_ = true;
  const std::string rest = held_.substr(end + 4);
  held_.clear();
  std::exchange(begun_, nullptr)(Status());
  return rest.empty() ? Status() : take(rest);
}

// What a chunk holds goes to events_.
Status LoadSubscription::take_chunks(std::string_view bytes) {
  while (!bytes.empty()) {
    if (chunk_left_ > kNewline.size()) {
      const auto data = bytes.substr(0, chunk_left_ - kNewline.size());
      events_ += data;
      bytes.remove_prefix(data.size());
      chunk_left_ -= data.size();
    } else if (chunk_left_ > 0) {
      const std::size_t newline = std::min(chunk_left_, bytes.size());
      bytes.remove_prefix(newline);
      chunk_left_ -= newline;
    } else {
      const std::size_t end = bytes.find('\n');
      held_ += bytes.substr(0, end);
      if (end == std::string_view::npos) return {};
      bytes.remove_prefix(end + 1);
      std::size_t size = 0;
      std::from_chars(held_.data(), held_.data() + held_.size(), size, 16);
      held_.clear();
      if (size == 0) return Error{ErrorCode::kClosed, "the subscription ended"};
      chunk_left_ = size + kNewline.size();
    }
  }
  return {};
}

Status LoadSubscription::take_events() {
  std::string_view rest = events_;
  while (rest.size() >= kPrelude && rest.size() >= big_endian(rest)) {
    const auto event = rest.substr(0, big_endian(rest));
    const std::size_t headers_size = big_endian(event.substr(4));
    if (event.size() < kPrelude + headers_size + kChecksum)
      return Error{ErrorCode::kCorrupt, "what comes is no event stream"};
    const auto headers = event.substr(kPrelude, headers_size);
    const auto payload =
        event.substr(kPrelude + headers_size, event.size() - kPrelude - headers_size - kChecksum);
    if (headers.find("exception") != std::string_view::npos)
      return Error{ErrorCode::kInvalid, fmt::format("SubscribeToShard: {}", payload)};
    if (headers.find("SubscribeToShardEvent") != std::string_view::npos) on_event_(payload);
    rest.remove_prefix(event.size());
  }
  events_.erase(0, events_.size() - rest.size());
  return {};
}

}  // namespace spillway::client
