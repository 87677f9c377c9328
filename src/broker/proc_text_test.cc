#include "broker/proc_text.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

// Captured on Debian 12 (Linux 6.1), shortened.
constexpr std::string_view kStat =
    "cpu  8304 10706 9520 759114 1530 0 144 204 0 0\n"
    "cpu0 3506 5097 4042 381840 173 0 12 87 0 0\n"
    "cpu1 4798 5608 5477 377274 1357 0 131 116 0 0\n"
    "intr 402036 0 0 0 0 0\n"
    "ctxt 649862\nbtime 1795423175\nprocesses 9668\nprocs_running 3\nprocs_blocked 1\n"
    "softirq 319617 0 51526 4 4301 119290 0 3 84725 570 59198\n";

TEST(ProcText, Stat) {
  const auto stat = parse_stat(kStat);
  EXPECT_EQ(stat.all.user, 8304u);
  EXPECT_EQ(stat.all.idle, 759114u);
  EXPECT_EQ(stat.all.total(), 8304u + 10706 + 9520 + 759114 + 1530 + 0 + 144 + 204);
  ASSERT_EQ(stat.cores.size(), 2u);
  EXPECT_EQ(stat.cores[1].steal, 116u);
  EXPECT_EQ(stat.context_switches, 649862u);
  EXPECT_EQ(stat.forks, 9668u);
  EXPECT_EQ(stat.running, 3u);
  EXPECT_EQ(stat.blocked, 1u);
}

TEST(ProcText, Meminfo) {
  const auto sizes = parse_meminfo(
      "MemTotal:       24684084 kB\nMemAvailable:   24297064 kB\nActive(anon):     820 kB\n"
      "HugePages_Total:       0\nnonsense\nBad: x kB\n");
  EXPECT_EQ(sizes.size(), 4u);
  EXPECT_EQ(sizes.at("MemTotal"), 24684084u);
  EXPECT_EQ(sizes.at("MemAvailable"), 24297064u);
  EXPECT_EQ(sizes.at("HugePages_Total"), 0u);
}

TEST(ProcText, Diskstats) {
  const auto disks = parse_diskstats(
      "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
      " 254       0 vda 89949 15018 12712826 124614 56390 16375 18668296 25319 2 23060 151574 6669 "
      "19 9099424 1376 5833 263\n"
      " 254       1 short 1 2\n");
  ASSERT_EQ(disks.size(), 2u);
  EXPECT_EQ(disks[1].name, "vda");
  EXPECT_EQ(disks[1].reads, 89949u);
  EXPECT_EQ(disks[1].read_bytes, std::uint64_t{12712826} * 512);
  EXPECT_EQ(disks[1].read_ms, 124614u);
  EXPECT_EQ(disks[1].writes, 56390u);
  EXPECT_EQ(disks[1].written_bytes, std::uint64_t{18668296} * 512);
  EXPECT_EQ(disks[1].write_ms, 25319u);
  EXPECT_EQ(disks[1].in_progress, 2u);
  EXPECT_EQ(disks[1].busy_ms, 23060u);
}

TEST(ProcText, NetDev) {
  const auto interfaces = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
      "drop fifo colls carrier compressed\n"
      "    lo: 67250896    1737    0    0    0     0          0         0 67250897    1738    0    "
      "0    0     0       0          0\n"
      "  eth0:164537736    3658    1    2    0     0          0         0   121879    1476    3    "
      "4    0     0       0          0\n");
  ASSERT_EQ(interfaces.size(), 2u);
  EXPECT_EQ(interfaces[0].name, "lo");
  EXPECT_EQ(interfaces[0].sent_bytes, 67250897u);
  EXPECT_EQ(interfaces[1].name, "eth0");  // no space behind the colon
  EXPECT_EQ(interfaces[1].received_bytes, 164537736u);
  EXPECT_EQ(interfaces[1].received_errors, 1u);
  EXPECT_EQ(interfaces[1].received_drops, 2u);
  EXPECT_EQ(interfaces[1].sent_packets, 1476u);
  EXPECT_EQ(interfaces[1].sent_errors, 3u);
  EXPECT_EQ(interfaces[1].sent_drops, 4u);
}

TEST(ProcText, Loadavg) {
  const auto load = parse_loadavg("0.29 0.25 0.12 1/94 9660\n");
  ASSERT_TRUE(load);
  EXPECT_DOUBLE_EQ(load->minutes_1, 0.29);
  EXPECT_DOUBLE_EQ(load->minutes_15, 0.12);
  EXPECT_EQ(load->runnable, 1u);
  EXPECT_EQ(load->threads, 94u);
  for (const auto bad : {"", "0.29 0.25", "0.29 0.25 0.12 194 9660", "a b c 1/2 3"})
    EXPECT_FALSE(parse_loadavg(bad)) << bad;
}

TEST(ProcText, PidStat) {
  const auto process = parse_pid_stat(
      "9661 (a) b (c) R 9651 9651 4750 0 -1 4194304 99 0 0 0 17 4 0 0 20 0 3 0 395413 3133440 373 "
      "18446744073709551615 93851910234112 93851910253993 140729387317275 0\n");
  ASSERT_TRUE(process);
  EXPECT_EQ(process->pid, 9661u);
  EXPECT_EQ(process->name, "a) b (c");
  EXPECT_EQ(process->state, 'R');
  EXPECT_EQ(process->ticks, 21u);
  EXPECT_EQ(process->threads, 3u);
  EXPECT_EQ(process->started_ticks, 395413u);
  EXPECT_EQ(process->resident_pages, 373u);
  for (const auto bad :
       {"", "1 (x", "1 x) S", "1 (x) S 2 3", "x (x) R 1 1 1 0 -1 4 9 0 0 0 1 4 0 0 20 0 3 0 3 3 3"})
    EXPECT_FALSE(parse_pid_stat(bad)) << bad;
}

TEST(ProcText, NothingGivesNothing) {
  EXPECT_TRUE(parse_stat("").cores.empty());
  EXPECT_TRUE(parse_meminfo("").empty());
  EXPECT_TRUE(parse_diskstats("\n\n").empty());
  EXPECT_TRUE(parse_net_dev(":").empty());
}

}  // namespace
}  // namespace spillway::broker
