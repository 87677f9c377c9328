// Master keys: what keys and secrets that are stored are encrypted ("wrapped") with. They come from
// outside of the data directory, and are never written by it; only the one of alias/aws/kinesis,
// which AWS has for everybody, is made in DATA/master.key where none is configured for it.
//
// Wrapped form, version 1 (integers little-endian; also docs/formats/wrapped-secret.md):
//   0   u8   version = 1
//   1   u8   zero
//   2   u16  size of the master key's id
//   4   the master key's id, as configured
//   …   [12] nonce, random
//   …   the secret, encrypted with AES-256-GCM; bound to it are all bytes before the nonce and,
//       behind them, its purpose
//   …   [16] GCM's tag
// A nonce of 96 random bits may be drawn 2^32 times under a key before two that are equal become
// likely (2^-32, the bound of SP 800-38D, 8.3); a wrapping is made for each data key and each
// access key.
//
// DATA/master.key: 32 random bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key_source.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"

namespace spillway::auth {

// What is wrapped without a choice of its own is wrapped under this one.
inline constexpr std::string_view kDefaultMasterKey = "alias/aws/kinesis";
// The id of DATA/master.key's key, so that it can be told from one that takes its alias later.
inline constexpr std::string_view kDirectoryMasterKey = "data-directory";

struct MasterKeyConfig {
  std::string id;  // a key id, "alias/NAME", or the ARN of either
  std::vector<std::string> aliases;
  std::string source;  // parse_key_source() takes it
  bool disabled = false;
  friend bool operator==(const MasterKeyConfig&, const MasterKeyConfig&) = default;
};

// kInvalid says what is wrong with a key, or which name two of them have.
Status check_master_keys(const std::vector<MasterKeyConfig>& keys);

struct MasterKeyOptions {
  std::string directory;  // of master.key
  std::string region;     // names without a region and an account are those of these
  std::string account;
  // Something may be stored that was wrapped under DATA/master.key: where that is missing it was
  // lost, and another one in its place would hide it.
  bool directory_key_used = false;
};

// wrap(), unwrap(), check() and version() from any thread; all others from the one that it was made
// on, which must outlive it. What it is handed must outlive it.
class MasterKeys {
 public:
  MasterKeys(MasterKeyOptions options, io::Disk& disk, io::Clock& clock, io::Entropy& entropy,
             io::EventLog& log);
  ~MasterKeys();
  MasterKeys(const MasterKeys&) = delete;
  MasterKeys& operator=(const MasterKeys&) = delete;

  // From now on these keys (as check_master_keys() takes them) and no others. Reads files and
  // variables at once, blocking on the disk, and begins to run commands. A command whose key is
  // there already is not run again.
  void configure(const std::vector<MasterKeyConfig>& keys);
  // Takes the results of commands, and tries again what couldn't be read half a minute ago. Call it
  // often while it says that a command is under way, and every few seconds otherwise.
  bool poll();

  // Errors of the three: kNotFound (no such key), kClosed (disabled), kDenied (its source can't be
  // read), kInvalid (its source gives no key), kBusy (its command is still running).

  Status check(std::string_view key) const;
  // `purpose` says what the secret is for: it opens for the same purpose only.
  Result<std::string> wrap(std::string_view key, std::string_view secret,
                           std::string_view purpose) const;
  // kCorrupt: damaged, of another purpose, or the key of that name is not the one that wrapped it.
  Result<std::string> unwrap(std::string_view wrapped, std::string_view purpose) const;
  // The key that wrapped it; empty where it can't be read.
  static std::string_view key_of(std::string_view wrapped);

  // Rises whenever a key came, went or changed: what was unwrapped before may not be used any more.
  std::uint64_t version() const { return version_; }

 private:
  // A key as it can be used now.
  struct Key {
    std::string id;
    Result<AesKey> material;
  };
  struct Source;

  std::string arn_of(std::string_view name) const;
  Source& add_source(const MasterKeyConfig& config, std::vector<std::unique_ptr<Source>>& earlier);
  void add_directory_key(std::vector<std::unique_ptr<Source>>& earlier);
  // Whether the key is another now, as of the two below.
  bool begin_reading(Source& source);
  Result<AesKey> read_file(const Source& source);
  bool poll_command(Source& source);
  bool finish_reading(Source& source, Result<AesKey> material);
  void publish();
  Result<std::shared_ptr<const Key>> find(std::string_view name) const;

  const MasterKeyOptions options_;
  io::Disk& disk_;
  io::Clock& clock_;
  io::Entropy& entropy_;
  io::EventLog& log_;
  std::vector<std::unique_ptr<Source>> sources_;

  mutable std::mutex mutex_;                                             // keys_
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys_;  // by ARN
  std::atomic<std::uint64_t> version_{0};
};

}  // namespace spillway::auth
