#include "broker/oldest_unsent.h"

#include <gtest/gtest.h>

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

class OldestUnsentTest : public SpoolTest {
 protected:
  // Records of some keys, accepted then.
  void put_at(std::int64_t millis, const std::vector<std::string>& keys) {
    engine_.arrival = from_millis(millis);
    for (const auto& key : keys) EXPECT_EQ(put(key, 0, 2), 0u);
  }
  Undelivered all() {
    Undelivered held;
    for (const auto& shard : spool_->shards_of("s"))
      held[shard.id] = {delivered_[shard.id], engine_.tip(shard.id)->next};
    return held;
  }
  void look() {
    oldest_.look(all());
    loop_.run();
  }
  // Of each shard that holds some, when its oldest came.
  std::vector<std::int64_t> times() {
    std::vector<std::int64_t> times;
    for (const auto& [shard, range] : all())
      if (const auto at = oldest_.accepted_at(shard)) times.push_back(to_millis(*at));
    return times;
  }
  stream::ShardId shard_of(const std::string& key) {
    for (const auto& shard : spool_->shards_of("s"))
      if (stream::hash_key_of(key) <= shard.last_hash_key) return shard.id;
    return 0;
  }

  OldestUnsent oldest_{loop_, engine_};
  Delivered delivered_;
};

TEST_F(OldestUnsentTest, FollowsWhatIsDelivered) {
  look();
  EXPECT_TRUE(times().empty());
  const auto shard = shard_of("a");
  put_at(1000, {"a"});
  put_at(5000, {"a"});
  look();
  EXPECT_EQ(oldest_.accepted_at(shard), from_millis(1000));
  delivered_[shard] = {1};
  look();
  EXPECT_EQ(oldest_.accepted_at(shard), from_millis(1000)) << "a half of the first";
  delivered_[shard] = {2};
  look();
  EXPECT_EQ(oldest_.accepted_at(shard), from_millis(5000));
  delivered_[shard] = {4};
  look();
  EXPECT_EQ(oldest_.accepted_at(shard), std::nullopt);
}

TEST_F(OldestUnsentTest, WhatIsKnownIsNotReadAgain) {
  std::vector<std::string> keys;
  keys.reserve(100);
  for (int i = 0; i < 100; ++i) keys.push_back(std::to_string(i));
  put_at(1000, keys);
  look();
  EXPECT_EQ(times(), std::vector<std::int64_t>(Spool::kShards, 1000));
  const auto reads = engine_.reads;
  EXPECT_EQ(reads, Spool::kShards);
  look();
  EXPECT_EQ(engine_.reads, reads);
}

TEST_F(OldestUnsentTest, WhatCannotBeReadIsTriedOnceALook) {
  put_at(1000, {"a"});
  engine_.read_error = Error{ErrorCode::kIo, "no"};
  look();
  look();
  EXPECT_EQ(engine_.reads, 2u);
  EXPECT_TRUE(times().empty());
  engine_.read_error.reset();
  look();
  EXPECT_EQ(times(), std::vector<std::int64_t>{1000});
}

}  // namespace
}  // namespace spillway::broker
