#include "server/access_keys.h"

namespace spillway::server {

bool is_loopback(std::string_view address) {
  if (address.starts_with("localhost:") || address.starts_with("[::1]:")) return true;
  const auto host = address.substr(0, address.rfind(':'));
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

AccessKeys::AccessKeys(io::Disk& disk, Options options, std::vector<AccessKey> configured,
                       const auth::MasterKeys& master_keys, io::EventLog& log)
    : file_(disk, options.data),
      options_(std::move(options)),
      master_keys_(master_keys),
      log_(log),
      configured_(std::move(configured)) {}

Result<KeyTableRef> AccessKeys::load(std::vector<AccessKey> configured) {
  configured_ = std::move(configured);  // whatever becomes of this: a key that went stays away
  due_ = true;
  SPILLWAY_ASSIGN(auto bytes, file_.read_bytes());
  return take(std::move(bytes));
}

Result<AccessKeys::Prepared> AccessKeys::prepare(std::vector<AccessKey> configured) const {
  Prepared prepared;
  // Before the keys are opened: a change meanwhile is seen by the next look.
  prepared.master_keys_version = master_keys_.version();
  prepared.configured = std::move(configured);
  SPILLWAY_ASSIGN(prepared.stored, file_.read_bytes());
  SPILLWAY_ASSIGN(prepared.table, make_table(prepared.stored, prepared.configured));
  return prepared;
}

KeyTableRef AccessKeys::use(Prepared prepared) {
  due_ = false;
  configured_ = std::move(prepared.configured);
  seen_version_ = prepared.master_keys_version;
  seen_ = std::move(prepared.stored);
  if (prepared.table->accepts_any() && !table_->accepts_any())
    log_.warning("no access key is left: anybody on this machine may do anything");
  table_ = std::move(prepared.table);
  return table_;
}

Result<KeyTableRef> AccessKeys::take(std::string bytes) {
  due_ = false;
  // Before the keys are opened: a change meanwhile is seen by the next look.
  seen_version_ = master_keys_.version();
  seen_ = std::move(bytes);
  SPILLWAY_ASSIGN(auto table, make_table(seen_, configured_));
  SPILLWAY_TRY(check_left(*table));
  return use({std::move(configured_), std::move(seen_), seen_version_, std::move(table)});
}

std::optional<KeyTableRef> AccessKeys::poll() {
  auto bytes = file_.read_bytes();
  // One whose last key was deleted has bytes still.
  if (bytes.ok() && bytes->empty() && !seen_.empty()) {
    bytes = Error{ErrorCode::kNotFound,
                  fmt::format("{} is gone or empty; its keys stay good until it is back, or "
                              "spillway is told to reload",
                              file_.path())};
  }
  if (!bytes.ok()) {  // it is looked at again a second later
    if (!std::exchange(missing_told_, true))
      log_.error("access keys not reloaded", {{"reason", bytes.error().message}});
    return std::nullopt;
  }
  missing_told_ = false;
  if (!due_ && *bytes == seen_ && master_keys_.version() == seen_version_) return std::nullopt;
  auto taken = take(*std::move(bytes));
  if (taken.ok()) return *std::move(taken);
  log_.error("access keys not reloaded", {{"reason", taken.error().message}});
  return std::nullopt;
}

Result<KeyTableRef> AccessKeys::make_table(std::string_view stored,
                                           const std::vector<AccessKey>& configured) const {
  std::vector<auth::Key> keys;
  std::vector<auth::StoredKey> decoded;
  if (!stored.empty()) {
    SPILLWAY_ASSIGN(decoded, auth::decode_keys(stored, file_.path()));
  }
  for (const auto& one : decoded) {
    SPILLWAY_ASSIGN(auto key, auth::open_key(one, master_keys_));
    if (!key.fault.empty())
      log_.warning("access key can't be used", {{"key", key.id}, {"reason", key.fault}});
    // What it has used of its rate still counts.
    const auto before = table_->find(key.id);
    if (before != nullptr && before->limiter != nullptr && key.limiter != nullptr &&
        before->limiter->limits() == key.limiter->limits())
      key.limiter = before->limiter;
    keys.push_back(std::move(key));
  }
  for (const auto& key : configured) keys.push_back({key.id, key.secret, "", std::nullopt});
  return KeyTableRef(std::make_shared<auth::KeyTable>(std::move(keys)));
}

Status AccessKeys::check_left(const auth::KeyTable& table) const {
  if (!table.accepts_any() || options_.listen.empty() || is_loopback(options_.listen)) return {};
  return Error{ErrorCode::kDenied, without_keys(options_)};
}

std::string without_keys(const AccessKeys::Options& options) {
  return fmt::format(
      "without access keys {} listens on loopback only, not on {}: "
      "make one with `spillway keys create NAME --data {}`, add [[{}]] to "
      "spillway.toml, or listen on 127.0.0.1",
      options.holder, options.listen, options.data, options.table);
}

void add_keys_route(Routes& routes, io::EventLoop& main_loop, io::EventLoop& admin_loop,
                    std::function<void(KeysReloaded)> reload) {
  routes.add(
      "POST", "/v1/keys/reload",
      [&main_loop, &admin_loop, reload = std::move(reload)](RoutedRequest, Responder responder) {
        main_loop.post([&admin_loop, reload, responder = std::move(responder)]() mutable {
          reload([&admin_loop, responder = std::move(responder)](Result<std::size_t> keys) mutable {
            admin_loop.post([keys = std::move(keys), responder = std::move(responder)]() mutable {
              responder.respond(keys.ok()
                                    ? wire::text_response(200, fmt::format("{} keys\n", *keys))
                                    : wire::text_response(500, keys.error().message + "\n"));
            });
          });
        });
      });
}

}  // namespace spillway::server
