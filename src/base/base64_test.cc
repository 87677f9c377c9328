#include "base/base64.h"

#include "base/random.h"

namespace spillway {
namespace {

std::string encode(std::string_view bytes) {
  std::string text(base64_encoded_size(bytes.size()), '?');
  base64_encode(bytes, text.data());
  return text;
}

// Into a buffer of exactly base64_decoded_size_max() bytes with a guard behind it.
std::optional<std::string> decode(std::string_view text) {
  constexpr std::string_view kGuard = "guard";
  const std::size_t room = base64_decoded_size_max(text.size());
  std::string bytes(room, '?');
  bytes += kGuard;
  const auto size = base64_decode(text, bytes.data());
  EXPECT_EQ(bytes.substr(room), kGuard);
  if (!size) return std::nullopt;
  EXPECT_LE(*size, room);
  return bytes.substr(0, *size);
}

std::string random_bytes(Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

// RFC 4648, section 10.
TEST(Base64, MatchesThePublishedVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode(bytes), text);
    EXPECT_EQ(decode(text), bytes);
  }
}

TEST(Base64, WideAndPortableAgreeOnEveryLength) {
  Random random(1);
  for (std::size_t size = 0; size < 400; ++size) {
    const std::string bytes = random_bytes(random, size);
    const std::string text = encode(bytes);
    std::string portable(text.size(), '?');
    base64_encode_portable(bytes, portable.data());
    ASSERT_EQ(text, portable) << size;
    ASSERT_EQ(decode(text), bytes) << size;
    std::string out(base64_decoded_size_max(text.size()), '?');
    ASSERT_EQ(base64_decode_portable(text, out.data()), size);
  }
}

// Every byte at every place: a digit, padding where it may stand, or an error; the same both ways.
TEST(Base64, RefusesWhatIsNoDigitAnywhere) {
  Random random(2);
  const std::string good = encode(random_bytes(random, 96));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      const bool digit = std::isalnum(c) != 0 || c == '+' || c == '/';
      const auto wide = decode(text);
      std::string out(base64_decoded_size_max(text.size()), '?');
      ASSERT_EQ(wide.has_value(), base64_decode_portable(text, out.data()).has_value());
      if (c != '=') {
        ASSERT_EQ(wide.has_value(), digit) << at << " " << c;
      }
    }
  }
}

TEST(Base64, IsStrict) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zm9v\n", " Zm9v",
                           "Z===", "Zh==", "Zm9=", "Z=g=", "Zm9v====", "-_-_"})
    EXPECT_FALSE(decode(text).has_value()) << text;
}

}  // namespace
}  // namespace spillway
