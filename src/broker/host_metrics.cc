#include "broker/host_metrics.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kFileLimit = std::size_t{4} << 20;
constexpr double kTicksPerSecond = 100;  // USER_HZ, part of the kernel's interface
constexpr std::uint64_t kPageBytes = 4096;

// Counters go back when a device is replaced: that is no traffic.
std::uint64_t increase(std::uint64_t now, std::uint64_t before) {
  return now >= before ? now - before : 0;
}

double rate(std::uint64_t now, std::uint64_t before, double elapsed_s) {
  return elapsed_s > 0 ? static_cast<double>(increase(now, before)) / elapsed_s : 0;
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double busy_percent(const CpuTimes& now, const CpuTimes& before) {
  const auto total = increase(now.total(), before.total());
  const auto idle = increase(now.idle + now.iowait, before.idle + before.iowait);
  return total == 0 ? 0 : 100.0 - percent(std::min(idle, total), total);
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

HostMetrics::HostMetrics(io::Disk& disk, HostMetricsOptions options)
    : disk_(disk), options_(std::move(options)) {}

std::vector<HostSample> HostMetrics::collect(MonoTime now) {
  const double elapsed_s = last_ ? static_cast<double>((now - *last_).count()) / 1e9 : 0;
  std::vector<HostSample> samples;
  collect_cpu(samples, elapsed_s);
  collect_memory(samples);
  collect_load(samples);
  collect_disks(samples, elapsed_s);
  collect_network(samples, elapsed_s);
  if (options_.top_processes > 0) collect_processes(samples, elapsed_s);
  last_ = now;
  return samples;
}

std::string HostMetrics::read(const std::string& name) const {
  auto text = io::read_file(disk_, io::join_path(options_.proc, name), kFileLimit);
  return text.ok() ? *std::move(text) : std::string();
}

void HostMetrics::collect_cpu(std::vector<HostSample>& samples, double elapsed_s) {
  auto now = parse_stat(read("stat"));
  if (last_ && now.all.total() > 0) {
    const auto part = [&](std::uint64_t CpuTimes::*field) {
      return percent(increase(now.all.*field, cpu_.all.*field),
                     increase(now.all.total(), cpu_.all.total()));
    };
    JsonArray cores;
    for (std::size_t i = 0; i < std::min(now.cores.size(), cpu_.cores.size()); ++i) {
      cores.add(busy_percent(now.cores[i], cpu_.cores[i]));
    }
    JsonObject object;
    object.add("busy_percent", busy_percent(now.all, cpu_.all))
        .add("user_percent", part(&CpuTimes::user))
        .add("system_percent", part(&CpuTimes::system))
        .add("iowait_percent", part(&CpuTimes::iowait))
        .add("steal_percent", part(&CpuTimes::steal))
        .add_raw("core_busy_percent", cores.text())
        .add("context_switches_per_s", rate(now.context_switches, cpu_.context_switches, elapsed_s))
        .add("forks_per_s", rate(now.forks, cpu_.forks, elapsed_s))
        .add("running", now.running)
        .add("blocked", now.blocked);
    samples.push_back({"cpu", object.members()});
  }
  cpu_ = std::move(now);
}

void HostMetrics::collect_memory(std::vector<HostSample>& samples) const {
  const auto sizes = parse_meminfo(read("meminfo"));
  const auto bytes = [&](std::string_view name) {
    const auto it = sizes.find(name);
    return it == sizes.end() ? std::uint64_t{0} : it->second * 1024;
  };
  const auto total = bytes("MemTotal");
  if (total == 0) return;
  const auto available = std::min(bytes("MemAvailable"), total);
  JsonObject object;
  object.add("total_bytes", total)
      .add("available_bytes", available)
      .add("used_percent", percent(total - available, total))
      .add("free_bytes", bytes("MemFree"))
      .add("buffers_bytes", bytes("Buffers"))
      .add("cached_bytes", bytes("Cached"))
      .add("dirty_bytes", bytes("Dirty"))
      .add("swap_total_bytes", bytes("SwapTotal"))
      .add("swap_free_bytes", bytes("SwapFree"));
  samples.push_back({"memory", object.members()});
}

void HostMetrics::collect_load(std::vector<HostSample>& samples) const {
  const auto load = parse_loadavg(read("loadavg"));
  if (!load) return;
  JsonObject object;
  object.add("load_1m", load->minutes_1)
      .add("load_5m", load->minutes_5)
      .add("load_15m", load->minutes_15)
      .add("runnable", load->runnable)
      .add("threads", load->threads);
  samples.push_back({"load", object.members()});
}

void HostMetrics::collect_disks(std::vector<HostSample>& samples, double elapsed_s) {
  auto names = disk_.list(options_.block_devices);
  if (!names.ok()) return;
  const std::set<std::string> whole(names->begin(), names->end());
  std::map<std::string, DiskCounters> seen;
  for (auto& now : parse_diskstats(read("diskstats"))) {
    // Unused loop and RAM devices are no disks.
    if (!whole.contains(now.name) || now.reads + now.writes == 0) continue;
    if (seen.size() == options_.disks_max) break;
    if (const auto it = disks_.find(now.name); it != disks_.end()) {
      const auto& before = it->second;
      const auto operations =
          increase(now.reads, before.reads) + increase(now.writes, before.writes);
      const auto took_ms =
          increase(now.read_ms, before.read_ms) + increase(now.write_ms, before.write_ms);
      JsonObject object;
      object.add("reads_per_s", rate(now.reads, before.reads, elapsed_s))
          .add("read_bytes_per_s", rate(now.read_bytes, before.read_bytes, elapsed_s))
          .add("writes_per_s", rate(now.writes, before.writes, elapsed_s))
          .add("written_bytes_per_s", rate(now.written_bytes, before.written_bytes, elapsed_s))
          .add("operation_ms", operations == 0
                                   ? 0.0
                                   : static_cast<double>(took_ms) / static_cast<double>(operations))
          .add("busy_percent", std::min(100.0, rate(now.busy_ms, before.busy_ms, elapsed_s) / 10))
          .add("in_progress", now.in_progress);
      samples.push_back({"disk/" + now.name, object.members()});
    }
    auto name = now.name;
    seen.emplace(std::move(name), std::move(now));
  }
  disks_ = std::move(seen);
}

void HostMetrics::collect_network(std::vector<HostSample>& samples, double elapsed_s) {
  std::map<std::string, NetworkCounters> seen;
  for (auto& now : parse_net_dev(read("net/dev"))) {
    if (now.received_packets + now.sent_packets == 0) continue;  // never used
    if (seen.size() == options_.interfaces_max) break;
    if (const auto it = interfaces_.find(now.name); it != interfaces_.end()) {
      const auto& before = it->second;
      JsonObject object;
      object.add("received_bytes_per_s", rate(now.received_bytes, before.received_bytes, elapsed_s))
          .add("received_packets_per_s",
               rate(now.received_packets, before.received_packets, elapsed_s))
          .add("sent_bytes_per_s", rate(now.sent_bytes, before.sent_bytes, elapsed_s))
          .add("sent_packets_per_s", rate(now.sent_packets, before.sent_packets, elapsed_s))
          .add("errors", increase(now.received_errors + now.sent_errors,
                                  before.received_errors + before.sent_errors))
          .add("drops", increase(now.received_drops + now.sent_drops,
                                 before.received_drops + before.sent_drops));
      samples.push_back({"network/" + now.name, object.members()});
    }
    auto name = now.name;
    seen.emplace(std::move(name), std::move(now));
  }
  interfaces_ = std::move(seen);
}

void HostMetrics::collect_processes(std::vector<HostSample>& samples, double elapsed_s) {
  const auto names = disk_.list(options_.proc);
  if (!names.ok()) return;
  struct Used {
    std::uint64_t ticks;
    ProcessTimes process;
  };
  std::vector<Used> used;
  std::map<std::uint64_t, ProcessSeen> seen;
  std::uint64_t threads = 0;
  for (const auto& name : *names) {
    if (!is_number(name)) continue;
    if (seen.size() == options_.processes_max) break;
    auto process = parse_pid_stat(read(name + "/stat"));
    if (!process) continue;  // it has ended meanwhile
    threads += process->threads;
    std::uint64_t before = 0;
    if (const auto it = processes_.find(process->pid);
        it != processes_.end() && it->second.started_ticks == process->started_ticks)
      before = it->second.ticks;
    seen[process->pid] = {process->started_ticks, process->ticks};
    used.push_back({increase(process->ticks, before), *std::move(process)});
  }
  processes_ = std::move(seen);
  if (!last_) return;
  const auto shown = std::min(options_.top_processes, used.size());
  std::partial_sort(used.begin(), used.begin() + static_cast<std::ptrdiff_t>(shown), used.end(),
                    [](const Used& a, const Used& b) {
                      return a.ticks != b.ticks
                                 ? a.ticks > b.ticks
                                 : a.process.resident_pages > b.process.resident_pages;
                    });
  JsonArray top;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& process = used[i].process;
    JsonObject one;
    one.add("pid", process.pid)
        .add("name", process.name)
        .add("state", std::string_view(&process.state, 1))
        .add("cpu_percent",
             elapsed_s > 0 ? 100 * static_cast<double>(used[i].ticks) / kTicksPerSecond / elapsed_s
                           : 0.0)
        .add("resident_bytes", process.resident_pages * kPageBytes)
        .add("threads", process.threads);
    top.add_raw(one.text());
  }
  JsonObject object;
  object.add("count", used.size()).add("threads", threads).add_raw("top", top.text());
  samples.push_back({"processes", object.members()});
}

}  // namespace spillway::broker
