// What a process uses and how far it may go: memory, files, threads, disk (rule 1 of the outage:
// headroom to every limit of the system is a metric).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/clock.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "metrics/registry.h"

namespace spillway::server {

// The number behind `name` in /proc/self/status ("VmRSS:     1234 kB" gives 1234).
std::optional<std::uint64_t> status_number(std::string_view status, std::string_view name);
// The soft limit `name` in /proc/self/limits; nullopt if unlimited or not there.
std::optional<std::uint64_t> soft_limit(std::string_view limits, std::string_view name);

class ProcessMetrics {
 public:
  // `data`: the directory whose free space counts. What it is handed outlives it.
  ProcessMetrics(metrics::Registry& metrics, io::Disk& disk, io::Clock& clock,
                 const io::StderrLog& log, const std::string& data);

  nanoseconds uptime() const { return clock_.mono_now() - started_; }

 private:
  void add(metrics::Registry& metrics, std::string_view name, std::string_view help,
           std::function<double()> read);
  std::optional<std::uint64_t> status(std::string_view name) const;
  std::optional<std::uint64_t> limit(std::string_view name) const;
  double threads_max() const;
  double memory_max() const;

  io::Disk& disk_;
  io::Clock& clock_;
  const MonoTime started_;
  std::vector<std::shared_ptr<void>> gauges_;
};

}  // namespace spillway::server
