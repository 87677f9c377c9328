#include "engine/embedded/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "engine/embedded/embedded_engine.h"
#include "engine/embedded/encryption_check.h"
#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "stream/encrypted_batch.h"
#include "stream/record_batch.h"

namespace spillway::engine {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class InspectionTest : public testing::Test {
 protected:
  InspectionTest() {
    char pattern[] = "/tmp/spillway-inspection-XXXXXX";
    options_.directory = ::mkdtemp(pattern);
    options_.journal_file_bytes = 64 * 1024;
    options_.tail_bytes = 32 * 1024;
    open();
  }
  ~InspectionTest() override {
    engine_.reset();
    std::filesystem::remove_all(options_.directory);
  }

  void open() {
    engine_.reset();
    engine_ =
        open_embedded_engine(options_, {disk_, clock_, workers_, entropy_, log_, metrics_}).value();
  }
  void change(std::function<void(stream::CatalogChange&, const stream::Catalog&)> edit) {
    std::promise<bool> done;
    engine_->update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          edit(change, catalog);
          return change;
        },
        [&](const Result<stream::CatalogRef>& changed) { done.set_value(changed.ok()); });
    EXPECT_TRUE(done.get_future().get());
  }
  stream::ShardId create(const std::string& name) {
    stream::ShardId id = 0;
    change([&](stream::CatalogChange& change, const stream::Catalog& catalog) {
      id = catalog.next_id + 1;
      auto& stream = change.put.emplace_back();
      stream.id = catalog.next_id;
      stream.name = name;
      stream.shards.push_back({.id = id, .last_hash_key = kUint128Max});
      change.ids_used = 2;
    });
    return id;
  }
  // What is told of a key, without the engine's watching over it.
  void tell(const std::string& name, std::string wrapped) {
    change([&](stream::CatalogChange& change, const stream::Catalog& catalog) {
      auto& stream = change.put.emplace_back(*catalog.find(name));
      auto& keys = stream.encryption.keys;
      keys.push_back({static_cast<std::uint32_t>(keys.size() + 1), clock_.wall_now(), wrapped});
    });
    clock_.ahead_ms += 10;
  }
  // Has the engine take batches of the newest key alone, or plain ones alone.
  void watch(const std::string& name, bool on) {
    change([&](stream::CatalogChange& change, const stream::Catalog& catalog) {
      change.put.emplace_back(*catalog.find(name)).encryption.on = on;
    });
  }
  void put(stream::ShardId shard, const std::string& data, std::uint32_t key = 0) {
    stream::RecordBatchBuilder builder(stream::kBatchHeaderSize + 64 + data.size() +
                                       stream::kEncryptedBatchExtra);
    builder.add({.partition_key = "k", .data = data});
    SharedBytes batch = std::move(builder).finish();
    if (key != 0)
      batch = stream::encrypt_batch(std::move(batch), {1, shard, 1}, key, AesKey{}, GcmNonce{});
    std::promise<bool> done;
    engine_->append({{shard, 1, std::move(batch)}},
                    [&](const auto& outcomes) { done.set_value(outcomes[0].ok()); });
    EXPECT_TRUE(done.get_future().get());
    clock_.ahead_ms += 10;
  }
  std::unique_ptr<Inspection> inspect() {
    engine_.reset();
    auto opened = Inspection::open(disk_, options_.directory);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  std::vector<std::string> damages() {
    const auto inspection = inspect();
    inspection->check_catalog();
    EXPECT_TRUE(inspection->walk([](const FoundBatch&) {}).ok());
    EXPECT_EQ(inspection->report().damage_count, inspection->report().damages.size());
    return inspection->report().damages;
  }
  std::string file_in(const std::string& directory, const std::string& suffix) {
    std::string last;
    for (const auto& entry :
         std::filesystem::directory_iterator(options_.directory + "/" + directory)) {
      const std::string path = entry.path();
      if (path.ends_with(suffix)) last = std::max(last, path);
    }
    EXPECT_FALSE(last.empty());
    return last;
  }
  static void flip(const std::string& path, std::int64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ 1));
  }

  EmbeddedOptions options_;
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::ThreadWorkers workers_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
  metrics::Registry metrics_;
  std::unique_ptr<stream::Engine> engine_;
};

TEST_F(InspectionTest, OfADamagedJournalItTellsWhatIsWhole) {
  const auto a = create("a");
  put(a, "first");
  const auto second = create("b");
  put(a, "third");
  put(second, "fourth");
  engine_.reset();
  const std::string file = file_in("journal", ".journal");
  std::ifstream in(file, std::ios::binary);
  const std::string content(std::istreambuf_iterator<char>(in), {});
  flip(file, static_cast<std::int64_t>(content.find("third")));
  const auto inspection = inspect();
  EXPECT_EQ(inspection->report().damage_count, 1u);
  EXPECT_EQ(inspection->report().catalog->streams.size(), 2u);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
  EXPECT_TRUE(inspection
                  ->walk([&](const FoundBatch& batch) {
                    found.emplace_back(batch.batch.shard, batch.batch.first);
                  })
                  .ok());
  EXPECT_EQ(found, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{a, 0}, {second, 0}}));
}

TEST_F(InspectionTest, BehindADamagedBlockTheWalkGoesOn) {
  engine_.reset();
  options_.journal_file_bytes = std::uint64_t{1} << 20;  // so that a segment has several blocks
  open();
  const auto a = create("a");
  std::string random(2000, ' ');
  for (int i = 0; i < 1000; ++i) {
    entropy_.fill({reinterpret_cast<unsigned char*>(random.data()), random.size()});
    put(a, random);
  }
  open();
  const auto in_segments = [this] {
    std::set<std::uint64_t> found;
    EXPECT_TRUE(inspect()
                    ->walk([&](const FoundBatch& batch) {
                      if (batch.where == FoundBatch::Where::kSegment)
                        found.insert(batch.batch.first);
                    })
                    .ok());
    return found;
  };
  const auto before = in_segments();
  flip(file_in("segments", ".segment"), 100);
  const auto after = in_segments();
  EXPECT_LT(after.size(), before.size());
  EXPECT_GT(after.size(), before.size() / 2);
  EXPECT_EQ(*after.rbegin(), *before.rbegin());
}

TEST_F(InspectionTest, AWalkCanBeEnded) {
  const auto a = create("a");
  for (int i = 0; i < 100; ++i) put(a, std::string(700, 'x'));
  const auto inspection = inspect();
  int visited = 0;
  const auto walked = inspection->walk([&](const FoundBatch&) {
    ++visited;
    inspection->end();
  });
  ASSERT_FALSE(walked.ok());
  EXPECT_EQ(walked.error().code, ErrorCode::kClosed);
  EXPECT_LT(visited, 100);
}

TEST_F(InspectionTest, FindsEveryBatchAndNoDamage) {
  const auto a = create("a");
  std::set<std::uint64_t> expected;
  for (std::uint64_t i = 0; i < 400; ++i) {  // several files, so segments too
    put(a, std::string(700, 'x'));
    expected.insert(i);
  }
  open();
  put(a, "last");
  expected.insert(400);
  const auto inspection = inspect();
  std::set<std::uint64_t> found;
  EXPECT_TRUE(
      inspection->walk([&](const FoundBatch& batch) { found.insert(batch.batch.first); }).ok());
  const auto& report = inspection->report();
  EXPECT_EQ(found, expected);
  EXPECT_EQ(report.damage_count, 0u) << report.damages.front();
  EXPECT_EQ(report.catalog->streams.size(), 1u);
  EXPECT_GT(report.in_journal.batches, 0u);
  EXPECT_GT(report.in_segments.batches, 0u);
  EXPECT_GT(report.snapshot_frame, 0u);
}

TEST_F(InspectionTest, NamesFileAndOffsetOfDamage) {
  const auto a = create("a");
  for (int i = 0; i < 400; ++i) put(a, std::string(700, 'x'));
  engine_.reset();
  const std::string segment = file_in("segments", ".segment");
  const std::string snapshot = file_in("snapshots", ".snapshot");
  EXPECT_THAT(damages(), testing::IsEmpty());
  flip(segment, 100);
  EXPECT_THAT(damages(), ElementsAre(AllOf(HasSubstr(segment), HasSubstr("byte 16"))));
  flip(segment, 100);
  flip(segment, static_cast<std::int64_t>(std::filesystem::file_size(segment)) - 3);
  EXPECT_THAT(damages(), ElementsAre(HasSubstr(segment)));
  flip(segment, static_cast<std::int64_t>(std::filesystem::file_size(segment)) - 3);
  flip(snapshot, 40);
  EXPECT_THAT(damages(), ElementsAre(HasSubstr(snapshot)));
  flip(snapshot, 40);
  open();
  for (int i = 0; i < 3; ++i) put(a, "y");
  engine_.reset();
  const std::string journal = file_in("journal", ".journal");
  flip(journal, 512 + 80);  // in a frame that valid ones follow
  EXPECT_THAT(damages(), ElementsAre(AllOf(HasSubstr(journal), HasSubstr("byte 512"))));
}

// What can be read is found whatever of a segment's directory and footer is damaged, however often
// one looks; of what can't be, it is told what it was at most.
TEST_F(InspectionTest, OfADamagedSegmentItFindsWhatIsWhole) {
  const auto a = create("a");
  const auto b = create("b");
  for (int i = 0; i < 40; ++i) put(i % 2 == 0 ? a : b, std::string(700, 'x'));
  open();  // what the journal holds goes into a segment
  const std::filesystem::path segments = options_.directory + "/segments";
  while (std::filesystem::is_empty(segments)) std::this_thread::yield();
  engine_.reset();
  const std::string segment = file_in("segments", ".segment");
  std::ifstream in(segment, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  in.close();
  const auto in_segment = [&] {  // records of a, of b, and holes
    const auto inspection = inspect();
    std::map<stream::ShardId, int> records;
    for (int walk = 0; walk < 2; ++walk) {
      records.clear();
      EXPECT_TRUE(inspection
                      ->walk([&](const FoundBatch& found) {
                        if (found.where == FoundBatch::Where::kSegment)
                          records[found.batch.shard] += static_cast<int>(found.batch.count);
                      })
                      .ok());
      EXPECT_EQ(inspection->report().damage_count, 1u) << "in walk " << walk;
      EXPECT_EQ(inspection->report().in_segments.records,
                static_cast<std::uint64_t>(records[a] + records[b]));
    }
    std::uint64_t missing = 0;
    for (const auto& hole : inspection->report().holes) missing += hole.end - hole.first;
    return std::array<std::uint64_t, 3>{static_cast<std::uint64_t>(records[a]),
                                        static_cast<std::uint64_t>(records[b]), missing};
  };
  const auto with = [&](std::string bytes) {
    std::ofstream(segment, std::ios::binary | std::ios::trunc) << bytes;
    return in_segment();
  };
  const auto flipped = [&](std::size_t from_end) {
    std::string bytes = whole;
    bytes[bytes.size() - from_end] = static_cast<char>(bytes[bytes.size() - from_end] ^ 1);
    return bytes;
  };
  using Found = std::array<std::uint64_t, 3>;
  constexpr std::size_t kFooter = 72;
  constexpr std::size_t kEntry = 56;
  for (const std::size_t at : {std::size_t{1}, std::size_t{20}, kFooter})
    EXPECT_EQ(with(flipped(at)), (Found{20, 20, 0})) << "in the footer, byte -" << at;
  EXPECT_EQ(with(flipped(kFooter + 1)), (Found{20, 0, 20})) << "in the directory entry of b";
  EXPECT_EQ(with(flipped(kFooter + kEntry + 1)), (Found{0, 20, 20})) << "in that of a";
  EXPECT_EQ(with(whole.substr(0, whole.size() - 1)), (Found{0, 0, 40})) << "its end is gone";
}

TEST_F(InspectionTest, AMissingSegmentIsDamageUntilItsLossIsAccepted) {
  const auto a = create("a");
  const auto b = create("b");
  put(b, "small");
  for (int i = 0; i < 400; ++i) put(a, std::string(700, 'x'));
  open();  // what the journal holds goes into the newest segment
  put(a, "last");
  engine_.reset();
  const std::string segment = file_in("segments", ".segment");
  std::filesystem::rename(segment, options_.directory + "/away");
  EXPECT_THAT(damages(), ElementsAre(AllOf(HasSubstr(segment), HasSubstr("is missing"))));
  auto inspection = inspect();
  EXPECT_THAT(inspection->missing(), ElementsAre(HasSubstr(segment)));
  EXPECT_TRUE(inspection->walk([](const FoundBatch&) {}).ok());
  ASSERT_EQ(inspection->report().holes.size(), 1u) << "stream b's records are there";
  const Hole hole = inspection->report().holes.front();
  EXPECT_EQ(hole.shard, a);
  EXPECT_LT(hole.first, hole.end);
  EXPECT_LE(hole.end, 400u);

  const WallTime accepted = clock_.wall_now();
  ASSERT_TRUE(inspection->accept_loss(accepted).ok());
  EXPECT_THAT(inspection->missing(), testing::IsEmpty());
  ASSERT_EQ(inspection->report().losses.size(), 1u);
  inspection.reset();
  EXPECT_THAT(damages(), testing::IsEmpty());
  open();
  EXPECT_EQ(metrics_.gauge("spillway_segments_lost", "").value(), 1);
  std::promise<Result<stream::ReadResult>> done;
  engine_->read({a, stream::Position{hole.first}, 10'000, 1 << 20},
                [&](auto result) { done.set_value(std::move(result)); });
  const auto read = done.get_future().get();
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->batches.front().first.value, hole.end) << "readers go on behind it";

  // Until nobody could have read them any longer.
  EXPECT_EQ(inspect()->report().losses.front().accepted_ms, to_millis(accepted));
  clock_.ahead_ms += std::int64_t{25} * 3'600'000;
  open();
  for (int i = 0; i < 600; ++i) put(a, std::string(700, 'x'));  // more than the journal may hold
  EXPECT_THAT(inspect()->report().losses, testing::IsEmpty());
}

TEST_F(InspectionTest, AFileInPlaceOfASegmentIsSetAsideWithItsLoss) {
  const auto a = create("a");
  // Puts `data` into a segment of its own; that one's path.
  const auto seal = [&](const std::string& directory, const std::string& data) {
    options_.directory = directory;
    open();
    put(a, data);
    const auto before = engine_->stored_bytes();
    open();
    while (engine_->stored_bytes() <= before) std::this_thread::yield();
    engine_.reset();
    return file_in("segments", ".segment");
  };
  const std::string directory = options_.directory;
  const std::string other = directory + "-other";
  seal(directory, "kept");
  std::filesystem::copy(directory, other, std::filesystem::copy_options::recursive);
  const std::string foreign = seal(other, "of another history");
  const std::string segment = seal(directory, "ours");
  ASSERT_EQ(segment.substr(directory.size()), foreign.substr(other.size()));
  std::filesystem::copy_file(foreign, segment, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove_all(other);

  auto inspection = inspect();
  EXPECT_THAT(inspection->missing(), ElementsAre(HasSubstr("is another file")));
  const auto aside = inspection->accept_loss(clock_.wall_now());
  ASSERT_TRUE(aside.ok()) << aside.error().message;
  ASSERT_EQ(aside->size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(aside->front()));
  EXPECT_FALSE(std::filesystem::exists(segment));
  EXPECT_TRUE(inspection->walk([](const FoundBatch&) {}).ok());
  EXPECT_EQ(inspection->report().damage_count, 0u);
  inspection.reset();
  open();
  EXPECT_EQ(metrics_.gauge("spillway_segments_lost", "").value(), 1);
  EXPECT_TRUE(std::filesystem::exists(aside->front()));
  EXPECT_EQ(inspect()->report().losses.size(), 1u);
}

TEST_F(InspectionTest, IsForOneProcessAndADataDirectory) {
  EXPECT_EQ(Inspection::open(disk_, options_.directory).error().code, ErrorCode::kBusy);
  engine_.reset();
  EXPECT_TRUE(Inspection::open(disk_, options_.directory).ok());
  EXPECT_EQ(Inspection::open(disk_, options_.directory + "/segments").error().code,
            ErrorCode::kNotFound);
}

TEST_F(InspectionTest, AMissingRangeOfKeysIsDamage) {
  create("a");
  change([](stream::CatalogChange& change, const stream::Catalog& catalog) {
    auto& stream = change.put.emplace_back(*catalog.find("a"));
    stream.shards[0].last_hash_key -= 1;
  });
  EXPECT_THAT(damages(), ElementsAre(HasSubstr("the last hash key belongs to no open shard")));
}

TEST_F(InspectionTest, APlainBatchIsFoundWhereOnlyEncryptedOnesMayBe) {
  const auto a = create("a");
  const auto b = create("b");
  put(a, "before");
  tell("a", "wrapped");
  watch("a", true);
  put(a, "hidden", 1);
  put(b, "of another stream");
  const auto check = [&] {
    auto inspection = inspect();
    EncryptionCheck checked(*inspection->report().catalog->find("a"));
    EXPECT_TRUE(inspection->walk([&](const FoundBatch& found) { checked.visit(found); }).ok());
    inspection.reset();
    open();
    return checked;
  };
  EXPECT_TRUE(check().was_ever_on());
  EXPECT_EQ(check().violations().batches, 0u);
  EXPECT_GE(check().plain_allowed().batches, 1u);
  EXPECT_GE(check().encrypted().batches, 1u);
  watch("a", false);
  put(a, "plain");
  const auto violated = check();
  ASSERT_GE(violated.violations().batches, 1u);
  EXPECT_THAT(violated.places().front(), AllOf(HasSubstr(".journal"), HasSubstr("byte ")));
  tell("a", "");  // it ends
  put(a, "after");
  tell("a", "wrapped");
  watch("a", true);
  put(a, "hidden", 3);
  EXPECT_THAT(check().places(), testing::Each(HasSubstr("position 2")));
  EXPECT_FALSE(EncryptionCheck(stream::StreamInfo{}).was_ever_on());
}

}  // namespace
}  // namespace spillway::engine
