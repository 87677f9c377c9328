#include "broker/proc_text.h"

#include <algorithm>
#include <charconv>

namespace spillway::broker {
namespace {

// Takes fields that are separated by spaces and tabs off the front of a line.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::string_view next() {
    const auto begin = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    const auto end = std::min(rest_.find_first_of(" \t", begin), rest_.size());
    const auto field = rest_.substr(begin, end - begin);
    rest_.remove_prefix(end);
    return field;
  }
  // 0 where the line has ended or something else stands there; ok() tells.
  template <typename T = std::uint64_t>
  T number() {
    const auto field = next();
    T value{};
    const auto parsed = std::from_chars(field.data(), field.data() + field.size(), value);
    ok_ = ok_ && parsed.ec == std::errc{} && parsed.ptr == field.data() + field.size();
    return value;
  }
  void skip(int fields) {
    for (int i = 0; i < fields; ++i) next();
  }
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

template <typename Use>
void each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

CpuStat parse_stat(std::string_view proc_stat) {
  CpuStat stat;
  each_line(proc_stat, [&stat](std::string_view line) {
    Fields fields(line);
    const auto name = fields.next();
    if (name.starts_with("cpu")) {
      CpuTimes times;
      for (auto* field : {&times.user, &times.nice, &times.system, &times.idle, &times.iowait,
                          &times.irq, &times.softirq, &times.steal})
        *field = fields.number();
      if (!fields.ok()) return;
      if (name == "cpu")
        stat.all = times;
      else
        stat.cores.push_back(times);
    } else if (name == "ctxt") {
      stat.context_switches = fields.number();
    } else if (name == "processes") {
      stat.forks = fields.number();
    } else if (name == "procs_running") {
      stat.running = fields.number();
    } else if (name == "procs_blocked") {
      stat.blocked = fields.number();
    }
  });
  return stat;
}

std::map<std::string, std::uint64_t, std::less<>> parse_meminfo(std::string_view proc_meminfo) {
  std::map<std::string, std::uint64_t, std::less<>> sizes;
  each_line(proc_meminfo, [&sizes](std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    Fields fields(line.substr(colon + 1));
    const auto kib = fields.number();
    if (fields.ok()) sizes.emplace(line.substr(0, colon), kib);
  });
  return sizes;
}

std::vector<DiskCounters> parse_diskstats(std::string_view proc_diskstats) {
  constexpr std::uint64_t kSectorBytes = 512;  // whatever the device's own
  std::vector<DiskCounters> disks;
  each_line(proc_diskstats, [&disks](std::string_view line) {
    Fields fields(line);
    fields.skip(2);  // major, minor
    DiskCounters disk;
    disk.name = fields.next();
    disk.reads = fields.number();
    fields.skip(1);  // merged
    disk.read_bytes = fields.number() * kSectorBytes;
    disk.read_ms = fields.number();
    disk.writes = fields.number();
    fields.skip(1);
    disk.written_bytes = fields.number() * kSectorBytes;
    disk.write_ms = fields.number();
    disk.in_progress = fields.number();
    disk.busy_ms = fields.number();
    if (fields.ok()) disks.push_back(std::move(disk));
  });
  return disks;
}

std::vector<NetworkCounters> parse_net_dev(std::string_view proc_net_dev) {
  std::vector<NetworkCounters> interfaces;
  each_line(proc_net_dev, [&interfaces](std::string_view line) {
    const auto colon = line.find(':');  // the two lines of heading have none
    if (colon == std::string_view::npos) return;
    NetworkCounters counters;
    counters.name = Fields(line.substr(0, colon)).next();
    Fields fields(line.substr(colon + 1));
    counters.received_bytes = fields.number();
    counters.received_packets = fields.number();
    counters.received_errors = fields.number();
    counters.received_drops = fields.number();
    fields.skip(4);  // fifo, frame, compressed, multicast
    counters.sent_bytes = fields.number();
    counters.sent_packets = fields.number();
    counters.sent_errors = fields.number();
    counters.sent_drops = fields.number();
    if (fields.ok()) interfaces.push_back(std::move(counters));
  });
  return interfaces;
}

std::optional<LoadAverage> parse_loadavg(std::string_view proc_loadavg) {
  Fields fields(proc_loadavg);
  LoadAverage load;
  load.minutes_1 = fields.number<double>();
  load.minutes_5 = fields.number<double>();
  load.minutes_15 = fields.number<double>();
  const auto counts = fields.next();
  const auto slash = counts.find('/');
  if (!fields.ok() || slash == std::string_view::npos) return std::nullopt;
  Fields runnable(counts.substr(0, slash));
  Fields threads(counts.substr(slash + 1));
  load.runnable = runnable.number();
  load.threads = threads.number();
  if (!runnable.ok() || !threads.ok()) return std::nullopt;
  return load;
}

std::optional<ProcessTimes> parse_pid_stat(std::string_view proc_pid_stat) {
  // The name stands in parentheses and may itself hold spaces and parentheses: it ends at the last.
  const auto open = proc_pid_stat.find('(');
  const auto close = proc_pid_stat.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return std::nullopt;
  ProcessTimes process;
  Fields before(proc_pid_stat.substr(0, open));
  process.pid = before.number();
  process.name = proc_pid_stat.substr(open + 1, close - open - 1);
  Fields fields(proc_pid_stat.substr(close + 1));
  const auto state = fields.next();
  fields.skip(10);  // ppid … cmajflt
  const auto user_ticks = fields.number();
  process.ticks = user_ticks + fields.number();
  fields.skip(4);  // cutime, cstime, priority, nice
  process.threads = fields.number();
  fields.skip(1);  // itrealvalue
  process.started_ticks = fields.number();
  fields.skip(1);  // vsize
  process.resident_pages = fields.number();
  if (!before.ok() || !fields.ok() || state.size() != 1) return std::nullopt;
  process.state = state.front();
  return process;
}

}  // namespace spillway::broker
