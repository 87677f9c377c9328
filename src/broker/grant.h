// Grants: leave, signed ahead of time, to switch a stream to a target (docs/failover.md), and their
// revocations. Both are one line of text that can be pasted (docs/formats/grant.md):
//
//   spillway-grant-1.PAYLOAD.SIGNATURE
//   spillway-revocation-1.PAYLOAD.SIGNATURE
//
// PAYLOAD is base64url of a JSON object, its members always in this order. Of a grant: "id" (32
// hexadecimal digits), "approver" (the key that signs), "stream" and "target" (patterns), "holder"
// ("ed25519:KEY" of a person, or "broker:NAME"), "not_before" and "not_after" (RFC 3339, UTC, whole
// seconds), "once", "reason". Of a revocation: "grant" (its id), "approver", "time", "reason".
// SIGNATURE is base64url of the Ed25519 signature of everything before its point. A text has
// exactly one form, so none that holds can be changed into another that does.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ed25519.h"
#include "base/result.h"
#include "base/time.h"

namespace spillway::broker {

struct Grant {
  std::string id;
  Ed25519Public approver{};
  std::string stream;  // with * and ?, as in policies
  std::string target;  // likewise
  std::string holder;
  WallTime not_before{};  // whole seconds, as is the next
  WallTime not_after{};   // the first moment at which it no longer holds
  bool once = false;      // for one switch; else for any number of them
  std::string reason;

  friend bool operator==(const Grant&, const Grant&) = default;
};

struct Revocation {
  std::string grant;
  Ed25519Public approver{};  // any listed one may take back any grant
  WallTime time{};           // whole seconds
  std::string reason;

  friend bool operator==(const Revocation&, const Revocation&) = default;
};

inline constexpr std::size_t kGrantTextMax = 8192;
inline constexpr std::size_t kGrantReasonMax = 512;

bool is_grant_id(std::string_view text);
// "ed25519:" and base64url of the key: how approvers and persons are named.
std::string to_string(const Ed25519Public& key);
Result<Ed25519Public> parse_public_key(std::string_view text);
// "ed25519:KEY" or "broker:NAME".
Status check_holder(std::string_view holder);

// kInvalid says which member is wrong. The grant's approver becomes the key of `seed`.
Result<std::string> sign_grant(Grant grant, const Ed25519Seed& seed);
Result<std::string> sign_revocation(Revocation revocation, const Ed25519Seed& seed);
// Of a text whose signature is that of the approver whom it names; whether that one is listed is
// for check() to say. White space around it is left out. kInvalid: it isn't one, or is incomplete;
// kCorrupt: the signature doesn't hold; kUnsupported: it is of a newer version.
Result<Grant> parse_grant(std::string_view text);
Result<Revocation> parse_revocation(std::string_view text);
bool is_revocation(std::string_view text);  // by how it begins

// What a grant is asked to allow. `holder` is who has proven to be that.
struct SwitchRequest {
  std::vector<std::string> streams;  // that go the same way: a grant has to be for all of them
  std::string target;
  std::string holder;
};

// What decides besides the grant itself.
struct Approval {
  std::span<const Ed25519Public> approvers;
  const std::set<std::string>& revoked;  // ids of grants
  const std::set<std::string>& used;     // likewise, of those for one switch
};

enum class Verdict : std::uint8_t {
  kAllowed,
  kUnlistedApprover,
  kRevoked,
  kNotYetValid,
  kExpired,
  kOtherStream,
  kOtherTarget,
  kOtherHolder,
  kUsed,  // it was for one switch
};
// Of a grant that parse_grant() gave. The first reason in the order of Verdict.
Verdict check(const Grant& grant, const Approval& approval, WallTime now,
              const SwitchRequest& request);
// For people, with what to do about it.
std::string explain(Verdict verdict, const Grant& grant, const SwitchRequest& request);

// Until when some grant for more than one switch allows the request without a break from `now` on;
// `now` where none does. Tells how long automatic switches are covered yet.
WallTime covered_until(std::span<const Grant> grants, const Approval& approval, WallTime now,
                       const SwitchRequest& request);

}  // namespace spillway::broker
