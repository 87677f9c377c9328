// Arbitrary texts as grants and revocations: none is taken that the key in it didn't sign.
// Arbitrary payloads, signed: a grant that says the same, or none. And ledgers.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/base64url.h"
#include "broker/grant.h"
#include "broker/grant_ledger.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

constexpr WallTime kNow{milliseconds(1'606'312'800'000)};

const Ed25519Seed kSeed{1, 2, 3};
const Ed25519Public kKey = ed25519_public(kSeed);

std::string signed_text(std::string_view kind, std::string_view payload) {
  std::string text = std::string(kind) + "." + base64url_encode(payload);
  const auto signature = ed25519_sign(kSeed, text);
  text +=
      "." + base64url_encode({reinterpret_cast<const char*>(signature.data()), signature.size()});
  return text;
}

void ask_of(const Grant& grant) {
  const std::set<std::string> none;
  const std::set<std::string> itself{grant.id};
  const SwitchRequest request{{"telemetry"}, "b", grant.holder};
  const auto verdict = check(grant, {{&kKey, 1}, none, none}, kNow, request);
  SPILLWAY_ASSERT(check(grant, {{}, none, none}, kNow, request) == Verdict::kUnlistedApprover);
  SPILLWAY_ASSERT(check(grant, {{&kKey, 1}, itself, none}, kNow, request) != Verdict::kAllowed);
  SPILLWAY_ASSERT(check(grant, {{&kKey, 1}, none, none}, grant.not_after, request) !=
                  Verdict::kAllowed);
  SPILLWAY_ASSERT(!explain(verdict, grant, request).empty());
}

void read_as_it_is(std::string_view input) {
  static_cast<void>(parse_grant(input));
  static_cast<void>(parse_revocation(input));
  const auto memory = decode_grant_memory(input);
  if (memory.ok()) SPILLWAY_ASSERT(*decode_grant_memory(encode(*memory)) == *memory);
}

void read_what_was_signed(std::string_view payload) {
  const std::string text = signed_text("spillway-grant-1", payload);
  const auto grant = parse_grant(text);
  if (grant.ok()) {
    SPILLWAY_ASSERT(grant->approver == kKey && *sign_grant(*grant, kSeed) == text);
    ask_of(*grant);
  }
  const std::string revoking = signed_text("spillway-revocation-1", payload);
  const auto revocation = parse_revocation(revoking);
  if (revocation.ok()) SPILLWAY_ASSERT(*sign_revocation(*revocation, kSeed) == revoking);
  SPILLWAY_ASSERT(!parse_grant(revoking).ok() && !parse_revocation(text).ok());
}

// Its texts are the input's; what is taken reads back, and no other byte of it does.
void sign_and_change(std::string_view input) {
  Grant grant;
  grant.id = "0123456789abcdef0123456789abcdef";
  grant.stream = "telemetry*";
  grant.target = input.substr(2, 3);
  grant.holder = "broker:edge-1";
  grant.not_before = kNow;
  grant.not_after = kNow + seconds(60);
  grant.reason = input.substr(2);
  const auto text = sign_grant(grant, kSeed);
  if (!text.ok()) return;
  const auto read = parse_grant(*text);
  SPILLWAY_ASSERT(read.ok() && read->approver == kKey && read->target == grant.target);
  ask_of(*read);
  std::string changed = *text;
  changed[static_cast<unsigned char>(input[0]) * std::size_t{7} % changed.size()] = input[1];
  SPILLWAY_ASSERT(parse_grant(changed).ok() == (changed == *text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_as_it_is(input);
  read_what_was_signed(input);
  if (size > 2) sign_and_change(input);
  return 0;
}
