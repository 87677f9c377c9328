// The access keys of a data directory, as `spillway keys` writes them and `spillway serve` reads
// them: DATA/access-keys.json, replaced as a whole (docs/formats/access-keys.md).
//
// An object: {"version": 1, "keys": [KEY, …]}. A KEY is an object of
//   "id", "holder"           texts
//   "enabled"                true or false
//   "created"                milliseconds since 1970; so are the other times
//   "secret"                 base64 of the secret, wrapped by a master key (auth/master_key.h) for
//                            the purpose "access-key ID secret"
//   "token"                  likewise, "access-key ID token"; only of temporary keys
//   "expires"                a time; left out where it never does
//   "previous", "previous_until"   the secret before the last rotation, as "secret", and a time
//   "policy"                 an IAM policy document, as a text; left out where it may do everything
//   "requests_per_second", "bytes_per_second"   limits; left out where there are none
// A member that isn't known makes the file unreadable: it may be what restricts a key.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/keys.h"
#include "auth/master_key.h"
#include "base/result.h"
#include "io/disk.h"
#include "io/entropy.h"

namespace spillway::auth {

inline constexpr std::size_t kStoredKeysMax = 10'000;

struct StoredKey {
  std::string id;
  std::string holder;
  bool enabled = true;
  WallTime created_at{};
  std::string wrapped_secret;
  std::string wrapped_token;  // empty: none
  std::optional<WallTime> expires_at;
  std::string wrapped_previous;  // empty: none
  WallTime previous_until{};
  std::string policy;  // empty: it may do everything
  RateLimits limits;
  friend bool operator==(const StoredKey&, const StoredKey&) = default;
};

std::string encode(const std::vector<StoredKey>& keys);
// kCorrupt, or kUnsupported for what a newer version wrote. `name` of the file, for messages.
Result<std::vector<StoredKey>> decode_keys(std::string_view json, std::string_view name);

class KeyFile {
 public:
  KeyFile(io::Disk& disk, std::string directory) : disk_(disk), directory_(std::move(directory)) {}

  std::string path() const { return io::join_path(directory_, "access-keys.json"); }
  // The bytes; empty where there is no such file.
  Result<std::string> read_bytes() const;
  Result<std::vector<StoredKey>> read() const;
  // Has `edit` change the keys, and stores what it leaves, durably; nothing is stored where it
  // fails. kBusy while another process edits.
  Status edit(const std::function<Status(std::vector<StoredKey>&)>& edit);

 private:
  io::Disk& disk_;
  const std::string directory_;
};

// What is wrapped, and for what.
enum class KeyPart { kSecret, kToken };
std::string wrapping_purpose(std::string_view id, KeyPart part);

// Random ones, in the form of AWS's: an id "AKIA…" of 20 characters ("ASIA…" with a token), a
// secret of 40.
Credentials make_credentials(io::Entropy& entropy, bool temporary);
std::string make_secret(io::Entropy& entropy);

// Whether any of its secrets is wrapped under the master key of that id.
bool is_wrapped_under(const StoredKey& key, std::string_view master_key);

// Ready for use. A secret that can't be unwrapped now is told in Key::fault. kInvalid: the policy
// isn't one.
Result<Key> open_key(const StoredKey& stored, const MasterKeys& master_keys);

}  // namespace spillway::auth
