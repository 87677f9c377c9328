// What `spillway keys` does to the access keys of a data directory, whether a region runs on it or
// not (docs/access.md).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "auth/key_file.h"
#include "io/event_log.h"
#include "io/posix_disk.h"
#include "server/config.h"

namespace spillway::cli {

struct NewKey {
  std::string holder;
  std::string policy_file;  // empty: it may do everything
  bool session = false;
  std::optional<seconds> life;  // nullopt: forever
  auth::RateLimits limits;
};

class KeyCommands {
 public:
  explicit KeyCommands(const server::ServeConfig& config);

  // What is shown once, of a key that is durably stored.
  Result<auth::Credentials> create(const NewKey& wanted);
  Result<std::vector<auth::StoredKey>> list();
  Status set_enabled(const std::string& id, bool enabled);
  Status remove(const std::string& id);
  // `file` as NewKey::policy_file.
  Status set_policy(const std::string& id, const std::string& file);
  // The new secret; the old one is good for `grace` yet.
  Result<auth::Credentials> rotate(const std::string& id, seconds grace);
  // Takes over the keys of spillway.toml that aren't there yet: their ids.
  Result<std::vector<std::string>> import();

  // Whether create or import had to make the data directory: then a region stores elsewhere, or has
  // not run yet.
  bool made_directory() const { return made_directory_; }

  // Has the region that runs on this configuration, if one does, go by what was stored; gives what
  // a person should know about that, or why the region doesn't take it.
  Result<std::string> tell_region() const;

 private:
  Status make_directory();
  Status ready();  // to wrap secrets: waits for the master key
  Result<std::string> wrap(const std::string& id, auth::KeyPart part, std::string_view secret);
  Status edit_one(const std::string& id, const std::function<Status(auth::StoredKey&)>& edit);
  WallTime now() { return clock_.wall_now(); }

  const server::ServeConfig config_;
  io::PosixDisk disk_;
  io::SystemClock clock_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
  auth::MasterKeys master_keys_;
  auth::KeyFile file_;
  bool made_directory_ = false;
};

}  // namespace spillway::cli
