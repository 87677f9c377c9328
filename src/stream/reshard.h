// Splitting and merging shards: which ranges come of it, and the way to a number of even ones.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stream/catalog.h"

namespace spillway::stream {

// `count` ranges of floor(2^128 / count), of which the last ends at 2^128 - 1, as the API has them:
// where the range `i` begins.
Uint128 even_range_start(std::uint64_t count, std::uint64_t i);

struct Split {
  std::uint32_t index = 0;  // of an open shard
  Uint128 at = 0;           // the second child's first hash key, inside the shard's range
};
struct Merge {
  std::uint32_t lower = 0;  // indexes of open shards; the second's range follows the first's
  std::uint32_t upper = 0;
};

// Add to `change` what splits or merges shards of change.put.front(), with children whose ids begin
// at next_id + change.ids_used. The engine fills in where the parents end.
void split(const Split& split, std::uint64_t next_id, CatalogChange& change);
void merge(const Merge& merge, std::uint64_t next_id, CatalogChange& change);

// What to do next on the way to `count` open shards with even ranges (to within rounding: a range
// that begins less than 2^20 hash keys from where it should is left alone): splits, else merges,
// each of other shards; both empty when nothing is left to do. A child's range becomes known only
// with the change that makes it, so that this takes several rounds: about log2 of the largest
// ratio.
struct ReshardRound {
  std::vector<Split> splits;
  std::vector<Merge> merges;
};
ReshardRound next_round(const StreamInfo& stream, std::uint64_t count);

}  // namespace spillway::stream
