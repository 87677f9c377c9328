#include "sim/broker_model.h"

#include <gmock/gmock.h>

namespace spillway::sim {
namespace {

using testing::HasSubstr;

// A checker that finds nothing is worse than none: each promise broken once.
class BrokerModelTest : public testing::Test {
 protected:
  static constexpr MonoTime kNow{seconds(1)};

  BrokerModel::Put acknowledged(std::uint64_t position = 0) {
    auto put = model_.put("key", 10, false);
    model_.acknowledged(put.number, 0, {position}, kNow);
    return put;
  }
  static client::PutEntry entry(const BrokerModel::Put& put, std::uint64_t sequence) {
    return {put.key, put.data, std::nullopt, stream::Origin{{7}, 3, sequence, sequence - 1}};
  }
  static client::RegionRecord record(const BrokerModel::Put& put, std::uint64_t sequence) {
    const auto of = entry(put, sequence);
    return {0, "0", {"1", of.partition_key, of.data, WallTime{}, of.origin}, false};
  }
  std::string wrong() const { return model_.wrong().ok() ? "" : model_.wrong().error().message; }
  std::string missing() const {
    const auto status = model_.missing();
    return status.ok() ? "" : status.error().message;
  }

  // Of region 1, and what the spool holds from `oldest` on.
  bool sent(std::uint64_t next, std::vector<BrokerModel::Range> unsent = {},
            std::uint64_t oldest = 0) const {
    BrokerModel::Sent sent;
    sent.next = {next};
    sent.unsent = std::move(unsent);
    sent.oldest = {oldest};
    return model_.check_sent(1, 0, sent).ok();
  }

  BrokerModel model_{{.regions = 2, .ordered = true, .gaps = false}};
};

TEST_F(BrokerModelTest, WhatWasAcknowledgedIsStoredAndHandedOverOnce) {
  const auto put = acknowledged();
  EXPECT_THAT(missing(), HasSubstr("no region has it"));
  model_.stored(0, entry(put, 1));
  EXPECT_THAT(missing(), HasSubstr("was not handed over"));
  model_.handed_over(record(put, 1));
  EXPECT_THAT(missing(), HasSubstr("was not handed over")) << "it isn't committed";
  model_.committed();
  EXPECT_EQ(missing(), "");
  EXPECT_TRUE(model_.complete());
  EXPECT_EQ(wrong(), "");
  model_.handed_over(record(put, 1));
  EXPECT_THAT(wrong(), HasSubstr("handed over again"));
}

TEST_F(BrokerModelTest, WhatWasNotCommittedComesAgain) {
  const auto put = acknowledged();
  model_.stored(0, entry(put, 1));
  model_.handed_over(record(put, 1));
  model_.reader_crashed();
  model_.handed_over(record(put, 1));
  model_.committed();
  EXPECT_EQ(wrong(), "");
  EXPECT_EQ(model_.handed_over_again(), 1U);
}

// Where a backlog may be left behind, what lies before the first of a lane may be late, and nothing
// else.
TEST_F(BrokerModelTest, ALaneMayBeginBehindWhatWasLeftBehind) {
  BrokerModel model{{.regions = 2, .ordered = true, .live_first = true}};
  const auto hand_over = [&](std::uint64_t sequence, bool late) {
    const auto put = model.put("k", 10, false);
    model.acknowledged(put.number, 0, {sequence}, kNow);
    model.stored(0, entry(put, sequence));
    auto taken = record(put, sequence);
    taken.late = late;
    model.handed_over(taken);
    return model.wrong().ok();
  };
  EXPECT_TRUE(hand_over(5, false));
  EXPECT_TRUE(hand_over(8, false));
  EXPECT_TRUE(hand_over(1, true));
  EXPECT_FALSE(hand_over(6, true));
}

TEST_F(BrokerModelTest, NothingIsInvented) {
  auto put = acknowledged();
  put.data += "?";
  model_.stored(0, entry(put, 1));
  EXPECT_THAT(wrong(), HasSubstr("never put"));
}

TEST_F(BrokerModelTest, NothingComesFromARegionThatDoesNotHaveIt) {
  const auto put = acknowledged();
  model_.stored(1, entry(put, 1));
  model_.handed_over(record(put, 1));
  EXPECT_THAT(wrong(), HasSubstr("never stored it"));
}

TEST_F(BrokerModelTest, AnOriginNamesOneRecord) {
  model_.stored(0, entry(acknowledged(), 1));
  model_.stored(0, entry(acknowledged(), 1));
  EXPECT_THAT(wrong(), HasSubstr("have one origin"));
}

TEST_F(BrokerModelTest, ARecordHasOneOrigin) {
  const auto put = acknowledged();
  model_.stored(0, entry(put, 1));
  model_.stored(1, entry(put, 2));
  EXPECT_THAT(wrong(), HasSubstr("two origins"));
}

TEST_F(BrokerModelTest, LanesAreInOrder) {
  const auto first = acknowledged();
  const auto second = acknowledged();
  model_.stored(0, entry(first, 1));
  model_.stored(0, entry(second, 2));
  model_.handed_over(record(second, 2));
  auto late = record(first, 1);
  late.late = true;
  model_.handed_over(late);
  EXPECT_THAT(wrong(), HasSubstr("handed over after sequence 2"));
}

TEST_F(BrokerModelTest, ARestoredSpoolLosesWhatNoRegionHasYet) {
  const auto stored = acknowledged();
  acknowledged();
  model_.stored(0, entry(stored, 1));
  model_.handed_over(record(stored, 1));
  model_.committed();
  model_.restored(0, kNow + seconds(1));
  EXPECT_THAT(missing(), HasSubstr("no region has it")) << "the backup came after it";
  model_.restored(1, kNow);
  EXPECT_THAT(missing(), HasSubstr("no region has it")) << "another's backup";
  model_.restored(0, kNow);
  EXPECT_EQ(missing(), "");
}

TEST_F(BrokerModelTest, WhatAFullSpoolDropsMayBeMissing) {
  acknowledged(5);
  acknowledged(7);
  model_.dropped(0, 0, 255, {5}, {7});
  EXPECT_EQ(model_.dropped(), 1U);
  EXPECT_TRUE(sent(7));
  EXPECT_FALSE(sent(8));
  EXPECT_THAT(missing(), HasSubstr("record 1 was acknowledged")) << "it was not dropped";
  model_.dropped(1, 0, 255, {7}, {8});
  EXPECT_THAT(missing(), HasSubstr("record 1 was acknowledged")) << "another's";
  model_.dropped(0, 0, 255, {7}, {8});
  EXPECT_EQ(missing(), "");
}

TEST_F(BrokerModelTest, WhatAFullSpoolDroppedMayComeLate) {
  const auto first = acknowledged(5);
  const auto second = acknowledged(6);
  const auto third = acknowledged(7);
  model_.dropped(0, 0, 255, {6}, {7});
  const auto hand_over = [this](const BrokerModel::Put& put, std::uint64_t sequence, bool late) {
    model_.stored(0, entry(put, sequence));
    auto handed = record(put, sequence);
    handed.late = late;
    model_.handed_over(handed);
  };
  hand_over(third, 3, false);
  hand_over(second, 2, true);
  EXPECT_EQ(wrong(), "");
  hand_over(first, 1, true);
  EXPECT_THAT(wrong(), HasSubstr("handed over after sequence 3")) << "it was not dropped";
}

TEST_F(BrokerModelTest, CursorsTellWhatARegionWasNotSent) {
  model_.stored(0, entry(acknowledged(5), 1));
  EXPECT_TRUE(sent(5));
  EXPECT_FALSE(sent(6));
  EXPECT_TRUE(sent(6, {{{4}, {6}}}));
  EXPECT_FALSE(sent(6, {{{4}, {5}}}));
}

TEST_F(BrokerModelTest, WhatARegionLostIsAskedOfCursorsOnceTheBrokerKnows) {
  const auto put = acknowledged(5);
  model_.stored(1, entry(put, 1));
  model_.lost(1, entry(put, 1), false);
  EXPECT_EQ(missing(), "");
  EXPECT_TRUE(model_.complete());
  EXPECT_TRUE(sent(6)) << "it isn't noticed yet";
  model_.noticed(0, 0);
  model_.noticed(1, 1);
  EXPECT_TRUE(sent(6)) << "another region, another's";
  model_.noticed(1, 0);
  EXPECT_FALSE(sent(6));
  EXPECT_TRUE(sent(6, {{{5}, {6}}}));
  EXPECT_TRUE(sent(6, {}, 6)) << "the spool didn't hold it any more";
  EXPECT_FALSE(sent(6, {}, 5));
  model_.restored(0, kNow + seconds(1));
  EXPECT_TRUE(sent(6)) << "the broker's cursors are of before that";
  model_.stored(1, entry(put, 1));
  EXPECT_TRUE(sent(6));
  EXPECT_THAT(missing(), HasSubstr("was not handed over"));
}

TEST_F(BrokerModelTest, ARegionThatLostOneOfTwoCopiesHasIt) {
  const auto put = acknowledged(5);
  model_.stored(1, entry(put, 1));
  model_.stored(1, entry(put, 1));
  model_.lost(1, entry(put, 1), false);
  model_.noticed(1, 0);
  EXPECT_TRUE(sent(6));
  EXPECT_THAT(missing(), HasSubstr("was not handed over"));
}

TEST_F(BrokerModelTest, WhatAnotherRegionHasIsHandedOverThoughOneLostIt) {
  const auto put = acknowledged(5);
  model_.stored(0, entry(put, 1));
  model_.stored(1, entry(put, 1));
  model_.lost(1, entry(put, 1), false);
  EXPECT_THAT(missing(), HasSubstr("was not handed over"));
  auto from_it = record(put, 1);
  from_it.region = 1;
  model_.handed_over(from_it);  // it was read before
  EXPECT_EQ(wrong(), "");
}

TEST_F(BrokerModelTest, WhatLiesWhereTheReaderPassedMayBeMissing) {
  const auto put = acknowledged(5);
  model_.stored(0, entry(put, 1), true);
  EXPECT_EQ(missing(), "");
  EXPECT_TRUE(model_.complete());
  model_.stored(1, entry(put, 1), false);
  EXPECT_THAT(missing(), HasSubstr("was not handed over"));
}

}  // namespace
}  // namespace spillway::sim
