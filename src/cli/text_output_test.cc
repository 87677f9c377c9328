#include "cli/text_output.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

using namespace std::string_view_literals;

TEST(TextOutput, NothingThatATerminalActsOnIsPrinted) {
  struct Case {
    std::string_view text;
    std::string_view shown;
    std::string_view json;  // empty: no UTF-8
  };
  const Case cases[] = {
      {"", "", R"("")"},
      {"{\"a\": \"ä\\n\"}", "{\"a\": \"ä\\n\"}", R"("{\"a\": \"ä\\n\"}")"},
      {"\x1b]0;title\x07", R"(\x1b]0;title\x07)", R"("\u001b]0;title\u0007")"},
      {"a\tb\r\nc", R"(a\tb\r\nc)", R"("a\u0009b\u000d\u000ac")"},
      {"\0\x7f"sv, R"(\x00\x7f)", R"("\u0000\u007f")"},
      {"\xc2\x9b"
       "31m",
       R"(\xc2\x9b31m)", R"("\u009b31m")"},  // CSI as one character
      {"\x9b", R"(\x9b)", ""},
      {"\xe2\x80\xae"
       "exe.txt",
       R"(\u{202e}exe.txt)", R"("\u202eexe.txt")"},
      {"\xf0\x9f\x8c\x8a", "\xf0\x9f\x8c\x8a", "\"\xf0\x9f\x8c\x8a\""},
      {"\xf0\x9f\x8c", R"(\xf0\x9f\x8c)", ""},          // cut
      {"\xc0\xaf", R"(\xc0\xaf)", ""},                  // longer than it need be
      {"\xed\xa0\x80", R"(\xed\xa0\x80)", ""},          // a surrogate
      {"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)", ""},  // beyond U+10FFFF
      {"\xff", R"(\xff)", ""},
  };
  for (const auto& [text, shown, json] : cases) {
    EXPECT_EQ(printable(text), shown);
    EXPECT_EQ(is_utf8(text), !json.empty()) << shown;
    if (json.empty()) continue;
    std::string got;
    append_json_text(got, text);
    EXPECT_EQ(got, json);
  }
}

}  // namespace
}  // namespace spillway::cli
