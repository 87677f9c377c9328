#include "broker/grant_ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/rfc3339.h"

namespace spillway::broker {
namespace {

constexpr std::string_view kName = "spillway grant ledger ";
constexpr std::string_view kVersion = "2";
constexpr std::string_view kOldVersion = "1";
constexpr std::string_view kLatest = "latest ";
constexpr std::string_view kKnown = "known ";
constexpr std::string_view kUsed = "used ";
constexpr std::string_view kRevoked = "revoked ";
constexpr std::size_t kFileBytesMax = std::size_t{2} << 20;
constexpr auto kStoreEvery = std::chrono::minutes(1);

Error full(std::string_view what) {
  return {ErrorCode::kInvalid,
          fmt::format("{} {} grants are remembered already: give the approvers new keys, and begin "
                      "with a new ledger",
                      kGrantsRemembered, what)};
}

}  // namespace

std::string encode(const GrantMemory& memory) {
  std::string text =
      fmt::format("{}{}\n{}{}\n", kName, kVersion, kLatest, rfc3339_millis(memory.latest));
  for (const auto& id : memory.known) text += fmt::format("{}{}\n", kKnown, id);
  for (const auto& id : memory.revoked) text += fmt::format("{}{}\n", kRevoked, id);
  for (const auto& id : memory.used) text += fmt::format("{}{}\n", kUsed, id);
  return text;
}

Result<GrantMemory> decode_grant_memory(std::string_view text) {
  GrantMemory memory;
  for (int number = 1; !text.empty() || number <= 2; ++number) {
    const auto corrupt = [number](std::string_view what) {
      return Error{ErrorCode::kCorrupt, fmt::format("line {} {}", number, what)};
    };
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return corrupt("is missing, or has no end");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (number == 1) {
      if (!line.starts_with(kName)) return corrupt("is not that of a ledger of grants");
      const auto version = line.substr(kName.size());
      if (version != kVersion && version != kOldVersion) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("version {} of the ledger is not known to this build", version)};
      }
    } else if (number == 2) {
      const auto latest = line.starts_with(kLatest) ? parse_rfc3339(line.substr(kLatest.size()))
                                                    : std::optional<WallTime>();
      if (!latest) return corrupt("is not \"latest TIME\"");
      memory.latest = *latest;
    } else if (line.starts_with(kUsed) && is_grant_id(line.substr(kUsed.size()))) {
      memory.used.emplace(line.substr(kUsed.size()));
    } else if (line.starts_with(kRevoked) && is_grant_id(line.substr(kRevoked.size()))) {
      memory.revoked.emplace(line.substr(kRevoked.size()));
    } else if (line.starts_with(kKnown) && is_grant_id(line.substr(kKnown.size()))) {
      memory.known.emplace(line.substr(kKnown.size()));
    } else {
      return corrupt("is none of \"known ID\", \"revoked ID\" and \"used ID\"");
    }
  }
  return memory;
}

Result<GrantMemory> read_grant_memory(io::Disk& disk, const std::string& path) {
  const auto bytes = io::read_file(disk, path, kFileBytesMax);
  if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) return GrantMemory();
  if (!bytes.ok()) return bytes.error();
  auto memory = decode_grant_memory(*bytes);
  if (!memory.ok()) return context(path, std::move(memory).error());
  return memory;
}

Status GrantLedger::load() {
  auto read = read_grant_memory(disk_, path_);
  if (!read.ok()) {
    Error error = std::move(read).error();
    error.message += fmt::format(
        "; no grant is good until it can be read. Without it, used and "
        "revoked ones count again: move {} away only if that is right",
        path_);
    return error;
  }
  stored_latest_ = read->latest;
  read->latest = now(read->latest);
  read->revoked.merge(memory_.revoked);  // while it couldn't be read
  memory_ = *std::move(read);
  loaded_ = true;
  return unstored_ ? store_revoked() : Status();
}

Decision GrantLedger::decide(std::span<const Grant> grants,
                             std::span<const Ed25519Public> approvers, WallTime clock,
                             const SwitchRequest& request) {
  if (!loaded_) return {false, "", "no grant is good while the ledger of grants can't be read", ""};
  memory_.latest = now(clock);
  const Approval approval{approvers, memory_.revoked, memory_.used};
  const Grant* best = nullptr;
  const Grant* nearest = nullptr;  // the one to tell of, if none is good
  auto nearest_verdict = Verdict::kUnlistedApprover;
  bool expired_since = false;  // since what is stored
  for (const auto& grant : grants) {
    const auto verdict = check(grant, approval, memory_.latest, request);
    expired_since |= verdict == Verdict::kExpired && grant.not_after > stored_latest_;
    if (verdict == Verdict::kAllowed) {
      if (best == nullptr || (best->once && !grant.once)) best = &grant;
    } else if (nearest == nullptr || verdict > nearest_verdict) {
      nearest = &grant;
      nearest_verdict = verdict;
    }
  }
  if (best != nullptr && best->once) return use(*best, request);
  // That one has expired must stay so after a crash.
  const auto stored = expired_since ? store(memory_) : observe(clock);
  std::string fault = stored.ok() ? "" : stored.error().message;
  if (best != nullptr)
    return {true, best->id, explain(Verdict::kAllowed, *best, request), std::move(fault)};
  if (nearest != nullptr)
    return {false, nearest->id, explain(nearest_verdict, *nearest, request), std::move(fault)};
  return {false, "", "there is no grant", std::move(fault)};
}

Decision GrantLedger::use(const Grant& grant, const SwitchRequest& request) {
  GrantMemory next = memory_;
  next.used.insert(grant.id);
  const auto stored = next.used.size() > kGrantsRemembered ? Status(full("used")) : store(next);
  if (stored.ok()) return {true, grant.id, explain(Verdict::kAllowed, grant, request), ""};
  return {
      false, grant.id,
      fmt::format("grant {}: it is for one switch, and that it is used can't be stored", grant.id),
      stored.error().message};
}

Status GrantLedger::observe(WallTime clock) {
  memory_.latest = now(clock);
  if (!loaded_ || memory_.latest - stored_latest_ < kStoreEvery) return {};
  return store(memory_);
}

Status GrantLedger::revoke(const Revocation& revocation, std::span<const Ed25519Public> approvers,
                           WallTime clock) {
  if (std::ranges::find(approvers, revocation.approver) == approvers.end()) {
    return Error{
        ErrorCode::kDenied,
        fmt::format("the revocation of grant {} is signed by {}, who is no approver of this "
                    "broker",
                    revocation.grant, to_string(revocation.approver))};
  }
  memory_.latest = now(clock);
  // From now on in any case; what can't be stored is for the caller to tell.
  if (!memory_.revoked.insert(revocation.grant).second && !unstored_) return {};
  unstored_ = true;
  if (!loaded_) return Error{ErrorCode::kClosed, "the ledger of grants can't be read"};
  return store_revoked();
}

Status GrantLedger::know(std::set<std::string> grants) {
  if (!loaded_ || grants == memory_.known) return {};
  memory_.known = std::move(grants);
  return store(memory_);
}

Status GrantLedger::store_revoked() {
  if (memory_.revoked.size() > kGrantsRemembered) return full("revoked");
  return store(memory_);
}

Status GrantLedger::store(GrantMemory next) {
  SPILLWAY_TRY(io::replace_file(disk_, path_, encode(next)));
  memory_ = std::move(next);
  stored_latest_ = memory_.latest;
  unstored_ = false;
  return {};
}

}  // namespace spillway::broker
