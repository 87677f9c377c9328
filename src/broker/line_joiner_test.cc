#include "broker/line_joiner.h"

#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LineJoinerTest : public testing::Test {
 protected:
  void SetUp() override { joiner_.set_example(""); }
  // Lines that stand in a file one behind the other, and what has ended, with a '~' where it is
  // cut.
  std::vector<std::string> join(std::vector<std::string> texts, bool cut = false) {
    std::vector<FollowedLine> lines;
    lines.reserve(texts.size());
    for (auto& text : texts) {
      FollowedLine line;
      line.begin = place_;
      place_.offset += text.size() + 1;
      line.behind = place_;
      line.text = std::move(text);
      line.cut = cut;
      lines.push_back(std::move(line));
    }
    auto joined = joiner_.join(std::move(lines), now_);
    std::vector<std::string> ended;
    ended.reserve(joined.size());
    for (auto& line : joined) {
      ended.push_back(line.text + (line.cut ? "~" : ""));
      told_ = line.behind;
    }
    return ended;
  }

  LineJoiner joiner_;
  MonoTime now_{};
  FilePlace place_{1, 0};
  FilePlace told_{1, 0};
};

TEST_F(LineJoinerTest, IndentedLinesGoOn) {
  EXPECT_THAT(join({"a", "  at x", "\tat y", "b", "c", " at z"}),
              ElementsAre("a\n  at x\n\tat y", "b"));
  EXPECT_EQ(told_, (FilePlace{1, 17})) << "c is to be read again";
  EXPECT_THAT(join({"", "d"}), ElementsAre("c\n at z", ""));
}

TEST_F(LineJoinerTest, AnExampleSaysWhatBegins) {
  joiner_.set_example("[2026-Nov");
  EXPECT_THAT(join({"[1999-Dec] x", "1999-Dec", "[99-Dec", "", "[19999Dec", "[2000-Jan] y"}),
              ElementsAre("[1999-Dec] x\n1999-Dec\n[99-Dec\n\n[19999Dec"));
}

TEST_F(LineJoinerTest, WhatBeginsWithinARecordIsOne) {
  EXPECT_THAT(join({"  at x", "  at y", "a"}), ElementsAre("  at x\n  at y"));
}

TEST_F(LineJoinerTest, ARecordEndsWhenNothingComes) {
  EXPECT_THAT(join({"a"}), IsEmpty());
  now_ += LineJoiner::kWait - milliseconds(1);
  EXPECT_THAT(join({}), IsEmpty());
  EXPECT_THAT(join({" b"}), IsEmpty());
  now_ += LineJoiner::kWait - milliseconds(1);
  EXPECT_THAT(join({}), IsEmpty());
  now_ += milliseconds(1);
  EXPECT_THAT(join({}), ElementsAre("a\n b"));
  EXPECT_EQ(told_, place_);
  EXPECT_THAT(join({}), IsEmpty());
}

// As after a time in which nobody had room for lines.
TEST_F(LineJoinerTest, WhatComesLateGoesOnAllTheSame) {
  join({"a"});
  now_ += 2 * LineJoiner::kWait;
  EXPECT_THAT(join({" b"}), IsEmpty());
  EXPECT_THAT(join({"c"}), ElementsAre("a\n b"));
}

TEST_F(LineJoinerTest, AnotherFileEndsIt) {
  join({"a"});
  place_ = {2, 0};
  EXPECT_THAT(join({" of the new file"}), ElementsAre("a"));
  place_ = {2, 0};
  EXPECT_THAT(join({" cut"}), ElementsAre(" of the new file"));
}

TEST_F(LineJoinerTest, WhatDoesNotFitBeginsTheNextRecord) {
  const std::string half(LineJoiner::kBytesMax / 2, 'x');
  const std::string rest = " " + half.substr(2);
  EXPECT_THAT(join({half, rest, " more", "b"}), ElementsAre(half + "\n" + rest, " more"));
  EXPECT_THAT(join({rest + "x", rest, "c"}), ElementsAre("b\n" + rest + "x", rest))
      << "nothing is left out";
}

TEST_F(LineJoinerTest, ACutLineIsACutRecord) {
  join({"a"});
  join({" b"}, true);
  EXPECT_THAT(join({"c"}), ElementsAre("a\n b~"));
}

TEST_F(LineJoinerTest, WithoutAnExampleEachLineIsARecordAtOnce) {
  EXPECT_THAT(join({"a"}), IsEmpty());
  joiner_.set_example(std::nullopt);
  EXPECT_THAT(join({" b", "c"}), ElementsAre("a", " b", "c"));
  EXPECT_THAT(join({" d"}), ElementsAre(" d"));
  joiner_.set_example("");
  join({"e"});
  joiner_.set_example(std::nullopt);
  EXPECT_THAT(join({}), ElementsAre("e"));
}

}  // namespace
}  // namespace spillway::broker
