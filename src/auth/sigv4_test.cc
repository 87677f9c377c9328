#include "auth/sigv4.h"

namespace spillway::auth {
namespace {

// 2015-08-30T12:36:00Z, the moment of AWS's published test suite.
const WallTime kNow = WallTime(std::chrono::sys_days(std::chrono::year(2015) / 8 / 30)) +
                      std::chrono::hours(12) + std::chrono::minutes(36);
const Credentials kCredentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

std::shared_ptr<const KeyTable> keys() {
  return std::make_shared<KeyTable>(
      std::vector<Key>{{kCredentials.access_key, kCredentials.secret_key, "", std::nullopt}});
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
  EXPECT_EQ(std::get<Caller>(result).access_key, kCredentials.access_key);
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
                      std::make_shared<KeyTable>(
                          std::vector<Key>{{"AKIDEXAMPLE", "another secret", "", std::nullopt}})),
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

constexpr const char* kToken = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

std::shared_ptr<const KeyTable> temporary_key(const char* token) {
  return std::make_shared<KeyTable>(std::vector<Key>{
      {kCredentials.access_key, kCredentials.secret_key, token, kNow + seconds(60)}});
}

constexpr const char* kInvalidToken =
    "UnrecognizedClientException: The security token included in the request is invalid";

TEST(SigV4, ATemporaryKeyIsGoodWithItsTokenAndForItsTime) {
  auto credentials = kCredentials;
  credentials.session_token = kToken;
  auto head = post();
  sign(head, "", credentials, "us-east-1", "service", kNow);
  EXPECT_EQ(outcome(head, "", kNow, temporary_key(kToken)), "accepted");
  EXPECT_EQ(outcome(head, "", kNow + seconds(59), temporary_key(kToken)), "accepted");
  EXPECT_EQ(outcome(head, "", kNow + seconds(60), temporary_key(kToken)),
            "ExpiredTokenException: The security token included in the request is expired");
  EXPECT_EQ(outcome(head, "", kNow, temporary_key("another")), kInvalidToken);
  EXPECT_EQ(outcome(head, "", kNow, keys()), kInvalidToken) << "a key that has no token";
  auto without = post();
  sign(without, "", kCredentials, "us-east-1", "service", kNow);
  EXPECT_EQ(outcome(without, "", kNow, temporary_key(kToken)), kInvalidToken);
  without.headers.push_back({"X-Amz-Security-Token", kToken});
  EXPECT_EQ(outcome(without, "", kNow, temporary_key(kToken)),
            "InvalidSignatureException: 'x-amz-security-token' must be a 'SignedHeader' in the AWS "
            "Authorization.");
}

TEST(SigV4, ADisabledKeyIsAsIfItWereNotThere) {
  auto head = post();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  Key key{kCredentials.access_key, kCredentials.secret_key, ""};
  key.enabled = false;
  EXPECT_EQ(outcome(head, "", kNow, std::make_shared<KeyTable>(std::vector{key})), kInvalidToken);
}

TEST(SigV4, AKeyWhoseSecretIsSealedIsTheServicesFault) {
  auto head = post();
  sign(head, "", kCredentials, "us-east-1", "service", kNow);
  Key key{kCredentials.access_key, "", ""};
  key.fault = "its master key is disabled";
  EXPECT_THAT(outcome(head, "", kNow, std::make_shared<KeyTable>(std::vector{key})),
              testing::StartsWith("InternalFailure: "));
  EXPECT_EQ(status_of(AuthErrorType::kInternalFailure), 500);
}

TEST(SigV4, TheSecretBeforeARotationIsGoodForItsGrace) {
  const auto signed_with = [](const char* secret) {
    auto head = post();
    sign(head, "", {kCredentials.access_key, secret, ""}, "us-east-1", "service", kNow);
    return head;
  };
  Key key{kCredentials.access_key, "new secret", ""};
  key.previous = PreviousSecret{"old secret", kNow + seconds(60)};
  Verifier verifier("us-east-1", "service", std::make_shared<KeyTable>(std::vector{key}));
  const auto accepted = [&](const char* secret, WallTime now) {
    return std::holds_alternative<Caller>(verifier.verify(signed_with(secret), sha256(""), now));
  };
  EXPECT_TRUE(accepted("old secret", kNow));
  EXPECT_TRUE(accepted("new secret", kNow));
  EXPECT_TRUE(accepted("old secret", kNow + seconds(59)));
  EXPECT_FALSE(accepted("old secret", kNow + seconds(60)));
  EXPECT_TRUE(accepted("new secret", kNow + seconds(60)));
  EXPECT_FALSE(accepted("other secret", kNow));
}

TEST(SigV4, AnErrorSaysWhichKeyTheRequestClaims) {
  auto head = post();
  sign(head, "", {"AKIDOTHER", "secret", ""}, "us-east-1", "service", kNow);
  Verifier verifier("us-east-1", "service", keys());
  EXPECT_EQ(std::get<AuthError>(verifier.verify(head, sha256(""), kNow)).access_key, "AKIDOTHER");
}

const std::string kPresigned =
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2F"
    "service%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&"
    "X-Amz-Expires=3600";

wire::RequestHead presigned(std::string target) {
  auto head = post();
  head.method = "GET";
  head.target = std::move(target);
  return head;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  return text.replace(text.find(what), what.size(), by);
}

// Cases get-vanilla-query-order-key-case, get-vanilla-query-order-encoded,
// get-vanilla-with-session-token and post-sts-header-before of the suite's presigned requests (that
// of aws-c-auth).
TEST(SigV4, AcceptsThePresignedRequestsOfThePublishedTestSuite) {
  const auto sorted = presigned(
      replaced(kPresigned, "/?", "/?Param2=value2&Param1=value1&") +
      "&X-Amz-Signature=86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5");
  EXPECT_EQ(outcome(sorted, ""), "accepted");
  const auto encoded = presigned(
      replaced(kPresigned, "/?", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1&") +
      "&X-Amz-Signature=c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787");
  EXPECT_EQ(outcome(encoded, ""), "accepted");

  const auto with_token = presigned(
      kPresigned + "&X-Amz-Security-Token=" + kToken +
      "&X-Amz-Signature=7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c");
  EXPECT_EQ(outcome(with_token, "", kNow, temporary_key(kToken)), "accepted");
  EXPECT_EQ(outcome(with_token, ""), kInvalidToken);

  const std::string token =
      "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxf"
      "pSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPk"
      "yQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBA"
      "z+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
  auto in_header = presigned(
      replaced(kPresigned, "=host", "=host%3Bx-amz-security-token") +
      "&X-Amz-Signature=aca67b49ed321f377645504bccbd5a65f9085c536ff1961bc49c835d30827b16");
  in_header.method = "POST";
  in_header.headers.push_back({"X-Amz-Security-Token", token});
  EXPECT_EQ(outcome(in_header, "", kNow, temporary_key(token.c_str())), "accepted");
}

TEST(SigV4, APresignedRequestIsGoodAsLongAsItSays) {
  const std::string good =
      kPresigned +
      "&X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d";
  const auto head = presigned(good);
  EXPECT_EQ(outcome(head, "", kNow + seconds(3600)), "accepted");
  EXPECT_EQ(outcome(head, "", kNow + seconds(3601)),
            "InvalidSignatureException: Signature expired: 20150830T123600Z is now earlier than "
            "20150830T123601Z (20150830T133601Z - 3600 sec.)");
  EXPECT_THAT(outcome(head, "", kNow - kClockSkewMax - seconds(1)),
              testing::HasSubstr("Signature not yet current"));
  EXPECT_THAT(outcome(head, "x"), testing::HasSubstr("The request signature we calculated"));
  EXPECT_THAT(outcome(presigned(replaced(good, "=3600", "=3601")), ""),
              testing::HasSubstr("The request signature we calculated"));
  EXPECT_THAT(outcome(presigned(replaced(good, "&X-Amz-Expires=3600", "")), "",
                      kNow + kClockSkewMax + seconds(1)),
              testing::HasSubstr("- 5 min.)"))
      << "without X-Amz-Expires it is good for as long as any other";
}

TEST(SigV4, AnswersMalformedPresignedRequestsAsTheApiDoes) {
  const std::string good = kPresigned + "&X-Amz-Signature=0";
  struct Case {
    std::string target;
    const char* outcome;
  };
  for (const auto& test : {
           Case{"/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
                "IncompleteSignatureException: AWS query-string parameters must include "
                "'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. "
                "AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string "
                "parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."},
           Case{replaced(good, "-SHA256", "-SHA1"),
                "IncompleteSignatureException: Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."},
           Case{replaced(good, "%2Faws4_request", ""),
                "IncompleteSignatureException: Credential must have exactly 5"},
           Case{replaced(good, "T123600Z", ""),
                "IncompleteSignatureException: Date must be in ISO-8601 'basic format'. Got "
                "'20150830'."},
           Case{replaced(good, "=3600", "=0"),
                "IncompleteSignatureException: X-Amz-Expires must be"},
           Case{replaced(good, "=3600", "=604801"),
                "IncompleteSignatureException: X-Amz-Expires must be 1 to 604800 seconds. Got "
                "'604801'."},
           Case{replaced(good, "=3600", "=1h"),
                "IncompleteSignatureException: X-Amz-Expires must be"},
           Case{replaced(good, "=host", "=x-none"),
                "InvalidSignatureException: 'Host' or ':authority' must be a 'SignedHeader'"},
           Case{good + "&X-Amz-Security-Token=t", kInvalidToken},
       })
    EXPECT_THAT(outcome(presigned(test.target), ""), testing::StartsWith(test.outcome));
  auto both = presigned(good);
  both.headers.push_back({"Authorization", "x"});
  EXPECT_EQ(outcome(both, ""),
            "InvalidSignatureException: Found both 'X-Amz-Algorithm' as a query-string param and "
            "'Authorization' as HTTP header.");
}

}  // namespace
}  // namespace spillway::auth
