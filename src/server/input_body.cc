#include "server/input_body.h"

#include <fmt/format.h>

#include <utility>

#include "wire/gzip.h"

namespace spillway::server {
namespace {

constexpr std::size_t kBodyMax = wire::HttpLimits{}.body_bytes;
constexpr std::size_t kInflateStep = 256 << 10;  // what a loop does at a time, about a millisecond

}  // namespace

bool ByteBudget::Share::take(std::size_t bytes) {
  taken_ += bytes;
  return budget_.taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= budget_.most_;
}

std::optional<bool> is_packed(const wire::RequestHead& head) {
  bool packed = false;
  for (const auto& header : head.headers) {
    if (!wire::equal_ignoring_case(header.name, "content-encoding")) continue;
    if (header.value.empty() || wire::equal_ignoring_case(header.value, "identity")) continue;
    if (packed || !wire::equal_ignoring_case(header.value, "gzip")) return std::nullopt;
    packed = true;
  }
  return packed;
}

Task<Status> inflate(io::EventLoop* loop, std::string* body, ByteBudget::Share* share,
                     std::size_t padding) {
  auto reader = wire::GzipReader::make(*body);
  if (!reader.ok()) co_return Error{ErrorCode::kInvalid, reader.error().message};
  const std::size_t size = (*reader)->stated_size();
  if (size > kBodyMax) {
    co_return Error{ErrorCode::kNoSpace,
                    fmt::format("The body has {} bytes; at most {} are accepted", size, kBodyMax)};
  }
  if (!share->take(size)) co_return Error{ErrorCode::kThrottled, "Too many requests are under way"};
  std::string inflated;
  inflated.reserve(size + padding);
  for (;;) {
    const auto whole = (*reader)->read(inflated, kInflateStep);
    if (!whole.ok()) co_return Error{ErrorCode::kInvalid, whole.error().message};
    if (*whole) break;
    auto turn = callback<bool>([loop](UniqueFunction<void(bool)> done) {
      loop->post([done = std::move(done)]() mutable { done(true); });
    });
    co_await turn;
  }
  *body = std::move(inflated);
  co_return Status();
}

}  // namespace spillway::server
