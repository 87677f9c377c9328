// For tests: seeded batches of many shards, and a plain model of what reads of them give.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "base/random.h"
#include "log/batch.h"
#include "log/segment_set.h"

namespace spillway::log {

inline bool operator==(const Batch& a, const Batch& b) {
  return a.shard == b.shard && a.first == b.first && a.count == b.count &&
         a.arrival_ms == b.arrival_ms && a.payload == b.payload;
}
inline void PrintTo(const Batch& batch, std::ostream* out) {
  *out << "{shard " << batch.shard << ", " << batch.first << "+" << batch.count << ", arrived "
       << batch.arrival_ms << ", " << batch.payload.size() << " bytes}";
}

// Of SPILLWAY_SEED, to repeat a run, or `otherwise`.
inline std::uint64_t test_seed(std::uint64_t otherwise) {
  const char* given = std::getenv("SPILLWAY_SEED");
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

// What every shard was given so far.
class Samples {
 public:
  explicit Samples(std::uint64_t seed) : random_(seed) {}

  // More batches of some of `shards` shards (ids with gaps), as write_segment() takes them.
  std::vector<Batch> more(std::size_t batches, std::uint64_t shards, std::size_t payload_max) {
    std::map<std::uint64_t, std::vector<Batch>> fresh;
    for (std::size_t i = 0; i < batches; ++i) {
      const std::uint64_t shard = 10 + 3 * random_.below(shards);
      Batch batch = next(shard, random_.below(payload_max + 1));
      fresh[shard].push_back(batch);
      all_[shard].push_back(std::move(batch));
    }
    std::vector<Batch> sorted;
    for (const auto& [shard, of_shard] : fresh)
      sorted.insert(sorted.end(), of_shard.begin(), of_shard.end());
    return sorted;
  }

  const std::map<std::uint64_t, std::vector<Batch>>& all() const { return all_; }
  Random& random() { return random_; }

  std::vector<Batch> read(const SegmentQuery& query) const {
    std::vector<Batch> found;
    const auto of_shard = all_.find(query.shard);
    if (of_shard == all_.end()) return found;
    std::uint64_t from = query.from;
    std::uint64_t records = 0;
    std::size_t bytes = 0;
    for (const Batch& batch : of_shard->second) {
      if (batch.end() <= query.from) continue;
      if (batch.arrival_ms < query.horizon_ms) continue;
      if (records >= query.max_records || bytes >= query.max_bytes) break;
      records += batch.end() - std::max(batch.first, from);
      bytes += batch.payload.size();
      found.push_back(batch);
    }
    return found;
  }
  std::optional<std::uint64_t> find_by_time(std::uint64_t shard, std::int64_t time_ms) const {
    const auto of_shard = all_.find(shard);
    if (of_shard == all_.end()) return std::nullopt;
    for (const Batch& batch : of_shard->second)
      if (batch.arrival_ms >= time_ms) return batch.first;
    return std::nullopt;
  }
  // Some query that may or may not find something.
  SegmentQuery query() {
    SegmentQuery query;
    query.shard = 8 + random_.below(14);
    if (const auto found = all_.find(query.shard); found != all_.end())
      query.from = found->second[random_.below(found->second.size())].first + random_.below(3);
    if (random_.one_in(3)) query.from = 0;
    if (random_.one_in(2)) query.horizon_ms = random_.between(0, clock_ms_ + 2);
    query.max_records = random_.one_in(2) ? 1 + random_.below(40) : 10'000;
    query.max_bytes = random_.one_in(2) ? 1 + random_.below(60'000) : std::size_t{10} << 20;
    return query;
  }
  std::int64_t clock_ms() const { return clock_ms_; }

 private:
  Batch next(std::uint64_t shard, std::size_t size) {
    const auto& before = all_[shard];
    Batch batch;
    batch.shard = shard;
    batch.count = static_cast<std::uint32_t>(1 + random_.below(5));
    if (!before.empty()) batch.first = before.back().end();
    // Now and then a new generation, whose positions begin further up.
    if (random_.one_in(50)) batch.first += std::uint64_t{1} << 20;
    clock_ms_ += static_cast<std::int64_t>(random_.below(3));
    batch.arrival_ms = clock_ms_;
    std::string payload(size, 'x');
    const bool packs = random_.one_in(2);
    for (char& c : payload) c = static_cast<char>(packs ? 'a' + random_.below(3) : random_.next());
    batch.owner = SharedBytes::copy_of(payload);
    batch.payload = batch.owner.view();
    return batch;
  }

  Random random_;
  std::int64_t clock_ms_ = 1'000;
  std::map<std::uint64_t, std::vector<Batch>> all_;
};

}  // namespace spillway::log
