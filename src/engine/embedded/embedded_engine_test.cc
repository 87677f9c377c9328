// What the engine keeps, and what it tells.
#include <fstream>
#include <thread>

#include "engine/embedded/embedded_engine_fixture.h"
#include "stream/encrypted_batch.h"

namespace spillway::engine {
namespace {

TEST_F(EmbeddedEngineTest, KeepsWhatItAcknowledgedThroughSegmentsAndRestarts) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  const auto b = create_stream("b");
  std::map<std::uint64_t, std::string> expected;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {  // three journal files a round
      const auto appended = append(a, data_of(round * 1000 + i));
      ASSERT_TRUE(appended.ok()) << appended.error().message;
      EXPECT_TRUE(expected.emplace(appended->first.value, data_of(round * 1000 + i)).second);
      if (i % 50 == 0) {
        EXPECT_TRUE(append(b, "other").ok());
      }
    }
    EXPECT_EQ(read_all(a), expected);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(read_all(a), expected);
    EXPECT_EQ(read_all(b).size(), 6u * static_cast<unsigned>(round + 1));
  }
  EXPECT_FALSE(std::filesystem::is_empty(options_.directory + "/segments"));
  EXPECT_EQ(engine_->catalog()->streams.size(), 2u);
}

// As a backup that left them out would: told, before anything is removed for want of them.
TEST_F(EmbeddedEngineTest, MissingSnapshotsCostNothing) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int restart = 0; restart < 3; ++restart) {  // the journal's files are used again
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
    ASSERT_TRUE(open().ok());
  }
  const auto before = read_all(a);
  engine_.reset();
  const std::filesystem::path directory(options_.directory);
  std::filesystem::rename(directory / "snapshots", directory / "away");
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
  std::filesystem::remove_all(directory / "snapshots");
  std::filesystem::rename(directory / "away", directory / "snapshots");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a), before);
}

// Whichever it is, and whatever it has been merged with since the snapshot.
TEST_F(EmbeddedEngineTest, AMissingSegmentIsTold) {
  options_.merge_fan_in = 3;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int restart = 0; restart < 3; ++restart) {
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
    ASSERT_TRUE(open().ok());
  }
  const auto before = read_all(a);
  engine_.reset();
  const std::filesystem::path away = options_.directory + "/away";
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory + "/segments"))
    segments.push_back(entry.path());
  ASSERT_GT(segments.size(), 1u);
  for (const auto& segment : segments) {
    std::filesystem::rename(segment, away);
    const auto opened = open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(
        opened.error().message,
        testing::AllOf(
            testing::HasSubstr(".segment (journal frames "), testing::HasSubstr(" is missing"),
            testing::HasSubstr("spillway doctor --data " + options_.directory + " --accept-loss")));
    std::filesystem::rename(away, segment);
  }
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a), before);
}

TEST_F(EmbeddedEngineTest, AFileThatIsRemovedWhileItRunsIsCounted) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  ASSERT_TRUE(open().ok());
  auto& missing = metrics_->gauge("spillway_segments_missing", "");
  auto& lost = metrics_->gauge("spillway_segments_lost", "");
  EXPECT_EQ(missing.value(), 0);
  EXPECT_EQ(lost.value(), 0);
  const auto before = read_all(a);
  const std::filesystem::path directory = options_.directory + "/segments";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".segment") continue;
    std::filesystem::remove(entry.path());
    break;
  }
  create_stream("b");  // after which the sealer looks what has lost its stream
  log_.wait_for("the file of a segment is gone");
  EXPECT_EQ(missing.value(), 1);
  EXPECT_EQ(read_all(a), before) << "it is still open";
}

// Whoever looked at the catalog before encryption began must not put a plain batch behind that.
// `item`, encrypted under a key of that number.
stream::AppendItem encrypted(stream::AppendItem item, std::uint32_t key) {
  auto roomy = SharedBytes::uninitialized(0, item.batch.size() + stream::kEncryptedBatchExtra);
  roomy.resize(item.batch.size());
  std::ranges::copy(item.batch.view(), roomy.mutable_data());
  item.batch = stream::encrypt_batch(std::move(roomy), {1, item.shard, item.count}, key, AesKey{},
                                     GcmNonce{});
  return item;
}

// That puts a key of that number into stream "a", and turns its encryption on or off.
auto change_of_key(bool on, std::uint32_t key) {
  return [on, key](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
    stream::CatalogChange change;
    change.put.push_back(*catalog.find("a"));
    auto& encryption = change.put[0].encryption;
    encryption.on = on;
    encryption.keys.push_back({key, {}, "wrapped"});
    return change;
  };
}

TEST_F(EmbeddedEngineTest, AStreamTakesBatchesOfItsKeyAlone) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  // Of the plain batch and those of the keys 1 and 2, which it takes; 0: the plain one.
  const auto takes = [&] {
    std::string numbers;
    for (const std::uint32_t key : {0u, 1u, 2u}) {
      const auto outcome = append(key == 0 ? item(a, "plain") : encrypted(item(a, "hidden"), key));
      if (outcome.ok())
        numbers += std::to_string(key);
      else
        EXPECT_EQ(outcome.error().code, ErrorCode::kClosed);
    }
    return numbers;
  };
  const auto turn = [&](bool on, std::uint32_t key) {
    Waiter<Result<stream::CatalogRef>> changed;
    engine_->update_catalog(change_of_key(on, key), changed.callback());
    // Not durable yet, and the order is that of the calls all the same.
    EXPECT_EQ(takes(), on ? std::to_string(key) : "0");
    EXPECT_TRUE(changed.wait().ok());
  };
  EXPECT_EQ(takes(), "0");
  turn(true, 1);
  EXPECT_EQ(takes(), "1");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(takes(), "1") << "after a restart";
  create_stream("b");  // another change
  EXPECT_EQ(takes(), "1");
  turn(true, 2);
  EXPECT_EQ(takes(), "2");
  turn(false, 3);
  EXPECT_EQ(takes(), "0");
}

// Whether each of the items, which stand in one append, is taken.
TEST_F(EmbeddedEngineTest, ItemsOfOneFateAreTakenOrRefusedTogether) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  const auto b = create_stream("b");
  constexpr stream::ShardId kNone = 1'000'000;
  struct Case {
    std::vector<std::pair<stream::ShardId, std::uint32_t>> items;  // shard and fate
    std::string_view taken;
  };
  for (const auto& [items, taken] :
       {Case{{{a, 1}, {b, 1}}, "11"}, Case{{{a, 1}, {kNone, 1}}, "00"},
        Case{{{kNone, 1}, {a, 1}}, "00"}, Case{{{a, 1}, {kNone, 1}, {a, 2}, {b, 0}}, "0011"},
        Case{{{a, 0}, {kNone, 0}, {b, 0}}, "101"}, Case{{{kNone, 3}, {a, 2}, {b, 3}}, "010"}}) {
    const std::size_t before = read_all(a).size() + read_all(b).size();
    std::vector<stream::AppendItem> asked;
    for (const auto& [shard, fate] : items) {
      asked.push_back(item(shard, "x"));
      asked.back().fate = fate;
    }
    Waiter<std::vector<Result<stream::Appended>>> waiter;
    engine_->append(std::move(asked), waiter.callback());
    std::string found;
    for (const auto& outcome : waiter.wait()) found += outcome.ok() ? '1' : '0';
    EXPECT_EQ(found, taken);
    EXPECT_EQ(read_all(a).size() + read_all(b).size() - before,
              static_cast<std::size_t>(std::ranges::count(taken, '1')));
  }
}

// A change of encryption that fails takes its key with it: what was encrypted under it meanwhile
// is refused, since no catalog has it.
TEST_F(EmbeddedEngineTest, TheKeyOfAChangeThatFailedIsNotTaken) {
  disk_.fault.match = ".journal";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.fail_write = true;
  Waiter<Result<stream::CatalogRef>> changed;
  engine_->update_catalog(change_of_key(true, 1), changed.callback());
  EXPECT_FALSE(append(encrypted(item(a, "hidden"), 1)).ok());
  EXPECT_EQ(changed.wait().error().code, ErrorCode::kNoSpace);
  disk_.fault.fail_write = false;
  EXPECT_EQ(append(encrypted(item(a, "hidden"), 1)).error().code, ErrorCode::kClosed);
  Waiter<Result<stream::CatalogRef>> retried;
  engine_->update_catalog(change_of_key(true, 2), retried.callback());
  EXPECT_EQ(append(encrypted(item(a, "hidden"), 1)).error().code, ErrorCode::kClosed);
  EXPECT_TRUE(append(encrypted(item(a, "hidden"), 2)).ok());
  EXPECT_TRUE(retried.wait().ok());
}

TEST_F(EmbeddedEngineTest, RefusesToReadBeyondTheTip) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  ASSERT_TRUE(append(a, "x").ok());
  EXPECT_TRUE(read(a, 1)->batches.empty());
  EXPECT_EQ(read(a, 2).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(read(a + 100, 0).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(append(a + 100, "x").error().code, ErrorCode::kNotFound);
}

TEST_F(EmbeddedEngineTest, ASecondProcessIsRefused) {
  ASSERT_TRUE(open().ok());
  metrics::Registry metrics;
  const auto second =
      open_embedded_engine(options_, {disk_, clock_, workers_, entropy_, log_, metrics});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

TEST_F(EmbeddedEngineTest, ATornLastFrameIsCutAndDamageIsNot) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  engine_.reset();
  const std::string journal = options_.directory + "/journal/0000000000000001.journal";
  std::ifstream in(journal, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::size_t last = bytes.rfind(data_of(9));
  const std::size_t middle = bytes.find(data_of(4));
  ASSERT_NE(last, std::string::npos);
  const auto write_with_flip = [&](std::size_t at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(journal, std::ios::binary) << damaged;
  };
  write_with_flip(middle);
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message, testing::HasSubstr(journal));
  EXPECT_THAT(opened.error().message, testing::HasSubstr("damaged"));
  write_with_flip(last);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a).size(), 9u);
}

TEST_F(EmbeddedEngineTest, RecordsExpireExactlyWhenTheirRetentionEnds) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  clock_.ahead_ms = std::int64_t{23} * 3'600'000;
  ASSERT_TRUE(append(a, "later").ok());
  EXPECT_EQ(read_all(a).size(), 301u);
  clock_.ahead_ms = std::int64_t{24} * 3'600'000 + 60'000;
  EXPECT_EQ(read_all(a), (std::map<std::uint64_t, std::string>{{300, "later"}}));
  Waiter<Result<stream::Position>> horizon;
  engine_->find_trim_horizon(a, horizon.callback());
  EXPECT_EQ(horizon.wait()->value, 300u);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(append(a, "next")->first.value, 301u) << "positions go on";
}

TEST_F(EmbeddedEngineTest, TheSpaceOfWhatIsReleasedIsGivenBack) {
  options_.merge_fan_in = 100;  // what is merged is packed
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  EXPECT_EQ(engine_->stored_bytes(), 0u);
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  while (engine_->stored_bytes() < 200'000) std::this_thread::yield();
  const auto stored = engine_->stored_bytes();
  engine_->release(a, {300});
  while (engine_->stored_bytes() >= stored) std::this_thread::yield();
  const auto rest = read_all(a);
  EXPECT_LE(rest.begin()->first, 300u) << "nothing from there on has gone";
  EXPECT_GT(rest.begin()->first, 0u);
  EXPECT_EQ(rest.rbegin()->first, 599u);
  engine_->release(a, {600});
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(append(a, "next")->first.value, 600u) << "positions go on";
}

TEST_F(EmbeddedEngineTest, SegmentsAreMergedWhileTheyAreToBe) {
  std::atomic<bool> merges = false;
  options_.merge_fan_in = 2;
  options_.merges = [&merges] { return merges.load(); };
  ASSERT_TRUE(open().ok());
  const auto steps = [this] {
    return metrics_->counter("spillway_segment_merge_steps_total", "").value();
  };
  const auto segments = [this] { return metrics_->gauge("spillway_segments", "").value(); };
  const auto a = create_stream("a");
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  while (segments() < 4) std::this_thread::yield();
  EXPECT_EQ(steps(), 0u);
  merges = true;
  for (int i = 600; steps() == 0; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  engine_.reset();
}

// That closes the only shard of "a".
auto closing(stream::ShardId shard) {
  return [shard](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
    stream::CatalogChange change;
    change.put.push_back(*catalog.find("a"));
    change.close = {shard};
    change.put[0].shards.push_back({.id = catalog.next_id, .index = 1, .parent = 0});
    change.ids_used = 1;
    return change;
  };
}

TEST_F(EmbeddedEngineTest, ACloseCarriesTheEndAndItsChildrenComeLater) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  ASSERT_TRUE(append(a, "x").ok());
  Waiter<Result<stream::CatalogRef>> waiter;
  engine_->update_catalog(closing(a), waiter.callback());
  const auto changed = waiter.wait();
  ASSERT_TRUE(changed.ok());
  for (int restart = 0; restart < 2; ++restart) {
    const auto stream = engine_->catalog()->find("a");
    EXPECT_EQ(stream->shards[0].ended->end.value, 1u);
    EXPECT_GT(stream->shards[1].created_seconds,
              to_millis(stream->shards[0].ended->closed_at) / 1000);
    EXPECT_EQ(append(a, "y").error().code, ErrorCode::kClosed);
    EXPECT_TRUE(read(a, 1)->ended);
    EXPECT_TRUE(append(stream->shards[1].id, "z").ok());
    ASSERT_TRUE(open().ok());
  }
}

TEST_F(EmbeddedEngineTest, ThatAShardIsClosedIsToldWhenThatIsDurable) {
  disk_.fault.match = ".journal";
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.hold_sync = true;
  Waiter<Result<stream::CatalogRef>> changed;
  engine_->update_catalog(closing(a), changed.callback());
  std::vector<stream::AppendItem> items;
  items.push_back(item(a, "late"));
  Waiter<bool> children_seen;
  engine_->append(std::move(items), [&](const std::vector<Result<stream::Appended>>& outcomes) {
    EXPECT_EQ(outcomes[0].error().code, ErrorCode::kClosed);
    children_seen.callback()(engine_->catalog()->find("a")->shards.size() == 2);
  });
  disk_.fault.hold_sync = false;
  disk_.fault.hold_sync.notify_all();
  EXPECT_TRUE(children_seen.wait());
  EXPECT_TRUE(changed.wait().ok());
}

// The ids of its children are then free for others: nobody may have been sent to them.
TEST_F(EmbeddedEngineTest, AClosingThatFailsIsToldBeforeWhatItRefused) {
  disk_.fault.match = ".journal";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.hold_sync = true;  // of this, behind which the change has to wait
  Waiter<std::vector<Result<stream::Appended>>> before;
  std::vector<stream::AppendItem> first;
  first.push_back(item(a, "early"));
  engine_->append(std::move(first), before.callback());
  disk_.fault.held.wait(false);
  disk_.fault.fail_write = true;
  std::atomic<bool> failed{false};
  engine_->update_catalog(closing(a), [&](const Result<stream::CatalogRef>& changed) {
    EXPECT_EQ(changed.error().code, ErrorCode::kNoSpace);
    failed = true;
  });
  std::vector<stream::AppendItem> items;
  items.push_back(item(a, "late"));
  Waiter<bool> in_order;
  engine_->append(std::move(items), [&](const std::vector<Result<stream::Appended>>& outcomes) {
    EXPECT_EQ(outcomes[0].error().code, ErrorCode::kClosed);
    in_order.callback()(failed);
  });
  disk_.fault.hold_sync = false;
  disk_.fault.hold_sync.notify_all();
  EXPECT_TRUE(before.wait().front().ok());
  EXPECT_TRUE(in_order.wait());
  disk_.fault.fail_write = false;
  EXPECT_TRUE(append(a, "again").ok()) << "it is open";
}

TEST_F(EmbeddedEngineTest, ManyThreadsAppendAndRead) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 150; ++i) EXPECT_TRUE(append(a, data_of(t * 1000 + i)).ok());
    });
  }
  threads.emplace_back([&] {
    std::size_t seen = 0;
    while (seen < 450) {
      const auto now = read_all(a).size();
      EXPECT_GE(now, seen);
      seen = now;
    }
  });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(read_all(a).size(), 450u);
}

}  // namespace
}  // namespace spillway::engine
