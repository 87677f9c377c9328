#include "cli/up_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "cli/up_script.h"

namespace spillway::cli {
namespace {

// One line's characters and no more: control characters (those of Latin-1 are c2 80 to c2 9f in
// UTF-8) become '?', and the end is cut off. Bytes that go on a character take no column.
std::string fit(std::string_view text, std::size_t columns) {
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool goes_on = (byte & 0xc0) == 0x80;
    if (!goes_on && used++ == columns) break;
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool latin_control = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    line += byte < 0x20 || byte == 0x7f || latin_control ? '?' : text[i];
    if (latin_control) ++i;
  }
  return line;
}

// {"busy_percent":1.5,"line":"x"} as "busy_percent 1.5, line x": what a person reads at a glance.
std::string plain_fields(std::string_view json) {
  if (json.starts_with(R"({"line":)")) return std::string(json.substr(8, json.size() - 9));
  std::string text;
  for (const char c : json) {
    if (c == '"' || c == '{' || c == '}') continue;
    text += c == ':' ? ' ' : c;
    if (c == ',') text += ' ';
  }
  return text;
}

std::string clock_text(nanoseconds running) {
  const auto total = std::chrono::duration_cast<seconds>(running).count();
  return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
}

std::string latency_text(const UpState& state) {
  std::string text = "p50 -, p99 -";
  if (!state.broker) return text;
  if (state.broker->put_p99 > nanoseconds(0))
    text = fmt::format("p50 {}, p99 {}", duration_text(state.broker->put_p50),
                       duration_text(state.broker->put_p99));
  if (state.broker->spooled > 0)
    text += fmt::format(", {} records wait", count_text(state.broker->spooled));
  return text;
}

std::string check_text(const UpState& state) {
  const auto& totals = state.totals;
  std::string text = fmt::format("{} lost, {} doubled", totals.lost, totals.doubled);
  if (totals.dropped > 0) text += fmt::format(", {} dropped", totals.dropped);
  if (totals.late > 0) text += fmt::format(", {} late", totals.late);
  if (totals.unchecked > 0) text += fmt::format(", {} unchecked", totals.unchecked);
  if (state.lost_before > 0) text += fmt::format("; {} lost of earlier runs", state.lost_before);
  return text;
}

std::string regions_text(const UpState& state) {
  std::string text;
  for (const auto& region : state.regions)
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", region.name, region.state,
                        region.address);
  return text;
}

std::string route_text(const UpState& state) {
  if (!state.broker) return "-";
  const auto& broker = *state.broker;
  return fmt::format("{}{} for {}: {}", broker.used.empty() ? "no region" : broker.used,
                     broker.held ? ", held," : "", clock_text(broker.used_for), broker.because);
}

bool has_ended(const UpState& state, std::size_t region) {
  if (region >= state.regions.size()) return false;
  const auto& how = state.regions[region].state;
  return how != "serves" && how != "starts";
}

// What the keys do now: k and r are about a, s about where the records go.
std::string keys_text(const UpState& state) {
  const auto to = region_to_switch_to(state);
  const bool used = state.broker && state.broker->used == kUpRegions[to];
  const std::string switching =
      state.broker && state.broker->held
          ? "s releases the switch"
          : fmt::format("s {} {}", used ? "stays with" : "switches to", kUpRegions[to]);
  return fmt::format("{}, {}, q ends",
                     has_ended(state, 0) ? "r restarts region a" : "k kills region a", switching);
}

std::string total_text(const UpState& state) {
  std::string text = fmt::format("{} records, {}", count_text(state.records),
                                 bytes_text(static_cast<double>(state.bytes)));
  if (state.records_before > 0)
    text += fmt::format(" ({} stored before)", count_text(state.records_before));
  if (state.copies > 0)
    text += fmt::format(", {} of them in both regions, read once", count_text(state.copies));
  return text;
}

std::vector<std::string> head_lines(const UpState& state) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Spillway {}: {}", clock_text(state.running), state.phase));
  lines.push_back("regions  " + regions_text(state));
  lines.push_back("route    " + route_text(state));
  if (!state.problem.empty()) lines.push_back("problem  " + state.problem);
  lines.push_back(fmt::format("flow     {:.1f} records/s, {}/s", state.records_per_s,
                              bytes_text(state.bytes_per_s)));
  lines.push_back("checked  " + check_text(state));
  lines.push_back("keys     " + keys_text(state));
  lines.push_back("writes   " + latency_text(state));
  lines.push_back("reader   " + state.reader);
  lines.push_back("total    " + total_text(state));
  lines.push_back("stream   " + state.stream);
  lines.push_back("data     " + state.data);
  return lines;
}

}  // namespace

std::size_t region_to_switch_to(const UpState& state) {
  const std::size_t other = state.broker && state.broker->used == kUpRegions[0] ? 1 : 0;
  return has_ended(state, other) ? 1 - other : other;
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1024;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string duration_text(nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns == 0) return "0 ms";
  if (ns < 1e6) return fmt::format("{:.0f} µs", ns / 1e3);
  if (ns < 1e7) return fmt::format("{:.1f} ms", ns / 1e6);
  if (ns < 1e9) return fmt::format("{:.0f} ms", ns / 1e6);
  if (ns < 1e10) return fmt::format("{:.1f} s", ns / 1e9);
  return fmt::format("{:.0f} s", ns / 1e9);
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::vector<std::string> render(const UpState& state, io::TerminalSize size) {
  auto lines = head_lines(state);
  // What is left goes to the last log lines, then to the subjects.
  std::size_t left = size.rows > lines.size() ? size.rows - lines.size() : 0;
  const std::size_t log_lines = std::min({state.log.size(), left / 3, std::size_t{5}});
  const std::size_t log_rows = log_lines > 0 ? log_lines + 1 : 0;
  left -= std::min(left, log_rows);
  if (left >= 3 && !state.subjects.empty()) {
    std::size_t name_width = 7;
    for (const auto& [name, seen] : state.subjects) name_width = std::max(name_width, name.size());
    name_width = std::min(name_width, size.columns / 3);
    lines.emplace_back();
    lines.push_back(fmt::format("{:<{}} {:>9}  last", "subject", name_width, "records"));
    left -= 2;
    for (const auto& [name, seen] : state.subjects) {
      if (left-- == 0) break;
      lines.push_back(fmt::format("{:<{}} {:>9}  {}", fit(name, name_width), name_width,
                                  count_text(seen.records), plain_fields(seen.fields)));
    }
  }
  if (log_lines > 0) {
    lines.emplace_back();
    lines.insert(lines.end(), state.log.end() - static_cast<std::ptrdiff_t>(log_lines),
                 state.log.end());
  }
  if (lines.size() > size.rows) lines.resize(size.rows);
  for (auto& line : lines) line = fit(line, size.columns);
  return lines;
}

std::string plain_line(const UpState& state) {
  return fmt::format("{} {}: {:.1f} records/s, {}/s to {}, writes {}, total {}, {}",
                     clock_text(state.running), state.phase, state.records_per_s,
                     bytes_text(state.bytes_per_s),
                     state.broker && !state.broker->used.empty() ? state.broker->used : "no region",
                     latency_text(state), total_text(state), check_text(state));
}

std::string summary(const UpState& state, const std::vector<std::string>& problems) {
  const auto flowed = state.totals.records;
  const double ran_s = static_cast<double>(state.running.count()) / 1e9;
  std::string text = fmt::format("{} records flowed in {:.0f} s: {}\n", count_text(flowed), ran_s,
                                 check_text(state));
  text += "stored: " + total_text(state) + "\n";
  text += "writes: " + latency_text(state) + " (the last puts)\n";
  text += "data: " + state.data;
  for (const auto& problem : problems) text += "\n  " + problem;
  return text;
}

}  // namespace spillway::cli
