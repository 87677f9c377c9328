#include "server/process_metrics.h"

#include <gtest/gtest.h>

namespace spillway::server {
namespace {

constexpr std::string_view kStatus =
    "Name:\tspillway\nVmPeak:\t  212460 kB\nVmRSS:\t   21460 kB\nThreads:\t7\n";
constexpr std::string_view kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max cpu time              unlimited            unlimited            seconds   \n"
    "Max processes             95735                95735                processes \n"
    "Max open files            1024                 1048576              files     \n";

TEST(ProcessMetrics, ReadsStatus) {
  EXPECT_EQ(status_number(kStatus, "VmRSS"), 21460u);
  EXPECT_EQ(status_number(kStatus, "Threads"), 7u);
  EXPECT_EQ(status_number(kStatus, "Name"), std::nullopt);
  EXPECT_EQ(status_number(kStatus, "Thread"), std::nullopt);
  EXPECT_EQ(status_number("", "Threads"), std::nullopt);
}

TEST(ProcessMetrics, ReadsSoftLimits) {
  EXPECT_EQ(soft_limit(kLimits, "Max open files"), 1024u);
  EXPECT_EQ(soft_limit(kLimits, "Max processes"), 95735u);
  EXPECT_EQ(soft_limit(kLimits, "Max cpu time"), std::nullopt);
  EXPECT_EQ(soft_limit(kLimits, "Max wishes"), std::nullopt);
}

}  // namespace
}  // namespace spillway::server
