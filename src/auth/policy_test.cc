#include "auth/policy.h"

namespace spillway::auth {
namespace {

constexpr std::string_view kStream = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";

AccessRequest asked(std::string_view action, std::string_view resource = kStream) {
  AccessRequest request;
  request.action = action;
  request.resource = resource;
  request.principal = "arn:aws:iam::000000000000:user/alice";
  request.account = "000000000000";
  request.user = "alice";
  request.source_ip = "203.0.113.9";
  request.user_agent = "aws-cli/2.1 Python/3";
  request.region = "us-east-1";
  request.secure = true;
  return request;
}

std::string statement(std::string_view rest, std::string_view effect = "Allow") {
  return fmt::format(R"({{"Version":"2012-10-17","Statement":{{"Effect":"{}",{}}}}})", effect,
                     rest);
}

Policy parsed(std::string_view json, PolicyKind kind = PolicyKind::kIdentity) {
  auto policy = Policy::parse(json, kind);
  EXPECT_TRUE(policy.ok()) << policy.error().message << "\n" << json;
  return *std::move(policy);
}

Outcome outcome(std::string_view json, const AccessRequest& request,
                PolicyKind kind = PolicyKind::kIdentity) {
  return parsed(json, kind).decide(request).outcome;
}

TEST(Policy, PatternsMatchAsInIam) {
  struct Case {
    const char* text;
    const char* pattern;
    bool matches;
  };
  for (const auto& test : {
           Case{"", "", true},
           Case{"", "*", true},
           Case{"", "?", false},
           Case{"a", "", false},
           Case{"abc", "abc", true},
           Case{"abc", "a?c", true},
           Case{"abc", "a*", true},
           Case{"abc", "*c", true},
           Case{"abc", "*b*", true},
           Case{"abc", "a*b", false},
           Case{"abcabcabd", "a*abd", true},
           Case{"abcabcabd", "a*ab?", true},
           Case{"aXbXb", "a*Xb", true},
           Case{"aXbXc", "a*Xb", false},
           Case{"abc", "abc*?", false},
           Case{"abc", "**a**c**", true},
           Case{"ABC", "abc", false},
           Case{"a.c", "a?c", true},
       })
    EXPECT_EQ(matches_pattern(test.text, test.pattern), test.matches)
        << test.text << " like " << test.pattern;
  EXPECT_TRUE(matches_pattern("kinesis:PutRecord", "KINESIS:put*", true));
  // Many stars cost no more than text times pattern.
  const std::string text(4000, 'a');
  std::string pattern;
  for (int i = 0; i < 4000; ++i) pattern += "a*";
  EXPECT_FALSE(matches_pattern(text, pattern + "b"));
}

TEST(Policy, RangesOfAddresses) {
  struct Case {
    const char* range;
    const char* address;
    bool inside;
  };
  for (const auto& test : {
           Case{"203.0.113.0/24", "203.0.113.255", true},
           Case{"203.0.113.0/24", "203.0.114.0", false},
           Case{"203.0.113.77/24", "203.0.113.1", true},  // what is behind the prefix doesn't count
           Case{"203.0.113.128/25", "203.0.113.127", false},
           Case{"203.0.113.9", "203.0.113.9", true},
           Case{"203.0.113.9", "203.0.113.8", false},
           Case{"0.0.0.0/0", "10.1.2.3", true},
           Case{"0.0.0.0/0", "::1", false},
           Case{"2001:db8::/32", "2001:db8:1::7", true},
           Case{"2001:db8::/33", "2001:db8:8000::", false},
           Case{"::/0", "10.1.2.3", false},
           Case{"::1", "::1", true},
           Case{"10.0.0.0/8", "::ffff:10.1.2.3", true},  // how a listener on [::] sees IPv4
           Case{"::ffff:10.0.0.0/104", "10.1.2.3", true},
           Case{"fe80::/10", "fe80::1%eth0", true},
       }) {
    const auto range = AddressRange::parse(test.range);
    const auto address = AddressRange::parse(test.address);
    ASSERT_TRUE(range && address) << test.range;
    EXPECT_EQ(range->contains(*address), test.inside) << test.address << " in " << test.range;
  }
  for (const char* bad : {"", "1.2.3", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "::1/129", "x",
                          "1.2.3.4/8x", "::g", "1.2.3.4 "})
    EXPECT_FALSE(AddressRange::parse(bad)) << bad;
}

TEST(Policy, ActionsAndResources) {
  struct Case {
    const char* rest;
    AccessRequest request;
    Outcome outcome;
  };
  const auto yes = Outcome::kAllow;
  const auto no = Outcome::kImplicitDeny;
  for (const auto& test : {
           Case{R"("Action":"*","Resource":"*")", asked("kinesis:PutRecord"), yes},
           Case{R"("Action":"kinesis:PutRecord","Resource":"*")", asked("kinesis:PutRecord"), yes},
           Case{R"("Action":"kinesis:PutRecord","Resource":"*")", asked("kinesis:PutRecords"), no},
           Case{R"("Action":"KINESIS:putrecord","Resource":"*")", asked("kinesis:PutRecord"), yes},
           Case{R"("Action":["kinesis:Get*","kinesis:Put*"],"Resource":"*")",
                asked("kinesis:PutRecords"), yes},
           Case{R"("NotAction":"kinesis:Put*","Resource":"*")", asked("kinesis:PutRecord"), no},
           Case{R"("NotAction":"kinesis:Put*","Resource":"*")", asked("kinesis:GetRecords"), yes},
           Case{R"("Action":"*","Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/orders")",
                asked("kinesis:PutRecord"), yes},
           Case{R"("Action":"*","Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/Orders")",
                asked("kinesis:PutRecord"), no},
           Case{R"("Action":"*","Resource":"arn:aws:kinesis:*:*:stream/ord*")",
                asked("kinesis:PutRecord"), yes},
           Case{R"("Action":"*","Resource":"arn:aws:kinesis:*:*:stream/ord?")",
                asked("kinesis:PutRecord"), no},
           Case{R"("Action":"*","Resource":"arn:aws:kinesis:*:*:stream/*")",
                asked("kinesis:ListStreams", "*"), no},
           Case{R"("Action":"*","NotResource":"arn:aws:kinesis:*:*:stream/orders")",
                asked("kinesis:PutRecord"), no},
           Case{R"("Action":"*","NotResource":"arn:aws:kinesis:*:*:stream/x")",
                asked("kinesis:PutRecord"), yes},
       })
    EXPECT_EQ(outcome(statement(test.rest), test.request), test.outcome) << test.rest;
}

TEST(Policy, ADenialWinsWhereverItStands) {
  const std::string allow = R"({"Sid":"all","Effect":"Allow","Action":"*","Resource":"*"})";
  const std::string deny =
      R"({"Sid":"no puts","Effect":"Deny","Action":"kinesis:Put*","Resource":"*"})";
  for (const auto& statements : {allow + "," + deny, deny + "," + allow}) {
    const auto policy = parsed(fmt::format(R"({{"Statement":[{}]}})", statements));
    const auto denied = policy.decide(asked("kinesis:PutRecord"));
    EXPECT_EQ(denied.outcome, Outcome::kExplicitDeny);
    EXPECT_EQ(policy.sid(denied.statement), "no puts");
    const auto allowed = policy.decide(asked("kinesis:GetRecords"));
    EXPECT_EQ(allowed.outcome, Outcome::kAllow);
    EXPECT_EQ(policy.sid(allowed.statement), "all");
  }
}

TEST(Policy, Conditions) {
  struct Case {
    const char* condition;
    bool holds;
  };
  for (const auto& test : {
           Case{R"("IpAddress":{"aws:SourceIp":"203.0.113.0/24"})", true},
           Case{R"("IpAddress":{"AWS:sourceip":["10.0.0.0/8","203.0.113.9"]})", true},
           Case{R"("IpAddress":{"aws:SourceIp":"10.0.0.0/8"})", false},
           Case{R"("NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.9"]})", false},
           Case{R"("NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"})", true},
           Case{R"("Bool":{"aws:SecureTransport":"true"})", true},
           Case{R"("Bool":{"aws:SecureTransport":true})", true},
           Case{R"("Bool":{"aws:SecureTransport":"False"})", false},
           Case{R"("StringEquals":{"aws:username":["bob","alice"]})", true},
           Case{R"("StringEquals":{"aws:username":"Alice"})", false},
           Case{R"("StringEqualsIgnoreCase":{"aws:username":"ALICE"})", true},
           Case{R"("StringNotEquals":{"aws:username":["bob","alice"]})", false},
           Case{R"("StringNotEqualsIgnoreCase":{"aws:username":"ALICE"})", false},
           Case{R"("StringLike":{"aws:UserAgent":"aws-cli/*"})", true},
           Case{R"("StringNotLike":{"aws:UserAgent":"aws-cli/*"})", false},
           Case{R"("StringEquals":{"aws:RequestedRegion":"us-east-1"})", true},
           Case{R"("StringEquals":{"aws:PrincipalAccount":"111111111111"})", false},
           Case{R"("ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/al*"})", true},
           Case{R"("ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/al*"})", false},
           // All of an operator's keys, and all operators.
           Case{R"("StringEquals":{"aws:username":"alice","aws:RequestedRegion":"eu-west-1"})",
                false},
           Case{R"("StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":"false"})",
                false},
           Case{R"("StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":"true"})",
                true},
       }) {
    const auto json =
        statement(fmt::format(R"("Action":"*","Resource":"*","Condition":{{{}}})", test.condition));
    EXPECT_EQ(outcome(json, asked("kinesis:PutRecord")),
              test.holds ? Outcome::kAllow : Outcome::kImplicitDeny)
        << test.condition;
  }
}

TEST(Policy, PrincipalsOfResourcePolicies) {
  struct Case {
    const char* principal;
    Outcome allowing;
    Outcome denying;
  };
  const auto yes = Outcome::kAllow;
  const auto no = Outcome::kImplicitDeny;
  const auto denied = Outcome::kExplicitDeny;
  for (const auto& test : {
           Case{R"("Principal":"*")", yes, denied},
           Case{R"("Principal":{"AWS":"*"})", yes, denied},
           Case{R"("Principal":{"AWS":"arn:aws:iam::000000000000:user/alice"})", yes, denied},
           Case{R"("Principal":{"AWS":["111111111111","arn:aws:iam::000000000000:user/alice"]})",
                yes, denied},
           Case{R"("Principal":{"AWS":"arn:aws:iam::000000000000:user/bob"})", no, no},
           // What an account may, its identity policies hand on; what it may not, nobody in it may.
           Case{R"("Principal":{"AWS":"000000000000"})", no, denied},
           Case{R"("Principal":{"AWS":"arn:aws:iam::000000000000:root"})", no, denied},
           Case{R"("Principal":{"AWS":"111111111111"})", no, no},
           Case{R"("NotPrincipal":{"AWS":"arn:aws:iam::000000000000:user/alice"})", no, no},
           Case{R"("NotPrincipal":{"AWS":"000000000000"})", no, no},
           Case{R"("NotPrincipal":{"AWS":"arn:aws:iam::000000000000:user/bob"})", yes, denied},
       }) {
    const auto rest = fmt::format(R"({},"Action":"*","Resource":"*")", test.principal);
    const auto request = asked("kinesis:PutRecord");
    EXPECT_EQ(outcome(statement(rest), request, PolicyKind::kResource), test.allowing)
        << test.principal;
    EXPECT_EQ(outcome(statement(rest, "Deny"), request, PolicyKind::kResource), test.denying)
        << test.principal;
  }
}

TEST(Policy, EitherPolicyAllowsAndEitherDenies) {
  const std::string rest = R"("Action":"kinesis:PutRecord","Resource":"*")";
  const std::string of_alice = R"("Principal":{"AWS":"arn:aws:iam::000000000000:user/alice"},)";
  const auto allow = parsed(statement(rest));
  const auto deny = parsed(statement(rest, "Deny"));
  const auto other = parsed(statement(R"("Action":"kinesis:GetRecords","Resource":"*")"));
  const auto r_allow = parsed(statement(of_alice + rest), PolicyKind::kResource);
  const auto r_deny = parsed(statement(of_alice + rest, "Deny"), PolicyKind::kResource);
  struct Case {
    const Policy* identity;
    const Policy* resource;
    Outcome outcome;
    bool by_resource;
  };
  for (const auto& test : {
           Case{nullptr, nullptr, Outcome::kAllow, false},
           Case{nullptr, &r_deny, Outcome::kExplicitDeny, true},
           Case{nullptr, &r_allow, Outcome::kAllow, false},
           Case{&allow, nullptr, Outcome::kAllow, false},
           Case{&allow, &r_deny, Outcome::kExplicitDeny, true},
           Case{&deny, nullptr, Outcome::kExplicitDeny, false},
           Case{&deny, &r_allow, Outcome::kExplicitDeny, false},
           Case{&other, nullptr, Outcome::kImplicitDeny, false},
           Case{&other, &r_allow, Outcome::kAllow, true},
           Case{&other, &r_deny, Outcome::kExplicitDeny, true},
       }) {
    const auto joint = decide(test.identity, test.resource, asked("kinesis:PutRecord"));
    EXPECT_EQ(joint.outcome, test.outcome);
    EXPECT_EQ(joint.by_resource, test.by_resource);
  }
}

TEST(Policy, RefusesWhatItDoesNotKnowAndSaysWhy) {
  struct Case {
    std::string json;
    const char* message;
  };
  const auto with = [](std::string_view condition) {
    return statement(fmt::format(R"("Action":"*","Resource":"*","Condition":{})", condition));
  };
  for (const auto& test : {
           Case{"", "the policy: is no JSON"},
           Case{"[]", "the policy: must be an object"},
           Case{"{}", "the policy: has no Statement"},
           Case{R"({"Statement":[]})", "Statement: must not be an empty list"},
           Case{R"({"Version":"2020-01-01","Statement":[]})", "Version: must be \"2012-10-17\""},
           Case{R"({"Sttement":[]})", "did you mean \"Statement\"?"},
           Case{R"({"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]})",
                "Statement[0]: Effect must be \"Allow\" or \"Deny\""},
           Case{statement(R"("Actions":"*","Resource":"*")"), "did you mean \"Action\"?"},
           Case{statement(R"("Resource":"*")"), "Statement: must have one of Action and NotAction"},
           Case{statement(R"("Action":"*","NotAction":"*","Resource":"*")"),
                "must have one of Action and NotAction"},
           Case{statement(R"("Action":"*")"), "must have one of Resource and NotResource"},
           Case{statement(R"("Action":"*","Action":"a:b","Resource":"*")"),
                "Action is there twice"},
           Case{statement(R"("Action":[],"Resource":"*")"), "Action: must not be an empty list"},
           Case{statement(R"("Action":3,"Resource":"*")"), "must be a text or a list of texts"},
           Case{statement(R"("Action":"PutRecord","Resource":"*")"),
                "the action \"PutRecord\" must be \"*\" or like \"kinesis:PutRecord\""},
           Case{statement(R"("Action":"*","Resource":"orders")"),
                "the resource \"orders\" must be \"*\" or an ARN"},
           Case{
               statement(R"("Action":"*","Resource":"arn:aws:kinesis:*:*:stream/${aws:username}")"),
               "policy variables are not offered"},
           Case{statement(R"("Action":"*","Resource":"*","Principal":"*")"),
                "the policy of an access key has no Principal"},
           Case{with(R"({"IpAdress":{"aws:SourceIp":"1.2.3.4"}})"), "did you mean \"IpAddress\"?"},
           Case{with(R"({"DateLessThan":{"aws:CurrentTime":"2026"}})"), "is not known here"},
           Case{with(R"({"StringEqualsIfExists":{"aws:username":"a"}})"), "is not known here"},
           Case{with(R"({"IpAddress":{"aws:SourceIP6":"1.2.3.4"}})"),
                "did you mean \"aws:SourceIp\"?"},
           Case{with(R"({"IpAddress":{"aws:SourceIp":"1.2.3.4/40"}})"), "is no address or range"},
           Case{with(R"({"StringEquals":{"aws:SourceIp":"1.2.3.4"}})"),
                "StringEquals can't judge aws:SourceIp"},
           Case{with(R"({"IpAddress":{"aws:username":"1.2.3.4"}})"), "can't judge aws:username"},
           Case{with(R"({"ArnLike":{"aws:username":"a"}})"), "ArnLike can't judge aws:username"},
           Case{with(R"({"Bool":{"aws:SecureTransport":"yes"}})"), "must be true or false"},
           Case{with(R"({"StringEquals":{"aws:username":"a","AWS:UserName":"b"}})"),
                "StringEquals: AWS:UserName is there twice"},
           Case{with(R"([])"), "Condition: must be an object"},
           Case{statement(fmt::format(R"("Sid":"{}","Action":"*","Resource":"*")",
                                      std::string(kPolicyBytesMax, 'x'))),
                "is larger than 20480 bytes"},
           Case{std::string(200, '['), "the policy: is no JSON"},
       }) {
    const auto policy = Policy::parse(test.json, PolicyKind::kIdentity);
    ASSERT_FALSE(policy.ok()) << test.json;
    EXPECT_EQ(policy.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(policy.error().message, testing::HasSubstr(test.message)) << test.json;
  }
  std::string many = R"({"Effect":"Deny","Action":"*","Resource":"*"})";
  for (std::size_t i = 0; i < kPolicyStatementsMax; ++i)
    many += R"(,{"Effect":"Deny","Action":"*","Resource":"*"})";
  EXPECT_THAT(
      Policy::parse(R"({"Statement":[)" + many + "]}", PolicyKind::kIdentity).error().message,
      testing::HasSubstr("has more than 100"));
}

TEST(Policy, RefusesPrincipalsThatNobodyIs) {
  for (const auto* principal :
       {R"("Principal":"alice")", R"("Principal":{"AWS":"alice"})",
        R"("Principal":{"AWS":"arn:aws:iam::000000000000:user/*"})",
        R"("Principal":{"AWS":"arn:aws:iam::00000000000:user/alice"})",
        R"("Principal":{"Service":"lambda.amazonaws.com"})", R"("Principal":{})",
        R"("Principal":"*","NotPrincipal":"*")", R"("Principal":{"AWS":[]})"}) {
    const auto policy =
        Policy::parse(statement(fmt::format(R"({},"Action":"*","Resource":"*")", principal)),
                      PolicyKind::kResource);
    EXPECT_FALSE(policy.ok()) << principal;
  }
  EXPECT_FALSE(
      Policy::parse(statement(R"("Action":"*","Resource":"*")"), PolicyKind::kResource).ok())
      << "without any";
}

}  // namespace
}  // namespace spillway::auth
