#include "server/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spillway::server {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTarget = "[[broker.targets]]\nname = \"a\"\nendpoint = \"http://a\"\n";

Config read(std::string_view text) {
  auto config = make_config(text, "s.toml", {});
  config->file_end = end_of_file(text);
  return *std::move(config);
}
Result<Config> again(const Config& running, std::string_view text) {
  return read_again(
      running, [text] { return Result<Config>(read(text)); }, "broker");
}

TEST(Reload, AFileThatWasCutOffIsRefused) {
  const auto running = read(std::string("broker.http = \"127.0.0.1:1\"\n") + std::string(kTarget));
  struct Cut {
    std::string text;
    std::string_view why;
  };
  const Cut cuts[] = {
      {"", "the file is empty"},
      {" \n\n", "the file is empty"},
      {"broker.http = \"127.0.0.1:1\"", "last line has no end"},
      {std::string(kTarget.substr(0, kTarget.size() - 1)), "last line has no end"},
      {"broker.http = \"127.0.0.1:1\"\n", "no [[broker.targets]] any more"},
  };
  for (const auto& cut : cuts) {
    const auto refused = again(running, cut.text);
    ASSERT_FALSE(refused.ok()) << cut.text;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(refused.error().message, HasSubstr(cut.why));
  }
  EXPECT_TRUE(again(running, kTarget).ok());
  // Whoever writes files so did so before.
  EXPECT_TRUE(again(read("broker.shards = 1"), "broker.shards = 2").ok());
  EXPECT_TRUE(again(read(""), "").ok());
}

// Of every key: what is marked as reloaded changes, and nothing else does.
TEST(Reload, TakesWhatTheReferencePageSays) {
  for (const auto& key : config_keys()) {
    Config wanted;
    if (const auto* text = std::get_if<0>(&key.field)) (*text)(wanted) += "x";
    if (const auto* number = std::get_if<1>(&key.field)) (*number)(wanted) += 1;
    if (const auto* flag = std::get_if<2>(&key.field)) (*flag)(wanted) = !(*flag)(wanted);
    if (const auto* list = std::get_if<3>(&key.field)) (*list)(wanted).emplace_back("x");
    const auto merged = with_reloaded(Config(), wanted);
    EXPECT_EQ(value_text(key, merged), value_text(key, key.reloaded ? wanted : Config()))
        << key.name;
  }
}

}  // namespace
}  // namespace spillway::server
