#include "client/credentials_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rfc3339.h"

namespace spillway::client {
namespace {

using testing::HasSubstr;

constexpr std::string_view kFile =
    "# comment\n"
    "[default]\r\n"
    "aws_access_key_id = AKID1\r\n"
    "aws_secret_access_key=secret/+=1\r\n"
    "region = us-east-1\n"
    "\n"
    "[ orders ]\n"
    "; another\n"
    "aws_access_key_id=AKID2\n"
    "aws_secret_access_key = secret2\n"
    "aws_session_token = token==\n"
    "[half]\n"
    "aws_access_key_id=AKID3";

TEST(CredentialsText, ReadsAProfileOfTheSharedFile) {
  auto keys = parse_credentials_file(kFile, "default");
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  EXPECT_EQ(keys->access_key, "AKID1");
  EXPECT_EQ(keys->secret_key, "secret/+=1");
  EXPECT_EQ(keys->session_token, "");
  keys = parse_credentials_file(kFile, "orders");
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->access_key, "AKID2");
  EXPECT_EQ(keys->session_token, "token==");
  EXPECT_EQ(parse_credentials_file(kFile, "half").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(parse_credentials_file(kFile, "other").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(parse_credentials_file("", "default").error().code, ErrorCode::kNotFound);
}

TEST(CredentialsText, ReadsWhatACredentialProcessPrints) {
  auto credentials = parse_process_credentials(
      R"({"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "s", "SessionToken": "t",
          "Expiration": "2026-01-01T00:00:00Z"})");
  ASSERT_TRUE(credentials.ok()) << credentials.error().message;
  EXPECT_EQ(credentials->keys.access_key, "AKID");
  EXPECT_EQ(credentials->keys.secret_key, "s");
  EXPECT_EQ(credentials->keys.session_token, "t");
  EXPECT_EQ(credentials->until, parse_rfc3339("2026-01-01T00:00:00Z"));
  credentials =
      parse_process_credentials(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"})");
  ASSERT_TRUE(credentials.ok());
  EXPECT_EQ(credentials->until, std::nullopt);
}

TEST(CredentialsText, ReadsAnExpirationHoweverItIsWritten) {
  const auto expected = parse_rfc3339("2026-01-01T10:00:00Z");
  for (const auto* text :
       {"2026-01-01T10:00:00Z", "2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00.123456Z",
        "2026-01-01T12:30:00+02:30", "2026-01-01T03:00:00.5-07:00"}) {
    const auto credentials = parse_process_credentials(
        std::string(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":")") +
        text + "\"}");
    ASSERT_TRUE(credentials.ok()) << text;
    EXPECT_EQ(credentials->until, expected) << text;
  }
}

TEST(CredentialsText, SaysWhatIsWrongAndTellsNoSecret) {
  for (const auto* text :
       {"", "secret", "[]", "{}", R"({"Version":2,"AccessKeyId":"A","SecretAccessKey":"secret"})",
        R"({"Version":1,"SecretAccessKey":"secret"})", R"({"Version":1,"AccessKeyId":"A"})",
        R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"secret\r\nHost: x"})",
        R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"secret","Expiration":"soon"})",
        R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"secret",
            "Expiration":"2026-01-01T10:00:00+99:00"})"}) {
    const auto credentials = parse_process_credentials(text);
    ASSERT_FALSE(credentials.ok()) << text;
    EXPECT_EQ(credentials.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(credentials.error().message, testing::Not(HasSubstr("secret\"")));
  }
}

}  // namespace
}  // namespace spillway::client
