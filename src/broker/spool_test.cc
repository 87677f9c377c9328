#include "broker/spool.h"

#include <gmock/gmock.h>

#include <set>

#include "broker/spool_samples.h"
#include "stream/record_batch.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Stored {
  std::string key;
  std::string data;
  std::optional<Uint128> explicit_hash_key;
  stream::Origin origin;
};

class SpoolContentTest : public SpoolTest {
 protected:
  std::vector<Stored> stored_in(stream::ShardId shard) {
    std::vector<Stored> records;
    engine_.read({shard, {}}, [&](const Result<stream::ReadResult>& read) {
      for (const auto& batch : read->batches) {
        stream::RecordBatchReader reader(batch.payload);
        while (const auto record = reader.next()) {
          EXPECT_TRUE(record->origin);
          records.push_back({std::string(record->partition_key), std::string(record->data),
                             record->explicit_hash_key, *record->origin});
        }
      }
    });
    return records;
  }
  std::vector<Stored> stored() {
    std::vector<Stored> all;
    for (const auto& shard : spool_->shards_of("s"))
      for (auto& record : stored_in(shard.id)) all.push_back(std::move(record));
    return all;
  }
};

TEST_F(SpoolContentTest, WhatIsRestoredKeepsItsOrigin) {
  stream::ProducerId earlier{};
  earlier.fill(0xee);
  const stream::Origin origin{earlier, stream::lane_of(stream::hash_key_of("key")), 41, 0};
  const stream::RecordView records[] = {{"key", "old", std::nullopt, origin}, {"key", "bare"}};
  spool_->restore("s", records, [](const Spool::Outcomes& outcomes) {
    for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.ok());
  });
  ASSERT_EQ(put("key", 1, 1), 0u);
  const auto all = stored();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].origin, origin);
  EXPECT_EQ(all[1].origin.sequence, 1u);
  EXPECT_NE(all[1].origin.producer, earlier);
  EXPECT_EQ(all[2].origin.sequence, 2u) << "those of this spool go on";
}

TEST_F(SpoolContentTest, EachOfARequestGoesWhereItBelongs) {
  const Uint128 far = ~stream::hash_key_of("a");
  const stream::RecordView records[] = {{"a", "0"},      {"a", "1"},      {"a", "2", far},
                                        {"a", "3", far}, {"b", "4", far}, {"b", "5"},
                                        {"b", "6"},      {"a", "7"}};
  spool_->put("s", records, [](const Spool::Outcomes& outcomes) {
    for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.ok());
  });
  std::size_t count = 0;
  for (const auto& shard : spool_->shards_of("s")) {
    for (const auto& record : stored_in(shard.id)) {
      ++count;
      const auto& sent = records[std::stoul(record.data)];
      EXPECT_EQ(record.key, sent.partition_key);
      EXPECT_EQ(record.explicit_hash_key, sent.explicit_hash_key);
      const Uint128 hash = sent.explicit_hash_key.value_or(stream::hash_key_of(record.key));
      EXPECT_EQ(record.origin.lane, stream::lane_of(hash)) << record.data;
      EXPECT_TRUE(shard.first_hash_key <= hash && hash <= shard.last_hash_key) << record.data;
    }
  }
  EXPECT_EQ(count, std::size(records));
}

TEST_F(SpoolContentTest, RecordsLieInTheShardOfTheirLaneInOrder) {
  for (int i = 0; i < 300; ++i) EXPECT_EQ(put(fmt::format("key-{}", i % 40), i, 2), 0u);
  std::map<std::uint8_t, std::uint64_t> last;
  std::map<std::uint8_t, stream::ShardId> shard_of;
  std::size_t count = 0;
  for (const auto& shard : spool_->shards_of("s")) {
    for (const auto& record : stored_in(shard.id)) {
      ++count;
      const Uint128 hash = stream::hash_key_of(record.key);
      EXPECT_EQ(record.origin.lane, stream::lane_of(hash));
      EXPECT_EQ(record.origin.sequence, ++last[record.origin.lane]) << "dense, in order";
      EXPECT_EQ(shard_of.emplace(record.origin.lane, shard.id).first->second, shard.id)
          << "a lane is in one shard";
      EXPECT_EQ(record.origin.producer, stored().front().origin.producer);
    }
  }
  EXPECT_EQ(count, 600u);
}

TEST_F(SpoolContentTest, AnExplicitHashKeyIsTheLanesAndKept) {
  const Uint128 hash = Uint128{0xab} << 120 | 7;
  const std::vector<stream::RecordView> put_one = {{"key", "data", hash, std::nullopt}};
  EXPECT_EQ(put(put_one), 0u);
  const auto records = stored();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].origin.lane, 0xab);
  EXPECT_EQ(records[0].explicit_hash_key, hash);
}

TEST_F(SpoolContentTest, EachStartIsAnotherProducer) {
  put("key", 1, 2);
  reopen();
  put("key", 3, 1);
  const auto records = stored();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_NE(records[0].origin.producer, records[2].origin.producer);
  EXPECT_EQ(records[1].origin.sequence, 2u);
  EXPECT_EQ(records[2].origin.sequence, 1u);
}

TEST_F(SpoolContentTest, SequencesOfWhatFailedAreNeverUsedAgain) {
  put("key", 1, 2);
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  EXPECT_EQ(put("key", 3, 2), 2u);
  engine_.append_error.reset();
  put("key", 5, 1);
  const auto records = stored();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[2].origin.sequence, 5u);
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_spool_refused_records_total 2"));
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_spool_records_total 3"));
}

TEST_F(SpoolContentTest, NothingIsAcknowledgedBeforeItIsDurable) {
  engine_.holding = true;
  std::vector<stream::ShardId> told;
  spool_->on_appended(
      [&](std::span<const stream::ShardId> shards) { told.assign(shards.begin(), shards.end()); });
  bool acknowledged = false;
  const std::vector<stream::RecordView> one = {{"key", "data", std::nullopt, std::nullopt}};
  spool_->put("s", one, [&](const Spool::Outcomes&) { acknowledged = true; });
  EXPECT_FALSE(acknowledged);
  EXPECT_TRUE(told.empty());
  engine_.release();
  EXPECT_TRUE(acknowledged);
  EXPECT_EQ(told.size(), 1u);
}

TEST_F(SpoolContentTest, EachRecordIsToldWhereItStands) {
  const std::vector<stream::RecordView> records = {{"a", "1", std::nullopt, std::nullopt},
                                                   {"b", "2", std::nullopt, std::nullopt},
                                                   {"a", "3", std::nullopt, std::nullopt},
                                                   {"a", "4", std::nullopt, std::nullopt}};
  spool_->put("s", records, [](const Spool::Outcomes& outcomes) {
    ASSERT_EQ(outcomes.size(), 4u);
    EXPECT_EQ(outcomes[2]->first, outcomes[0]->first.plus(1));
    EXPECT_EQ(outcomes[3]->first, outcomes[0]->first.plus(2));
  });
}

TEST_F(SpoolContentTest, AFullSpoolRefuses) {
  engine_.stored = 1'000'000;
  EXPECT_EQ(put("key", 1, 3), 3u);
  EXPECT_TRUE(stored().empty());
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_spool_refused_records_total 3"));
  engine_.stored = 999'999;
  EXPECT_EQ(put("key", 1, 3), 0u);
}

TEST_F(SpoolContentTest, StreamsOfEarlierStartsStay) {
  put("key", 1, 1);
  spool_ = std::make_unique<Spool>(engine_, room_, clock_, entropy_, metrics_);
  start(spool_->open(loop_, {"other"}), UniqueFunction<void(Status)>([](const Status&) {}));
  loop_.run();
  EXPECT_EQ(spool_->shards_of("s").size(), Spool::kShards);
  EXPECT_EQ(spool_->shards_of("other").size(), Spool::kShards);
  EXPECT_THAT(spool_->streams(), ElementsAre("other", "s"));
  EXPECT_EQ(stored().size(), 1u);
}

}  // namespace
}  // namespace spillway::broker
