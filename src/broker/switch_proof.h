// How a person proves to a broker whose key they hold: they sign what they ask for, together with
// the broker's challenge, which counts once. So what was signed is worth nothing to another broker,
// for another switch, or a second time (docs/formats/switch-proof.md).
#pragma once

#include <string>
#include <string_view>

#include "base/ed25519.h"
#include "base/result.h"
#include "io/entropy.h"

namespace spillway::broker {

struct SwitchClaim {
  std::string broker;     // its name
  std::string challenge;  // as the broker gave it
  std::string target;     // empty: to release, or to accept
  std::string reason;
  std::string accept = {};  // the target that is accepted; else empty
};

// base64url of the Ed25519 signature of "spillway-switch-1." and a JSON object with "broker",
// "challenge", "to" and "reason", and "accept" where it isn't empty.
std::string sign_switch(const SwitchClaim& claim, const Ed25519Seed& seed);

// Of one broker. One thread.
class SwitchProofs {
 public:
  SwitchProofs(std::string broker, io::Entropy& entropy);

  const std::string& broker() const { return broker_; }
  // 32 hexadecimal digits; another one when this was used.
  const std::string& challenge() const { return challenge_; }

  // Whether `claim` was signed with the key of `holder` ("ed25519:…"). kExpired: its challenge
  // isn't the present one, so it has to be signed again; kInvalid, kDenied: it isn't.
  Status take(const SwitchClaim& claim, std::string_view holder, std::string_view signature);

 private:
  void draw();

  const std::string broker_;
  io::Entropy& entropy_;
  std::string challenge_;
};

}  // namespace spillway::broker
