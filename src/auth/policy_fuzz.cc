// Arbitrary policies, asked about two requests: refused with a reason, or decided so that a denial
// wins whichever policy it is in. Arbitrary patterns, held against a plain reading of them.
#include <cstddef>
#include <cstdint>

#include "auth/policy.h"
#include "base/assert.h"

using namespace spillway;

namespace {

constexpr auth::AccessRequest kRequests[] = {
    {"kinesis:PutRecord", "arn:aws:kinesis:us-east-1:000000000000:stream/s",
     "arn:aws:iam::000000000000:user/alice", "000000000000", "alice", "203.0.113.9", "aws-cli/2",
     "us-east-1", true},
    {"kinesis:ListStreams", "*", "arn:aws:iam::000000000000:user/bob", "000000000000", "bob",
     "2001:db8::1", "", "us-east-1", false},
};

// An independent reading of * and ?, exponential at worst: for short texts only.
bool matches_plainly(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return matches_plainly(text, pattern.substr(1)) ||
           (!text.empty() && matches_plainly(text.substr(1), pattern));
  }
  return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
         matches_plainly(text.substr(1), pattern.substr(1));
}

void check_pattern(std::string_view input) {
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos || input.size() > 24) return;
  const auto text = input.substr(0, line);
  const auto pattern = input.substr(line + 1);
  SPILLWAY_ASSERT(auth::matches_pattern(text, pattern) == matches_plainly(text, pattern));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_pattern(input);
  static_cast<void>(auth::AddressRange::parse(input));
  for (const auto kind : {auth::PolicyKind::kIdentity, auth::PolicyKind::kResource}) {
    const auto policy = auth::Policy::parse(input, kind);
    if (!policy.ok()) {
      SPILLWAY_ASSERT(!policy.error().message.empty());
      continue;
    }
    const auto nothing =
        auth::Policy::parse(R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})",
                            auth::PolicyKind::kIdentity);
    for (const auto& request : kRequests) {
      const auto decision = policy->decide(request);
      if (decision.outcome != auth::Outcome::kImplicitDeny)
        static_cast<void>(policy->sid(decision.statement));
      SPILLWAY_ASSERT(auth::decide(nullptr, &*policy, request).outcome ==
                      (decision.outcome == auth::Outcome::kExplicitDeny
                           ? auth::Outcome::kExplicitDeny
                           : auth::Outcome::kAllow));
      SPILLWAY_ASSERT(auth::decide(&*nothing, &*policy, request).outcome ==
                      auth::Outcome::kExplicitDeny);
      SPILLWAY_ASSERT(auth::decide(&*policy, &*nothing, request).outcome ==
                      auth::Outcome::kExplicitDeny);
    }
  }
  return 0;
}
