#include "server/process_metrics.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/version.h"

namespace spillway::server {
namespace {

constexpr std::size_t kProcFileLimit = 64 * 1024;

// The first run of digits of `text`, behind spaces; nullopt if something else comes first.
std::optional<std::uint64_t> leading_number(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  if (parsed.ec != std::errc{}) return std::nullopt;
  return value;
}

// What follows `name` on the line that begins with it.
std::optional<std::string_view> line_of(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    if (line.starts_with(name)) return line.substr(name.size());
    at = end + 1;
  }
  return std::nullopt;
}

double or_nan(std::optional<std::uint64_t> value) {
  return value ? static_cast<double>(*value) : std::numeric_limits<double>::quiet_NaN();
}

// A file of one number; nullopt if it isn't there or says "max".
std::optional<std::uint64_t> number_file(io::Disk& disk, const std::string& path) {
  const auto text = io::read_file(disk, path, kProcFileLimit);
  return text.ok() ? leading_number(*text) : std::nullopt;
}

// The least of those that are known.
std::optional<std::uint64_t> least(std::initializer_list<std::optional<std::uint64_t>> limits) {
  std::optional<std::uint64_t> smallest;
  for (const auto& limit : limits)
    if (limit && (!smallest || *limit < *smallest)) smallest = limit;
  return smallest;
}

double allocated_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

}  // namespace

std::optional<std::uint64_t> status_number(std::string_view status, std::string_view name) {
  const auto rest = line_of(status, std::string(name) + ":");
  return rest ? leading_number(*rest) : std::nullopt;
}

std::optional<std::uint64_t> soft_limit(std::string_view limits, std::string_view name) {
  const auto rest = line_of(limits, name);
  return rest ? leading_number(*rest) : std::nullopt;
}

ProcessMetrics::ProcessMetrics(metrics::Registry& metrics, io::Disk& disk, io::Clock& clock,
                               const io::StderrLog& log, const std::string& data)
    : disk_(disk), clock_(clock), started_(clock.mono_now()) {
  metrics
      .gauge("spillway_build_info", "Always 1; the labels say what this build is.",
             {{"compiler", std::string(compiler())}, {"version", std::string(version())}})
      .set(1);
  add(metrics, "spillway_uptime_seconds", "Since this process started.",
      [this] { return static_cast<double>(uptime().count()) / 1e9; });
  add(metrics, "process_resident_memory_bytes", "Memory in use (VmRSS).",
      [this] { return or_nan(status("VmRSS")) * 1024; });
  // The allocator keeps what is freed: after a burst it may hold 64 MiB and more of each arena.
  add(metrics, "process_allocated_memory_bytes", "Memory allocated and not freed.",
      [] { return allocated_bytes(); });
  add(metrics, "process_max_memory_bytes", "Memory that the process may use: cgroup or machine.",
      [this] { return memory_max(); });
  add(metrics, "process_threads", "Threads.", [this] { return or_nan(status("Threads")); });
  add(metrics, "process_max_threads", "Threads that the system allows: user, cgroup or machine.",
      [this] { return threads_max(); });
  add(metrics, "process_open_fds", "Open files and connections.", [this] {
    const auto names = disk_.list("/proc/self/fd");
    // One of them is the listing's own.
    return names.ok() && !names->empty() ? static_cast<double>(names->size() - 1)
                                         : std::numeric_limits<double>::quiet_NaN();
  });
  add(metrics, "process_max_fds", "Files and connections that the system allows.",
      [this] { return or_nan(limit("Max open files")); });
  add(metrics, "spillway_log_lines_dropped",
      "Log lines dropped since the start: the queue was full.",
      [&log] { return static_cast<double>(log.dropped()); });
  add(metrics, "spillway_data_free_bytes", "Free space where the data directory is.", [this, data] {
    const auto free = disk_.free_space(data);
    return free.ok() ? static_cast<double>(*free) : std::numeric_limits<double>::quiet_NaN();
  });
}

void ProcessMetrics::add(metrics::Registry& metrics, std::string_view name, std::string_view help,
                         std::function<double()> read) {
  gauges_.push_back(metrics.computed_gauge(name, help, {}, std::move(read)));
}

std::optional<std::uint64_t> ProcessMetrics::status(std::string_view name) const {
  const auto text = io::read_file(disk_, "/proc/self/status", kProcFileLimit);
  return text.ok() ? status_number(*text, name) : std::nullopt;
}

std::optional<std::uint64_t> ProcessMetrics::limit(std::string_view name) const {
  const auto text = io::read_file(disk_, "/proc/self/limits", kProcFileLimit);
  return text.ok() ? soft_limit(*text, name) : std::nullopt;
}

double ProcessMetrics::threads_max() const {
  return or_nan(least({limit("Max processes"), number_file(disk_, "/sys/fs/cgroup/pids.max"),
                       number_file(disk_, "/proc/sys/kernel/threads-max")}));
}

double ProcessMetrics::memory_max() const {
  std::optional<std::uint64_t> machine;
  if (const auto text = io::read_file(disk_, "/proc/meminfo", kProcFileLimit); text.ok())
    if (const auto kib = status_number(*text, "MemTotal")) machine = *kib * 1024;
  return or_nan(least({machine, number_file(disk_, "/sys/fs/cgroup/memory.max")}));
}

}  // namespace spillway::server
