#include "cli/doctor_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "io/posix_disk.h"

namespace spillway::cli {
namespace {

TEST(DoctorSearch, FindsEveryPlaceInEveryFile) {
  char pattern[] = "/tmp/spillway-search-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  std::filesystem::create_directories(directory + "/a/b");
  constexpr std::size_t kChunk = std::size_t{4} << 20;
  std::string large(3 * kChunk, '.');
  // Within a chunk, across the border of two, overlapping, and at the very end.
  for (const std::size_t at : {std::size_t{7}, kChunk - 3, kChunk * 2 - 1, large.size() - 6})
    large.replace(at, 6, "needle");
  std::ofstream(directory + "/a/b/large") << large;
  std::ofstream(directory + "/small") << "pinnneedleneedle";
  std::ofstream(directory + "/empty");
  io::PosixDisk disk;
  std::vector<std::string> hits;
  const auto searched = search_files(disk, directory, {"needle", "pin"}, [&](const SearchHit& hit) {
    hits.push_back(
        fmt::format("{}:{}:{}", hit.file.substr(directory.size()), hit.offset, hit.needle));
  });
  EXPECT_TRUE(searched.ok());
  EXPECT_THAT(hits,
              testing::ElementsAre("/a/b/large:7:0", fmt::format("/a/b/large:{}:0", kChunk - 3),
                                   fmt::format("/a/b/large:{}:0", kChunk * 2 - 1),
                                   fmt::format("/a/b/large:{}:0", large.size() - 6), "/small:4:0",
                                   "/small:10:0", "/small:0:1"));
  std::filesystem::remove_all(directory);
  EXPECT_FALSE(search_files(disk, directory, {"x"}, [](const SearchHit&) {}).ok());
}

}  // namespace
}  // namespace spillway::cli
