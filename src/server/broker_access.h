// Who may use the broker's Kinesis API and its inputs over HTTP: the access keys of its data
// directory and of [[broker.keys]], as a region has them. Without any, anybody on this machine may.
#pragma once

#include <optional>
#include <vector>

#include "auth/key_file.h"
#include "auth/master_key.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "server/access_keys.h"
#include "server/config.h"

namespace spillway::server {

AccessKeys::Options broker_keys(const std::string& data, std::string listen);

// On the broker's own loop. It stores nothing, and doesn't need the data directory to be there.
// What it is handed outlives it.
class BrokerAccess {
 public:
  BrokerAccess(const BrokerConfig& config, io::Disk& disk, io::Clock& clock, io::Entropy& entropy,
               io::EventLog& log);

  // Where other machines reach what goes by them, from now on; empty, as at first: nowhere.
  void set_exposed(std::string address) { keys_.set_listen(std::move(address)); }
  // The keys that are there now. Errors of AccessKeys::load(): kDenied where what other machines
  // reach would have none.
  Result<KeyTableRef> load();
  // The same with these of spillway.toml; it is in use once it is given to use().
  Result<AccessKeys::Prepared> prepare(std::vector<AccessKey> configured);
  KeyTableRef use(AccessKeys::Prepared prepared) { return keys_.use(std::move(prepared)); }
  // Once a second: the keys, where they have changed in the data directory.
  std::optional<KeyTableRef> look();

 private:
  void read_master_key();
  void read_master_key_again();

  const auth::KeyFile file_;
  auth::MasterKeys master_keys_;
  bool master_key_read_ = false;
  AccessKeys keys_;
};

}  // namespace spillway::server
