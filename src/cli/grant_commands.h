// What `spillway grant` does to keys, grants and revocations (docs/failover.md), whether a broker
// runs or not.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/grant_files.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/posix_disk.h"

namespace spillway::cli {

struct NewGrant {
  std::string stream;
  std::string target;
  std::string holder;
  std::string from;             // RFC 3339; empty: now
  std::string until;            // likewise; empty: by `life`
  std::optional<seconds> life;  // from its beginning
  bool once = false;
  std::string reason;
};

struct ListedGrant {
  broker::Grant grant;
  std::string status;  // "valid", "not yet", "expired", "used", "revoked" or "stranger's"
};

// The private key in a file that only its owner may read.
Result<Ed25519Seed> read_private_key(io::PosixDisk& disk, const std::string& file);

class GrantCommands {
 public:
  // `data` of the broker: its grants, and what it remembers of them, lie there.
  explicit GrantCommands(std::string data) : data_(std::move(data)) {}

  // Makes a private key in a file that must not be there yet; the public key's text.
  Result<std::string> keygen(const std::string& file);
  // Signed with the private key in `key_file`: the text, not stored yet.
  Result<std::string> create(const NewGrant& wanted, const std::string& key_file);
  Result<std::string> revoke(const std::string& id, const std::string& reason,
                             const std::string& key_file);
  // Puts a text where the broker finds it; the path.
  Result<std::string> store(std::string_view text);
  // By id; `approvers`: if there are any, the only ones whose signatures count. What is wrong with
  // files is added to `faults`.
  Result<std::vector<ListedGrant>> list(const std::vector<std::string>& approvers,
                                        std::vector<std::string>& faults);
  // The text that `what` is, or is the file of, or is the id of.
  Result<std::string> find(const std::string& what);

 private:
  std::string directory() const { return io::join_path(data_, "grants"); }

  const std::string data_;
  io::PosixDisk disk_;
  io::SystemClock clock_;
  io::SystemEntropy entropy_;
};

}  // namespace spillway::cli
