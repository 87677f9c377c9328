#include "io/posix_disk.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

namespace spillway::io {
namespace {

class PosixDiskTest : public testing::Test {
 protected:
  PosixDiskTest() {
    char pattern[] = "/tmp/spillway-disk-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~PosixDiskTest() override { std::filesystem::remove_all(directory_); }
  std::string path(std::string_view name) const { return join_path(directory_, name); }

  PosixDisk disk_;
  std::string directory_;
};

TEST_F(PosixDiskTest, WritesManyPartsAndReadsThemBack) {
  auto file = disk_.open(path("a"), OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  std::vector<std::string> strings;
  std::string whole;
  for (int i = 0; i < 300; ++i) {
    strings.push_back(
        std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26)));
    whole += strings.back();
  }
  std::vector<std::string_view> parts(strings.begin(), strings.end());
  ASSERT_TRUE((*file)->write_at(5, parts).ok());
  ASSERT_TRUE((*file)->sync_data().ok());
  std::string read(whole.size() + 100, '?');
  EXPECT_EQ(*(*file)->read_at(5, read), whole.size()) << "a read is short only at the end";
  EXPECT_EQ(read.substr(0, whole.size()), whole);
  EXPECT_EQ(*(*file)->size(), whole.size() + 5);
}

TEST_F(PosixDiskTest, FillsWithZerosAndCuts) {
  auto file = disk_.open(path("a"), OpenMode::kCreate);
  ASSERT_TRUE((*file)->write_at(0, "old bytes").ok());
  ASSERT_TRUE((*file)->fill_with_zeros(3'000'000).ok());
  EXPECT_EQ(*read_file(disk_, path("a"), 4'000'000), std::string(3'000'000, '\0'));
  ASSERT_TRUE((*file)->fill_with_zeros(10).ok());
  EXPECT_EQ(*(*file)->size(), 10u);
}

TEST_F(PosixDiskTest, WritesBehindWhatIsGivenNext) {
  auto file = disk_.open(path("a"), OpenMode::kCreate);
  const std::string piece(100'000, 'x');
  for (std::uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE((*file)->write_at(i * piece.size(), piece).ok());
    ASSERT_TRUE((*file)->write_behind(i * piece.size(), piece.size()).ok());
  }
  ASSERT_TRUE((*file)->sync_data().ok());
  EXPECT_EQ(*read_file(disk_, path("a"), 1'000'000), piece + piece + piece + piece);
  EXPECT_TRUE((*file)->write_behind(UINT64_MAX, 0).ok());
  const auto begun = (*file)->write_behind(UINT64_MAX, 1);
  ASSERT_FALSE(begun.ok());
  EXPECT_EQ(begun.error().code, ErrorCode::kIo);
  EXPECT_THAT(begun.error().message, testing::HasSubstr(path("a")));
}

TEST_F(PosixDiskTest, NamesTheFileInErrors) {
  const auto missing = disk_.open(path("missing"), OpenMode::kReadWrite);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, testing::HasSubstr(path("missing")));
  ASSERT_TRUE(disk_.open(path("a"), OpenMode::kCreate).ok());
  EXPECT_EQ(disk_.open(path("a"), OpenMode::kCreate).error().code, ErrorCode::kExists);
  auto read_only = disk_.open(path("a"), OpenMode::kRead);
  const auto written = (*read_only)->write_at(7, "x");
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_THAT(written.error().message, testing::HasSubstr("(at byte 7)"));
  EXPECT_EQ(disk_.remove(path("b")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(disk_.list(path("b")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(disk_.make_directory(path("a")).error().code, ErrorCode::kIo);
}

TEST_F(PosixDiskTest, ReplacesAFileWhole) {
  ASSERT_TRUE(replace_file(disk_, path("a"), "one").ok());
  ASSERT_TRUE(replace_file(disk_, path("a"), "two!").ok());
  EXPECT_EQ(*read_file(disk_, path("a"), 10), "two!");
  EXPECT_EQ(read_file(disk_, path("a"), 3).error().code, ErrorCode::kInvalid);
  EXPECT_THAT(*disk_.list(directory_), testing::ElementsAre("a"));
}

TEST_F(PosixDiskTest, MakesMissingParents) {
  ASSERT_TRUE(disk_.make_directory(path("x/y/z")).ok());
  ASSERT_TRUE(disk_.make_directory(path("x/y/z")).ok());
  EXPECT_THAT(*disk_.list(path("x")), testing::ElementsAre("y"));
  EXPECT_TRUE(disk_.sync_directory(path("x/y")).ok());
}

TEST_F(PosixDiskTest, LocksAgainstASecondHolder) {
  auto first = disk_.lock(path("lock"));
  ASSERT_TRUE(first.ok());
  const auto second = disk_.lock(path("lock"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_THAT(second.error().message, testing::HasSubstr(fmt::format("pid {}", ::getpid())));
  first->reset();
  EXPECT_TRUE(disk_.lock(path("lock")).ok());
}

TEST_F(PosixDiskTest, ReadsProc) {
  EXPECT_THAT(*read_file(disk_, "/proc/self/status", 100'000), testing::HasSubstr("Threads:"));
}

TEST(Paths, AreJoinedAndSplit) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(parent_directory("a/b"), "a");
  EXPECT_EQ(parent_directory("/b"), "/");
  EXPECT_EQ(parent_directory("b"), ".");
  EXPECT_EQ(parent_directory("a/b/"), "a");
}

}  // namespace
}  // namespace spillway::io
