#include "broker/file_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "base/random.h"
#include "broker/file_places.h"
#include "io/posix_disk.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Reading fails from this offset of a file on.
class FailingDisk final : public io::Disk {
 public:
  std::uint64_t fails_from = ~std::uint64_t{0};

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    auto file = disk_.open(path, mode);
    if (!file.ok()) return file;
    return std::unique_ptr<io::File>(std::make_unique<FailingFile>(*this, *std::move(file)));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return disk_.list(directory);
  }
  Status make_directory(const std::string& path) override { return disk_.make_directory(path); }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }
  Result<std::uint64_t> file_id(const std::string& path) override { return disk_.file_id(path); }
  Result<std::uint64_t> free_space(const std::string& directory) override {
    return disk_.free_space(directory);
  }

 private:
  class FailingFile final : public io::File {
   public:
    FailingFile(FailingDisk& disk, std::unique_ptr<io::File> file)
        : disk_(disk), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
      if (offset >= disk_.fails_from) return Error{ErrorCode::kIo, "read: the disk is broken"};
      return file_->read_at(offset, out);
    }
    Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
      return file_->write_at(offset, parts);
    }
    Status sync_data() override { return file_->sync_data(); }
    Result<std::uint64_t> size() override { return file_->size(); }
    Status fill_with_zeros(std::uint64_t size) override { return file_->fill_with_zeros(size); }
    Status truncate(std::uint64_t size) override { return file_->truncate(size); }

   private:
    FailingDisk& disk_;
    std::unique_ptr<io::File> file_;
  };

  io::PosixDisk disk_;
};

class FileFollowerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/spillway-follower-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/log";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void append(std::string_view text) const { append_to(path_, text); }
  static void append_to(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::app | std::ios::binary) << text;
  }
  // As logrotate does, with as many as there are.
  void rotate() const {
    int oldest = 0;
    while (std::filesystem::exists(rotated(oldest))) ++oldest;
    for (; oldest > 0; --oldest) std::filesystem::rename(rotated(oldest - 1), rotated(oldest));
  }
  std::string rotated(int number) const {
    return number == 0 ? path_ : path_ + "." + std::to_string(number);
  }

  static std::vector<std::string> texts(Result<std::vector<FollowedLine>> lines) {
    EXPECT_TRUE(lines.ok()) << lines.error().message;
    std::vector<std::string> all;
    if (lines.ok())
      for (auto& line : *lines) all.push_back(std::move(line.text));
    return all;
  }

  io::PosixDisk disk_;
  std::string directory_;
  std::string path_;
};

TEST_F(FileFollowerTest, TellsWholeLinesOnly) {
  append("one\ntwo\r\nthr");
  FileFollower follower(disk_, path_, std::nullopt);
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("one", "two"));
  EXPECT_THAT(texts(follower.poll(100)), IsEmpty());
  append("ee\n\n");
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("three", ""));
}

TEST_F(FileFollowerTest, WaitsForAFileThatIsNotThereYet) {
  FileFollower follower(disk_, path_, std::nullopt);
  const auto nothing = follower.poll(100);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, ErrorCode::kNotFound);
  append("first\n");
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("first"));
}

TEST_F(FileFollowerTest, TakesNoMoreLinesThanAsked) {
  append("1\n2\n3\n4\n5\n");
  FileFollower follower(disk_, path_, std::nullopt);
  EXPECT_THAT(texts(follower.poll(2)), ElementsAre("1", "2"));
  EXPECT_THAT(texts(follower.poll(0)), IsEmpty());
  EXPECT_THAT(texts(follower.poll(2)), ElementsAre("3", "4"));
  EXPECT_THAT(texts(follower.poll(2)), ElementsAre("5"));
}

TEST_F(FileFollowerTest, ReadsTheOldFileToItsEndAfterARotation) {
  append("a\n");
  FileFollower follower(disk_, path_, std::nullopt);
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("a"));
  append("b\n");
  rotate();
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("b"));  // there is no new file yet
  append("d\n");
  append_to(path_ + ".1", "c\nlast");  // the writer had not noticed
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("c"));
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("last", "d"));
  EXPECT_EQ(follower.rotations(), 1u);
}

TEST_F(FileFollowerTest, BeginsAnewAfterATruncation) {
  append("a long line\n");
  FileFollower follower(disk_, path_, std::nullopt);
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("a long line"));
  std::filesystem::resize_file(path_, 0);
  append("b\n");
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("b"));
  EXPECT_EQ(follower.truncations(), 1u);
}

TEST_F(FileFollowerTest, GoesOnWhereItWasAcknowledged) {
  append("a\nb\nc\n");
  FilePlace place;
  {
    FileFollower follower(disk_, path_, std::nullopt);
    const auto lines = follower.poll(2);
    ASSERT_TRUE(lines.ok());
    place = lines->front().behind;  // only "a" was acknowledged
  }
  FileFollower again(disk_, path_, place);
  EXPECT_THAT(texts(again.poll(100)), ElementsAre("b", "c"));

  rotate();
  append("d\n");
  FileFollower rotated(disk_, path_, place);
  EXPECT_THAT(texts(rotated.poll(100)), ElementsAre("b", "c", "d"));

  std::filesystem::remove(path_ + ".1");
  FileFollower lost(disk_, path_, place);
  EXPECT_THAT(texts(lost.poll(100)), ElementsAre("d"));

  FileFollower cut(disk_, path_, FilePlace{*disk_.file_id(path_), 1000});
  EXPECT_THAT(texts(cut.poll(100)), ElementsAre("d"));
  EXPECT_EQ(cut.truncations(), 1u);
}

TEST_F(FileFollowerTest, ReadsAllThatWereRotatedWhileNobodyFollowed) {
  append("a\nb\n");
  FileFollower follower(disk_, path_, std::nullopt);
  const auto lines = follower.poll(1);
  ASSERT_TRUE(lines.ok());
  const FilePlace place = lines->front().behind;
  for (const auto* text : {"c\n", "d\n", "e\n"}) {
    rotate();
    append(text);
  }
  append_to(path_ + ".2.gz", "x\n");
  FileFollower again(disk_, path_, place);
  const auto all = [&](FileFollower& of) {
    std::vector<std::string> told;
    for (int i = 0; i < 10; ++i)
      for (auto& text : texts(of.poll(100))) told.push_back(std::move(text));
    return told;
  };
  EXPECT_THAT(all(again), ElementsAre("b", "c", "d", "e"));
  EXPECT_THAT(all(follower), ElementsAre("b", "c", "d", "e")) << "nor who had no room";

  std::filesystem::rename(rotated(3), path_ + "-20261123");
  std::filesystem::rename(rotated(2), path_ + "-20261124");
  std::filesystem::rename(rotated(1), path_ + "-20261125");
  append_to(rotated(1), "not of these\n");
  FileFollower dated(disk_, path_, place);
  EXPECT_THAT(all(dated), ElementsAre("b", "c", "d", "e"));
}

TEST_F(FileFollowerTest, AFileThatHasGotTheIdOfTheRotatedOneIsNotTakenForIt) {
  append("a\n");
  const FilePlace place{*disk_.file_id(path_), 1000};
  rotate();
  append("b\n");
  FileFollower follower(disk_, path_, place);
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("b"));
}

TEST_F(FileFollowerTest, TellsWhereTheNextLineBegins) {
  FileFollower follower(disk_, path_, std::nullopt);
  EXPECT_FALSE(follower.poll(100).ok());
  EXPECT_EQ(follower.next_line(), std::nullopt);
  append("on");
  EXPECT_THAT(texts(follower.poll(100)), IsEmpty());
  EXPECT_EQ(follower.next_line(), (FilePlace{*disk_.file_id(path_), 0}));
  append("e\nt");
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("one"));
  EXPECT_EQ(follower.next_line(), (FilePlace{*disk_.file_id(path_), 4}));

  std::ofstream(path_) << std::string(FileFollower::kFirstBytesMax + 1000, 'x');
  FileFollower amid(disk_, path_, std::nullopt);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(texts(amid.poll(100)), IsEmpty());
  EXPECT_EQ(amid.next_line(), std::nullopt);
}

TEST_F(FileFollowerTest, WhatWasReadBeforeAnErrorIsTold) {
  append("a\nb\nc");
  FailingDisk disk;
  disk.fails_from = 1;
  FileFollower follower(disk, path_, std::nullopt);
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("a", "b"));
  for (int i = 0; i < 2; ++i) {
    const auto nothing = follower.poll(100);
    ASSERT_FALSE(nothing.ok());
    EXPECT_EQ(nothing.error().code, ErrorCode::kIo);
  }
  append("c\nd\n");
  disk.fails_from = 1000;
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("cc", "d"));
}

TEST_F(FileFollowerTest, CutsLinesThatAreTooLong) {
  const std::string longest(FileFollower::kLineBytesMax, 'x');
  append(longest + "\n" + longest + "yyy\n" + longest + longest + longest + "zzz\nend\n");
  FileFollower follower(disk_, path_, std::nullopt);
  std::vector<FollowedLine> lines;
  for (int i = 0; i < 10; ++i) {
    auto more = follower.poll(100);
    ASSERT_TRUE(more.ok());
    std::move(more->begin(), more->end(), std::back_inserter(lines));
  }
  ASSERT_EQ(lines.size(), 4u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(lines[i].text, longest);
  EXPECT_FALSE(lines[0].cut);
  EXPECT_TRUE(lines[1].cut);
  EXPECT_TRUE(lines[2].cut);
  EXPECT_EQ(lines[3].text, "end");
  EXPECT_EQ(lines[3].behind.offset, std::filesystem::file_size(path_));
}

TEST_F(FileFollowerTest, TheRestOfALineThatIsTooLongIsLeftOutThoughReadingFailsInIt) {
  const std::string longest(FileFollower::kLineBytesMax, 'x');
  append(longest + longest + longest + "zzz\nend\n");
  FailingDisk disk;
  disk.fails_from = 2 * longest.size();
  FileFollower follower(disk, path_, std::nullopt);
  const auto lines = follower.poll(100);
  ASSERT_TRUE(lines.ok());
  ASSERT_EQ(lines->size(), 1u);
  EXPECT_EQ(lines->front().text, longest);
  EXPECT_FALSE(follower.poll(100).ok());
  disk.fails_from = ~std::uint64_t{0};
  EXPECT_THAT(texts(follower.poll(100)), ElementsAre("end"));
  EXPECT_EQ(follower.skipped_bytes(), 2 * longest.size() + 4);

  FileFollower again(disk_, path_, lines->front().behind);
  EXPECT_THAT(texts(again.poll(100)), ElementsAre("end")) << "nor after a restart";
  rotate();
  append("new\n");
  FileFollower rotated(disk_, path_, lines->front().behind);
  EXPECT_THAT(texts(rotated.poll(100)), ElementsAre("end", "new"));
}

TEST_F(FileFollowerTest, BeginsNearTheEndOfALargeFile) {
  std::string text;
  while (text.size() < FileFollower::kFirstBytesMax + 1000) text += "0123456789\n";
  append(text + "end\n");
  FileFollower follower(disk_, path_, std::nullopt);
  std::vector<std::string> all;
  for (std::vector<std::string> some; !(some = texts(follower.poll(10'000))).empty();)
    all.insert(all.end(), some.begin(), some.end());
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.front(), "0123456789");
  EXPECT_EQ(all.back(), "end");
  EXPECT_LT(all.size() * 11, FileFollower::kFirstBytesMax);
  EXPECT_GT(follower.skipped_bytes(), 1000u);
}

// Whatever the writer does between polls, every line comes once and in order; and so it does where
// the follower begins anew behind the last one that it told.
TEST_F(FileFollowerTest, TellsEveryLineOnceThroughRandomRotations) {
  const std::uint64_t seed = 7;
  Random random(seed);
  auto follower = std::make_unique<FileFollower>(disk_, path_, std::nullopt);
  append("line 0\n");
  int written = 1;
  int rotations = 0;
  std::vector<std::string> told;
  std::optional<FilePlace> behind;
  const auto poll = [&] {
    auto lines = follower->poll(1 + random.below(20));
    ASSERT_TRUE(lines.ok()) << lines.error().message;
    if (!lines->empty()) behind = lines->back().behind;
    for (auto& line : *lines) told.push_back(std::move(line.text));
  };
  for (int step = 0; step < 3000; ++step) {
    const auto action = random.below(10);
    if (action < 6) {
      const auto line = "line " + std::to_string(written++) + "\n";
      const auto half = random.below(line.size());
      append(line.substr(0, half));
      if (random.one_in(2)) poll();
      append(line.substr(half));
    } else if (action < 9) {
      poll();
    } else if (random.one_in(10)) {
      rotate();
      append("line " + std::to_string(written++) + "\n");
      ++rotations;
    } else if (random.one_in(5) && behind) {
      follower = std::make_unique<FileFollower>(disk_, path_, behind);
    }
  }
  for (int i = 0; i < 1000; ++i) poll();
  ASSERT_EQ(told.size(), static_cast<std::size_t>(written)) << "seed " << seed;
  for (int i = 0; i < written; ++i)
    ASSERT_EQ(told[i], "line " + std::to_string(i)) << "seed " << seed;
  EXPECT_GT(rotations, 20);
}

TEST(FilePlaces, AreReadAsWritten) {
  const FilePlaces places = {{"/var/log/sys log", {7, 8}}, {"/x", {~std::uint64_t{0}, 0}}};
  const auto text = encode(places);
  EXPECT_EQ(text, "spillway file places 1\n7 8 /var/log/sys log\n18446744073709551615 0 /x\n");
  const auto read = decode_file_places(text);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, places);
}

TEST(FilePlaces, RefuseWhatIsNotTheirs) {
  EXPECT_EQ(decode_file_places("spillway file places 2\nx\n").error().code,
            ErrorCode::kUnsupported);
  for (const auto* bad :
       {"", "x", "spillway file places ", "spillway file places 1", "spillway file places 1\n1 2",
        "spillway file places 1\n1 2 /x", "spillway file places 1\n1 x /x\n",
        "spillway file places 1\n1 2 \n", "spillway file places 1\n\n"})
    EXPECT_EQ(decode_file_places(bad).error().code, ErrorCode::kCorrupt) << bad;
}

}  // namespace
}  // namespace spillway::broker
