#include "cli/callers_table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "cli/text_output.h"

namespace spillway::cli {

namespace {

constexpr std::array<std::string_view, 4> kUses = {"put", "get", "subscribe", "describe"};

struct Row {
  std::string stream;
  std::string access_key;
  std::string agent;
  std::string peer;
  std::string does;  // "get, describe"
  bool reads = false;
  std::uint64_t requests = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::int64_t lag_ms = 0;
  std::int64_t last_seen_ms = 0;
  std::string json;

  auto name() const { return std::tie(access_key, agent, peer); }
};

using Name = std::tuple<std::string, std::string, std::string>;

Error not_callers() {
  return {ErrorCode::kInvalid, "the admin port's answer is no list of callers"};
}

std::string text_of(const simdjson::dom::element& from, std::string_view name) {
  std::string_view text;
  return from[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::int64_t number_of(const simdjson::dom::element& from, std::string_view name) {
  std::int64_t number = 0;
  return from[name].get(number) == simdjson::SUCCESS ? number : 0;
}

Row row_of(const simdjson::dom::element& caller) {
  Row row{text_of(caller, "stream"), text_of(caller, "access_key"), text_of(caller, "agent"),
          text_of(caller, "peer")};
  row.lag_ms = number_of(caller, "lag_ms");
  row.last_seen_ms = number_of(caller, "last_seen_ms");
  row.json = simdjson::minify(caller);
  for (const auto use : kUses) {
    simdjson::dom::element usage;
    if (caller[use].get(usage) != simdjson::SUCCESS) continue;
    row.does += row.does.empty() ? "" : ", ";
    row.does += use;
    row.reads = row.reads || use == "get" || use == "subscribe";
    row.requests += static_cast<std::uint64_t>(number_of(usage, "requests"));
    row.records += static_cast<std::uint64_t>(number_of(usage, "records"));
    row.bytes += static_cast<std::uint64_t>(number_of(usage, "bytes"));
  }
  return row;
}

Result<std::vector<Row>> rows_of(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::array callers;
  if (parser.parse(json)["callers"].get(callers) != simdjson::SUCCESS) return not_callers();
  std::vector<Row> rows;
  for (const auto& caller : callers) rows.push_back(row_of(caller));
  return rows;
}

std::string ago(std::int64_t millis) {
  const std::int64_t seconds = std::max<std::int64_t>(millis, 0) / 1000;
  if (seconds < 120) return fmt::format("{} s ago", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} d ago", seconds / 86400);
}

// Columns as wide as what is in them.
std::string align(const std::vector<std::vector<std::string>>& cells) {
  std::vector<std::size_t> widths(cells.front().size());
  for (const auto& row : cells)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : cells) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:{}}  ", row[i], widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

}  // namespace

Result<std::string> callers_table(std::string_view json, std::string_view stream, WallTime now) {
  SPILLWAY_ASSIGN(const auto rows, rows_of(json));
  std::map<Name, std::set<std::string>> sources;  // the streams that each reads
  for (const auto& row : rows)
    if (row.reads) sources[row.name()].insert(row.stream);
  std::vector<std::vector<std::string>> cells = {{"STREAM", "ACCESS KEY", "AGENT", "FROM", "DOES",
                                                  "REQUESTS", "RECORDS", "BYTES", "LAG", "SEEN",
                                                  "SOURCES"}};
  std::map<std::string, int> would_stop;  // by stream: callers that it is the only source of
  for (const auto& row : rows) {
    if (!stream.empty() && row.stream != stream) continue;
    std::string of = "-";
    if (row.reads) {
      const auto count = sources[row.name()].size();
      of = count == 1 ? "this alone" : fmt::format("{}", count);
      if (count == 1) ++would_stop[row.stream];
    }
    cells.push_back({printable(row.stream), printable(row.access_key), printable(row.agent),
                     printable(row.peer), row.does, fmt::to_string(row.requests),
                     fmt::to_string(row.records), fmt::to_string(row.bytes),
                     row.reads ? fmt::format("{} ms", row.lag_ms) : "-",
                     ago(to_millis(now) - row.last_seen_ms), of});
  }
  std::string text = align(cells);
  for (const auto& [name, count] : would_stop) {
    text += fmt::format("If {} stopped, {} caller{} would have no source left.\n", printable(name),
                        count, count == 1 ? "" : "s");
  }
  return text;
}

Result<std::string> callers_lines(std::string_view json, std::string_view stream) {
  SPILLWAY_ASSIGN(const auto rows, rows_of(json));
  std::string lines;
  for (const auto& row : rows)
    if (stream.empty() || row.stream == stream) lines += row.json + '\n';
  return lines;
}

}  // namespace spillway::cli
