#include "broker/oldest_unsent.h"

#include <utility>

namespace spillway::broker {

void OldestUnsent::look(Undelivered held) {
  std::erase_if(held, [](const auto& shard) { return shard.second.first == shard.second.second; });
  held_ = std::move(held);
  std::erase_if(found_, [this](const auto& found) {
    return !held_.contains(found.first) || !found.second.accepted_at;
  });
  reads_ = kReadsPerLook;
  if (!reading_) read_next();
}

// Of the shards behind the last one, in turn, the next that begins elsewhere than it was found to.
void OldestUnsent::read_next() {
  if (reads_ == 0 || held_.empty()) return;
  auto at = held_.upper_bound(last_);
  for (std::size_t i = 0; i < held_.size(); ++i, ++at) {
    if (at == held_.end()) at = held_.begin();
    const auto [shard, range] = *at;
    const auto found = found_.find(shard);
    if (found != found_.end() && found->second.first == range.first) continue;
    last_ = shard;
    --reads_;
    reading_ = true;
    stream::ReadRequest request{shard, range.first};
    request.max_records = 1;
    request.max_bytes = 1;
    engine_.read(request, [this, shard = shard, first = range.first](auto read) {
      loop_.post([this, shard, first, read = std::move(read)] { take(shard, first, read); });
    });
    return;
  }
}

// What can't be read is tried again at the next look.
void OldestUnsent::take(stream::ShardId shard, stream::Position first,
                        const Result<stream::ReadResult>& read) {
  reading_ = false;
  auto& found = found_[shard];
  found = {first, std::nullopt};
  if (read.ok() && !read->batches.empty()) found.accepted_at = read->batches.front().arrival;
  read_next();
}

std::optional<WallTime> OldestUnsent::accepted_at(stream::ShardId shard) const {
  const auto found = found_.find(shard);
  return found != found_.end() ? found->second.accepted_at : std::nullopt;
}

}  // namespace spillway::broker
