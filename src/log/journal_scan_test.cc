#include "log/journal_scan.h"

#include <gmock/gmock.h>

#include "log/crash_disk.h"
#include "log/journal.h"

namespace spillway::log {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kFileBytes = 8192;

Entry batch_of(std::uint64_t first, std::string_view payload) {
  Entry entry;
  entry.batch = {.shard = 7, .first = first, .count = 1, .owner = SharedBytes::copy_of(payload)};
  entry.batch.payload = entry.batch.owner.view();
  return entry;
}

// Each frame of a file as "epoch:number@offset", with "!" where it is left over.
std::vector<std::string> frames_in(CrashDisk& disk, const std::string& path) {
  std::vector<std::string> frames;
  const auto scanned = scan_journal_file(disk, path, [&](const ScannedFrame& frame) {
    EXPECT_EQ(frame.entries.size(), 1u);
    EXPECT_EQ(frame.entries.at(0).batch.first, frame.number);
    frames.push_back(fmt::format("{}:{}@{}{}", frame.epoch, frame.number, frame.offset,
                                 frame.leftover ? "!" : ""));
  });
  EXPECT_TRUE(scanned.ok());
  return frames;
}

TEST(JournalScan, TellsFramesFromThoseOfAnEarlierUse) {
  CrashDisk disk;
  const auto journal = Journal::start(disk, {"d", kFileBytes, 2}, JournalContent{}, 0, 42).value();
  const auto append = [&](std::uint64_t number, std::size_t size) {
    const Entry entry = batch_of(number, std::string(size, 'x'));
    ASSERT_TRUE(journal->append({&entry, 1}).ok());
  };
  append(1, 100);
  append(2, 1000);
  append(3, 100);
  ASSERT_TRUE(journal->next_file().ok());
  append(4, 100);
  EXPECT_THAT(*journal_paths(disk, "d"),
              ElementsAre("d/0000000000000001.journal", "d/0000000000000002.journal"));
  EXPECT_THAT(frames_in(disk, "d/0000000000000001.journal"),
              ElementsAre("1:1@512", "1:2@1024", "1:3@2560"));
  journal->release_through(1);
  ASSERT_TRUE(journal->next_file().ok());  // the first one again
  append(5, 600);                          // over the first frame and the head of the second
  EXPECT_THAT(*journal_paths(disk, "d"),
              ElementsAre("d/0000000000000002.journal", "d/0000000000000003.journal"));
  EXPECT_THAT(frames_in(disk, "d/0000000000000003.journal"), ElementsAre("3:5@512", "1:3@2560!"));
}

}  // namespace
}  // namespace spillway::log
