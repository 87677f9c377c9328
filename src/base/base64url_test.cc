#include "base/base64url.h"

namespace spillway {
namespace {

TEST(Base64Url, ReadsWhatItWrites) {
  EXPECT_EQ(base64url_encode(""), "");
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64url_encode("fo"), "Zm8");
  EXPECT_EQ(base64url_encode("foo"), "Zm9v");
  EXPECT_EQ(base64url_encode("\xfb\xff\xfe"), "-__-");
  for (const std::string bytes : {"", "f", "fo", "foo", "foob", "\xfb\xff\xfe"})
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
}

TEST(Base64Url, TakesOneFormOnly) {
  for (const char* text : {"Z", "Zg==", "Zm8=", "Zh", "+//+", "Zm 9v", "Zm9v\n", "Zm9vA"})
    EXPECT_FALSE(base64url_decode(text)) << text;
}

}  // namespace
}  // namespace spillway
