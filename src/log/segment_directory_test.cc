#include "log/segment_directory.h"

#include "log/crash_disk.h"
#include "log/segment_samples.h"

namespace spillway::log {
namespace {

constexpr const char* kDirectory = "segments";

SegmentRef write(CrashDisk& disk, FrameRange range, const std::vector<Batch>& batches) {
  auto segment = write_segment(disk, kDirectory, range, batches);
  EXPECT_TRUE(segment.ok()) << segment.error().message;
  return *segment;
}

TEST(SegmentDirectory, RemovesLeftoversOfWritesAndMerges) {
  CrashDisk disk;
  Samples samples(5);
  for (const FrameRange range : {FrameRange{1, 4}, FrameRange{5, 9}, FrameRange{10, 12}})
    write(disk, range, samples.more(10, 2, 100));
  write(disk, {1, 10}, samples.more(10, 2, 100));
  disk.put("segments/0000000000000014.segment.new", "half a segment");
  disk.put("segments/notes", "of someone else");
  // Renamed by hand: frames 10 to 12 are twice there.
  disk.put("segments/0000000000000010.segment", "");
  EXPECT_EQ(open_segments(disk, kDirectory).error().code, ErrorCode::kCorrupt);
  ASSERT_TRUE(disk.remove("segments/0000000000000010.segment").ok());
  const auto overlapping = open_segments(disk, kDirectory);
  EXPECT_EQ(overlapping.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(overlapping.error().message, testing::HasSubstr("some of the same frames"));
  ASSERT_TRUE(disk.remove("segments/000000000000000c.segment").ok());
  const auto found = open_segments(disk, kDirectory);
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_EQ(found->segments.size(), 1u);
  EXPECT_EQ(found->segments.front()->range(), (FrameRange{1, 10}));
  EXPECT_THAT(*disk.list(kDirectory), testing::ElementsAre("000000000000000a.segment", "notes"));
}

TEST(SegmentDirectory, RefusesARenamedFile) {
  CrashDisk disk;
  Samples samples(6);
  write(disk, {1, 4}, samples.more(10, 2, 100));
  ASSERT_TRUE(
      disk.rename("segments/0000000000000004.segment", "segments/0000000000000005.segment").ok());
  EXPECT_THAT(open_segments(disk, kDirectory).error().message, testing::HasSubstr("was renamed"));
}

TEST(SegmentDirectory, AMarkedSegmentIsALeftover) {
  CrashDisk disk;
  Samples samples(7);
  for (const FrameRange range : {FrameRange{1, 4}, FrameRange{5, 9}, FrameRange{10, 12}})
    write(disk, range, samples.more(10, 2, 100));
  // The first two had been merged, and the merged one has gone already.
  ASSERT_TRUE(write_marks(disk, kDirectory, std::vector{FrameRange{1, 9}}).ok());
  ASSERT_TRUE(write_marks(disk, kDirectory, std::vector{FrameRange{1, 9}}).ok()) << "again";
  const auto found = open_segments(disk, kDirectory);
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_EQ(found->segments.size(), 1u);
  EXPECT_EQ(found->segments.front()->range(), (FrameRange{10, 12}));
  EXPECT_THAT(found->marks, testing::ElementsAre(FrameRange{1, 9}));
  EXPECT_THAT(*disk.list(kDirectory),
              testing::ElementsAre("0000000000000001-0000000000000009.removed",
                                   "000000000000000c.segment"));
}

TEST(SegmentDirectory, KnowsTheNamesOfMarks) {
  EXPECT_EQ(mark_of("000000000000000a-00000000000000ff.removed"), (FrameRange{10, 255}));
  for (const char* other :
       {"", "000000000000000a.segment", "000000000000000a-00000000000000ff.segment",
        "000000000000000a-00000000000000fg.removed", "000000000000000b-000000000000000a.removed",
        "000000000000000a_00000000000000ff.removed", "00000000000000A0-00000000000000ff.removed",
        "a-ff.removed"})
    EXPECT_EQ(mark_of(other), std::nullopt) << other;
}

TEST(SegmentDirectory, WhatIsNamedIsThereOrMergedOrMarked) {
  const std::vector<SegmentName> named{{{1, 4}, 100}, {{5, 9}, 200}};
  const auto missing = [&](std::vector<SegmentName> there, std::vector<FrameRange> marks = {}) {
    std::vector<std::string> descriptions;
    for (const auto& segment : missing_segments(named, there, marks))
      descriptions.push_back(describe("D", segment));
    return descriptions;
  };
  using testing::ElementsAre;
  using testing::IsEmpty;
  const std::string first = "D/0000000000000004.segment (journal frames 1 to 4, 100 bytes) ";
  const std::string second = "D/0000000000000009.segment (journal frames 5 to 9, 200 bytes) ";
  EXPECT_THAT(missing(named), IsEmpty());
  EXPECT_THAT(missing({{{1, 9}, 250}}), IsEmpty()) << "merged";
  EXPECT_THAT(missing({{{5, 9}, 200}}, {{1, 4}}), IsEmpty()) << "marked";
  EXPECT_THAT(missing({}, {{1, 12}}), IsEmpty()) << "merged, and then marked";
  EXPECT_THAT(missing({{{5, 9}, 200}}), ElementsAre(first + "is missing"));
  EXPECT_THAT(missing({{{1, 4}, 100}, {{10, 12}, 7}}, {{1, 4}}),
              ElementsAre(second + "is missing"));
  EXPECT_THAT(missing({{{1, 4}, 100}, {{5, 9}, 199}}),
              ElementsAre(second + "is another file, of 199 bytes"));
  EXPECT_THAT(missing({{{1, 8}, 150}}), ElementsAre(second + "is missing"));
  EXPECT_THAT(missing({{{2, 9}, 150}}, {{1, 3}}), ElementsAre(first + "is missing"));
}

}  // namespace
}  // namespace spillway::log
