#include "cli/key_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "cli/admin_call.h"
#include "cli/data_directory.h"
#include "io/asio_loop.h"
#include "io/clock.h"

namespace spillway::cli {

namespace {

// Temporary keys that expired longer ago are forgotten.
constexpr auto kExpiredKept = std::chrono::hours(24);
constexpr std::size_t kHolderMax = 64;  // as IAM's names of users

Status check_holder(std::string_view holder) {
  constexpr std::string_view kOthers = "+=,.@_-";  // of IAM's names of users
  const bool fits = std::ranges::all_of(holder, [=](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
  if (fits && !holder.empty() && holder.size() <= kHolderMax) return {};
  return Error{ErrorCode::kInvalid,
               fmt::format("the holder's name \"{}\" must be 1 to {} letters, digits or any of {}",
                           holder, kHolderMax, kOthers)};
}

Result<std::string> read_policy(io::Disk& disk, const std::string& path) {
  if (path.empty()) return std::string();
  SPILLWAY_ASSIGN(auto text, io::read_file(disk, path, auth::kPolicyBytesMax));
  const auto parsed = auth::Policy::parse(text, auth::PolicyKind::kIdentity);
  if (!parsed.ok()) return context(path, parsed.error());
  return text;
}

// Whether something may be wrapped under DATA/master.key, so that none must be made where it is
// missing. What the streams of a region use, its journal knows, and the region has it locked: a
// directory in which one has run has its key, or has lost it.
bool may_use_directory_key(io::Disk& disk, const std::string& directory) {
  const auto is_under = [](const auth::StoredKey& key) {
    return auth::is_wrapped_under(key, auth::kDirectoryMasterKey);
  };
  const auto keys = auth::KeyFile(disk, directory).read();
  return !keys.ok() || std::ranges::any_of(*keys, is_under) ||
         disk.list(io::join_path(directory, "journal")).ok();
}

Error no_such_key(const std::string& id) {
  return {ErrorCode::kNotFound,
          fmt::format("there is no access key {}; `spillway keys list` shows them", id)};
}

// How many keys a region goes by, from its answer "3 keys"; nullopt where it says something else.
std::optional<std::size_t> count_of(std::string_view answer) {
  std::size_t count = 0;
  const char* const end = answer.data() + answer.size();
  const auto parsed = std::from_chars(answer.data(), end, count);
  if (parsed.ec != std::errc() || !std::string_view(parsed.ptr, end).starts_with(" keys"))
    return std::nullopt;
  return count;
}

}  // namespace

KeyCommands::KeyCommands(const server::ServeConfig& config)
    : config_(config),
      master_keys_(
          {config.data, config.region, config.account, may_use_directory_key(disk_, config.data)},
          disk_, clock_, entropy_, log_),
      file_(disk_, config.data) {}

Status KeyCommands::make_directory() {
  const auto before = disk_.list(config_.data);
  SPILLWAY_TRY(disk_.make_directory(config_.data));
  made_directory_ = !before.ok() && before.error().code == ErrorCode::kNotFound;
  return {};
}

Status KeyCommands::ready() {
  master_keys_.configure(config_.master_keys);
  constexpr auto kPolledEvery = milliseconds(20);
  io::AsioLoop loop;
  const auto timer = loop.make_timer();
  const std::function<void()> poll = [&] {
    master_keys_.poll();
    const auto state = master_keys_.check(auth::kDefaultMasterKey);
    if (state.ok() || state.error().code != ErrorCode::kBusy) return loop.stop();
    timer->start(kPolledEvery, [&] { poll(); });
  };
  loop.post([&] { poll(); });
  loop.run();
  return master_keys_.check(auth::kDefaultMasterKey);
}

Result<std::string> KeyCommands::wrap(const std::string& id, auth::KeyPart part,
                                      std::string_view secret) {
  return master_keys_.wrap(auth::kDefaultMasterKey, secret, auth::wrapping_purpose(id, part));
}

Result<auth::Credentials> KeyCommands::create(const NewKey& wanted) {
  SPILLWAY_TRY(check_holder(wanted.holder));
  SPILLWAY_ASSIGN(auto policy, read_policy(disk_, wanted.policy_file));
  SPILLWAY_TRY(make_directory());
  SPILLWAY_TRY(ready());
  auto made = auth::make_credentials(entropy_, wanted.session);
  auth::StoredKey key;
  key.id = made.access_key;
  key.holder = wanted.holder;
  key.created_at = now();
  key.policy = std::move(policy);
  key.limits = wanted.limits;
  if (wanted.life) key.expires_at = key.created_at + *wanted.life;
  SPILLWAY_ASSIGN(key.wrapped_secret, wrap(key.id, auth::KeyPart::kSecret, made.secret_key));
  if (wanted.session) {
    SPILLWAY_ASSIGN(key.wrapped_token, wrap(key.id, auth::KeyPart::kToken, made.session_token));
  }
  SPILLWAY_TRY(file_.edit([&](std::vector<auth::StoredKey>& keys) -> Status {
    std::erase_if(keys, [&](const auth::StoredKey& old) {
      return !old.wrapped_token.empty() && old.expires_at && *old.expires_at + kExpiredKept < now();
    });
    keys.push_back(key);
    return {};
  }));
  return made;
}

Status KeyCommands::edit_one(const std::string& id,
                             const std::function<Status(auth::StoredKey&)>& edit) {
  SPILLWAY_TRY(check_data_directory(disk_, config_.data));
  return file_.edit([&](std::vector<auth::StoredKey>& keys) -> Status {
    const auto found = std::ranges::find(keys, id, &auth::StoredKey::id);
    if (found == keys.end()) return no_such_key(id);
    return edit(*found);
  });
}

Status KeyCommands::set_enabled(const std::string& id, bool enabled) {
  return edit_one(id, [enabled](auth::StoredKey& key) -> Status {
    key.enabled = enabled;
    return {};
  });
}

Status KeyCommands::remove(const std::string& id) {
  for (const auto& configured : config_.keys) {
    if (configured.id == id) {
      return Error{ErrorCode::kExists,
                   fmt::format("[[serve.keys]] has the key {} too, and it would count again: "
                               "remove it there first",
                               id)};
    }
  }
  SPILLWAY_TRY(check_data_directory(disk_, config_.data));
  return file_.edit([&](std::vector<auth::StoredKey>& keys) -> Status {
    const auto removed =
        std::erase_if(keys, [&](const auth::StoredKey& key) { return key.id == id; });
    return removed > 0 ? Status() : Status(no_such_key(id));
  });
}

Status KeyCommands::set_policy(const std::string& id, const std::string& file) {
  SPILLWAY_ASSIGN(const auto policy, read_policy(disk_, file));
  return edit_one(id, [&](auth::StoredKey& key) -> Status {
    key.policy = policy;
    return {};
  });
}

Result<auth::Credentials> KeyCommands::rotate(const std::string& id, seconds grace) {
  SPILLWAY_TRY(check_data_directory(disk_, config_.data));
  SPILLWAY_TRY(ready());
  auth::Credentials made;
  made.access_key = id;
  made.secret_key = auth::make_secret(entropy_);
  SPILLWAY_ASSIGN(const auto wrapped, wrap(id, auth::KeyPart::kSecret, made.secret_key));
  SPILLWAY_TRY(edit_one(id, [&](auth::StoredKey& key) -> Status {
    if (!key.wrapped_token.empty()) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("{} is temporary: create another one instead", id)};
    }
    key.wrapped_previous = grace > seconds(0) ? key.wrapped_secret : "";
    key.previous_until = now() + grace;
    key.wrapped_secret = wrapped;
    return {};
  }));
  return made;
}

Result<std::vector<std::string>> KeyCommands::import() {
  SPILLWAY_TRY(make_directory());
  SPILLWAY_TRY(ready());
  std::vector<std::string> imported;
  SPILLWAY_TRY(file_.edit([&](std::vector<auth::StoredKey>& keys) -> Status {
    for (const auto& configured : config_.keys) {
      if (std::ranges::find(keys, configured.id, &auth::StoredKey::id) != keys.end()) continue;
      auth::StoredKey key;
      key.id = configured.id;
      key.holder = configured.id;
      key.created_at = now();
      SPILLWAY_ASSIGN(key.wrapped_secret, wrap(key.id, auth::KeyPart::kSecret, configured.secret));
      keys.push_back(std::move(key));
      imported.push_back(configured.id);
    }
    return {};
  }));
  return imported;
}

Result<std::vector<auth::StoredKey>> KeyCommands::list() {
  SPILLWAY_TRY(check_data_directory(disk_, config_.data));
  return file_.read();
}

Result<std::string> KeyCommands::tell_region() const {
  SPILLWAY_ASSIGN(const auto stored, file_.read());
  auto answer = call_admin(config_.admin, "POST", "/v1/keys/reload");
  if (!answer.ok() && answer.error().code == ErrorCode::kNotFound) {
    const bool open = stored.empty() && config_.keys.empty();
    return fmt::format("no region or broker answers at {}: this counts from its next start{}",
                       config_.admin,
                       open ? ". No access key is left: without any in spillway.toml it takes any "
                              "well-formed signature then, on loopback alone"
                            : "");
  }
  if (!answer.ok()) return std::move(answer).error();
  if (answer->status == 200) {
    const auto used = count_of(answer->body);
    if (used && *used < stored.size()) {
      return fmt::format(
          "what answers at {} goes by {} access keys, and {} has {}: --data must be where it "
          "stores",
          config_.admin, *used, config_.data, stored.size());
    }
    if (used == 0U) {
      return fmt::format(
          "there is no access key now: {} takes any well-formed signature, from "
          "anybody on its machine",
          config_.admin);
    }
    return std::string();
  }
  return Error{ErrorCode::kDenied,
               fmt::format("stored, but what answers at {} goes on by the keys that it had: {}",
                           config_.admin, answer->body)};
}

}  // namespace spillway::cli
