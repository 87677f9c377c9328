#include "server/broker_access.h"

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

using testing::HasSubstr;

class BrokerAccessTest : public testing::Test {
 protected:
  ~BrokerAccessTest() override { std::filesystem::remove_all(parent_); }

  static std::string make_directory() {
    char pattern[] = "/tmp/spillway-broker-access-XXXXXX";
    return ::mkdtemp(pattern);
  }
  // Which other machines reach at `exposed`.
  BrokerAccess& made(const std::string& exposed, std::vector<AccessKey> configured = {}) {
    BrokerConfig config;
    config.data = directory_;
    config.keys = std::move(configured);
    auto& access = access_.emplace(config, disk_, clock_, entropy_, log_);
    access.set_exposed(exposed);
    return access;
  }
  // As `spillway keys` does.
  void store(const std::vector<std::string>& ids) {
    ASSERT_TRUE(disk_.make_directory(directory_).ok());
    auth::MasterKeys master_keys({directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_,
                                 log_);
    master_keys.configure({});
    store_keys(disk_, directory_, master_keys, ids, "its secret");
  }

  const std::string parent_ = make_directory();
  const std::string directory_ = parent_ + "/broker";  // not there
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::SystemEntropy entropy_;
  io::RecordingLog log_;
  std::optional<BrokerAccess> access_;
};

const std::vector<AccessKey> kConfigured = {{.id = "AKIDCONFIGURED", .secret = "of the file"}};

TEST_F(BrokerAccessTest, ItStoresNothing) {
  EXPECT_TRUE(made("").load().value()->accepts_any());
  EXPECT_FALSE(made("0.0.0.0:1").load().ok());
  EXPECT_EQ(made("0.0.0.0:1", kConfigured).load().value()->size(), 1u);
  EXPECT_FALSE(access_->look());
  EXPECT_FALSE(std::filesystem::exists(directory_));
  EXPECT_EQ(log_.text, "") << "and misses nothing";
}

TEST_F(BrokerAccessTest, TheLastKeyStaysGoodWhileOthersReachIt) {
  store({"AKIDSTORED"});
  ASSERT_TRUE(made("").load().ok());
  access_->set_exposed("0.0.0.0:4567");
  store({});
  EXPECT_FALSE(access_->look());
  EXPECT_THAT(log_.text, HasSubstr("not on 0.0.0.0:4567"));
  access_->set_exposed("");
  EXPECT_TRUE(access_->load().value()->accepts_any());
}

TEST_F(BrokerAccessTest, WithoutAKeyNothingIsOpen) {
  for (const std::string listen : {"0.0.0.0:4567", "192.0.2.1:4567", "[::]:4567", "broker:4567"}) {
    const auto refused = made(listen).load();
    ASSERT_FALSE(refused.ok()) << listen;
    EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
    EXPECT_THAT(
        refused.error().message,
        HasSubstr("without access keys a broker listens on loopback only, not on " + listen));
    EXPECT_THAT(refused.error().message, HasSubstr("[[broker.keys]]"));
  }
}

TEST_F(BrokerAccessTest, AKeyThatIsStoredWhileItRunsIsGood) {
  ASSERT_TRUE(made("").load().ok());
  EXPECT_FALSE(access_->look());
  store({"AKIDSTORED"});
  const auto keys = access_->look();
  ASSERT_TRUE(keys);
  const auto key = (*keys)->find("AKIDSTORED");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->fault, "");
  EXPECT_EQ(key->secret, "its secret");
  EXPECT_FALSE(access_->look());
}

TEST_F(BrokerAccessTest, AMasterKeyThatWasLostIsNotMadeAnew) {
  store({"AKIDSTORED"});
  const std::string path = directory_ + "/master.key";
  std::filesystem::rename(path, path + ".away");
  const auto keys = made("0.0.0.0:1").load();
  ASSERT_TRUE(keys.ok()) << "nobody can sign, and nothing is open";
  EXPECT_NE((*keys)->find("AKIDSTORED")->fault, "");
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::rename(path + ".away", path);
  EXPECT_EQ(access_->load().value()->find("AKIDSTORED")->secret, "its secret");
  EXPECT_EQ(access_->use(access_->prepare({}).value())->find("AKIDSTORED")->secret, "its secret");
  EXPECT_THAT(log_.text, HasSubstr("no master key"));
  EXPECT_THAT(log_.text, Not(HasSubstr("its secret")));
}

TEST_F(BrokerAccessTest, AReloadThatIsOnlyCheckedChangesNothing) {
  ASSERT_TRUE(made("", kConfigured).load().ok());
  EXPECT_TRUE(access_->prepare({}).ok()) << "loopback may be open";
  EXPECT_NE(access_->load().value()->find("AKIDCONFIGURED"), nullptr);
  EXPECT_EQ(access_->use(access_->prepare({}).value())->find("AKIDCONFIGURED"), nullptr);
  store({"AKIDSTORED"});
  std::filesystem::resize_file(directory_ + "/access-keys.json", 5);
  EXPECT_FALSE(access_->prepare(kConfigured).ok());
}

}  // namespace
}  // namespace spillway::server
