// This machine's own telemetry: what /proc says, as one JSON record per subject.
//
// Subjects: "cpu", "memory", "load", "processes", "disk/NAME", "network/NAME". Rates are over the
// time since the collection before; the first one therefore has only what needs no rate.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/proc_text.h"
#include "io/disk.h"

namespace spillway::broker {

struct HostSample {
  std::string subject;
  std::string members;  // of the JSON object, without braces
};

struct HostMetricsOptions {
  std::string proc = "/proc";
  std::string block_devices = "/sys/block";  // names the whole disks
  std::size_t top_processes = 10;
  // Bounds: what is beyond is left out.
  std::size_t disks_max = 64;
  std::size_t interfaces_max = 64;
  std::size_t processes_max = 16'384;
};

// One thread at a time; blocks on /proc.
class HostMetrics {
 public:
  HostMetrics(io::Disk& disk, HostMetricsOptions options);

  void set_top_processes(std::size_t count) { options_.top_processes = count; }
  // What can't be read is left out.
  std::vector<HostSample> collect(MonoTime now);

 private:
  struct ProcessSeen {
    std::uint64_t started_ticks = 0;
    std::uint64_t ticks = 0;
  };
  std::string read(const std::string& name) const;
  void collect_cpu(std::vector<HostSample>& samples, double elapsed_s);
  void collect_memory(std::vector<HostSample>& samples) const;
  void collect_load(std::vector<HostSample>& samples) const;
  void collect_disks(std::vector<HostSample>& samples, double elapsed_s);
  void collect_network(std::vector<HostSample>& samples, double elapsed_s);
  void collect_processes(std::vector<HostSample>& samples, double elapsed_s);

  io::Disk& disk_;
  HostMetricsOptions options_;
  std::optional<MonoTime> last_;
  CpuStat cpu_;
  std::map<std::string, DiskCounters> disks_;
  std::map<std::string, NetworkCounters> interfaces_;
  std::map<std::uint64_t, ProcessSeen> processes_;  // by pid
};

}  // namespace spillway::broker
