#include "client/load_subscription.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace spillway::client {

namespace {

constexpr auto kBeginsWithin = seconds(30);
constexpr std::size_t kPrelude = 12;  // its length, its headers' length, their checksum
constexpr std::size_t kChecksum = 4;
// AWS's own bounds: a message of 24 MiB, of which 128 KiB are headers.
constexpr std::size_t kMessageMax = std::size_t{24} << 20;
constexpr std::size_t kHeadersMax = std::size_t{128} << 10;

std::size_t big_endian(std::string_view bytes) {
  std::size_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

void LoadSubscription::begin(io::EventLoop& loop, Connection& connection,
                             const PreparedRequest& request, UniqueFunction<void(Status)> begun) {
  begun_ = std::move(begun);
  connection.send_streamed(
      request.head, SharedBytes::copy_of(request.body), kBeginsWithin,
      [this, &loop](std::string_view bytes) {
        if (begun_) {
          loop.post([begun = std::exchange(begun_, nullptr)]() mutable { begun(Status()); });
        }
        if (!ended_) return;
        if (auto taken = take(bytes); !taken.ok()) end(std::move(taken).error());
      },
      [this](Result<wire::ClientResponse> answer) {
        if (!answer.ok()) return end(std::move(answer).error());
        end({ErrorCode::kInvalid,
             answer->status == 200
                 ? "the subscription ended"
                 : fmt::format("SubscribeToShard: HTTP {}: {}", answer->status, answer->body)});
      });
}

void LoadSubscription::end(Error why) {
  if (begun_) return std::exchange(begun_, nullptr)(std::move(why));
  if (ended_) std::exchange(ended_, nullptr)(std::move(why));
}

Status LoadSubscription::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (payload_left_ + checksum_left_ > 0) {
      SPILLWAY_TRY(take_payload(bytes));
    } else {
      SPILLWAY_TRY(take_head(bytes));
    }
  }
  return {};
}

Status LoadSubscription::take_head(std::string_view& bytes) {
  const std::size_t headers_size =
      head_.size() < kPrelude ? 0 : big_endian(std::string_view(head_).substr(4));
  const auto more = bytes.substr(0, kPrelude + headers_size - head_.size());
  head_ += more;
  bytes.remove_prefix(more.size());
  if (head_.size() < kPrelude) return {};
  const std::size_t size = big_endian(head_);
  const std::size_t head_size = kPrelude + big_endian(std::string_view(head_).substr(4));
  if (size > kMessageMax || head_size > kPrelude + kHeadersMax || size < head_size + kChecksum)
    return Error{ErrorCode::kCorrupt, "what comes is no event stream"};
  if (head_.size() < head_size) return {};
  payload_left_ = size - head_size - kChecksum;
  checksum_left_ = kChecksum;
  return {};
}

Status LoadSubscription::take_payload(std::string_view& bytes) {
  const auto payload = bytes.substr(0, payload_left_);
  payload_left_ -= payload.size();
  bytes.remove_prefix(payload.size());
  // Its rest says no more than this piece of it, and may not come.
  if (head_.find("exception") != std::string::npos)
    return Error{ErrorCode::kInvalid,
                 fmt::format("SubscribeToShard: {} {}", head_.substr(kPrelude), payload)};
  finder_.take(payload, found_);
  if (payload_left_ > 0) return {};
  const std::size_t checksum = std::min(checksum_left_, bytes.size());
  checksum_left_ -= checksum;
  bytes.remove_prefix(checksum);
  if (checksum_left_ > 0) return {};
  head_.clear();
  on_event_(found_);
  found_.clear();
  return {};
}

}  // namespace spillway::client
