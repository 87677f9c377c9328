#include "broker/rotated_files.h"

#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RotatedFiles, AreToldByTheirNumbersOrDatesOldestFirst) {
  const std::vector<std::string> names = {"log",
                                          "log.1",
                                          "log.10",
                                          "log.2",
                                          "log.2.gz",
                                          "log.3.gz",
                                          "log.",
                                          "log-",
                                          "log.old",
                                          "log.1x",
                                          "log-2",
                                          "logger.1",
                                          "other.1",
                                          "log-20261126",
                                          "log-20261125",
                                          "log-20261125.gz",
                                          "log.2026-11-25T06:42",
                                          "log--20261125",
                                          "log.1700000000"};
  const auto rotations = rotations_of("log", names);
  ASSERT_EQ(rotations.size(), 2u);
  EXPECT_THAT(rotations[0], ElementsAre("log.10", "log.2", "log-2", "log.1"));
  EXPECT_THAT(rotations[1], ElementsAre("log.1700000000", "log.2026-11-25T06:42", "log-20261125",
                                        "log-20261126"));
}

TEST(RotatedFiles, MayBeNone) {
  for (const auto& rotation : rotations_of("log", std::vector<std::string>{"log", "syslog.1"}))
    EXPECT_THAT(rotation, IsEmpty());
}

}  // namespace
}  // namespace spillway::broker
