#include "kinesis/data_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kOpenMax = 10'000;

// What a wrapped data key is bound to.
std::string purpose_of(std::uint64_t stream_id, std::uint32_t number) {
  return fmt::format("data-key {} {}", stream_id, number);
}

}  // namespace

GcmNonce OpenDataKey::next_nonce() {
  const std::uint64_t used = used_.fetch_add(1, std::memory_order_relaxed);
  GcmNonce nonce;
  const std::uint64_t high = nonce_start_ + (used >> 32);
  const auto low = static_cast<std::uint32_t>(used);
  std::memcpy(nonce.data(), &high, sizeof high);
  std::memcpy(nonce.data() + sizeof high, &low, sizeof low);
  return nonce;
}

std::uint32_t DataKeys::next_number(const std::vector<stream::DataKey>& keys) {
  const std::uint32_t stored = keys.empty() ? 0 : keys.back().number;
  std::uint32_t last = last_made_.load(std::memory_order_relaxed);
  std::uint32_t next = 0;
  do {
    next = std::max(stored, last) + 1;
  } while (!last_made_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return next;
}

Result<stream::DataKey> DataKeys::make(const stream::StreamInfo& stream,
                                       std::string_view master_key, WallTime now) {
  stream::DataKey made;
  made.number = next_number(stream.encryption.keys);
  made.since = now;
  AesKey key;
  entropy_.fill(key);
  SPILLWAY_ASSIGN(
      made.wrapped,
      master_keys_.wrap(master_key, {reinterpret_cast<const char*>(key.data()), key.size()},
                        purpose_of(stream.id, made.number)));
  return made;
}

Result<std::shared_ptr<OpenDataKey>> DataKeys::current(const stream::StreamInfo& stream) {
  return open(stream.id, stream.encryption.keys.back());
}

Result<std::shared_ptr<OpenDataKey>> DataKeys::find(const stream::StreamInfo& stream,
                                                    std::uint32_t number) {
  const auto& keys = stream.encryption.keys;
  const auto found = std::ranges::lower_bound(keys, number, {}, &stream::DataKey::number);
  if (found == keys.end() || found->number != number || found->wrapped.empty()) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("Stream {} has no data key {}.", stream.name, number)};
  }
  return open(stream.id, *found);
}

Result<std::shared_ptr<OpenDataKey>> DataKeys::open(std::uint64_t stream_id,
                                                    const stream::DataKey& key) {
  const std::lock_guard lock(mutex_);
  // A master key that went takes its data keys with it at once.
  if (const auto version = master_keys_.version(); version != version_) {
    open_.clear();
    version_ = version;
  }
  const std::pair name(stream_id, key.number);
  if (const auto found = open_.find(name); found != open_.end()) return found->second;
  SPILLWAY_ASSIGN(const std::string secret,
                  master_keys_.unwrap(key.wrapped, purpose_of(stream_id, key.number)));
  AesKey bytes;
  if (secret.size() != bytes.size())
    return Error{ErrorCode::kCorrupt, "a stored data key has another size than a key"};
  std::memcpy(bytes.data(), secret.data(), bytes.size());
  std::array<unsigned char, 8> start{};
  entropy_.fill(start);
  if (open_.size() >= kOpenMax) open_.erase(open_.begin());
  return open_
      .emplace(name, std::make_shared<OpenDataKey>(key.number, bytes,
                                                   std::bit_cast<std::uint64_t>(start)))
      .first->second;
}

}  // namespace spillway::kinesis
