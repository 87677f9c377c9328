#include "sim/sim_disk.h"

#include <gtest/gtest.h>

namespace spillway::sim {
namespace {

class SimDiskTest : public testing::Test {
 protected:
  void write(const std::string& path, std::string_view bytes, bool sync_file, bool sync_name) {
    auto file = disk_.open(path, io::OpenMode::kCreate);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write_at(0, bytes).ok());
    if (sync_file) {
      ASSERT_TRUE((*file)->sync_data().ok());
    }
    if (sync_name) {
      ASSERT_TRUE(disk_.sync_directory("d").ok());
    }
  }
  std::string read(const std::string& path) {
    auto bytes = io::read_file(disk_, path, 1 << 20);
    return bytes.ok() ? *bytes : "(none)";
  }

  SimClock clock_;
  History history_;
  Scheduler scheduler_{Random(1), clock_, history_};
  SimDisk disk_{Random(2), scheduler_, history_};
};

TEST_F(SimDiskTest, APowerCutTakesWhatWasNotSynced) {
  write("d/both", "content", true, true);
  write("d/name_only", "content", false, true);
  write("d/neither", "content", false, false);
  disk_.restart(Loss::kAll);
  EXPECT_EQ(read("d/both"), "content");
  EXPECT_EQ(read("d/name_only"), "");
  EXPECT_EQ(read("d/neither"), "(none)");
}

TEST_F(SimDiskTest, AKilledProcessLosesNothingUntilThePowerGoes) {
  write("d/file", "content", false, false);
  disk_.restart(Loss::kNothing);
  EXPECT_EQ(read("d/file"), "content");
  disk_.restart(Loss::kAll);
  EXPECT_EQ(read("d/file"), "(none)");
}

TEST_F(SimDiskTest, AfterAFailedSyncALaterOneBringsNothingBack) {
  const std::string bytes(512 * 64, 'x');
  write("d/file", std::string(bytes.size(), '.'), true, true);
  auto file = disk_.open("d/file", io::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->write_at(0, bytes).ok());
  disk_.fail_after(Failing::kSync, 0);
  EXPECT_FALSE((*file)->sync_data().ok());
  EXPECT_TRUE((*file)->sync_data().ok());
  EXPECT_EQ(read("d/file"), bytes);
  file->reset();
  disk_.restart(Loss::kAll);
  EXPECT_NE(read("d/file"), bytes);
}

TEST_F(SimDiskTest, SectorsOfAnUnsyncedWriteSurviveEachOnTheirOwn) {
  const std::string bytes(512 * 64, 'x');
  write("d/file", std::string(bytes.size(), '.'), true, true);
  auto file = disk_.open("d/file", io::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->write_at(0, bytes).ok());
  file->reset();
  disk_.restart(Loss::kScattered);
  const std::string left = read("d/file");
  ASSERT_EQ(left.size(), bytes.size());
  int survived = 0;
  for (std::size_t at = 0; at < left.size(); at += 512) {
    EXPECT_EQ(left.substr(at, 512), std::string(512, left[at]));
    survived += left[at] == 'x' ? 1 : 0;
  }
  EXPECT_GT(survived, 5);
  EXPECT_LT(survived, 59);
}

TEST_F(SimDiskTest, NothingSucceedsFromTheChosenCallOn) {
  disk_.crash_after(1);
  EXPECT_TRUE(disk_.open("d/first", io::OpenMode::kCreate).ok());
  EXPECT_FALSE(disk_.crashed());
  EXPECT_FALSE(disk_.sync_directory("d").ok());
  EXPECT_TRUE(disk_.crashed());
  EXPECT_FALSE(disk_.open("d/other", io::OpenMode::kCreate).ok());
  disk_.restart(Loss::kNothing);
  EXPECT_TRUE(disk_.sync_directory("d").ok());
}

TEST_F(SimDiskTest, AFullDiskRefusesWhatGrows) {
  write("d/file", std::string(100, 'x'), true, true);
  disk_.set_capacity(150);
  auto file = disk_.open("d/file", io::OpenMode::kReadWrite);
  EXPECT_TRUE((*file)->write_at(50, std::string(50, 'y')).ok());
  const auto refused = (*file)->write_at(100, std::string(51, 'y'));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk_.refusals(), 1U);
}

}  // namespace
}  // namespace spillway::sim
