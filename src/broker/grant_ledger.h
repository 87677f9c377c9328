// What a broker remembers of grants, so that none is good again: those for one switch that were
// used, those that were revoked, and the latest time that it has seen; and those that it has told
// the log of switches of. One small text file in its data directory, replaced atomically.
//
// Format, version 2 (docs/formats/grant-ledger.md): the line "spillway grant ledger 2", the line
// "latest TIME" (RFC 3339, UTC, milliseconds), then one line for each grant, "known ID", "revoked
// ID" or "used ID", in this order and sorted. Version 1 is read too: the first builds that wrote it
// had no "known ID".
#pragma once

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/grant.h"
#include "io/disk.h"

namespace spillway::broker {

struct GrantMemory {
  WallTime latest{};
  std::set<std::string> used;
  std::set<std::string> revoked;
  std::set<std::string> known;  // that lie in the broker's directory

  friend bool operator==(const GrantMemory&, const GrantMemory&) = default;
};
inline constexpr std::size_t kGrantsRemembered = 10'000;  // of each kind

std::string encode(const GrantMemory& memory);
// kUnsupported for a newer version, kCorrupt naming the line.
Result<GrantMemory> decode_grant_memory(std::string_view text);
// The file's; an empty one where there is no file.
Result<GrantMemory> read_grant_memory(io::Disk& disk, const std::string& path);

struct Decision {
  bool allowed = false;
  std::string grant;  // the id of the one that was used; empty: none was at hand
  std::string why;    // for people
  std::string fault;  // empty, or what went wrong with the ledger, to be told loudly
};

// One thread at a time; calls block on the disk.
class GrantLedger {
 public:
  GrantLedger(io::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  // Until it has succeeded no grant is good: what was revoked or used is not known. It fails with
  // what is wrong with the file and what to do; or, of what was revoked until then, because that
  // can't be stored: it counts nevertheless, and is stored by the next call.
  Status load();

  // Whether one of the grants allows the request. Time is the later of `clock` and the latest that
  // was ever seen: what has expired once stays so, whatever the clock is set to. A grant for one
  // switch is used before this returns, and only where nothing else allows it; where that can't be
  // stored it is not good.
  Decision decide(std::span<const Grant> grants, std::span<const Ed25519Public> approvers,
                  WallTime clock, const SwitchRequest& request);

  // To be called now and then: remembers the time, at most once a minute.
  Status observe(WallTime clock);
  // Durable when it returns; revoking again changes nothing. kDenied: its approver isn't listed.
  Status revoke(const Revocation& revocation, std::span<const Ed25519Public> approvers,
                WallTime clock);

  // The grants at hand from now on. An error: after a restart they may seem to be new.
  Status know(std::set<std::string> grants);

  bool loaded() const { return loaded_; }
  const GrantMemory& memory() const { return memory_; }
  // The time by which grants are judged.
  WallTime now(WallTime clock) const { return std::max(clock, memory_.latest); }

 private:
  Decision use(const Grant& grant, const SwitchRequest& request);
  Status store_revoked();
  Status store(GrantMemory next);

  io::Disk& disk_;
  const std::string path_;
  GrantMemory memory_;
  WallTime stored_latest_{};
  bool unstored_ = false;  // a revocation counts that isn't stored
  bool loaded_ = false;
};

}  // namespace spillway::broker
