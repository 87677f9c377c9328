#include "auth/master_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/base64.h"
#include "base/digest.h"
#include "io/movable_clock.h"
#include "io/posix_disk.h"

namespace spillway::auth {
namespace {

using testing::HasSubstr;

constexpr std::string_view kHex =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

TEST(KeySource, HasThreeForms) {
  using Kind = KeySource::Kind;
  EXPECT_EQ(*parse_key_source("file:/a b"), (KeySource{Kind::kFile, "/a b"}));
  EXPECT_EQ(*parse_key_source("env:KEY"), (KeySource{Kind::kEnvironment, "KEY"}));
  EXPECT_EQ(*parse_key_source("command:x | y"), (KeySource{Kind::kCommand, "x | y"}));
  for (const char* text : {"", "file:", "/etc/key", "exec:x", "File:/x"}) {
    const auto parsed = parse_key_source(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(parsed.error().message, HasSubstr("file:PATH"));
  }
}

TEST(KeySource, TakesBytesHexadecimalAndBase64) {
  std::string raw;
  for (char c = 0; c < 32; ++c) raw.push_back(c);
  std::string base64(base64_encoded_size(raw.size()), '\0');
  base64_encode(raw, base64.data());
  std::string upper(kHex);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& text :
       {raw, std::string(kHex), upper, std::string(kHex) + "\n", " \t" + base64 + "\r\n"}) {
    const auto key = parse_key_material(text);
    ASSERT_TRUE(key.ok()) << text;
    EXPECT_EQ(to_hex(*key), kHex);
  }
  for (const std::string& text :
       {std::string(), std::string(31, '\1'), std::string(33, '\1'), std::string(64, 'g'),
        std::string(kHex.substr(1)), base64.substr(1), base64 + "=", std::string(32, 'a')}) {
    const auto key = parse_key_material(text);
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.error().code, ErrorCode::kInvalid);
    if (text.empty()) continue;
    EXPECT_THAT(key.error().message, testing::Not(HasSubstr(text)));
  }
}

TEST(MasterKeys, NamesAndSourcesAreChecked) {
  const MasterKeyConfig fine{"1234-abcd", {"alias/orders"}, "env:X"};
  EXPECT_TRUE(check_master_keys({fine, {"alias/aws/kinesis", {}, "file:/x"}}).ok());
  const std::pair<MasterKeyConfig, const char*> wrong[] = {
      {{"", {}, "env:X"}, "has no id"},
      {{"a b", {}, "env:X"}, "names no master key"},
      {{"other", {"orders"}, "env:X"}, "is no alias"},
      {{"other", {"alias/orders"}, "env:X"}, "there twice"},
      {{"other", {}, "X"}, "master key other: \"X\" names no source"},
  };
  for (const auto& [key, message] : wrong) {
    const auto checked = check_master_keys({fine, key});
    ASSERT_FALSE(checked.ok()) << message;
    EXPECT_THAT(checked.error().message, HasSubstr(message));
  }
}

class MasterKeysTest : public testing::Test {
 protected:
  MasterKeysTest() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~MasterKeysTest() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view bytes) {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << bytes;
  }
  std::string file(const std::string& name) { return "file:" + directory_ + "/" + name; }
  std::unique_ptr<MasterKeys> make(const std::vector<MasterKeyConfig>& keys = {}) {
    auto made = std::make_unique<MasterKeys>(
        MasterKeyOptions{directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_, log_);
    made->configure(keys);
    return made;
  }
  static ErrorCode code_of(const Status& status) {
    return status.ok() ? ErrorCode::kExists : status.error().code;
  }
  static void finish_commands(MasterKeys& keys) {
    while (keys.poll()) ::poll(nullptr, 0, 1);
  }

  const std::string directory_ = testing::TempDir() + "/master-keys-" + std::to_string(getpid());
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
};

TEST_F(MasterKeysTest, WhatIsWrappedOpensAgain) {
  const auto keys = make();
  for (const std::string& secret : {std::string(), std::string("s"), std::string(5000, 'x')}) {
    const auto wrapped = keys->wrap(kDefaultMasterKey, secret, "data-key 7");
    ASSERT_TRUE(wrapped.ok()) << wrapped.error().message;
    EXPECT_EQ(*keys->unwrap(*wrapped, "data-key 7"), secret);
    EXPECT_NE(*keys->wrap(kDefaultMasterKey, secret, "data-key 7"), *wrapped);
    EXPECT_EQ(MasterKeys::key_of(*wrapped), "data-directory");
    EXPECT_EQ(make()->unwrap(*wrapped, "data-key 7").value(), secret) << "after a restart";
    EXPECT_FALSE(keys->unwrap(*wrapped, "data-key 8").ok());
    EXPECT_FALSE(keys->unwrap(*wrapped, "").ok());
  }
}

TEST_F(MasterKeysTest, NoChangedByteOpens) {
  const auto keys = make({{"k", {}, file("k")}});
  write("k", kHex);
  keys->configure({{"k", {}, file("k")}});
  const std::string wrapped = *keys->wrap("k", "secret", "p");
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    for (const int bit : {1, 0x80}) {
      std::string other = wrapped;
      other[i] = static_cast<char>(other[i] ^ bit);
      EXPECT_FALSE(keys->unwrap(other, "p").ok()) << i;
    }
    EXPECT_FALSE(keys->unwrap(wrapped.substr(0, i), "p").ok()) << i;
  }
  std::string newer = wrapped;
  newer[0] = 2;
  EXPECT_EQ(keys->unwrap(newer, "p").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(MasterKeys::key_of("\1"), "");
}

TEST_F(MasterKeysTest, TheDirectorysOwnKeyIsMadeOnceForItsOwnerAlone) {
  const auto wrapped = make()->wrap(kDefaultMasterKey, "s", "p");
  struct stat status {};
  ASSERT_EQ(::stat((directory_ + "/master.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 32);
  // An alias that goes to another key takes nothing with it.
  write("k", kHex);
  const auto keys = make({{"k", {"alias/aws/kinesis"}, file("k")}});
  EXPECT_EQ(*keys->unwrap(*wrapped, "p"), "s");
  EXPECT_EQ(MasterKeys::key_of(*keys->wrap(kDefaultMasterKey, "s", "p")), "k");
  // A damaged one is not replaced.
  write("master.key", "short");
  EXPECT_EQ(code_of(make()->check(kDefaultMasterKey)), ErrorCode::kInvalid);
}

TEST_F(MasterKeysTest, TheDirectorysOwnKeyIsMadeByOneProcessAtATime) {
  auto lock = disk_.lock(directory_ + "/master.key.lock");
  ASSERT_TRUE(lock.ok());
  const auto keys = make();
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/master.key"));
  EXPECT_EQ(code_of(keys->check(kDefaultMasterKey)), ErrorCode::kBusy);
  keys->poll();
  EXPECT_EQ(code_of(keys->check(kDefaultMasterKey)), ErrorCode::kBusy);
  write("master.key", kHex);  // the other one has made it
  lock->reset();
  keys->poll();
  const std::string wrapped = keys->wrap(kDefaultMasterKey, "s", "p").value();
  EXPECT_EQ(make()->unwrap(wrapped, "p").value(), "s");
}

TEST_F(MasterKeysTest, ALostKeyOfTheDirectoryIsNotReplaced) {
  const std::string wrapped = *make()->wrap(kDefaultMasterKey, "s", "p");
  std::filesystem::rename(directory_ + "/master.key", directory_ + "/away");
  for (const auto& config :
       {std::vector<MasterKeyConfig>{},
        {{"k", {"alias/aws/kinesis"}, "env:SPILLWAY_TEST_NO_SUCH_VARIABLE"}}}) {
    MasterKeys keys({directory_, "us-east-1", "000000000000", true}, disk_, clock_, entropy_, log_);
    keys.configure(config);
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/master.key"));
    EXPECT_EQ(keys.unwrap(wrapped, "p").error().code, ErrorCode::kDenied);
    std::filesystem::rename(directory_ + "/away", directory_ + "/master.key");
    clock_.ahead_ms += 30'000;
    keys.poll();
    EXPECT_EQ(*keys.unwrap(wrapped, "p"), "s") << "it is back";
    std::filesystem::rename(directory_ + "/master.key", directory_ + "/away");
  }
}

TEST_F(MasterKeysTest, NoneIsMadeBesideAConfiguredOne) {
  write("k", kHex);
  make({{"alias/aws/kinesis", {}, file("k")}});
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/master.key"));
}

TEST_F(MasterKeysTest, ANameIsAnIdAnAliasOrAnArn) {
  write("k", kHex);
  const auto keys = make({{"12-ab", {"alias/orders"}, file("k")},
                          {"arn:aws:kms:eu-west-1:111122223333:key/far", {}, file("k")}});
  for (const char* name : {"12-ab", "arn:aws:kms:us-east-1:000000000000:key/12-ab", "alias/orders",
                           "arn:aws:kms:us-east-1:000000000000:alias/orders", "alias/aws/kinesis",
                           "arn:aws:kms:us-east-1:000000000000:alias/aws/kinesis",
                           "arn:aws:kms:eu-west-1:111122223333:key/far"})
    EXPECT_TRUE(keys->check(name).ok()) << name;
  for (const char* name :
       {"", "12-AB", "orders", "alias/12-ab", "arn:aws:kms:us-west-2:000000000000:key/12-ab",
        "arn:aws:kms:us-east-1:111122223333:alias/orders", "far", "aws/kinesis"})
    EXPECT_EQ(code_of(keys->check(name)), ErrorCode::kNotFound) << name;
}

TEST_F(MasterKeysTest, EachFailureHasItsCode) {
  write("bad", "not a key");
  ::setenv("SPILLWAY_TEST_MASTER_KEY", std::string(kHex).c_str(), 1);
  const auto keys = make({{"disabled", {}, file("bad"), true},
                          {"missing", {}, file("none")},
                          {"bad", {}, file("bad")},
                          {"unset", {}, "env:SPILLWAY_TEST_NO_SUCH_VARIABLE"},
                          {"set", {}, "env:SPILLWAY_TEST_MASTER_KEY"},
                          {"printed", {}, "command:echo " + std::string(kHex)},
                          {"exits", {}, "command:exit 3"},
                          {"chatty", {}, "command:head -c 9000 /dev/zero"},
                          {"nonsense", {}, "command:echo hello"}});
  EXPECT_EQ(code_of(keys->check("printed")), ErrorCode::kBusy);
  finish_commands(*keys);
  EXPECT_EQ(code_of(keys->check("disabled")), ErrorCode::kClosed);
  EXPECT_EQ(code_of(keys->check("missing")), ErrorCode::kDenied);
  EXPECT_EQ(code_of(keys->check("bad")), ErrorCode::kInvalid);
  EXPECT_EQ(code_of(keys->check("unset")), ErrorCode::kDenied);
  EXPECT_TRUE(keys->check("set").ok());
  EXPECT_TRUE(keys->check("printed").ok());
  EXPECT_EQ(code_of(keys->check("exits")), ErrorCode::kDenied);
  EXPECT_EQ(code_of(keys->check("chatty")), ErrorCode::kInvalid);
  EXPECT_EQ(code_of(keys->check("nonsense")), ErrorCode::kInvalid);
  // Both that are there hold the same bytes, and still don't open what the other wrapped.
  std::string wrapped = *keys->wrap("set", "s", "p");
  wrapped.replace(4, 3, "bad");
  EXPECT_FALSE(keys->unwrap(wrapped, "p").ok());
}

TEST_F(MasterKeysTest, ACommandThatHangsIsEnded) {
  const auto keys = make({{"hangs", {}, "command:sleep 1000; echo"}});
  EXPECT_TRUE(keys->poll());
  clock_.ahead_ms += 10000;
  EXPECT_FALSE(keys->poll());
  EXPECT_EQ(code_of(keys->check("hangs")), ErrorCode::kDenied);
}

TEST_F(MasterKeysTest, WhatCouldNotBeReadIsTriedAgain) {
  const std::vector<MasterKeyConfig> config{{"k", {}, file("k")}};
  const auto keys = make(config);
  const auto version = keys->version();
  write("k", kHex);
  keys->poll();
  EXPECT_FALSE(keys->check("k").ok()) << "not at once";
  EXPECT_EQ(keys->version(), version);
  clock_.ahead_ms += 30000;
  keys->poll();
  EXPECT_TRUE(keys->check("k").ok());
  EXPECT_GT(keys->version(), version);
}

TEST_F(MasterKeysTest, AnotherConfigurationHoldsAtOnce) {
  write("k", kHex);
  const std::string command = "command:echo x >> " + directory_ + "/runs; cat " + directory_ + "/k";
  const auto keys = make({{"k", {}, file("k")}, {"c", {}, command}});
  finish_commands(*keys);
  const std::string wrapped = *keys->wrap("k", "s", "p");
  auto version = keys->version();
  keys->configure({{"k", {}, file("k"), true}, {"c", {}, command}});
  EXPECT_GT(keys->version(), version);
  EXPECT_EQ(keys->unwrap(wrapped, "p").error().code, ErrorCode::kClosed);
  EXPECT_TRUE(keys->check("c").ok()) << "its key is there already";
  EXPECT_FALSE(keys->poll());
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/runs"), 2u);
  keys->configure({});
  EXPECT_EQ(keys->unwrap(wrapped, "p").error().code, ErrorCode::kNotFound);
  write("k", std::string(32, '\7'));
  keys->configure({{"k", {}, file("k")}});
  EXPECT_EQ(keys->unwrap(wrapped, "p").error().code, ErrorCode::kCorrupt) << "another key";
}

}  // namespace
}  // namespace spillway::auth
