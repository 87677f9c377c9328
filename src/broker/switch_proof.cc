#include "broker/switch_proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/base64url.h"
#include "base/digest.h"
#include "broker/grant.h"
#include "broker/json_object.h"

namespace spillway::broker {
namespace {

// No grant begins so, and no revocation.
constexpr std::string_view kKind = "spillway-switch-1.";
constexpr std::size_t kChallengeBytes = 16;

std::string signed_text(const SwitchClaim& claim) {
  JsonObject json;
  json.add("broker", claim.broker).add("challenge", claim.challenge);
  json.add("to", claim.target).add("reason", claim.reason);
  if (!claim.accept.empty()) json.add("accept", claim.accept);
  return std::string(kKind) + json.text();
}

}  // namespace

std::string sign_switch(const SwitchClaim& claim, const Ed25519Seed& seed) {
  const auto signature = ed25519_sign(seed, signed_text(claim));
  return base64url_encode({reinterpret_cast<const char*>(signature.data()), signature.size()});
}

SwitchProofs::SwitchProofs(std::string broker, io::Entropy& entropy)
    : broker_(std::move(broker)), entropy_(entropy) {
  draw();
}

void SwitchProofs::draw() {
  std::array<unsigned char, kChallengeBytes> bytes;
  entropy_.fill(bytes);
  challenge_ = to_hex(bytes);
}

Status SwitchProofs::take(const SwitchClaim& claim, std::string_view holder,
                          std::string_view signature) {
  SPILLWAY_ASSIGN(const auto key, parse_public_key(holder));
  const auto bytes = base64url_decode(signature);
  Ed25519Signature parsed{};
  if (!bytes || bytes->size() != parsed.size())
    return Error{ErrorCode::kInvalid, "the switch's signature is none"};
  std::ranges::copy(*bytes, parsed.begin());
  if (claim.broker != broker_) {
    return Error{ErrorCode::kDenied, fmt::format("the switch was signed for the broker {}, and "
                                                 "this is {}",
                                                 claim.broker, broker_)};
  }
  if (claim.challenge != challenge_)
    return Error{ErrorCode::kExpired, "the switch was signed for a challenge that was used: again"};
  if (!ed25519_verify(key, signed_text(claim), parsed)) {
    return Error{ErrorCode::kDenied,
                 fmt::format("the switch's signature is not that of {}", holder)};
  }
  draw();
  return {};
}

}  // namespace spillway::broker
