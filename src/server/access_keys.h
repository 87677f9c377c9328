// The access keys of a region or of a broker: those of its data directory, which `spillway keys`
// edits, and those of spillway.toml.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/key_file.h"
#include "io/event_log.h"
#include "server/config.h"
#include "server/routes.h"

namespace spillway::server {

// Whether an address ("127.0.0.1:4566") can be reached from this machine only. Of names that is
// told of "localhost" alone.
bool is_loopback(std::string_view address);

using KeyTableRef = std::shared_ptr<const auth::KeyTable>;

// On the main thread. What it is handed must outlive it.
class AccessKeys {
 public:
  struct Options {
    std::string data;    // the directory
    std::string listen;  // where requests that they sign come in; empty: nowhere
    std::string_view holder = "a region";
    std::string_view table = "serve.keys";  // of spillway.toml
  };
  AccessKeys(io::Disk& disk, Options options, std::vector<AccessKey> configured,
             const auth::MasterKeys& master_keys, io::EventLog& log);

  // Where they come in from now on.
  void set_listen(std::string address) { options_.listen = std::move(address); }

  // Reads the data directory's keys again, with these of spillway.toml beside them; of two with one
  // id the data directory's counts. kDenied where there are no keys, and it listens beyond
  // loopback; other errors where the file can't be read. They leave what was loaded before; those
  // of spillway.toml are `configured` from now on all the same.
  Result<KeyTableRef> load(std::vector<AccessKey> configured);
  Result<KeyTableRef> load() { return load(configured_); }
  // What load() with these would have now, with its errors but for kDenied; and takes that up.
  struct Prepared {
    std::vector<AccessKey> configured;
    std::string stored;
    std::uint64_t master_keys_version = 0;
    KeyTableRef table;
  };
  Result<Prepared> prepare(std::vector<AccessKey> configured) const;
  KeyTableRef use(Prepared prepared);
  // Loads where the file or a master key has changed since; nullopt where neither has, or what is
  // there can't be loaded (the log says why, once). A file that was there and is gone can't: that
  // its keys are gone is for somebody to say, not for an accident.
  std::optional<KeyTableRef> poll();

 private:
  Result<KeyTableRef> take(std::string bytes);
  Result<KeyTableRef> make_table(std::string_view stored,
                                 const std::vector<AccessKey>& configured) const;
  Status check_left(const auth::KeyTable& table) const;

  const auth::KeyFile file_;
  Options options_;
  const auth::MasterKeys& master_keys_;
  io::EventLog& log_;
  std::vector<AccessKey> configured_;
  std::string seen_;                // the file's content when it was last looked at
  std::uint64_t seen_version_ = 0;  // of the master keys, likewise
  bool due_ = false;                // it is to be loaded, and couldn't be read
  bool missing_told_ = false;       // that it can't be read
  KeyTableRef table_ = std::make_shared<auth::KeyTable>();
};

// That it listens there, without keys, for whoever can do something about it.
std::string without_keys(const AccessKeys::Options& options);

// POST /v1/keys/reload: answers when every request goes by the keys that are there now. `reload` is
// called on the main thread, and calls back from any.
using KeysReloaded = UniqueFunction<void(Result<std::size_t>)>;
void add_keys_route(Routes& routes, io::EventLoop& main_loop, io::EventLoop& admin_loop,
                    std::function<void(KeysReloaded)> reload);

}  // namespace spillway::server
