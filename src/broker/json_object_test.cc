#include "broker/json_object.h"

#include <gtest/gtest.h>

#include <limits>

namespace spillway::broker {
namespace {

struct TextCase {
  std::string_view in;
  std::string_view out;
};
constexpr TextCase kTexts[] = {
    {"", "\"\""},
    {"a\"b\\c", "\"a\\\"b\\\\c\""},
    {"tab\tline\n", "\"tab\\u0009line\\u000a\""},
    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a",
     "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a\""},
    {"\xff", "\"\xef\xbf\xbd\""},                                  // never in UTF-8
    {"\xc3", "\"\xef\xbf\xbd\""},                                  // cut off
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                  // overlong '/'
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},  // a surrogate
    {"\xf4\x90\x80\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},  // too large
};

TEST(JsonObject, WritesAnyBytesAsUtf8Text) {
  for (const auto& test : kTexts) {
    std::string out;
    append_json_text(out, test.in);
    EXPECT_EQ(out, test.out);
  }
}

TEST(JsonObject, FindsWhatDoesNotStandForItselfWhereverItIs) {
  constexpr TextCase kEach[] = {{"\"", "\\\""},
                                {"\\", "\\\\"},
                                {"\x1f", "\\u001f"},
                                {" ", " "},
                                {"!", "!"},
                                {"#", "#"},
                                {"[", "["},
                                {"]", "]"},
                                {"\x7f", "\x7f"},
                                {"\x80", "\xef\xbf\xbd"},
                                {"\xff", "\xef\xbf\xbd"}};
  for (const auto& test : kEach) {
    for (std::size_t before = 0; before < 20; ++before) {
      for (std::size_t behind = 0; behind < 10; ++behind) {
        const std::string head(before, 'a');
        const std::string tail(behind, '~');
        std::string out;
        append_json_text(out, head + std::string(test.in) + tail);
        EXPECT_EQ(out, "\"" + head + std::string(test.out) + tail + "\"");
      }
    }
  }
}

TEST(JsonObject, WritesMembers) {
  JsonObject object;
  object.add("a", "x").add("b", 1).add("c", 0.5).add("d", true).add_raw("e", "[1]");
  object.add("f", std::numeric_limits<double>::infinity()).add("g", std::uint64_t{1} << 63);
  EXPECT_EQ(object.text(),
            "{\"a\":\"x\",\"b\":1,\"c\":0.50,\"d\":true,\"e\":[1],\"f\":null,"
            "\"g\":9223372036854775808}");
}

}  // namespace
}  // namespace spillway::broker
