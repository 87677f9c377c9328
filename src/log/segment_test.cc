#include "log/segment.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/crash_disk.h"
#include "log/segment_format.h"
#include "log/segment_samples.h"
#include "log/segment_writer.h"

namespace spillway::log {
namespace {

constexpr const char* kDirectory = "segments";

// `batches` as a segment of `level`.
SegmentRef write(CrashDisk& disk, FrameRange range, std::uint32_t level,
                 const std::vector<Batch>& batches) {
  auto writer = SegmentWriter::create(disk, kDirectory, range, level);
  EXPECT_TRUE(writer.ok());
  for (const Batch& batch : batches) EXPECT_TRUE((*writer)->add(batch).ok());
  auto segment = (*writer)->finish();
  EXPECT_TRUE(segment.ok()) << segment.error().message;
  return *segment;
}

Result<std::vector<Batch>> read(const Segment& segment, const SegmentQuery& query) {
  std::vector<Batch> found;
  SPILLWAY_ASSIGN(const auto extent, segment.find(query.shard));
  if (extent) {
    SPILLWAY_TRY(segment.read(*extent, query.from, query.max_records, query.max_bytes, found));
  }
  return found;
}

Result<std::optional<std::uint64_t>> find_by_time(const Segment& segment, std::uint64_t shard,
                                                  std::int64_t time_ms) {
  SPILLWAY_ASSIGN(const auto extent, segment.find(shard));
  if (!extent) return std::optional<std::uint64_t>();
  return segment.find_by_time(*extent, time_ms);
}

TEST(Segment, GivesBackWhatWasWritten) {
  for (std::uint64_t seed = test_seed(1), last = seed + 60; seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("SPILLWAY_SEED={}", seed));
    Samples samples(seed);
    Random& random = samples.random();
    // From one shard with hundreds of blocks to hundreds of shards with one.
    const std::uint64_t shards = 1 + random.below(random.one_in(4) ? 400 : 6);
    const auto batches =
        samples.more(1 + random.below(800), shards, random.one_in(2) ? 20'000 : 200);
    CrashDisk disk;
    const auto level = static_cast<std::uint32_t>(random.below(2));
    const SegmentRef segment = write(disk, {seed, seed + 7}, level, batches);
    EXPECT_EQ(segment->range(), (FrameRange{seed, seed + 7}));
    EXPECT_EQ(segment->level(), level);
    EXPECT_EQ(segment->shard_count(), samples.all().size());
    EXPECT_EQ(segment->last_arrival_ms(), samples.clock_ms());
    for (const auto& [shard, all] : samples.all()) {
      EXPECT_THAT(
          *read(*segment, {.shard = shard, .max_records = UINT64_MAX, .max_bytes = SIZE_MAX}),
          testing::ElementsAreArray(all));
    }
    for (int i = 0; i < 60; ++i) {
      SegmentQuery query = samples.query();
      query.horizon_ms = INT64_MIN;
      EXPECT_THAT(*read(*segment, query), testing::ElementsAreArray(samples.read(query)));
      const std::int64_t time_ms = random.between(990, samples.clock_ms() + 2);
      EXPECT_EQ(*find_by_time(*segment, query.shard, time_ms),
                samples.find_by_time(query.shard, time_ms));
    }
  }
}

TEST(Segment, ReadsFewBytesForFewRecords) {
  Samples samples(1);
  CrashDisk disk;
  const SegmentRef segment = write(disk, {1, 1}, 0, samples.more(2'000, 1, 4'000));
  const auto few = read(*segment, {.shard = 10, .from = 100, .max_records = 5});
  ASSERT_FALSE(few->empty());
  EXPECT_LT(few->front().owner.size(), 100'000u);
  const auto many = read(*segment, {.shard = 10, .max_records = UINT64_MAX});
  EXPECT_GT(many->front().owner.size(), 3'000'000u);
  EXPECT_EQ(many->front().owner.view().data(), (*many)[500].owner.view().data()) << "one block";
}

TEST(Segment, IsWrittenBehindAndSyncedOnce) {
  Samples samples(1);
  CrashDisk disk;
  const SegmentRef segment = write(disk, {1, 1}, 0, samples.more(500, 3, 20'000));
  ASSERT_GT(segment->size(), std::uint64_t{4} << 20);
  EXPECT_EQ(disk.file_syncs(), 1u);
  std::uint64_t end = 0;
  for (const auto& [offset, size] : disk.written_behind()) {
    EXPECT_EQ(offset, end);
    EXPECT_LT(size, std::uint64_t{2} << 20) << "a sync of the journal would wait for more";
    end = offset + size;
  }
  EXPECT_EQ(end, segment->size());
}

// Every answer of the damaged file is an error or what the whole file would have answered.
void expect_error_or_truth(CrashDisk& damaged, const Samples& samples, const std::string& path,
                           std::string_view damage) {
  const auto segment = Segment::open(damaged, path);
  if (!segment.ok()) {
    EXPECT_THAT(segment.error().message, testing::HasSubstr(path));
    return;
  }
  for (const auto& [shard, all] : samples.all()) {
    const auto found = read(**segment, {.shard = shard});
    if (found.ok()) {
      EXPECT_THAT(*found, testing::ElementsAreArray(all)) << damage;
    } else {
      EXPECT_THAT(found.error().message, testing::HasSubstr(path + ", byte")) << damage;
    }
    const std::int64_t time_ms = all[all.size() / 2].arrival_ms;
    const auto position = find_by_time(**segment, shard, time_ms);
    if (position.ok()) {
      EXPECT_EQ(*position, samples.find_by_time(shard, time_ms)) << damage;
    }
  }
}

TEST(Segment, DamageIsNeverAnswered) {
  for (const std::uint32_t level : {0u, 1u}) {
    Samples samples(test_seed(level));
    CrashDisk disk;
    const auto batches = samples.more(120, 4, 700);
    const SegmentRef segment = write(disk, {1, 1}, level, batches);
    const std::string whole = disk.content(segment->path());
    for (std::size_t at = 0; at < whole.size(); ++at) {
      // Blocks are all alike: a part of them is enough.
      if (at > 2'000 && at + 3'000 < whole.size() && at % 37 != 0) continue;
      CrashDisk damaged;
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << samples.random().below(8)));
      damaged.put(segment->path(), bytes);
      expect_error_or_truth(damaged, samples, segment->path(),
                            fmt::format("a bit of byte {} of {}", at, whole.size()));
      damaged.put(segment->path(), whole.substr(0, at));
      EXPECT_EQ(Segment::open(damaged, segment->path()).error().code, ErrorCode::kCorrupt);
    }
  }
}

TEST(Segment, GivesWhatStandsBeforeADamagedBlock) {
  Samples samples(3);
  CrashDisk disk;
  const SegmentRef segment = write(disk, {1, 1}, 0, samples.more(3'000, 1, 4'000));
  const auto extent = *segment->find(10);
  std::string& bytes = disk.content(segment->path());
  bytes[bytes.size() / 10 * 9] ^= 1;
  std::vector<Batch> found;
  EXPECT_EQ(segment->read(*extent, 0, UINT64_MAX, SIZE_MAX, found).error().code,
            ErrorCode::kCorrupt);
  const auto& all = samples.all().at(10);
  ASSERT_GT(found.size(), all.size() / 2);
  ASSERT_LT(found.size(), all.size() * 9 / 10);
  EXPECT_TRUE(std::equal(found.begin(), found.end(), all.begin()));
}

TEST(Segment, NamesFileAndOffsetOfADamagedBlock) {
  Samples samples(3);
  CrashDisk disk;
  const SegmentRef segment = write(disk, {1, 0xab}, 0, samples.more(50, 1, 4'000));
  disk.content(segment->path())[40] ^= 1;
  const auto found = read(*segment, {.shard = 10});
  EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(found.error().message,
              testing::HasSubstr("segments/00000000000000ab.segment, byte 16: a block"));
}

TEST(Segment, RefusesANewerVersion) {
  Samples samples(3);
  CrashDisk disk;
  const SegmentRef segment = write(disk, {1, 1}, 0, samples.more(5, 1, 40));
  std::string& bytes = disk.content(segment->path());
  store_le(bytes.data() + bytes.size() - 8, std::uint32_t{2});
  store_le(bytes.data() + bytes.size() - 4,
           crc32c(std::string_view(bytes).substr(bytes.size() - 72, 68)));
  const auto opened = Segment::open(disk, segment->path());
  EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(opened.error().message, testing::HasSubstr("use a newer spillway"));
}

TEST(Segment, IsWrittenAgainWhenSpaceReturns) {
  Samples samples(4);
  const auto batches = samples.more(100, 3, 40'000);
  std::uint64_t failures = 0;
  for (std::uint64_t calls = 0;; ++calls) {
    CrashDisk disk;
    disk.fail_after(calls, ErrorCode::kNoSpace);
    const auto refused = write_segment(disk, kDirectory, {1, 1}, batches);
    if (refused.ok()) break;
    ++failures;
    EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
    EXPECT_THAT(*disk.list(kDirectory), testing::Each(testing::Not(testing::EndsWith(".new"))))
        << "after " << calls << " calls";
    disk.never_fail();
    const auto segment = write_segment(disk, kDirectory, {1, 1}, batches);
    ASSERT_TRUE(segment.ok()) << segment.error().message;
    EXPECT_EQ((*segment)->shard_count(), samples.all().size());
  }
  EXPECT_GE(failures, 6u);
}

}  // namespace
}  // namespace spillway::log
