#include "log/segment_set.h"

#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "io/posix_disk.h"
#include "log/crash_disk.h"
#include "log/segment_samples.h"

namespace spillway::log {
namespace {

constexpr const char* kDirectory = "segments";

std::optional<std::int64_t> keep_for_ever(std::uint64_t) { return std::int64_t{1} << 50; }

std::unique_ptr<SegmentSet> open_set(io::Disk& disk, SegmentSetOptions options) {
  auto set = SegmentSet::open(disk, std::move(options));
  EXPECT_TRUE(set.ok()) << set.error().message;
  return *std::move(set);
}

SegmentSetOptions small_options(std::uint32_t fan_in = 3) {
  return {.directory = kDirectory, .merge_fan_in = fan_in};
}

// Segment number `number`, of frames 10 × number + 1 … 10 × number + 10.
Status add(io::Disk& disk, SegmentSet& set, std::uint64_t number, const std::vector<Batch>& batches,
           const std::string& directory = kDirectory) {
  SPILLWAY_ASSIGN(auto segment,
                  write_segment(disk, directory, {10 * number + 1, 10 * number + 10}, batches));
  set.add(std::move(segment));
  return {};
}

Status merge_all(SegmentSet& set) {
  while (true) {
    SPILLWAY_ASSIGN(const bool more, set.merge_step(keep_for_ever, 0));
    if (!more) return {};
  }
}

void expect_everything(const SegmentSet& set, const Samples& samples) {
  for (const auto& [shard, all] : samples.all()) {
    std::vector<Batch> found;
    const auto status =
        set.read({.shard = shard, .max_records = UINT64_MAX, .max_bytes = SIZE_MAX}, found);
    ASSERT_TRUE(status.ok()) << status.error().message;
    ASSERT_THAT(found, testing::ElementsAreArray(all));
  }
}

std::vector<std::uint32_t> levels(const SegmentSet& set) {
  std::vector<std::uint32_t> levels;
  for (const auto& segment : *set.list()) levels.push_back(segment->level());
  return levels;
}

TEST(SegmentSet, ReadsTheSameBeforeDuringAndAfterMerges) {
  for (std::uint64_t seed = test_seed(1), last = seed + 25; seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("SPILLWAY_SEED={}", seed));
    Samples samples(seed);
    Random& random = samples.random();
    CrashDisk disk;
    auto set = open_set(disk, small_options(static_cast<std::uint32_t>(2 + random.below(3))));
    for (std::uint64_t number = 0; number < 20; ++number) {
      const auto batches = samples.more(1 + random.below(120), 1 + random.below(12), 3'000);
      ASSERT_TRUE(add(disk, *set, number, batches).ok());
      for (std::uint64_t steps = random.below(4); steps > 0; --steps)
        ASSERT_TRUE(set->merge_step(keep_for_ever, 0).ok());
      if (random.one_in(5)) set = open_set(disk, small_options());
      for (int i = 0; i < 20; ++i) {
        const SegmentQuery query = samples.query();
        std::vector<Batch> found;
        ASSERT_TRUE(set->read(query, found).ok());
        EXPECT_THAT(found, testing::ElementsAreArray(samples.read(query)));
        const std::int64_t time_ms = random.between(990, samples.clock_ms() + 2);
        EXPECT_EQ(*set->find_by_time(query.shard, time_ms),
                  samples.find_by_time(query.shard, time_ms));
      }
    }
    ASSERT_TRUE(merge_all(*set).ok());
    expect_everything(*set, samples);
    EXPECT_LT(set->list()->size(), 9u);
    EXPECT_EQ(disk.list(kDirectory)->size(), set->list()->size()) << "no file is left over";
    EXPECT_EQ(set->last_frame(), 200u);
  }
}

TEST(SegmentSet, MergesTheOldestOfTheLowestLevel) {
  Samples samples(1);
  CrashDisk disk;
  const auto set = open_set(disk, small_options(3));
  const auto add_one = [&](std::uint64_t number) {
    ASSERT_TRUE(add(disk, *set, number, samples.more(20, 3, 100)).ok());
  };
  for (std::uint64_t number = 0; number < 5; ++number) add_one(number);
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_THAT(levels(*set), testing::ElementsAre(1, 0, 0));
  EXPECT_EQ(set->list()->front()->range(), (FrameRange{1, 30}));
  for (std::uint64_t number = 5; number < 10; ++number) add_one(number);
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_THAT(levels(*set), testing::ElementsAre(2, 0));
  expect_everything(*set, samples);
}

TEST(SegmentSet, MergesNothingAcrossAHole) {
  CrashDisk disk;
  Samples samples(1);
  auto set = open_set(disk, small_options(9));
  for (std::uint64_t number = 0; number < 7; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(20, 3, 100)).ok());
  const std::string lost = disk.content("segments/0000000000000032.segment");  // frames 41 to 50
  ASSERT_TRUE(disk.remove("segments/0000000000000032.segment").ok());
  SegmentSetOptions options = small_options(2);
  options.holes = {{41, 50}};
  set = open_set(disk, options);
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_FALSE(is_there(*set->list(), {41, 50}));
  disk.put("segments/0000000000000032.segment", lost);
  set = open_set(disk, options);
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_TRUE(is_there(*set->list(), {41, 50}));
  expect_everything(*set, samples);
}

TEST(SegmentSet, MergesNothingBeyondTheLargestSize) {
  Samples samples(1);
  CrashDisk disk;
  SegmentSetOptions options = small_options(3);
  options.merge_bytes_max = 100'000;
  const auto set = open_set(disk, options);
  ASSERT_TRUE(add(disk, *set, 0, samples.more(30, 2, 10'000)).ok());
  for (std::uint64_t number = 1; number < 5; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(18, 2, 4'000)).ok());
  ASSERT_GT(set->list()->front()->size(), 100'000u);
  ASSERT_TRUE(merge_all(*set).ok());
  // The first is too large, and of the others only two or three at a time are not.
  EXPECT_EQ(levels(*set).front(), 0u);
  EXPECT_EQ(levels(*set)[1], 1u);
  for (const auto& segment : *set->list()) {
    if (segment->level() > 0) {
      EXPECT_LE(segment->size(), 101'000u);
    }
  }
  expect_everything(*set, samples);
}

TEST(SegmentSet, PacksMergedSegments) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  std::uint64_t before = 0;
  for (std::uint64_t number = 0; number < 2; ++number) {
    std::vector<Batch> batches;
    for (std::uint64_t i = 0; i < 100; ++i) {
      const auto text = SharedBytes::copy_of(fmt::format("{:5000}", i));
      batches.push_back({7, 100 * number + i, 1, 5, text, text.view()});
    }
    ASSERT_TRUE(add(disk, *set, number, batches).ok());
    before += set->list()->back()->size();
  }
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_LT(set->list()->front()->size(), before / 20);
}

// Runs `work` on a disk that stops at every one of its calls, as after SIGKILL and as after a power
// cut, and holds what is there afterwards against `samples`.
void crash_everywhere(std::uint64_t seed, const std::function<void(CrashDisk&)>& prepare,
                      const std::function<Status(CrashDisk&)>& work, const Samples& samples) {
  for (std::uint64_t calls = 0;; ++calls) {
    for (const bool power_cut : {false, true}) {
      SCOPED_TRACE(fmt::format("seed {}, {} calls, {}", seed, calls, power_cut ? "power" : "kill"));
      Random random(seed * 1'000 + calls);
      CrashDisk disk;
      prepare(disk);
      disk.fail_after(calls);
      const Status status = work(disk);
      if (!disk.failed()) {
        EXPECT_TRUE(status.ok()) << status.error().message;
        return;
      }
      // Removals may fail without harm to anything else.
      disk.never_fail();
      if (power_cut) disk.cut_power(random);
      // What opening finds and cleans up must outlive another crash.
      for (int round = 0; round < 3; ++round) {
        auto set = SegmentSet::open(disk, small_options());
        ASSERT_TRUE(set.ok()) << set.error().message;
        expect_everything(**set, samples);
        if (testing::Test::HasFailure()) return;
        disk.cut_power(random);
      }
    }
  }
}

TEST(SegmentSet, AMergeThatIsCutShortAnywhereLosesAndDoublesNothing) {
  for (std::uint64_t seed = test_seed(1), last = seed + 12; seed < last; ++seed) {
    Samples samples(seed);
    std::vector<std::vector<Batch>> segments;
    for (int i = 0; i < 10; ++i) segments.push_back(samples.more(20, 4, 2'000));
    const auto prepare = [&](CrashDisk& disk) {
      auto set = open_set(disk, small_options());
      for (std::uint64_t number = 0; number < segments.size(); ++number)
        ASSERT_TRUE(add(disk, *set, number, segments[number]).ok());
    };
    const auto work = [](CrashDisk& disk) { return merge_all(*open_set(disk, small_options())); };
    crash_everywhere(seed, prepare, work, samples);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SegmentSet, AFailedMergeIsReportedOnceAndLeavesItsInputs) {
  Samples samples(1);
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  for (std::uint64_t number = 0; number < 4; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(20, 2, 1'000)).ok());
  disk.content(set->list()->front()->path())[100] ^= 1;
  const auto failed = merge_all(*set);
  EXPECT_EQ(failed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(failed.error().message,
              testing::HasSubstr("merge the segments of frames 1 to 20: "
                                 "segments/000000000000000a.segment, byte 16"));
  EXPECT_TRUE(merge_all(*set).ok()) << "the damaged one is not tried again";
  EXPECT_THAT(levels(*set), testing::ElementsAre(0, 0, 1));
  EXPECT_EQ(disk.list(kDirectory)->size(), 3u);
}

TEST(SegmentSet, MergesOnlyWhereThereIsSpace) {
  Samples samples(1);
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  for (std::uint64_t number = 0; number < 2; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(20, 2, 1'000)).ok());
  disk.set_free_space(std::uint64_t{256} << 20);
  EXPECT_FALSE(*set->merge_step(keep_for_ever, 0));
  disk.set_free_space(std::uint64_t{1} << 40);
  disk.fail_after(1, ErrorCode::kNoSpace);
  EXPECT_EQ(merge_all(*set).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk.list(kDirectory)->size(), 2u) << "nothing is left of the try";
  disk.never_fail();
  EXPECT_TRUE(merge_all(*set).ok());
  EXPECT_THAT(levels(*set), testing::ElementsAre(1));
  expect_everything(*set, samples);
}

TEST(SegmentSet, AMergeThatIsDroppedLeavesNothingAndBeginsAnew) {
  Samples samples(1);
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  for (std::uint64_t number = 0; number < 2; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(600, 3, 40'000)).ok());
  EXPECT_FALSE(set->drop_merge());
  ASSERT_TRUE(*set->merge_step(keep_for_ever, 0));
  EXPECT_EQ(disk.list(kDirectory)->size(), 3u);
  EXPECT_TRUE(set->drop_merge());
  EXPECT_EQ(disk.list(kDirectory)->size(), 2u);
  ASSERT_TRUE(merge_all(*set).ok());
  EXPECT_THAT(levels(*set), testing::ElementsAre(1));
  expect_everything(*set, samples);
}

TEST(SegmentSet, MergesInSmallSteps) {
  Samples samples(1);
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  for (std::uint64_t number = 0; number < 2; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(600, 3, 40'000)).ok());
  const std::uint64_t bytes = set->list()->front()->size() + set->list()->back()->size();
  ASSERT_GT(bytes, 20'000'000u);
  std::uint64_t steps = 0;
  std::uint64_t number = 2;
  while (true) {
    const std::uint64_t before = disk.changes();
    const auto more = set->merge_step(keep_for_ever, 0);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    ++steps;
    EXPECT_LE(disk.changes() - before, 12u) << "writes of 1 MiB, and what ends a merge";
    // A segment that arrives meanwhile is neither lost nor held up.
    if (steps == 2) {
      ASSERT_TRUE(add(disk, *set, number++, samples.more(9, 5, 100)).ok());
    }
  }
  EXPECT_GE(steps, bytes / (4 << 20));
  EXPECT_THAT(levels(*set), testing::ElementsAre(1, 0));
  expect_everything(*set, samples);
}

// A batch of one record.
Batch one(std::uint64_t shard, std::uint64_t position, std::int64_t arrival_ms) {
  const auto bytes = SharedBytes::copy_of("data");
  return {shard, position, 1, arrival_ms, bytes, bytes.view()};
}

TEST(SegmentSet, OnlyTheNewestStayInThePageCache) {
  Samples samples(1);
  CrashDisk disk;
  const auto names = [&](std::size_t first, std::size_t count) {
    std::vector<std::string> paths;
    for (std::size_t i = first; i < first + count; ++i)
      paths.push_back(segment_path(kDirectory, {0, 10 * i + 10}));
    return paths;
  };
  auto options = small_options(5);
  options.page_cache_bytes = 100'000;
  const auto set = open_set(disk, options);
  for (std::uint64_t number = 0; number < 4; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(40, 1, 2'000)).ok());
  ASSERT_GT(set->list()->back()->size(), 34'000u);
  ASSERT_LT(set->list()->back()->size(), 50'000u);
  EXPECT_EQ(disk.dropped(), names(0, 2)) << "each once; the newest two fit";
  ASSERT_TRUE(add(disk, *set, 4, samples.more(40, 1, 2'000)).ok());
  EXPECT_EQ(disk.dropped(), names(0, 3));
  ASSERT_TRUE(merge_all(*set).ok());
  auto expected = names(0, 3);
  expected.push_back(names(4, 1).front());
  EXPECT_EQ(disk.dropped(), expected) << "what was merged is larger than the cache";
}

TEST(SegmentSet, RemovesWhatHasExpired) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(9));
  ASSERT_TRUE(add(disk, *set, 0, {one(1, 0, 1'000), one(2, 0, 1'000)}).ok());
  ASSERT_TRUE(add(disk, *set, 1, {one(1, 1, 2'000)}).ok());
  ASSERT_TRUE(add(disk, *set, 2, {one(2, 1, 3'000)}).ok());
  std::map<std::uint64_t, std::int64_t> retention{{1, 500}, {2, 900}};
  const RetentionOf retention_of = [&](std::uint64_t shard) {
    const auto found = retention.find(shard);
    return found == retention.end() ? std::nullopt : std::optional(found->second);
  };
  const auto frames_after = [&](std::int64_t now_ms) {
    EXPECT_TRUE(set->remove_expired(retention_of, now_ms).ok());
    EXPECT_TRUE(set->remove_marks().ok());
    std::vector<std::uint64_t> frames;
    for (const auto& segment : *set->list()) frames.push_back(segment->range().first);
    EXPECT_EQ(disk.list(kDirectory)->size(), frames.size());
    return frames;
  };
  EXPECT_THAT(frames_after(1'900), testing::ElementsAre(1, 11, 21)) << "shard 2 still needs it";
  EXPECT_THAT(frames_after(1'901), testing::ElementsAre(11, 21));
  EXPECT_THAT(frames_after(2'500), testing::ElementsAre(11, 21));
  EXPECT_THAT(frames_after(2'501), testing::ElementsAre(21));
  retention.erase(2);
  EXPECT_THAT(frames_after(2'501), testing::IsEmpty()) << "shard 2 is gone";
  EXPECT_EQ(set->last_frame(), 0u);
}

TEST(SegmentSet, RemovesWhatIsBeforeThePositionThatIsKept) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  std::uint64_t from = 0;
  const RetentionOf retention_of = [&](std::uint64_t) { return Kept(INT64_MAX / 2, from); };
  ASSERT_TRUE(add(disk, *set, 0, {one(1, 0, 1'000), one(2, 0, 1'000)}).ok());
  ASSERT_TRUE(add(disk, *set, 1, {one(1, 1, 2'000)}).ok());
  EXPECT_TRUE(set->remove_expired(retention_of, 3'000).ok());
  EXPECT_EQ(set->list()->size(), 2u);
  from = 1;
  EXPECT_TRUE(set->remove_expired(retention_of, 3'000).ok());
  ASSERT_EQ(set->list()->size(), 1u);
  EXPECT_EQ(set->list()->front()->range().first, 11u);
  ASSERT_TRUE(add(disk, *set, 2, {one(1, 2, 2'000)}).ok());
  from = 2;
  while (*set->merge_step(retention_of, 3'000)) {
  }
  ASSERT_EQ(set->list()->size(), 1u);
  EXPECT_EQ(set->list()->front()->extents()->front().first, 2u) << "a merge leaves it out";
}

TEST(SegmentSet, AMergeLeavesOutWhatHasExpired) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(2));
  const RetentionOf retention_of = [](std::uint64_t shard) {
    return shard == 3 ? std::nullopt : std::optional<std::int64_t>(500);
  };
  ASSERT_TRUE(add(disk, *set, 0, {one(1, 0, 1'000), one(2, 0, 2'000), one(3, 0, 2'000)}).ok());
  ASSERT_TRUE(add(disk, *set, 1, {one(1, 1, 2'000), one(3, 1, 2'000)}).ok());
  while (*set->merge_step(retention_of, 2'000)) {
  }
  ASSERT_EQ(set->list()->size(), 1u);
  const auto extents = set->list()->front()->extents();
  ASSERT_EQ(extents->size(), 2u);
  EXPECT_EQ((*extents)[0].shard, 1u);
  EXPECT_EQ((*extents)[0].first, 1u);
  EXPECT_EQ((*extents)[1].shard, 2u);
  // When nothing at all is to be kept, no segment is made.
  ASSERT_TRUE(add(disk, *set, 2, {one(3, 2, 2'000)}).ok());
  ASSERT_TRUE(add(disk, *set, 3, {one(3, 3, 2'000)}).ok());
  while (*set->merge_step(retention_of, 2'000)) {
  }
  EXPECT_EQ(set->list()->size(), 1u);
  EXPECT_EQ(disk.list(kDirectory)->size(), 3u) << "a segment and two marks";
  EXPECT_TRUE(set->remove_marks().ok());
  EXPECT_EQ(disk.list(kDirectory)->size(), 1u);
}

// The first two have expired; with merging they go as inputs of a merge that keeps nothing.
TEST(SegmentSet, WhatAnOldSnapshotNamesIsAccountedForAfterAnyCrash) {
  const RetentionOf retention_of = [](std::uint64_t) { return 500; };
  std::uint64_t removed = 0;
  for (std::uint64_t calls = 0; calls < 24; ++calls) {
    for (const bool merges : {false, true}) {
      SCOPED_TRACE(fmt::format("{} calls, merges: {}", calls, merges));
      Random random(calls);
      CrashDisk disk;
      auto set = open_set(disk, small_options(2));
      ASSERT_TRUE(add(disk, *set, 0, {one(1, 0, 1'000)}).ok());
      ASSERT_TRUE(add(disk, *set, 1, {one(1, 1, 1'000)}).ok());
      ASSERT_TRUE(add(disk, *set, 2, {one(1, 2, 2'000)}).ok());
      const auto named = set->names();
      disk.fail_after(calls);
      (void)(merges ? Status() : set->remove_expired(retention_of, 2'000));
      while (merges) {
        const auto more = set->merge_step(retention_of, 2'000);
        if (!more.ok() || !*more) break;
      }
      set.reset();
      disk.cut_power(random);
      for (int starts = 0; starts < 2; ++starts) {
        set = open_set(disk, small_options(2));
        EXPECT_THAT(set->missing(named), testing::IsEmpty());
        EXPECT_EQ(set->last_frame(), 30u);
      }
      removed += 3 - set->list()->size();
    }
  }
  EXPECT_GT(removed, 24u);
}

TEST(SegmentSet, NoticesAFileThatIsGone) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(9));
  for (std::uint64_t number = 0; number < 3; ++number)
    ASSERT_TRUE(add(disk, *set, number, {one(1, number, 1'000)}).ok());
  EXPECT_THAT(*set->vanished(), testing::IsEmpty());
  ASSERT_TRUE(disk.remove("segments/0000000000000014.segment").ok());
  EXPECT_THAT(*set->vanished(), testing::ElementsAre("segments/0000000000000014.segment"));
  std::vector<Batch> found;
  EXPECT_TRUE(set->read({.shard = 1}, found).ok());
  EXPECT_EQ(found.size(), 3u) << "it is still open";
  const auto again = open_set(disk, small_options(9));
  ASSERT_EQ(again->missing(set->names()).size(), 1u);
  EXPECT_EQ(again->missing(set->names()).front().name, set->names()[1]);
}

// Nothing can be written that says that it is gone: it stays, and goes when there is space.
TEST(SegmentSet, AnExpiredSegmentStaysWhereItCantBeMarked) {
  CrashDisk disk;
  const auto set = open_set(disk, small_options(9));
  ASSERT_TRUE(add(disk, *set, 0, {one(1, 0, 1'000)}).ok());
  const RetentionOf retention_of = [](std::uint64_t) { return 500; };
  disk.fail_after(0, ErrorCode::kNoSpace);
  EXPECT_EQ(set->remove_expired(retention_of, 2'000).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(set->list()->size(), 1u);
  disk.never_fail();
  EXPECT_TRUE(set->remove_expired(retention_of, 2'000).ok());
  EXPECT_EQ(set->list()->size(), 0u);
  EXPECT_TRUE(set->remove_marks().ok());
  EXPECT_THAT(*disk.list(kDirectory), testing::IsEmpty());
}

TEST(SegmentSet, RemovesWhatNoSnapshotCovers) {
  CrashDisk disk;
  Samples samples(1);
  const auto set = open_set(disk, small_options(9));
  for (std::uint64_t number = 0; number < 3; ++number)
    ASSERT_TRUE(add(disk, *set, number, samples.more(5, 2, 100)).ok());
  EXPECT_TRUE(set->remove_after(30).ok());
  EXPECT_EQ(set->list()->size(), 3u);
  EXPECT_EQ(set->remove_after(25).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(set->remove_after(20).ok());
  EXPECT_EQ(set->last_frame(), 20u);
  EXPECT_EQ(disk.list(kDirectory)->size(), 2u);
}

// Under ThreadSanitizer this shows that readers need no lock against merges and removals.
TEST(SegmentSet, IsReadWhileItIsMerged) {
  char pattern[] = "/tmp/spillway-segments-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  io::PosixDisk disk;
  Samples samples(test_seed(1));
  constexpr std::uint64_t kSegments = 12;
  std::vector<std::vector<Batch>> segments;
  for (std::uint64_t i = 0; i < kSegments; ++i) segments.push_back(samples.more(60, 6, 3'000));
  const auto set = open_set(disk, {.directory = directory, .merge_fan_in = 2});
  ASSERT_TRUE(add(disk, *set, 0, segments[0], directory).ok());
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      // What is there is a prefix of everything, and never shrinks.
      std::map<std::uint64_t, std::size_t> seen;
      for (bool last = false; !last;) {
        last = done.load();
        for (const auto& [shard, all] : samples.all()) {
          std::vector<Batch> found;
          const auto status =
              set->read({.shard = shard, .max_records = UINT64_MAX, .max_bytes = SIZE_MAX}, found);
          ASSERT_TRUE(status.ok()) << status.error().message;
          ASSERT_GE(found.size(), seen[shard]);
          ASSERT_LE(found.size(), all.size());
          ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin()));
          seen[shard] = found.size();
        }
      }
      for (const auto& [shard, all] : samples.all()) EXPECT_EQ(seen[shard], all.size());
    });
  }
  for (std::uint64_t number = 1; number < kSegments; ++number) {
    EXPECT_TRUE(add(disk, *set, number, segments[number], directory).ok());
    EXPECT_TRUE(merge_all(*set).ok());
    EXPECT_TRUE(set->remove_expired(keep_for_ever, 0).ok());
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_LE(set->list()->size(), 4u);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace spillway::log
