#include "auth/sigv4.h"

namespace spillway::auth {
namespace {

// 2015-08-30T12:36:00Z, the moment of AWS's published test suite.
const WallTime kNow = WallTime(std::chrono::sys_days(std::chrono::year(2015) / 8 / 30)) +
                      std::chrono::hours(12) + std::chrono::minutes(36);
const Credentials kCredentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

std::shared_ptr<const KeyTable> keys() {
  return std::make_shared<KeyTable>(std::map<std::string, std::string, std::less<>>{
      {kCredentials.access_key, kCredentials.secret_key}});
}

wire::RequestHead post() {
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/";
  head.headers = {{"Host", "example.amazonaws.com"}};
  return head;
}

const std::string& value_of(const wire::RequestHead& head, std::string_view name) {
  return *head.find(name);
}

std::string& mutable_value_of(wire::RequestHead& head, std::string_view name) {
  return const_cast<std::string&>(*head.find(name));
}

// "accepted", or the error's type and message.
std::string outcome(const wire::RequestHead& head, std::string_view body, WallTime now = kNow,
                    std::shared_ptr<const KeyTable> table = keys()) {
  Verifier verifier("us-east-1", "service", std::move(table));
  const auto result = verifier.verify(head, sha256(body), now);
  if (const auto* error = std::get_if<AuthError>(&result))
    return fmt::format("{}: {}", to_string(error->type), error->message);
  EXPECT_EQ(std::get<std::string>(result), kCredentials.access_key);
  return "accepted";
}

// Cases get-vanilla, post-vanilla and get-vanilla-query-order-key-case of the suite.
TEST(SigV4, SignsAsThePublishedTestSuite) {
  struct Case {
    const char* method;
    const char* target;
    const char* signature;
  };
  for (const auto& test :
       {Case{"GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        Case{"POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        Case{"GET", "/?Param2=value2&Param1=value1",
             "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"}}) {
    auto head = post();
    head.method = test.method;
    head.target = test.target;
    sign(head, "", kCredentials, "us-east-1", "service", kNow);
    EXPECT_THAT(value_of(head, "authorization"), testing::EndsWith(test.signature)) << test.target;
    EXPECT_EQ(outcome(head, ""), "accepted");
  }
}

TEST(SigV4, NoticesEveryChange) {
  auto good = post();
  good.headers.push_back({"X-Amz-Target", "Kinesis_20131202.PutRecord"});
  sign(good, "body", kCredentials, "us-east-1", "service", kNow);
  EXPECT_EQ(outcome(good, "body"), "accepted");
  const auto refused = testing::StartsWith("InvalidSignatureException: The request signature");
  EXPECT_THAT(outcome(good, "bodY"), refused);
  for (const char* name : {"host", "x-amz-target"}) {
    auto head = good;
    mutable_value_of(head, name) += "x";
    EXPECT_THAT(outcome(head, "body"), refused) << name;
  }
  auto head = good;
  head.target = "/?a=b";
  EXPECT_THAT(outcome(head, "body"), refused);
  head = good;
  head.method = "GET";
  EXPECT_THAT(outcome(head, "body"), refused);
  head = good;
  auto& authorization = mutable_value_of(head, "authorization");
  authorization.back() = authorization.back() == '0' ? '1' : '0';
  EXPECT_THAT(outcome(head, "body"), refused);
  EXPECT_THAT(outcome(good, "body", kNow,
                      std::make_shared<KeyTable>(std::map<std::string, std::string, std::less<>>{
                          {"AKIDEXAMPLE", "another secret"}})),
              refused);
}

TEST(SigV4, AcceptsTheAuthorityOfHttp2UnderBothNames) {
  auto head = post();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  head.headers[0].name = ":authority";
  EXPECT_EQ(outcome(head, ""), "accepted");
}

TEST(SigV4, CollapsesSpacesAsSigned) {
  auto head = post();
  head.headers.push_back({"X-Amz-Meta", "a b"});
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  mutable_value_of(head, "x-amz-meta") = "  a   b ";
  EXPECT_EQ(outcome(head, ""), "accepted");
}

TEST(SigV4, WhereItGoesAndWhatItDoesMustBeSigned) {
  auto head = post();
  head.headers.clear();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  head.headers.push_back({"Host", "example.amazonaws.com"});
  EXPECT_THAT(outcome(head, ""), testing::HasSubstr("'Host' or ':authority' must be a"));
  head = post();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  head.headers.push_back({"X-Amz-Target", "Kinesis_20131202.DeleteStream"});
  EXPECT_THAT(outcome(head, ""), testing::HasSubstr("'x-amz-target' must be a 'SignedHeader'"));
}

TEST(SigV4, TellsTimesThatAreOff) {
  auto head = post();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  EXPECT_EQ(outcome(head, "", kNow + kClockSkewMax), "accepted");
  EXPECT_EQ(outcome(head, "", kNow + kClockSkewMax + seconds(1)),
            "InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than "
            "20150830T123601Z (20150830T124101Z - 5 min.)");
  EXPECT_EQ(outcome(head, "", kNow - kClockSkewMax), "accepted");
  EXPECT_EQ(outcome(head, "", kNow - kClockSkewMax - seconds(1)),
            "InvalidSignatureException: Signature not yet current: 20150830T123600Z is still later "
            "than 20150830T123559Z (20150830T123059Z + 5 min.)");
}

TEST(SigV4, AnswersMalformedHeadersAsTheApiDoes) {
  EXPECT_EQ(outcome(post(), ""),
            "MissingAuthenticationTokenException: Missing Authentication Token");
  struct Case {
    const char* authorization;
    const char* outcome;
  };
  for (const auto& test : {
           Case{"", "IncompleteSignatureException: Unsupported AWS 'algorithm'"},
           Case{"Basic abc", "IncompleteSignatureException: Unsupported AWS 'algorithm': 'Basic'"},
           Case{"AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x",
                "IncompleteSignatureException: Authorization header requires 'Credential' "
                "parameter. Authorization=AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x"},
           Case{"AWS4-HMAC-SHA256",
                "IncompleteSignatureException: Authorization header requires 'Credential' "
                "parameter. Authorization header requires 'Signature' parameter. Authorization "
                "header requires 'SignedHeaders' parameter."},
           Case{"AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
                "IncompleteSignatureException: Credential must have exactly 5"},
           Case{"AWS4-HMAC-SHA256 Credential=K/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host, Signature=x",
                "UnrecognizedClientException: The security token included in the request is "
                "invalid"},
           Case{"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/service/aws4_request, "
                "SignedHeaders=host, Signature=x",
                "InvalidSignatureException: Credential should be scoped to a valid region"},
           Case{"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150829/us-east-1/service/aws4_request, "
                "SignedHeaders=host, Signature=x",
                "InvalidSignatureException: Date in Credential scope does not match"},
           Case{"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                "SignedHeaders=host;x-none, Signature=x",
                "InvalidSignatureException: The signed header 'x-none' is not in the request."},
       }) {
    auto head = post();
    head.headers.push_back({"X-Amz-Date", "20150830T123600Z"});
    head.headers.push_back({"Authorization", test.authorization});
    EXPECT_THAT(outcome(head, ""), testing::StartsWith(test.outcome));
  }
}

TEST(SigV4, WithoutKeysTakesAnyWellFormedSignature) {
  const auto none = std::make_shared<KeyTable>();
  auto head = post();
  sign(head, "", {kCredentials.access_key, "any secret", ""}, "elsewhere", "kinesis", kNow);
  EXPECT_EQ(outcome(head, "", kNow + std::chrono::hours(1), none), "accepted");
  mutable_value_of(head, "authorization") = "AWS4-HMAC-SHA256 nonsense";
  EXPECT_THAT(outcome(head, "", kNow, none), testing::StartsWith("IncompleteSignatureException"));
}

TEST(SigV4, SignsTheSessionToken) {
  auto credentials = kCredentials;
  credentials.session_token = "token";
  auto head = post();
  sign(head, "", credentials, "us-east-1", "service", kNow);
  EXPECT_EQ(outcome(head, ""), "accepted");
  mutable_value_of(head, "x-amz-security-token") = "other";
  EXPECT_THAT(outcome(head, ""), testing::StartsWith("InvalidSignatureException"));
}

}  // namespace
}  // namespace spillway::auth
