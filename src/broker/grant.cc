#include "broker/grant.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>

#include "auth/policy.h"
#include "base/base64url.h"
#include "base/rfc3339.h"
#include "broker/json_members.h"
#include "broker/json_object.h"

namespace spillway::broker {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kGrantKind = "spillway-grant-";
constexpr std::string_view kRevocationKind = "spillway-revocation-";
constexpr std::string_view kVersion = "1";
constexpr std::string_view kPersonPrefix = "ed25519:";
constexpr std::string_view kBrokerPrefix = "broker:";
constexpr std::size_t kIdDigits = 32;
constexpr std::size_t kNameMax = 128;

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

template <typename T>
T array_of(std::string_view bytes) {
  T array;
  std::ranges::copy(bytes, array.begin());
  return array;
}

template <std::size_t N>
std::string_view view_of(const std::array<unsigned char, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

// Of streams and targets, and of patterns of them.
bool is_name(std::string_view text, std::string_view others) {
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [others](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_whole_second(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time) == time;
}

Status check_reason(std::string_view reason) {
  if (reason.empty() || reason.size() > kGrantReasonMax)
    return invalid(fmt::format("the reason must have 1 to {} bytes", kGrantReasonMax));
  return {};
}

Status check_members(const Grant& grant) {
  if (!is_grant_id(grant.id))
    return invalid(fmt::format("a grant's id has {} hexadecimal digits", kIdDigits));
  for (const auto& [what, pattern] :
       {std::pair{"stream", &grant.stream}, std::pair{"target", &grant.target}}) {
    if (is_name(*pattern, "_.-*?")) continue;
    return invalid(
        fmt::format("the {} \"{}\" must be a name of 1 to {} letters, digits or any of "
                    "_.-, in which * and ? stand for others",
                    what, *pattern, kNameMax));
  }
  SPILLWAY_TRY(check_holder(grant.holder));
  if (!is_whole_second(grant.not_before) || !is_whole_second(grant.not_after) ||
      grant.not_before >= grant.not_after)
    return invalid("a grant's period must be of whole seconds, and end after it begins");
  return check_reason(grant.reason);
}

Status check_members(const Revocation& revocation) {
  if (!is_grant_id(revocation.grant))
    return invalid(fmt::format("a grant's id has {} hexadecimal digits", kIdDigits));
  if (!is_whole_second(revocation.time)) return invalid("its time must be of whole seconds");
  return check_reason(revocation.reason);
}

std::string payload_of(const Grant& grant) {
  return JsonObject()
      .add("id", grant.id)
      .add("approver", to_string(grant.approver))
      .add("stream", grant.stream)
      .add("target", grant.target)
      .add("holder", grant.holder)
      .add("not_before", rfc3339_seconds(grant.not_before))
      .add("not_after", rfc3339_seconds(grant.not_after))
      .add("once", grant.once)
      .add("reason", grant.reason)
      .text();
}

std::string payload_of(const Revocation& revocation) {
  return JsonObject()
      .add("grant", revocation.grant)
      .add("approver", to_string(revocation.approver))
      .add("time", rfc3339_seconds(revocation.time))
      .add("reason", revocation.reason)
      .text();
}

bool take_key(const dom::element& from, const char* name, Ed25519Public& to) {
  std::string text;
  if (!take(from, name, text)) return false;
  const auto key = parse_public_key(text);
  if (key.ok()) to = *key;
  return key.ok();
}

bool take_members(const dom::element& from, Grant& to) {
  return take(from, "id", to.id) && take_key(from, "approver", to.approver) &&
         take(from, "stream", to.stream) && take(from, "target", to.target) &&
         take(from, "holder", to.holder) && take(from, "not_before", to.not_before) &&
         take(from, "not_after", to.not_after) && take(from, "once", to.once) &&
         take(from, "reason", to.reason);
}

bool take_members(const dom::element& from, Revocation& to) {
  return take(from, "grant", to.grant) && take_key(from, "approver", to.approver) &&
         take(from, "time", to.time) && take(from, "reason", to.reason);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The first that the grant isn't for; nullptr: it is for all.
const std::string* other_stream(const Grant& grant, const SwitchRequest& request) {
  const auto found = std::ranges::find_if(request.streams, [&grant](const std::string& stream) {
    return !auth::matches_pattern(stream, grant.stream);
  });
  return found == request.streams.end() ? nullptr : &*found;
}

// `what`: "grant", for messages.
template <typename T>
Result<T> parse(std::string_view text, std::string_view kind, std::string_view what) {
  text = trimmed(text);
  const Error incomplete = invalid(fmt::format(
      "this is no whole {0}: it is one line of the form {1}{2}.….…, as `spillway grant` prints it",
      what, kind, kVersion));
  if (text.size() > kGrantTextMax || !text.starts_with(kind)) return incomplete;
  const std::size_t version_end = text.find('.');
  const std::size_t payload_end = text.rfind('.');
  if (version_end == payload_end) return incomplete;
  const auto version = text.substr(kind.size(), version_end - kind.size());
  if (version != kVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("the {} is of version {}; this build knows {}", what, version, kVersion)};
  }
  const auto payload =
      base64url_decode(text.substr(version_end + 1, payload_end - version_end - 1));
  const auto signature = base64url_decode(text.substr(payload_end + 1));
  if (!payload || !signature || signature->size() != std::tuple_size_v<Ed25519Signature>)
    return incomplete;
  thread_local dom::parser parser;
  dom::element root;
  T parsed;
  if (parser.parse(payload->data(), payload->size()).get(root) != simdjson::SUCCESS ||
      !root.is_object() || !take_members(root, parsed) || payload_of(parsed) != *payload ||
      !check_members(parsed).ok())
    return incomplete;
  if (!ed25519_verify(parsed.approver, text.substr(0, payload_end),
                      array_of<Ed25519Signature>(*signature))) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("the {}'s signature is not that of {}: it was changed, or not copied "
                             "as a whole",
                             what, to_string(parsed.approver))};
  }
  return parsed;
}

template <typename T>
Result<std::string> sign(T signed_thing, std::string_view kind, const Ed25519Seed& seed) {
  signed_thing.approver = ed25519_public(seed);
  SPILLWAY_TRY(check_members(signed_thing));
  std::string text =
      fmt::format("{}{}.{}", kind, kVersion, base64url_encode(payload_of(signed_thing)));
  const auto signature = ed25519_sign(seed, text);
  text += "." + base64url_encode(view_of(signature));
  // What isn't UTF-8 is written as something else.
  const auto read = parse<T>(text, kind, "text");
  if (!read.ok() || *read != signed_thing) return invalid("the reason must be text in UTF-8");
  return text;
}

}  // namespace

bool is_grant_id(std::string_view text) {
  return text.size() == kIdDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string to_string(const Ed25519Public& key) {
  return fmt::format("{}{}", kPersonPrefix, base64url_encode(view_of(key)));
}

Result<Ed25519Public> parse_public_key(std::string_view text) {
  const auto bytes = text.starts_with(kPersonPrefix)
                         ? base64url_decode(text.substr(kPersonPrefix.size()))
                         : std::nullopt;
  if (!bytes || bytes->size() != std::tuple_size_v<Ed25519Public>)
    return invalid(
        fmt::format("\"{}\" is no public key: it is written as ed25519:…, as `spillway "
                    "grant keygen` prints it",
                    text.substr(0, 100)));
  return array_of<Ed25519Public>(*bytes);
}

Status check_holder(std::string_view holder) {
  if (holder.starts_with(kBrokerPrefix) && is_name(holder.substr(kBrokerPrefix.size()), "_.-"))
    return {};
  if (parse_public_key(holder).ok()) return {};
  return invalid(
      fmt::format("\"{}\" is no holder: it is a person's public key, ed25519:…, or a "
                  "broker's name, as in broker:edge-1",
                  holder.substr(0, 100)));
}

Result<std::string> sign_grant(Grant grant, const Ed25519Seed& seed) {
  return sign(std::move(grant), kGrantKind, seed);
}

Result<std::string> sign_revocation(Revocation revocation, const Ed25519Seed& seed) {
  return sign(std::move(revocation), kRevocationKind, seed);
}

Result<Grant> parse_grant(std::string_view text) { return parse<Grant>(text, kGrantKind, "grant"); }

Result<Revocation> parse_revocation(std::string_view text) {
  return parse<Revocation>(text, kRevocationKind, "revocation");
}

bool is_revocation(std::string_view text) { return trimmed(text).starts_with(kRevocationKind); }

Verdict check(const Grant& grant, const Approval& approval, WallTime now,
              const SwitchRequest& request) {
  if (std::ranges::find(approval.approvers, grant.approver) == approval.approvers.end())
    return Verdict::kUnlistedApprover;
  if (approval.revoked.contains(grant.id)) return Verdict::kRevoked;
  if (now < grant.not_before) return Verdict::kNotYetValid;
  if (now >= grant.not_after) return Verdict::kExpired;
  if (other_stream(grant, request) != nullptr) return Verdict::kOtherStream;
  if (!auth::matches_pattern(request.target, grant.target)) return Verdict::kOtherTarget;
  if (request.holder != grant.holder) return Verdict::kOtherHolder;
  if (grant.once && approval.used.contains(grant.id)) return Verdict::kUsed;
  return Verdict::kAllowed;
}

std::string explain(Verdict verdict, const Grant& grant, const SwitchRequest& request) {
  const auto because = [&](std::string_view why) {
    return fmt::format("grant {}: {}", grant.id, why);
  };
  switch (verdict) {
    case Verdict::kAllowed:
      return because(fmt::format("it allows {} to switch {} to {}", request.holder,
                                 fmt::join(request.streams, ", "), request.target));
    case Verdict::kUnlistedApprover:
      return because(fmt::format("{} signed it, who is no approver of this broker",
                                 to_string(grant.approver)));
    case Verdict::kRevoked:
      return because("it was revoked; ask an approver for another one");
    case Verdict::kNotYetValid:
      return because(fmt::format("it holds from {} on", rfc3339_seconds(grant.not_before)));
    case Verdict::kExpired:
      return because(fmt::format("it ended at {}; ask an approver for another one",
                                 rfc3339_seconds(grant.not_after)));
    case Verdict::kOtherStream: {
      const auto* const other = other_stream(grant, request);
      return because(fmt::format("it is for the stream {}, not for {}", grant.stream,
                                 other != nullptr ? *other : "it"));
    }
    case Verdict::kOtherTarget:
      return because(
          fmt::format("it is for the target {}, not for {}", grant.target, request.target));
    case Verdict::kOtherHolder:
      return because(fmt::format("it is for {}, not for {}", grant.holder, request.holder));
    case Verdict::kUsed:
      return because("it was for one switch, which was made; ask an approver for another one");
  }
  return {};
}

WallTime covered_until(std::span<const Grant> grants, const Approval& approval, WallTime now,
                       const SwitchRequest& request) {
  for (bool further = true; further;) {
    further = false;
    for (const auto& grant : grants) {
      if (grant.once || check(grant, approval, now, request) != Verdict::kAllowed) continue;
      now = grant.not_after;  // beyond now, or it would have expired
      further = true;
    }
  }
  return now;
}

}  // namespace spillway::broker
