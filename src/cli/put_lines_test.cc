#include "cli/put_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace spillway::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> taken(PutLines& lines) {
  std::vector<std::string> all;
  while (!lines.lines().empty()) {
    const auto line = lines.take();
    all.push_back(std::to_string(line.number) + ":" + line.data);
  }
  EXPECT_EQ(lines.bytes(), 0u);
  return all;
}

TEST(PutLines, LinesComeFromAnyPieces) {
  const std::string text("one\n\ntwo \r\n\xff\0x\nlast", 19);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    PutLines lines(false);
    for (std::size_t at = 0; at < text.size(); at += piece)
      ASSERT_TRUE(lines.add(std::string_view(text).substr(at, piece)).ok());
    EXPECT_EQ(lines.lines().size(), 3u) << "the last line's end hasn't come";
    lines.end();
    EXPECT_THAT(taken(lines),
                ElementsAre("1:one", "3:two \r", std::string("4:\xff\0x", 5), "5:last"));
  }
}

TEST(PutLines, TheWholeIsOneRecord) {
  PutLines lines(true);
  ASSERT_TRUE(lines.add("one\n").ok());
  ASSERT_TRUE(lines.add("two\n").ok());
  EXPECT_THAT(lines.lines(), IsEmpty());
  lines.end();
  EXPECT_THAT(taken(lines), ElementsAre("1:one\ntwo\n"));
  PutLines nothing(true);
  nothing.end();
  EXPECT_THAT(taken(nothing), IsEmpty());
}

TEST(PutLines, ALineThatIsTooLargeIsNamed) {
  const std::string most(PutLines::kBytesMax, 'x');
  PutLines lines(false);
  ASSERT_TRUE(lines.add("one\n" + most + "\n").ok());
  ASSERT_TRUE(lines.add(most).ok());
  const auto added = lines.add("x");
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().message, "line 3 is larger than 10 MiB, which no stream takes");
  EXPECT_EQ(lines.lines().size(), 2u);
}

}  // namespace
}  // namespace spillway::cli
