#include "auth/basic.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/canonical_request.h"
#include "base/base64.h"
#include "base/random.h"

namespace spillway::auth {
namespace {

const WallTime kNow = from_millis(1'795'650'000'000);

std::string base64(std::string_view text) {
  std::string encoded(base64_encoded_size(text.size()), '\0');
  base64_encode(text, encoded.data());
  return encoded;
}

std::string basic(std::string_view text) { return "Basic " + base64(text); }

TEST(ParseBasic, TakesWhatCurlSends) {
  for (const auto& header :
       {basic("AKID:secret"), "basic " + base64("AKID:secret"), "BASIC   " + base64("AKID:secret"),
        " " + basic("AKID:secret") + "\t"}) {
    const auto parsed = parse_basic(header);
    ASSERT_TRUE(parsed) << header;
    EXPECT_EQ(parsed->id, "AKID");
    EXPECT_EQ(parsed->secret, "secret");
  }
  EXPECT_EQ(parse_basic(basic("AKID:a:b:"))->secret, "a:b:") << "the first colon counts";
  EXPECT_EQ(parse_basic(basic("\xff\xfe:\xc3\xa9"))->id, "\xff\xfe") << "no id of a key";
}

TEST(ParseBasic, RefusesWhatIsNone) {
  std::string nul = "AKID:se";
  nul.push_back('\0');
  const std::string refused[] = {"",
                                 "Basic",
                                 "Basic ",
                                 "Basic QUtJRDpzZWNyZXQ",   // no padding
                                 "Basic QUtJRDpzZWNyZXR=",  // unused bits
                                 "Basic QUtJRDpz ZWNyZXQ=",
                                 "Basic %51UtJRDpzZWNyZXQ=",
                                 basic("AKID:secret") + "!",
                                 basic("AKID:secret") + "," + basic("AKID:secret"),
                                 "Bearer " + base64("AKID:secret"),
                                 "Basic" + base64("AKID:secret"),
                                 base64("AKID:secret"),
                                 basic(""),
                                 basic("AKID"),
                                 basic(":secret"),
                                 basic("AKID:"),
                                 basic(":"),
                                 basic("AKID:se\ncret"),
                                 basic("AK\x7fID:secret"),
                                 basic(nul)};
  for (const auto& header : refused) EXPECT_FALSE(parse_basic(header)) << header;
}

TEST(ParseBasic, IsBounded) {
  const std::string longest = "AKID:" + std::string(kBasicBytesMax - 5, 's');
  EXPECT_TRUE(parse_basic(basic(longest)));
  EXPECT_FALSE(parse_basic(basic(longest + "s")));
  EXPECT_FALSE(parse_basic(basic(longest + std::string(100'000, 's'))));
}

// Whatever stands there: what is taken is what was put together, and nothing else.
TEST(ParseBasic, TakesNothingApartWrongly) {
  constexpr std::uint64_t kSeed = 20'261'126;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  Random random(kSeed);
  int taken = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string text;
    // Colons, control characters and bytes above ASCII are likely.
    for (auto left = random.below(12); left > 0; --left)
      text.push_back(":a\x01\xff~ \x7f"[random.below(7)]);
    std::string encoded = base64(text);
    if (!encoded.empty() && random.one_in(4))
      encoded[random.below(encoded.size())] = static_cast<char>(random.below(256));
    const auto parsed = parse_basic("Basic " + encoded);
    if (!parsed) continue;
    ++taken;
    ASSERT_FALSE(parsed->id.empty() || parsed->secret.empty()) << round;
    ASSERT_EQ(parsed->id.find(':'), std::string::npos) << round;
    ASSERT_EQ(base64(parsed->id + ":" + parsed->secret), trimmed(encoded)) << round;
  }
  EXPECT_GT(taken, 1'000);
}

class VerifyBasicTest : public testing::Test {
 protected:
  // The error's name; "" where it is accepted.
  std::string refusal(std::string_view text, std::string_view token = "") const {
    const std::string header = basic(text);
    return refusal_of({&header, token});
  }
  std::string refusal_of(const BasicClaim& claim) const {
    const auto verdict = verify_basic(keys_, claim, kNow);
    if (const auto* error = std::get_if<AuthError>(&verdict)) {
      EXPECT_EQ(error->message.find("secret-"), std::string::npos);
      return std::string(to_string(error->type));
    }
    EXPECT_NE(std::get<Caller>(verdict).key, nullptr);
    return "";
  }
  static Key key(const std::string& id) { return {id, "secret-of-" + id, "", std::nullopt}; }
  static KeyTable table() {
    std::vector<Key> keys{key("AKIDGOOD"),    key("AKIDDISABLED"), key("AKIDTOKEN"),
                          key("AKIDEXPIRED"), key("AKIDROTATED"),  key("AKIDOLD"),
                          key("AKIDFAULT")};
    keys[1].enabled = false;
    keys[2].session_token = "token";
    keys[3].expires_at = kNow;
    keys[4].previous = PreviousSecret{"the one before", kNow + seconds(1)};
    keys[5].previous = PreviousSecret{"the one before", kNow};
    keys[6].secret.clear();
    keys[6].fault = "no master key";
    return KeyTable(std::move(keys));
  }
  const KeyTable keys_ = table();
};

TEST_F(VerifyBasicTest, AnAccessKeyIsNeeded) {
  const std::string bearer = "Bearer abc";
  EXPECT_EQ(refusal_of({}), "MissingAuthenticationTokenException");
  EXPECT_EQ(refusal_of({&bearer}), "IncompleteSignatureException");
  EXPECT_EQ(refusal("AKIDGOOD:secret-of-AKIDGOOD"), "");
  EXPECT_EQ(refusal("AKIDGOOD:secret-of-AKIDGOOD "), "InvalidSignatureException");
  EXPECT_EQ(refusal("AKIDGOOD:secret-of-AKIDGOO"), "InvalidSignatureException");
  EXPECT_EQ(refusal("AKIDNOBODY:secret-of-AKIDGOOD"), "UnrecognizedClientException");
  EXPECT_EQ(refusal("akidgood:secret-of-AKIDGOOD"), "UnrecognizedClientException");
  EXPECT_EQ(refusal("\xff:secret"), "UnrecognizedClientException");
}

TEST_F(VerifyBasicTest, AKeyIsAsGoodAsForASignature) {
  EXPECT_EQ(refusal("AKIDDISABLED:secret-of-AKIDDISABLED"), "UnrecognizedClientException");
  EXPECT_EQ(refusal("AKIDEXPIRED:secret-of-AKIDEXPIRED"), "ExpiredTokenException");
  EXPECT_EQ(refusal("AKIDFAULT:x"), "InternalFailure");
  EXPECT_EQ(refusal("AKIDROTATED:secret-of-AKIDROTATED"), "");
  EXPECT_EQ(refusal("AKIDROTATED:the one before"), "");
  EXPECT_EQ(refusal("AKIDOLD:the one before"), "InvalidSignatureException") << "its time is over";
  EXPECT_EQ(refusal("AKIDTOKEN:secret-of-AKIDTOKEN"), "UnrecognizedClientException");
  EXPECT_EQ(refusal("AKIDTOKEN:secret-of-AKIDTOKEN", "tokem"), "UnrecognizedClientException");
  EXPECT_EQ(refusal("AKIDTOKEN:secret-of-AKIDTOKEN", "token"), "");
  EXPECT_EQ(refusal("AKIDGOOD:secret-of-AKIDGOOD", "token"), "UnrecognizedClientException");
}

TEST_F(VerifyBasicTest, WhoAsksDoesNotLearnWhichKeysThereAre) {
  const auto message = [this](std::string_view text) {
    const std::string header = basic(text);
    return std::get<AuthError>(verify_basic(keys_, {&header}, kNow)).message;
  };
  EXPECT_EQ(message("AKIDGOOD:wrong"), message("AKIDNOBODY:wrong"));
  EXPECT_EQ(message("AKIDGOOD:wrong"), message("AKIDDISABLED:secret-of-AKIDDISABLED"));
}

TEST_F(VerifyBasicTest, WithoutKeysAnybodyIsAccepted) {
  const auto verdict = verify_basic(KeyTable(), {}, kNow);
  EXPECT_EQ(std::get<Caller>(verdict).key, nullptr);
}

}  // namespace
}  // namespace spillway::auth
