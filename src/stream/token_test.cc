#include "stream/token.h"

#include <filesystem>

#include "io/posix_disk.h"

namespace spillway::stream {
namespace {

TEST(Token, OpensWhatWasSealedAndNothingElse) {
  io::SystemEntropy entropy;
  TokenKey key{};
  const TokenSealer sealer(key, entropy);
  const ShardIterator iterator{7, "telemetry", 3, Position{99}, from_millis(123'456)};
  const std::string token = seal(sealer, iterator);
  EXPECT_LE(token.size(), 512u);
  for (const auto& text : {token, "\"" + token + "\""}) {
    const auto opened = open_iterator(sealer, text);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->stream_id, 7u);
    EXPECT_EQ(opened->stream_name, "telemetry");
    EXPECT_EQ(opened->shard_index, 3u);
    EXPECT_EQ(opened->position, Position{99});
    EXPECT_EQ(opened->created_at, from_millis(123'456));
  }
  EXPECT_NE(seal(sealer, iterator), token) << "each has a nonce of its own";
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::string other = token;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_iterator(sealer, other).has_value());
    EXPECT_FALSE(open_iterator(sealer, token.substr(0, at)).has_value());
  }
  EXPECT_FALSE(sealer.open("list-shards", token).has_value()) << "a token of another kind";
  key[0] = 1;
  EXPECT_FALSE(open_iterator(TokenSealer(key, entropy), token).has_value());
}

TEST(Token, TheLongestNameFits) {
  io::SystemEntropy entropy;
  const TokenSealer sealer(TokenKey{}, entropy);
  EXPECT_LE(seal(sealer, {1, std::string(128, 'n'), 1, {}, {}}).size(), 512u);
}

TEST(Token, TheKeyStaysWithItsDirectory) {
  char pattern[] = "/tmp/spillway-token-XXXXXX";
  const std::string directory = ::mkdtemp(pattern);
  io::PosixDisk disk;
  io::SystemEntropy entropy;
  const auto first = load_or_create_token_key(disk, directory, entropy);
  const auto second = load_or_create_token_key(disk, directory, entropy);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(*first, *second);
  ASSERT_TRUE(io::replace_file(disk, directory + "/token.key", "short").ok());
  EXPECT_EQ(load_or_create_token_key(disk, directory, entropy).error().code, ErrorCode::kCorrupt);
  const std::string key(reinterpret_cast<const char*>(first->data()), first->size());
  ASSERT_TRUE(io::replace_file(disk, directory + "/token.key", key).ok());
  EXPECT_EQ(*load_or_create_token_key(disk, directory, entropy), *first) << "version 0";
  ASSERT_TRUE(io::replace_file(disk, directory + "/token.key", "\x02" + key).ok());
  EXPECT_EQ(load_or_create_token_key(disk, directory, entropy).error().code,
            ErrorCode::kUnsupported);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace spillway::stream
