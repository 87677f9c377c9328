#include "engine/embedded/snapshot.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/crash_disk.h"

namespace spillway::engine {
namespace {

constexpr const char* kPath = "snapshots/000000000000002a.snapshot";
constexpr const char* kCopy = "snapshots/000000000000002a.copy";

Snapshot sample() {
  Snapshot snapshot{42, 3, stream::apply({}, {.ids_used = 5}), {{7, 100, 1'000}, {9, 0, 0}}};
  snapshot.segments = {{{1, 20}, 4'096}, {{21, 42}, 512}};
  snapshot.losses = {{{5, 6}, 1'700'000'000'000}};
  return snapshot;
}

// By hand from docs/formats/snapshot.md: what older builds stored must stay readable.
std::string stored(std::uint32_t version) {
  std::string bytes = "SPILLSNP";
  append_le(bytes, version);
  append_le(bytes, std::uint32_t{1});   // shards
  append_le(bytes, std::uint64_t{42});  // last frame
  append_le(bytes, std::uint64_t{3});   // generation
  append_le(bytes, std::uint64_t{7});   // shard
  append_le(bytes, std::uint64_t{100});
  append_le(bytes, std::int64_t{1'000});
  if (version >= 2) {
    append_le(bytes, std::uint32_t{1});  // segments
    append_le(bytes, std::uint64_t{1});
    append_le(bytes, std::uint64_t{20});
    append_le(bytes, std::uint64_t{4'096});
    append_le(bytes, std::uint32_t{0});  // losses
  }
  append_prefixed(bytes, stream::encode(stream::Catalog{}));
  append_le(bytes, crc32c(bytes));
  return bytes;
}

TEST(Snapshot, ComesBackFromItsStoredForm) {
  log::CrashDisk disk;
  ASSERT_TRUE(write_snapshot(disk, "snapshots", Snapshot{41}).ok());
  ASSERT_TRUE(write_snapshot(disk, "snapshots", sample()).ok());
  EXPECT_EQ(disk.list("snapshots")->size(), 2u) << "the older one is gone, and its copy";
  const auto found = read_newest_snapshot(disk, "snapshots");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->damage, "");
  const Snapshot* read = &found->snapshot;
  EXPECT_EQ(read->last_frame, 42u);
  EXPECT_EQ(read->generation, 3u);
  EXPECT_EQ(read->catalog->next_id, 6u);
  ASSERT_EQ(read->tips.size(), 2u);
  EXPECT_EQ(read->tips[0].next, 100u);
  EXPECT_EQ(read->segments, sample().segments);
  ASSERT_EQ(read->losses.size(), 1u);
  EXPECT_EQ(read->losses[0].range, (log::FrameRange{5, 6}));
  EXPECT_EQ(read->losses[0].accepted_ms, 1'700'000'000'000);
}

TEST(Snapshot, OlderVersionsAreReadAndNewerOnesRefused) {
  log::CrashDisk disk;
  disk.put(kPath, stored(1));
  const auto first = read_newest_snapshot(disk, "snapshots");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->snapshot.last_frame, 42u);
  EXPECT_EQ(first->snapshot.tips[0].next, 100u);
  EXPECT_FALSE(first->snapshot.segments.has_value()) << "it says nothing of them";
  disk.put(kPath, stored(2));
  const auto second = read_newest_snapshot(disk, "snapshots");
  ASSERT_TRUE(second.ok()) << second.error().message;
  ASSERT_TRUE(second->snapshot.segments.has_value());
  EXPECT_EQ(second->snapshot.segments->front(), (log::SegmentName{{1, 20}, 4'096}));
  disk.put(kPath, stored(3));
  const auto third = read_newest_snapshot(disk, "snapshots");
  EXPECT_EQ(third.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(third.error().message,
            std::string(kPath) + " has version 3; this build reads up to 2: use a newer spillway");
  disk.put(kPath, stored(0));
  EXPECT_EQ(read_newest_snapshot(disk, "snapshots").error().code, ErrorCode::kCorrupt);
}

TEST(Snapshot, CutOrFlippedAnywhereItsCopyIsReadOrItIsRefused) {
  log::CrashDisk disk;
  ASSERT_TRUE(write_snapshot(disk, "snapshots", sample()).ok());
  const std::string whole = disk.content(kPath);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    for (const auto& damaged : {whole.substr(0, at), flipped}) {
      for (const auto& [hit, other] : {std::pair(kPath, kCopy), std::pair(kCopy, kPath)}) {
        disk.put(hit, damaged);
        disk.put(other, whole);
        const auto found = read_newest_snapshot(disk, "snapshots");
        ASSERT_TRUE(found.ok()) << at << ": " << found.error().message;
        EXPECT_EQ(found->snapshot.last_frame, 42u);
        EXPECT_TRUE(found->damage.starts_with(hit)) << at << ": " << found->damage;
        ASSERT_TRUE(disk.remove(other).ok());
        EXPECT_EQ(read_newest_snapshot(disk, "snapshots").error().code, ErrorCode::kCorrupt) << at;
      }
      disk.put(kPath, damaged);
      disk.put(kCopy, damaged);
      EXPECT_EQ(read_newest_snapshot(disk, "snapshots").error().code, ErrorCode::kCorrupt) << at;
    }
  }
}

TEST(Snapshot, WithoutItsFileItsCopyIsRead) {
  log::CrashDisk disk;
  ASSERT_TRUE(write_snapshot(disk, "snapshots", sample()).ok());
  ASSERT_TRUE(disk.remove(kPath).ok());
  const auto found = read_newest_snapshot(disk, "snapshots");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->snapshot.last_frame, 42u);
  EXPECT_EQ(found->damage, "");
}

// A copy is worth a call less than the snapshot: without space for one there is none, and none of
// an older snapshot either, whose journal may be gone.
TEST(Snapshot, WithoutSpaceForTheCopyTheSnapshotCounts) {
  log::CrashDisk disk;
  ASSERT_TRUE(write_snapshot(disk, "snapshots", Snapshot{41}).ok());
  disk.fail_after(5, ErrorCode::kNoSpace);  // a name, content, its sync, a rename, its sync
  ASSERT_TRUE(write_snapshot(disk, "snapshots", sample()).ok());
  EXPECT_TRUE(disk.failed());
  EXPECT_EQ(disk.list("snapshots").value(), std::vector<std::string>{"000000000000002a.snapshot"});
}

}  // namespace
}  // namespace spillway::engine
