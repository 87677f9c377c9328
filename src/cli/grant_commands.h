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

// What a broker's configuration says of grants, as far as it is known here.
struct GrantRules {
  std::vector<Ed25519Public> approvers;  // none: not known, signatures of all count
  std::vector<std::string> targets;      // names; none: not known
};

struct ListedGrant {
  broker::Grant grant;
  // "valid", "not yet", "expired", "used", "revoked", "stranger's", "no target" (of that name), or
  // "unchecked", which would be valid if its signer were an approver
  std::string status;
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
  // Puts a text where the broker finds it; the path. kDenied: it is known that its signer is no
  // approver.
  Result<std::string> store(std::string_view text, const GrantRules& rules);
  // By id. What is wrong with files is added to `faults`. kNotFound: the data directory is none of
  // a broker.
  Result<std::vector<ListedGrant>> list(const GrantRules& rules, std::vector<std::string>& faults);
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
