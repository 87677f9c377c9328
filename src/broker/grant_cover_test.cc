#include "broker/grant_cover.h"

#include <gmock/gmock.h>

#include "base/rfc3339.h"
#include "io/recording_log.h"

namespace spillway::broker {
namespace {

const WallTime kNow = *parse_rfc3339("2020-11-25T14:00:00Z");
constexpr std::chrono::hours kDay{24};

class GrantCoverTest : public testing::Test {
 protected:
  // After so many days, with targets that are covered for so many from then on.
  void look(int day, std::optional<int> b, std::optional<int> c = std::nullopt) {
    const WallTime now = kNow + day * kDay;
    const auto until = [now](std::optional<int> days) {
      return days ? std::optional(now + *days * kDay) : std::nullopt;
    };
    cover_.look(std::vector{until(b), until(c)}, now, MonoTime{} + day * kDay);
  }

  io::RecordingLog log_;
  metrics::Registry metrics_;
  GrantCover cover_{std::vector<std::string>{"b", "c"}, log_, metrics_};
};

TEST_F(GrantCoverTest, TellsFrom14DaysBeforeOnceADay) {
  look(0, 30);
  look(15, 14);
  EXPECT_FALSE(cover_.ending());
  EXPECT_TRUE(log_.events.empty());
  look(17, 13);
  EXPECT_TRUE(cover_.ending());
  look(17, 13);
  EXPECT_THAT(log_.events, testing::ElementsAre(testing::HasSubstr("soon no grant is left")));
  look(18, 12);
  EXPECT_EQ(log_.events.size(), 2u);
  look(30, std::nullopt);
  EXPECT_THAT(log_.events.back(), testing::HasSubstr("there is no grant"));
  look(30, 90);
  EXPECT_FALSE(cover_.ending());
  EXPECT_THAT(log_.events.back(), testing::HasSubstr("again"));
}

TEST_F(GrantCoverTest, TheTargetThatIsCoveredLongestCounts) {
  look(0, 2, 20);
  EXPECT_FALSE(cover_.ending());
  EXPECT_EQ(cover_.until(), kNow + 20 * kDay);
  EXPECT_THAT(
      metrics_.prometheus_text(),
      testing::AllOf(testing::HasSubstr("spillway_broker_grant_seconds{target=\"b\"} 172800\n"),
                     testing::HasSubstr("spillway_broker_grant_seconds{target=\"c\"} 1728000\n")));
  look(1, std::nullopt, std::nullopt);
  EXPECT_EQ(cover_.until(), std::nullopt);
  EXPECT_THAT(metrics_.prometheus_text(),
              testing::HasSubstr("spillway_broker_grant_seconds{target=\"c\"} 0\n"));
}

}  // namespace
}  // namespace spillway::broker
