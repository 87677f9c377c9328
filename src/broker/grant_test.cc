#include "broker/grant.h"

#include "base/base64url.h"
#include "base/digest.h"
#include "base/rfc3339.h"

namespace spillway::broker {
namespace {

const WallTime kNow = *parse_rfc3339("2020-11-25T14:00:00Z");

Ed25519Seed seed_of(unsigned char byte) {
  Ed25519Seed seed;
  seed.fill(byte);
  return seed;
}
const Ed25519Seed kApprover = seed_of(1);
const Ed25519Seed kOther = seed_of(2);
const std::string kAlice = to_string(ed25519_public(seed_of(3)));

Grant wanted() {
  Grant grant;
  grant.id = "0123456789abcdef0123456789abcdef";
  grant.stream = "telemetry*";
  grant.target = "b";
  grant.holder = kAlice;
  grant.not_before = kNow - std::chrono::hours(1);
  grant.not_after = kNow + std::chrono::hours(1);
  grant.reason = "freeze \"2020\"";
  return grant;
}

Grant signed_by(const Ed25519Seed& seed, const Grant& grant) {
  return parse_grant(sign_grant(grant, seed).value()).value();
}

// The text of a payload that sign_grant() wouldn't sign, with a signature that holds.
std::string text_of(std::string_view payload) {
  const std::string text = "spillway-grant-1." + base64url_encode(payload);
  const auto signature = ed25519_sign(kApprover, text);
  return text + "." + base64url_encode({reinterpret_cast<const char*>(signature.data()), 64});
}

TEST(GrantText, IsOneLineAndReadsBack) {
  const std::string text = sign_grant(wanted(), kApprover).value();
  EXPECT_THAT(text, testing::MatchesRegex("spillway-grant-1\\.[-_0-9A-Za-z]+\\.[-_0-9A-Za-z]{86}"));
  const std::string payload = base64url_decode(text.substr(17, text.rfind('.') - 17)).value();
  EXPECT_EQ(payload, fmt::format(R"({{"id":"0123456789abcdef0123456789abcdef","approver":"{}",)"
                                 R"("stream":"telemetry*","target":"b","holder":"{}",)"
                                 R"("not_before":"2020-11-25T13:00:00Z",)"
                                 R"("not_after":"2020-11-25T15:00:00Z","once":false,)"
                                 R"("reason":"freeze \"2020\""}})",
                                 to_string(ed25519_public(kApprover)), kAlice));
  Grant grant = wanted();
  grant.approver = ed25519_public(kApprover);
  EXPECT_EQ(*parse_grant(text), grant);
  EXPECT_EQ(*parse_grant(" \n" + text + "\r\n"), grant);
  EXPECT_EQ(text_of(payload), text);
}

TEST(GrantText, NoChangeOfItHolds) {
  const std::string text = sign_grant(wanted(), kApprover).value();
  for (std::size_t at = 0; at < text.size(); ++at) {
    EXPECT_FALSE(parse_grant(text.substr(0, at)).ok()) << at;
    for (const char other : {'A', 'B', '-', '.', ' '}) {
      if (other == text[at]) continue;
      std::string changed = text;
      changed[at] = other;
      const auto read = parse_grant(changed);
      ASSERT_FALSE(read.ok()) << at << other;
      EXPECT_NE(read.error().message, "");
    }
  }
  EXPECT_FALSE(parse_grant(text + "A").ok());
  EXPECT_FALSE(parse_grant(text + "=").ok());
}

TEST(GrantText, AnotherSignatureIsToldAsTampering) {
  const std::string text = sign_grant(wanted(), kApprover).value();
  const std::string other = sign_grant(wanted(), kOther).value();
  const auto mixed = parse_grant(text.substr(0, text.rfind('.')) + other.substr(other.rfind('.')));
  ASSERT_FALSE(mixed.ok());
  EXPECT_EQ(mixed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(mixed.error().message, testing::HasSubstr("it was changed"));
}

TEST(GrantText, ANewerVersionAndAnotherKindAreRefused) {
  std::string newer = sign_grant(wanted(), kApprover).value();
  newer.replace(newer.find("-1."), 3, "-2.");
  EXPECT_EQ(parse_grant(newer).error().code, ErrorCode::kUnsupported);
  const auto revocation =
      sign_revocation({wanted().id, {}, kNow, "left the company"}, kApprover).value();
  EXPECT_TRUE(is_revocation(revocation));
  EXPECT_FALSE(is_revocation(newer));
  EXPECT_FALSE(parse_grant(revocation).ok());
  EXPECT_FALSE(parse_revocation(sign_grant(wanted(), kApprover).value()).ok());
  EXPECT_EQ(parse_revocation(revocation)->grant, wanted().id);
}

TEST(GrantText, WhatIsSignedButMalformedIsNoGrant) {
  const std::string text = sign_grant(wanted(), kApprover).value();
  const std::string payload = base64url_decode(text.substr(17, text.rfind('.') - 17)).value();
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"{", "{ "},
      {R"(,"target")", R"(,"more":1,"target")"},
      {R"("b")", R"("\u0062")"},
      {R"("b")", R"("")"},
      {R"("b")", R"("b c")"},
      {"0123456789abcdef\"", "0123456789abcdeF\""},
      {"ed25519:", "ed25520:"},
      {"13:00:00Z", "13:00:00.000Z"},
      {"13:00:00Z", "16:00:00Z"},
      {"false", "0"},
  };
  for (const auto& [from, to] : changes) {
    std::string other = payload;
    other.replace(other.find(from), from.size(), to);
    EXPECT_FALSE(parse_grant(text_of(other)).ok()) << other;
  }
}

TEST(GrantText, WhatIsIncompleteIsNotSigned) {
  const std::pair<std::string_view, void (*)(Grant&)> changes[] = {
      {"id", [](Grant& grant) { grant.id = "1"; }},
      {"stream", [](Grant& grant) { grant.stream = ""; }},
      {"target", [](Grant& grant) { grant.target = "b/c"; }},
      {"no holder", [](Grant& grant) { grant.holder = "alice"; }},
      {"no holder", [](Grant& grant) { grant.holder = "broker:"; }},
      {"no holder", [](Grant& grant) { grant.holder = "broker:*"; }},
      {"period", [](Grant& grant) { grant.not_after = grant.not_before; }},
      {"period", [](Grant& grant) { grant.not_after += milliseconds(1); }},
      {"reason", [](Grant& grant) { grant.reason = ""; }},
      {"reason", [](Grant& grant) { grant.reason = std::string(kGrantReasonMax + 1, 'x'); }},
      {"UTF-8", [](Grant& grant) { grant.reason = "caf\xe9"; }},
  };
  for (const auto& [what, change] : changes) {
    Grant grant = wanted();
    change(grant);
    const auto made = sign_grant(grant, kApprover);
    ASSERT_FALSE(made.ok()) << what;
    EXPECT_THAT(made.error().message, testing::HasSubstr(what));
  }
}

class GrantCheckTest : public testing::Test {
 protected:
  Verdict verdict(const Grant& grant, WallTime now = kNow) {
    const Approval approval{approvers_, revoked_, used_};
    return check(grant, approval, now, request_);
  }
  std::vector<Ed25519Public> approvers_{ed25519_public(kApprover)};
  std::set<std::string> revoked_;
  std::set<std::string> used_;
  SwitchRequest request_{{"telemetry-edge"}, "b", kAlice};
  const Grant grant_ = signed_by(kApprover, wanted());
};

TEST_F(GrantCheckTest, HoldsFromItsFirstMomentToBeforeItsLast) {
  EXPECT_EQ(verdict(grant_), Verdict::kAllowed);
  EXPECT_EQ(verdict(grant_, grant_.not_before - milliseconds(1)), Verdict::kNotYetValid);
  EXPECT_EQ(verdict(grant_, grant_.not_before), Verdict::kAllowed);
  EXPECT_EQ(verdict(grant_, grant_.not_after - milliseconds(1)), Verdict::kAllowed);
  EXPECT_EQ(verdict(grant_, grant_.not_after), Verdict::kExpired);
}

TEST_F(GrantCheckTest, IsForOneHolderAndItsStreamAndTarget) {
  for (const auto& [request, expected] :
       {std::pair{SwitchRequest{{"orders"}, "b", kAlice}, Verdict::kOtherStream},
        {SwitchRequest{{"my-telemetry"}, "b", kAlice}, Verdict::kOtherStream},
        {SwitchRequest{{"telemetry", "orders"}, "b", kAlice}, Verdict::kOtherStream},
        {SwitchRequest{{"telemetry"}, "c", kAlice}, Verdict::kOtherTarget},
        {SwitchRequest{{"telemetry"}, "b", "broker:edge-1"}, Verdict::kOtherHolder},
        {SwitchRequest{{"telemetry"}, "b", ""}, Verdict::kOtherHolder},
        {SwitchRequest{{"telemetry", "telemetry-2"}, "b", kAlice}, Verdict::kAllowed}}) {
    request_ = request;
    EXPECT_EQ(verdict(grant_), expected)
        << fmt::format("{}", fmt::join(request.streams, ",")) << request.target << request.holder;
  }
}

TEST_F(GrantCheckTest, IsWorthNothingFromWhoIsNotListed) {
  EXPECT_EQ(verdict(signed_by(kOther, wanted())), Verdict::kUnlistedApprover);
  approvers_.clear();
  EXPECT_EQ(verdict(grant_), Verdict::kUnlistedApprover);
}

TEST_F(GrantCheckTest, OneForOneSwitchIsUsedOnce) {
  Grant once = wanted();
  once.once = true;
  once = signed_by(kApprover, once);
  EXPECT_EQ(verdict(once), Verdict::kAllowed);
  used_.insert(once.id);
  EXPECT_EQ(verdict(once), Verdict::kUsed);
  EXPECT_EQ(verdict(grant_), Verdict::kAllowed);  // the same id, for any number of switches
}

TEST_F(GrantCheckTest, OneThatWasRevokedIsNoLongerGood) {
  revoked_.insert(grant_.id);
  EXPECT_EQ(verdict(grant_), Verdict::kRevoked);
}

TEST_F(GrantCheckTest, EveryVerdictSaysWhatItIsAbout) {
  for (int i = 0; i <= static_cast<int>(Verdict::kUsed); ++i) {
    const auto text = explain(static_cast<Verdict>(i), grant_, request_);
    EXPECT_THAT(text, testing::MatchesRegex("grant 0123456789abcdef0123456789abcdef: .+")) << i;
  }
}

TEST_F(GrantCheckTest, CoverEndsAtTheFirstGap) {
  const auto grant_for = [](int from_hours, int to_hours, bool once = false) {
    Grant grant = wanted();
    grant.not_before = kNow + std::chrono::hours(from_hours);
    grant.not_after = kNow + std::chrono::hours(to_hours);
    grant.once = once;
    return signed_by(kApprover, grant);
  };
  const Approval approval{approvers_, revoked_, used_};
  const std::vector<Grant> grants{grant_for(9, 12), grant_for(4, 8), grant_for(-1, 2),
                                  grant_for(2, 5), grant_for(8, 9, true)};
  EXPECT_EQ(covered_until(grants, approval, kNow, request_), kNow + std::chrono::hours(8));
  EXPECT_EQ(covered_until({}, approval, kNow, request_), kNow);
  const WallTime later = kNow + std::chrono::hours(8);
  EXPECT_EQ(covered_until(grants, approval, later, request_), later);
}

}  // namespace
}  // namespace spillway::broker
