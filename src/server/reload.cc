#include "server/reload.h"

#include <variant>

namespace spillway::server {

namespace {

bool belongs_to(std::string_view key, std::string_view table) {
  return key.substr(0, key.find('.')) == table;
}

// Whoever writes a file anew may be caught between its beginning and its end.
Status check_whole(const Config& running, const Config& fresh, std::string_view table) {
  if (fresh.file_end == FileEnd::kEmpty && running.file_end != FileEnd::kEmpty)
    return Error{ErrorCode::kInvalid, "the file is empty"};
  if (fresh.file_end == FileEnd::kCut && running.file_end != FileEnd::kCut) {
    return Error{ErrorCode::kInvalid,
                 "the file's last line has no end: it may have been cut off there"};
  }
  if (table == "broker" && fresh.broker.targets.empty() && !running.broker.targets.empty())
    return Error{ErrorCode::kInvalid, "the file has no [[broker.targets]] any more"};
  return {};
}

}  // namespace

Result<Config> read_again(const Config& running, const ConfigSource& source,
                          std::string_view table) {
  SPILLWAY_ASSIGN(auto fresh, source());
  SPILLWAY_TRY(check_whole(running, fresh, table));
  return fresh;
}

Config with_reloaded(Config running, const Config& fresh) {
  Config wanted = fresh;
  for (const auto& key : config_keys()) {
    if (!key.reloaded) continue;
    std::visit([&](auto field) { field(running) = field(wanted); }, key.field);
  }
  running.file_end = fresh.file_end;
  return running;
}

void tell_waiting(const Config& running, const Config& fresh, std::string_view table,
                  io::EventLog& log) {
  for (const auto& key : config_keys()) {
    if (key.reloaded || !(belongs_to(key.name, table) || belongs_to(key.name, "log"))) continue;
    const std::string before = value_text(key, running);
    const std::string after = value_text(key, fresh);
    if (before != after) {
      log.warning("a change waits for a restart",
                  {{"key", key.name}, {"running", before}, {"configured", after}});
    }
  }
}

std::optional<Config> reload(const Config& running, const ConfigSource& source,
                             std::string_view table, io::StderrLog& log) {
  auto fresh = read_again(running, source, table);
  if (!fresh.ok()) {
    log.error("configuration not reloaded", {{"reason", fresh.error().message}});
    return std::nullopt;
  }
  tell_waiting(running, *fresh, table, log);
  log.set_lowest(log_level(fresh->log));
  return *std::move(fresh);
}

}  // namespace spillway::server
