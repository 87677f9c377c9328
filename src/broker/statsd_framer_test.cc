#include "broker/statsd_framer.h"

#include <gmock/gmock.h>

#include <vector>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StatsdFramerTest : public testing::Test {
 protected:
  std::size_t take(std::string_view bytes) { return framer_.take(bytes, keep_); }

  StatsdFramer framer_;
  std::vector<std::string> lines_;
  const StatsdFramer::TakeLine keep_ = [this](std::string_view line) { lines_.emplace_back(line); };
};

TEST_F(StatsdFramerTest, LinesAreWholeHoweverTheyAreCut) {
  const std::string_view bytes = "a:1|c\n\nb:2|ms\r\nc:3";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    framer_ = {};
    lines_.clear();
    for (std::size_t i = 0; i < bytes.size(); i += step) EXPECT_EQ(take(bytes.substr(i, step)), 0u);
    EXPECT_THAT(lines_, ElementsAre("a:1|c", "", "b:2|ms\r")) << step;
    EXPECT_TRUE(framer_.begun());
  }
}

TEST_F(StatsdFramerTest, TheLastLineNeedsNoNewlineWhereTheSenderEnds) {
  take("a:1|c\nb:2|c");
  framer_.end(keep_);
  EXPECT_THAT(lines_, ElementsAre("a:1|c", "b:2|c"));
  framer_.end(keep_);
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(StatsdFramerTest, ALineThatIsTooLongIsLeftOutAndCountedOnce) {
  const std::string longest(kStatsdLineBytesMax, 'x');
  EXPECT_EQ(take(longest + "\n"), 0u);
  EXPECT_THAT(lines_, ElementsAre(longest));
  lines_.clear();
  EXPECT_EQ(take(longest + "x\na:1|c\n"), 1u);
  EXPECT_THAT(lines_, ElementsAre("a:1|c"));
  lines_.clear();
  EXPECT_EQ(take(longest), 0u);
  EXPECT_EQ(take("x"), 1u);
  EXPECT_FALSE(framer_.begun());
  EXPECT_EQ(take(longest), 0u);
  EXPECT_EQ(take("rest\nb:1|c\n"), 0u);
  EXPECT_THAT(lines_, ElementsAre("b:1|c"));
}

TEST_F(StatsdFramerTest, NothingIsLeftOfALineThatIsTooLong) {
  take(std::string(kStatsdLineBytesMax + 1, 'x'));
  framer_.end(keep_);
  EXPECT_THAT(lines_, IsEmpty());
}

}  // namespace
}  // namespace spillway::broker
