#include "cli/up_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(UpScript, IsReadInTheOrderOfTimes) {
  const auto script = parse_script("restart a@15s, kill a@5s,switch@8s,switch b@1m , release@2m");
  ASSERT_TRUE(script.ok()) << script.error().message;
  EXPECT_THAT(*script, ElementsAre(UpAction{seconds(5), UpVerb::kKill, 0},
                                   UpAction{seconds(8), UpVerb::kSwitch, std::nullopt},
                                   UpAction{seconds(15), UpVerb::kRestart, 0},
                                   UpAction{seconds(60), UpVerb::kSwitch, 1},
                                   UpAction{seconds(120), UpVerb::kRelease, std::nullopt}));
}

TEST(UpScript, WhatIsWrongIsSaid) {
  for (const auto& [text, why] :
       {std::pair{"kill a", "says no time"}, std::pair{"", "says no time"},
        std::pair{"kill a@5s,", "says no time"}, std::pair{"burn a@5s", "nothing that can be done"},
        std::pair{"kill c@5s", "another region than a and b"},
        std::pair{"kill@5s", "names no region"}, std::pair{"release a@5s", "names a region"},
        std::pair{"kill a@soon", "has a time that can't be read"},
        std::pair{"kill a@", "has a time that can't be read"}}) {
    const auto script = parse_script(text);
    ASSERT_FALSE(script.ok()) << text;
    EXPECT_THAT(script.error().message, HasSubstr(why));
  }
  EXPECT_FALSE(parse_script(std::string(5000, ',')).ok());
}

}  // namespace
}  // namespace spillway::cli
