// What Linux says about the machine in /proc, parsed: pure functions over the files' text
// (proc(5)). Lines that can't be understood are left out; nothing here fails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::broker {

// Clock ticks since boot (100 a second).
struct CpuTimes {
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0,
                steal = 0;

  std::uint64_t total() const {
    return user + nice + system + idle + iowait + irq + softirq + steal;
  }
};

struct CpuStat {
  CpuTimes all;
  std::vector<CpuTimes> cores;  // in the order of their numbers
  std::uint64_t context_switches = 0;
  std::uint64_t forks = 0;
  std::uint64_t running = 0;
  std::uint64_t blocked = 0;
};
CpuStat parse_stat(std::string_view proc_stat);

// /proc/meminfo, in KiB, by name ("MemTotal").
std::map<std::string, std::uint64_t, std::less<>> parse_meminfo(std::string_view proc_meminfo);

struct DiskCounters {
  std::string name;
  std::uint64_t reads = 0, read_bytes = 0, read_ms = 0;
  std::uint64_t writes = 0, written_bytes = 0, write_ms = 0;
  std::uint64_t in_progress = 0;
  std::uint64_t busy_ms = 0;
};
// Every block device, partitions included.
std::vector<DiskCounters> parse_diskstats(std::string_view proc_diskstats);

struct NetworkCounters {
  std::string name;
  std::uint64_t received_bytes = 0, received_packets = 0, received_errors = 0, received_drops = 0;
  std::uint64_t sent_bytes = 0, sent_packets = 0, sent_errors = 0, sent_drops = 0;
};
std::vector<NetworkCounters> parse_net_dev(std::string_view proc_net_dev);

struct LoadAverage {
  double minutes_1 = 0, minutes_5 = 0, minutes_15 = 0;
  std::uint64_t runnable = 0;  // threads
  std::uint64_t threads = 0;
};
std::optional<LoadAverage> parse_loadavg(std::string_view proc_loadavg);

struct ProcessTimes {
  std::uint64_t pid = 0;
  std::string name;  // as the process calls itself: any bytes, at most 15
  char state = '?';
  std::uint64_t ticks = 0;  // user and system time
  std::uint64_t threads = 0;
  std::uint64_t resident_pages = 0;
  std::uint64_t started_ticks = 0;  // since boot; with the pid it names a process
};
std::optional<ProcessTimes> parse_pid_stat(std::string_view proc_pid_stat);

}  // namespace spillway::broker
