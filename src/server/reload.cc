#include "server/reload.h"

namespace spillway::server {

namespace {

bool belongs_to(std::string_view key, std::string_view table) {
  return key.substr(0, key.find('.')) == table;
}

// Whoever writes a file anew may be caught between its beginning and its end.
Status check_whole(const Config& running, const Config& fresh, std::string_view table) {
  if (fresh.empty_file && !running.empty_file)
    return Error{ErrorCode::kInvalid, "the file is empty"};
  if (table == "broker" && fresh.broker.targets.empty() && !running.broker.targets.empty())
    return Error{ErrorCode::kInvalid, "the file has no [[broker.targets]] any more"};
  return {};
}

}  // namespace

std::optional<Config> reload(const Config& running, const ConfigSource& source,
                             std::string_view table, io::StderrLog& log) {
  auto fresh = source();
  if (fresh.ok())
    if (auto whole = check_whole(running, *fresh, table); !whole.ok()) fresh = whole.error();
  if (!fresh.ok()) {
    log.error("configuration not reloaded", {{"reason", fresh.error().message}});
    return std::nullopt;
  }
  for (const auto& key : config_keys()) {
    if (key.reloaded || !(belongs_to(key.name, table) || belongs_to(key.name, "log"))) continue;
    const std::string before = value_text(key, running);
    const std::string after = value_text(key, *fresh);
    if (before != after) {
      log.warning("a change waits for a restart",
                  {{"key", key.name}, {"running", before}, {"configured", after}});
    }
  }
  if (table == "broker" && running.broker.targets != fresh->broker.targets)
    log.warning("a change waits for a restart", {{"key", "broker.targets"}});
  log.set_lowest(log_level(fresh->log));
  return *std::move(fresh);
}

}  // namespace spillway::server
