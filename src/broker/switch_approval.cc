#include "broker/switch_approval.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/rfc3339.h"

namespace spillway::broker {

Result<Approver> parse_approver(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("\"{}\" is no approver: write NAME=ed25519:…, the key as `spillway "
                             "grant keygen` prints it",
                             text.substr(0, 100))};
  }
  SPILLWAY_ASSIGN(const auto key, parse_public_key(text.substr(equals + 1)));
  return Approver{std::string(text.substr(0, equals)), key};
}

SwitchApproval::SwitchApproval(Options options, io::Disk& disk)
    : options_(std::move(options)),
      disk_(disk),
      directory_(io::join_path(options_.data, "grants")),
      folder_(disk, directory_),
      ledger_(disk, io::join_path(options_.data, "grant-ledger")) {
  keys_.reserve(options_.approvers.size());
  for (const auto& approver : options_.approvers) keys_.push_back(approver.key);
}

SwitchApproval::News SwitchApproval::look(WallTime clock) {
  News news;
  faults_now_.clear();
  if (!ledger_.loaded()) note_fault(news, ledger_.load());
  note_fault(news, folder_.look());
  for (const auto& fault : folder_.files().faults)
    note_fault(news, Error{ErrorCode::kInvalid, fault});
  take_in_revocations(news, clock);
  at_hand_.clear();
  for (const auto& grant : folder_.files().grants) {
    const bool listed = std::ranges::find(keys_, grant.approver) != keys_.end();
    if (!listed || !at_hand_.insert(grant.id).second) continue;
    if (ledger_.loaded() && !ledger_.memory().known.contains(grant.id))
      news.events.push_back(event_of(grant, clock));
  }
  note_fault(news, ledger_.observe(clock));
  faults_.swap(faults_now_);
  return news;
}

void SwitchApproval::take_in_revocations(News& news, WallTime clock) {
  for (const auto& revocation : folder_.files().revocations) {
    const bool known = ledger_.memory().revoked.contains(revocation.grant);
    auto revoked = ledger_.revoke(revocation, keys_, clock);
    if (!known && ledger_.memory().revoked.contains(revocation.grant))
      news.events.push_back(event_of(revocation, clock));
    note_fault(news, std::move(revoked));
  }
}

Status SwitchApproval::told() { return ledger_.know(at_hand_); }

void SwitchApproval::note_fault(News& news, Status status) {
  if (status.ok()) return;
  const auto [fault, fresh] = faults_now_.insert(std::move(status).error().message);
  if (fresh && !faults_.contains(*fault)) news.faults.push_back(*fault);
}

Approval SwitchApproval::approval() const {
  return {keys_, ledger_.memory().revoked, ledger_.memory().used};
}

SwitchRequest SwitchApproval::request(const std::string& target, const std::string& holder) const {
  return {options_.streams, target, holder};
}

Decision SwitchApproval::decide(const std::string& target, const std::string& holder,
                                const std::optional<Grant>& handed, WallTime clock) {
  auto grants = folder_.files().grants;
  if (handed) grants.push_back(*handed);
  const auto asked = request(target, holder);
  auto decision = ledger_.decide(grants, keys_, clock, asked);
  if (!decision.allowed && handed && ledger_.loaded()) {
    const auto verdict = check(*handed, approval(), ledger_.now(clock), asked);
    if (verdict != Verdict::kAllowed) {
      decision.grant = handed->id;
      decision.why = explain(verdict, *handed, asked);
    }
  }
  if (!decision.allowed) decision.why += "; " + needed(target, holder);
  return decision;
}

Decision SwitchApproval::decide(const std::string& target, WallTime clock) {
  return decide(target, options_.holder, std::nullopt, clock);
}

bool SwitchApproval::permits(const std::string& target, WallTime clock) const {
  if (!ledger_.loaded()) return false;
  const auto by = approval();
  const auto asked = request(target, options_.holder);
  const WallTime now = ledger_.now(clock);
  return std::ranges::any_of(folder_.files().grants, [&](const Grant& grant) {
    return check(grant, by, now, asked) == Verdict::kAllowed;
  });
}

std::optional<WallTime> SwitchApproval::covered_until(const std::string& target,
                                                      WallTime clock) const {
  if (!ledger_.loaded()) return std::nullopt;
  const WallTime now = ledger_.now(clock);
  const auto until = broker::covered_until(folder_.files().grants, approval(), now,
                                           request(target, options_.holder));
  return until > now ? std::optional(until) : std::nullopt;
}

Status SwitchApproval::keep(std::string_view text) {
  SPILLWAY_TRY(store_grant_file(disk_, directory_, text));
  return {};
}

std::string SwitchApproval::needed(const std::string& target, std::string_view holder) const {
  return fmt::format(
      "it takes a grant that holds now, for {} {}, target {}, holder {}: `spillway grant create "
      "--key APPROVER.pem --stream '{}' --target {} --holder {} --for 12h --reason …`, handed to "
      "this broker by `spillway grant add`",
      options_.streams.size() > 1 ? "all of the streams" : "stream",
      fmt::join(options_.streams, ", "), target, holder,
      options_.streams.size() > 1 ? "*" : options_.streams.front(), target, holder);
}

std::string SwitchApproval::name_of(const Ed25519Public& approver) const {
  const auto found = std::ranges::find(options_.approvers, approver, &Approver::key);
  return found == options_.approvers.end() ? to_string(approver) : found->name;
}

SwitchEvent SwitchApproval::event_of(const Grant& grant, WallTime clock) const {
  SwitchEvent event;
  event.time = clock;
  event.action = SwitchAction::kGrant;
  event.stream = grant.stream;
  event.to = grant.target;
  event.who = to_string(grant.approver);
  event.reason = fmt::format("{} gives {} leave for {} from {} to {}: {}", name_of(grant.approver),
                             grant.holder, grant.once ? "one switch" : "any number of switches",
                             rfc3339_seconds(grant.not_before), rfc3339_seconds(grant.not_after),
                             grant.reason);
  event.grant = grant.id;
  return event;
}

SwitchEvent SwitchApproval::event_of(const Revocation& revocation, WallTime clock) const {
  SwitchEvent event;
  event.time = clock;
  event.action = SwitchAction::kRevoke;
  event.who = to_string(revocation.approver);
  event.reason =
      fmt::format("{} takes it back: {}", name_of(revocation.approver), revocation.reason);
  event.grant = revocation.grant;
  return event;
}

}  // namespace spillway::broker
