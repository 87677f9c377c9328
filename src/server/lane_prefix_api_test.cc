// What PutRecords stores of a lane is a prefix of the lane's records in the request, wherever its
// shards' boundaries lie, whatever a shard refuses, and whichever closes meanwhile.
#include <cstdlib>
#include <set>

#include "base/random.h"
#include "base/uint128.h"
#include "server/kinesis_api_fixture.h"
#include "stream/hash_key.h"
#include "stream/sequence_number.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;

constexpr Uint128 lane_start(unsigned lane) { return Uint128{lane} << 120; }
constexpr Uint128 kLaneSize = Uint128{1} << 120;

struct Put {
  Uint128 hash_key = 0;
  std::uint64_t sequence = 1;
  std::size_t size = 10;
};

std::uint64_t first_seed() {
  const char* given = std::getenv("SPILLWAY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

class LanePrefixTest : public KinesisApiTest {
 protected:
  void enforce_limits() {
    kinesis::ServiceOptions options;
    options.limits = kinesis::Limits::kAws;
    serve(options);
  }

  // What became of each, from the first on.
  std::string put(const std::vector<Put>& puts) {
    std::string records;
    for (const auto& one : puts) {
      records += fmt::format(
          R"({}{{"Data":"{}","PartitionKey":"k","ExplicitHashKey":"{}","Origin":{{"Producer":)"
          R"("{:032x}","Lane":{},"Sequence":"{}","Previous":"{}"}}}})",
          records.empty() ? "" : ",", std::string(one.size / 3 * 4, 'A'), to_string(one.hash_key),
          7, stream::lane_of(one.hash_key), one.sequence, one.sequence - 1);
    }
    answer_ = ask("PutRecords", fmt::format(R"({{"StreamName":"s","Records":[{}]}})", records));
    return answer_;
  }
  // Of the last answer: whether each record was stored.
  std::vector<bool> stored() const {
    std::vector<bool> found;
    for (std::size_t at = answer_.find("[{") + 1; at < answer_.size();) {
      const std::size_t end = answer_.find('}', at);
      const auto record = std::string_view(answer_).substr(at, end - at);
      found.push_back(record.find("ErrorCode") == std::string_view::npos);
      if (answer_[end + 1] != ',') break;
      at = end + 2;
    }
    return found;
  }

  // Begins to split the open shard that has `middle` within it; `done` may be empty.
  void begin_split(Uint128 middle, UniqueFunction<void()> done) {
    clock_.ahead_ms += 1000;
    engine_->update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          change.put.push_back(*catalog.find("s"));
          auto& shards = change.put[0].shards;
          const auto* open = catalog.find("s")->open_shard_for(middle);
          if (open->first_hash_key == middle) return Error{ErrorCode::kInvalid, "nothing to split"};
          const auto parent = *open;
          change.close.push_back(parent.id);
          for (int i = 0; i < 2; ++i) {
            stream::ShardInfo child;
            child.id = catalog.next_id + static_cast<std::uint64_t>(i);
            child.index = shards.back().index + 1;
            child.parent = parent.index;
            child.first_hash_key = i == 0 ? parent.first_hash_key : middle;
            child.last_hash_key = i == 0 ? middle - 1 : parent.last_hash_key;
            shards.push_back(child);
          }
          change.ids_used = 2;
          return change;
        },
        [done = std::move(done)](const Result<stream::CatalogRef>&) mutable { done(); });
  }
  void split(Uint128 middle) {
    begin_split(middle, [this] { loop_.post([this] { loop_.stop(); }); });
    loop_.run();
  }

  // The sequences of each lane in a shard, in the order in which it has them.
  std::map<unsigned, std::vector<std::uint64_t>> read(const std::string& shard) {
    wants_origins_ = true;
    std::map<unsigned, std::vector<std::uint64_t>> found;
    auto from = value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")", shard));
    while (!from.empty()) {
      const auto answer = ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", from));
      std::size_t at = answer.find(R"("Lane":)");
      for (; at != std::string::npos; at = answer.find(R"("Lane":)", at + 1)) {
        const auto lane = std::stoul(answer.substr(at + 7, 4));
        const auto sequence = std::stoull(value_of("Sequence", answer.substr(at, 100)));
        found[static_cast<unsigned>(lane)].push_back(sequence);
      }
      if (answer.find(R"("Records":[])") != std::string::npos) break;
      from = value_of("NextShardIterator", answer);
    }
    return found;
  }

  std::string answer_;
};

TEST_F(LanePrefixTest, WhatIsBehindAThrottledRecordIsHeldBackInOtherShardsToo) {
  enforce_limits();
  create("s", 1);
  const Uint128 middle = lane_start(128) + kLaneSize / 2;
  split(middle);
  // The first shard takes the first two records of the lane, the other one all of them.
  EXPECT_THAT(put({{.hash_key = middle - 1, .sequence = 1, .size = 600'000},
                   {.hash_key = middle, .sequence = 2},
                   {.hash_key = middle - 1, .sequence = 3, .size = 600'000},
                   {.hash_key = middle, .sequence = 4},
                   {.hash_key = lane_start(200), .sequence = 1}}),
              HasSubstr(R"("FailedRecordCount":2)"));
  EXPECT_EQ(stored(), (std::vector{true, true, false, false, true}));
  EXPECT_THAT(answer_, HasSubstr("Rate exceeded for shard shardId-000000000001 in stream s"));
  EXPECT_THAT(answer_, HasSubstr(R"("ErrorCode":"ProvisionedThroughputExceededException",)"
                                 R"("ErrorMessage":"An earlier record of its lane in this request )"
                                 R"(was not stored.")"));
  EXPECT_EQ(service_->traffic().of(engine_->catalog()->find("s")->id).write_exceeded, 1u)
      << "the shard of what was held back has room";
}

// Random requests, boundaries within lanes, limits, and shards that close while records are on
// their way.
TEST_F(LanePrefixTest, HoldsForAnyRequest) {
  std::size_t failed = 0;
  for (std::uint64_t seed = first_seed(), last = seed + 8; seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("SPILLWAY_SEED={}", seed));
    enforce_limits();
    create("s", 1);
    Random random(seed);
    std::map<unsigned, std::vector<std::uint64_t>> expected;  // sequences of each lane
    std::map<unsigned, std::uint64_t> next;
    for (int request = 0; request < 40; ++request) {
      std::vector<Put> puts(1 + random.below(60));
      for (auto& one : puts) {
        const auto lane = static_cast<unsigned>(100 + random.below(4));
        one.hash_key = lane_start(lane) + kLaneSize / 256 * random.below(256);
        one.sequence = ++next[lane];
        one.size = random.one_in(4) ? 90'000 : 30;
      }
      if (random.one_in(3)) {
        const auto lane = static_cast<unsigned>(100 + random.below(4));
        begin_split(lane_start(lane) + kLaneSize / 256 * (1 + random.below(255)), [] {});
      }
      put(puts);
      const auto outcome = stored();
      ASSERT_EQ(outcome.size(), puts.size()) << answer_;
      std::set<unsigned> ended;
      for (std::size_t i = 0; i < puts.size(); ++i) {
        const unsigned lane = stream::lane_of(puts[i].hash_key);
        if (!outcome[i]) {
          ended.insert(lane);
          ++failed;
          continue;
        }
        ASSERT_FALSE(ended.contains(lane)) << "record " << i << " of request " << request;
        expected[lane].push_back(puts[i].sequence);
      }
      clock_.ahead_ms += static_cast<std::int64_t>(random.below(400));
    }
    clock_.ahead_ms += 60'000;
    serve({});
    std::map<unsigned, std::vector<std::uint64_t>> found;
    const auto stream = engine_->catalog()->find("s");
    EXPECT_GT(stream->shards.size(), 5u);
    for (const auto& shard : stream->shards) {
      for (const auto& [lane, sequences] : read(stream::shard_name(shard.index))) {
        EXPECT_TRUE(std::ranges::is_sorted(sequences)) << "shard " << shard.index;
        found[lane].insert(found[lane].end(), sequences.begin(), sequences.end());
      }
    }
    for (auto& [lane, sequences] : found) std::ranges::sort(sequences);
    EXPECT_EQ(found, expected);
    ask("DeleteStream", R"({"StreamName":"s"})");
  }
  EXPECT_GT(failed, 0u);
}

}  // namespace
}  // namespace spillway::server
