#include "server/access_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "io/recording_log.h"
#include "server/key_samples.h"

namespace spillway::server {
namespace {

class AccessKeysTest : public testing::Test {
 protected:
  AccessKeysTest() {
    master_keys_.configure({});
    store({"AKIDSTORED"});
    keys_.emplace(disk_, AccessKeys::Options{directory_, "127.0.0.1:4566"},
                  std::vector<AccessKey>{}, master_keys_, log_);
  }
  ~AccessKeysTest() override { std::filesystem::remove_all(directory_); }

  static std::string make_directory() {
    char pattern[] = "/tmp/spillway-access-keys-XXXXXX";
    return ::mkdtemp(pattern);
  }
  void store(const std::vector<std::string>& ids) {
    store_keys(disk_, directory_, master_keys_, ids, "secret");
  }
  std::string path() const { return directory_ + "/access-keys.json"; }

  const std::string directory_ = make_directory();
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::SystemEntropy entropy_;
  io::RecordingLog log_;
  auth::MasterKeys master_keys_{
      {directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_, log_};
  std::optional<AccessKeys> keys_;
};

TEST_F(AccessKeysTest, AFileThatGoesAwayOpensNothing) {
  ASSERT_NE(keys_->load().value()->find("AKIDSTORED"), nullptr);
  std::filesystem::rename(path(), path() + ".away");
  EXPECT_FALSE(keys_->poll());
  EXPECT_FALSE(keys_->poll());
  EXPECT_EQ(log_.errors, 1) << "told once";
  std::filesystem::rename(path() + ".away", path());
  EXPECT_FALSE(keys_->poll()) << "nothing has changed";
  std::filesystem::resize_file(path(), 0);
  EXPECT_FALSE(keys_->poll());
  EXPECT_EQ(log_.errors, 2);

  store({});  // the last key is deleted, which is meant
  const auto open = keys_->poll();
  ASSERT_TRUE(open);
  EXPECT_TRUE((*open)->accepts_any());
}

TEST_F(AccessKeysTest, AFileThatCannotBeReadIsToldOfOnce) {
  ASSERT_TRUE(keys_->load().ok());
  std::filesystem::rename(path(), path() + ".away");
  std::filesystem::create_directory(path());  // in its place
  EXPECT_FALSE(keys_->poll());
  EXPECT_FALSE(keys_->poll());
  EXPECT_EQ(log_.errors, 1);
}

TEST_F(AccessKeysTest, AConfiguredKeyThatWentStaysAway) {
  const std::vector<AccessKey> configured{{.id = "AKIDCONFIGURED", .secret = "s"}};
  ASSERT_NE(keys_->load(configured).value()->find("AKIDCONFIGURED"), nullptr);
  std::filesystem::rename(path(), path() + ".away");
  std::filesystem::create_directory(path());
  EXPECT_FALSE(keys_->load({}).ok());
  std::filesystem::remove(path());
  std::filesystem::rename(path() + ".away", path());
  const auto table = keys_->poll();
  ASSERT_TRUE(table) << "what couldn't be loaded is, though the file is as it was";
  EXPECT_EQ((*table)->find("AKIDCONFIGURED"), nullptr);
  EXPECT_NE((*table)->find("AKIDSTORED"), nullptr);
}

TEST_F(AccessKeysTest, BeyondLoopbackThereIsAlwaysAKey) {
  AccessKeys open(disk_, {directory_, "0.0.0.0:4567", "a broker", "broker.keys"}, {}, master_keys_,
                  log_);
  EXPECT_TRUE(open.load().ok());
  store({});
  EXPECT_FALSE(open.poll());
  const auto refused = open.load();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_NE(refused.error().message.find("a broker listens on loopback only, not on 0.0.0.0:4567"),
            std::string::npos);
  EXPECT_TRUE(open.load({{.id = "AKIDCONFIGURED", .secret = "secret"}}).ok());
}

TEST(IsLoopback, TakesNoNameForAnAddress) {
  for (const auto* const address : {"127.0.0.1:1", "127.1.2.3:4567", "[::1]:1", "localhost:1"})
    EXPECT_TRUE(is_loopback(address)) << address;
  for (const auto* const address :
       {"0.0.0.0:1", "127.lan:1", "127.0.0.1.example:1", "localhost.example:1", "[::]:1"})
    EXPECT_FALSE(is_loopback(address)) << address;
}

}  // namespace
}  // namespace spillway::server
