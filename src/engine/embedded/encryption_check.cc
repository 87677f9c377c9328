#include "engine/embedded/encryption_check.h"

#include <algorithm>

#include "stream/encrypted_batch.h"

namespace spillway::engine {

EncryptionCheck::EncryptionCheck(const stream::StreamInfo& stream) {
  for (const auto& shard : stream.shards) shards_.insert(shard.id);
  bool on = false;
  for (const auto& key : stream.encryption.keys) {
    const bool starts = !key.wrapped.empty();
    if (starts && !on) spans_.push_back({key.since, WallTime::max()});
    if (!starts && on) spans_.back().end = key.since;
    on = starts;
  }
}

bool EncryptionCheck::must_be_encrypted(std::int64_t arrival_ms) const {
  const WallTime arrival = from_millis(arrival_ms);
  return std::ranges::any_of(
      spans_, [arrival](const Span& span) { return span.begin < arrival && arrival < span.end; });
}

void EncryptionCheck::visit(const FoundBatch& found) {
  if (shards_.count(found.batch.shard) == 0) return;
  if (const auto number = stream::data_key_number(found.batch.payload)) {
    encrypted_.add(found.batch);
    ++by_key_[*number];
    return;
  }
  if (!must_be_encrypted(found.batch.arrival_ms)) {
    plain_allowed_.add(found.batch);
    return;
  }
  violations_.add(found.batch);
  if (places_.size() == kPlacesMax) return;
  places_.push_back(found.where == FoundBatch::Where::kSegment
                        ? fmt::format("{}: shard {}, position {}", found.file, found.batch.shard,
                                      found.batch.first)
                        : fmt::format("{}, byte {}: shard {}, position {}", found.file,
                                      found.offset, found.batch.shard, found.batch.first));
}

}  // namespace spillway::engine
