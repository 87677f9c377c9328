#include "server/broker_access.h"

namespace spillway::server {

BrokerAccess::BrokerAccess(const BrokerConfig& config, io::Disk& disk, io::Clock& clock,
                           io::Entropy& entropy, io::EventLog& log)
    : file_(disk, config.data),
      // Said to be used: a broker never makes it. `spillway keys` does, with its first key.
      master_keys_({config.data, "", "", true}, disk, clock, entropy, log),
      keys_(disk, broker_keys(config.data, ""), config.keys, master_keys_, log) {}

AccessKeys::Options broker_keys(const std::string& data, std::string listen) {
  return {data, std::move(listen), "a broker", "broker.keys"};
}

Result<KeyTableRef> BrokerAccess::load() {
  read_master_key_again();
  return keys_.load();
}

Result<AccessKeys::Prepared> BrokerAccess::prepare(std::vector<AccessKey> configured) {
  read_master_key_again();
  return keys_.prepare(std::move(configured));
}

std::optional<KeyTableRef> BrokerAccess::look() {
  read_master_key();
  master_keys_.poll();
  return keys_.poll();
}

// `spillway keys` may have made it, or made it anew, with the key that this is about.
void BrokerAccess::read_master_key_again() {
  master_key_read_ = false;
  read_master_key();
}

// Once there may be something that it opens: a broker without keys needs none, and misses none.
void BrokerAccess::read_master_key() {
  if (master_key_read_) return;
  const auto stored = file_.read_bytes();
  if (stored.ok() && stored->empty()) return;
  master_keys_.configure({});
  master_key_read_ = true;
}

}  // namespace spillway::server
