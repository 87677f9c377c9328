#include "cli/grant_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "auth/policy.h"
#include "base/digest.h"
#include "base/rfc3339.h"
#include "broker/grant_ledger.h"

namespace spillway::cli {
namespace {

constexpr std::size_t kKeyBytesMax = 4096;
constexpr std::size_t kIdBytes = 16;

WallTime whole_seconds(WallTime time) { return std::chrono::floor<seconds>(time); }

Result<WallTime> parse_time(std::string_view flag, const std::string& text) {
  const auto time = parse_rfc3339(text);
  if (time) return *time;
  return Error{ErrorCode::kInvalid,
               fmt::format("{}: \"{}\" is no time: write one as in 2020-11-25T14:00:00Z, in UTC",
                           flag, text)};
}

Result<Ed25519Public> signer_of(std::string_view text) {
  if (broker::is_revocation(text)) {
    SPILLWAY_ASSIGN(const auto revocation, broker::parse_revocation(text));
    return revocation.approver;
  }
  SPILLWAY_ASSIGN(const auto grant, broker::parse_grant(text));
  return grant.approver;
}

// What a broker, or `spillway grant`, has stored something in.
Status check_broker_data(io::Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (!names.ok() && names.error().code != ErrorCode::kNotFound) return names.error();
  const auto is_of_a_broker = [](const std::string& name) {
    return name == "spool" || name == "grants" || name == "grant-ledger";
  };
  if (names.ok() && std::ranges::any_of(*names, is_of_a_broker)) return {};
  return Error{ErrorCode::kNotFound,
               fmt::format("{} is no data directory of a broker: it has neither a spool nor "
                           "grants; --data names it, or --config the file with broker.data",
                           directory)};
}

// Of a grant that nobody asks anything of yet.
std::string status_of(const broker::Grant& grant, const GrantRules& rules,
                      const broker::Approval& approval, WallTime now) {
  switch (check(grant, approval, now, {{grant.stream}, grant.target, grant.holder})) {
    case broker::Verdict::kUnlistedApprover:
      return "stranger's";
    case broker::Verdict::kRevoked:
      return "revoked";
    case broker::Verdict::kNotYetValid:
      return "not yet";
    case broker::Verdict::kExpired:
      return "expired";
    case broker::Verdict::kUsed:
      return "used";
    case broker::Verdict::kAllowed:
    case broker::Verdict::kOtherStream:
    case broker::Verdict::kOtherTarget:
    case broker::Verdict::kOtherHolder:
      break;
  }
  const auto is_target = [&](const std::string& name) {
    return auth::matches_pattern(name, grant.target);
  };
  if (!rules.targets.empty() && std::ranges::none_of(rules.targets, is_target)) return "no target";
  return rules.approvers.empty() ? "unchecked" : "valid";
}

}  // namespace

Result<std::string> GrantCommands::keygen(const std::string& file) {
  Ed25519Seed seed;
  entropy_.fill(seed);
  // 0600, as every file that the disk makes.
  auto made = disk_.open(file, io::OpenMode::kCreate);
  if (!made.ok() && made.error().code == ErrorCode::kExists) {
    return Error{
        ErrorCode::kExists,
        fmt::format("{} is there already, and may be a key that is in use: name another file",
                    file)};
  }
  if (!made.ok()) return std::move(made).error();
  SPILLWAY_TRY((*made)->write_at(0, ed25519_pem(seed)));
  SPILLWAY_TRY((*made)->sync_data());
  SPILLWAY_TRY(disk_.sync_directory(io::parent_directory(file)));
  return broker::to_string(ed25519_public(seed));
}

Result<Ed25519Seed> read_private_key(io::PosixDisk& disk, const std::string& file) {
  SPILLWAY_ASSIGN(const auto pem, io::read_file(disk, file, kKeyBytesMax));
  const auto seed = ed25519_from_pem(pem);
  if (!seed) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("{} is no unencrypted Ed25519 private key in PEM: `spillway grant keygen` "
                    "makes one",
                    file)};
  }
  SPILLWAY_ASSIGN(const bool open_to_others, disk.open_to_others(file));
  if (!open_to_others) return *seed;
  return Error{ErrorCode::kDenied,
               fmt::format("{} is open to others than its owner, who could sign with it: "
                           "chmod 600 {}",
                           file, file)};
}

Result<std::string> GrantCommands::create(const NewGrant& wanted, const std::string& key_file) {
  SPILLWAY_ASSIGN(const auto seed, read_private_key(disk_, key_file));
  broker::Grant grant;
  std::array<unsigned char, kIdBytes> id;
  entropy_.fill(id);
  grant.id = to_hex(id);
  grant.stream = wanted.stream;
  grant.target = wanted.target;
  grant.holder = wanted.holder;
  grant.not_before = whole_seconds(clock_.wall_now());
  if (!wanted.from.empty()) {
    SPILLWAY_ASSIGN(grant.not_before, parse_time("--from", wanted.from));
  }
  if (!wanted.life && wanted.until.empty())
    return Error{ErrorCode::kInvalid, "say when it ends: --for or --until"};
  if (wanted.life) {
    grant.not_after = grant.not_before + *wanted.life;
  } else {
    SPILLWAY_ASSIGN(grant.not_after, parse_time("--until", wanted.until));
  }
  grant.once = wanted.once;
  grant.reason = wanted.reason;
  if (grant.not_after <= clock_.wall_now())
    return Error{ErrorCode::kInvalid, "such a grant would have ended already"};
  return broker::sign_grant(std::move(grant), seed);
}

Result<std::string> GrantCommands::revoke(const std::string& id, const std::string& reason,
                                          const std::string& key_file) {
  SPILLWAY_ASSIGN(const auto seed, read_private_key(disk_, key_file));
  return broker::sign_revocation({id, {}, whole_seconds(clock_.wall_now()), reason}, seed);
}

Result<std::string> GrantCommands::store(std::string_view text, const GrantRules& rules) {
  SPILLWAY_ASSIGN(const auto signer, signer_of(text));
  const bool counts = rules.approvers.empty() ||
                      std::ranges::find(rules.approvers, signer) != rules.approvers.end();
  if (!counts) {
    return Error{ErrorCode::kDenied,
                 fmt::format("not stored: it is signed by {}, who is none of broker.approvers, and "
                             "the broker would not heed it",
                             broker::to_string(signer))};
  }
  return broker::store_grant_file(disk_, directory(), text);
}

Result<std::vector<ListedGrant>> GrantCommands::list(const GrantRules& rules,
                                                     std::vector<std::string>& faults) {
  const auto& listed = rules.approvers;
  SPILLWAY_TRY(check_broker_data(disk_, data_));
  SPILLWAY_ASSIGN(auto files, broker::read_grant_files(disk_, directory()));
  faults = std::move(files.faults);
  auto memory = broker::read_grant_memory(disk_, io::join_path(data_, "grant-ledger"));
  if (!memory.ok()) return std::move(memory).error();
  for (const auto& revocation : files.revocations) {
    const bool counts =
        listed.empty() || std::ranges::find(listed, revocation.approver) != listed.end();
    if (counts) memory->revoked.insert(revocation.grant);
  }
  const WallTime now = std::max(clock_.wall_now(), memory->latest);
  std::vector<ListedGrant> found;
  found.reserve(files.grants.size());
  for (auto& grant : files.grants) {
    const std::span<const Ed25519Public> own(&grant.approver, 1);
    const broker::Approval approval{listed.empty() ? own : listed, memory->revoked, memory->used};
    std::string status = status_of(grant, rules, approval, now);
    found.push_back({std::move(grant), std::move(status)});
  }
  return found;
}

Result<std::string> GrantCommands::find(const std::string& what) {
  if (what.starts_with("spillway-")) return what;
  if (!broker::is_grant_id(what)) return io::read_file(disk_, what, 2 * broker::kGrantTextMax);
  auto text =
      io::read_file(disk_, io::join_path(directory(), what + ".grant"), 2 * broker::kGrantTextMax);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) {
    return Error{
        ErrorCode::kNotFound,
        fmt::format("{} has no grant {}; `spillway grant list` shows them", directory(), what)};
  }
  return text;
}

}  // namespace spillway::cli
