#include "cli/doctor_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "auth/key_file.h"
#include "auth/master_key.h"
#include "io/certificate.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "kinesis/callers.h"
#include "kinesis/data_keys.h"
#include "stream/token.h"

namespace spillway::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DoctorFilesTest : public testing::Test {
 protected:
  DoctorFilesTest() {
    char pattern[] = "/tmp/spillway-doctor-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    io::SystemEntropy entropy;
    const std::vector<std::string> names{"localhost"};
    const auto issued = io::issue_certificate(names, from_millis(1'700'000'000'000)).value();
    EXPECT_TRUE(disk_.make_directory(path("tls")).ok());
    put("tls/ca.pem", issued.authority);
    put("tls/certificate.pem", issued.certificate);
    put("tls/key.pem", issued.key);
    put("access-keys.json", auth::encode(std::vector<auth::StoredKey>{}));
    put("master.key", std::string(32, '\xfe'));
    put("callers", kinesis::Callers().encode());
    EXPECT_TRUE(stream::load_or_create_token_key(disk_, directory_, entropy).ok());
  }
  ~DoctorFilesTest() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void put(const std::string& name, std::string_view bytes) {
    EXPECT_TRUE(io::replace_file(disk_, path(name), bytes).ok());
  }
  std::string content(const std::string& name) {
    return io::read_file(disk_, path(name), 1 << 20).value();
  }
  std::vector<std::string> wrong() { return check_files(disk_, directory_); }

  std::string directory_;
  io::PosixDisk disk_;
};

TEST_F(DoctorFilesTest, WhatARegionMakesIsFine) {
  EXPECT_THAT(wrong(), IsEmpty());
  std::filesystem::remove_all(directory_);
  EXPECT_THAT(wrong(), IsEmpty()) << "nothing is there, and nothing is made";
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

TEST_F(DoctorFilesTest, TellsWhichFileIsDamaged) {
  for (const char* name : {"access-keys.json", "master.key", "token.key", "tls/certificate.pem",
                           "tls/ca.pem", "callers"}) {
    const std::string whole = content(name);
    put(name, whole.substr(0, whole.size() / 2));
    EXPECT_THAT(wrong(), ElementsAre(HasSubstr(path(name))));
    put(name, whole);
  }
  EXPECT_THAT(wrong(), IsEmpty());
  // A key that isn't the certificate's.
  put("tls/key.pem", io::issue_certificate(std::vector<std::string>{"other"}, {})->key);
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr(path("tls/key.pem"))));
}

TEST_F(DoctorFilesTest, TellsOfANewerVersion) {
  put("token.key", "\x09" + std::string(32, 'k'));
  put("access-keys.json", R"({"version": 99, "keys": []})");
  EXPECT_THAT(wrong(), ElementsAre(AllOf(HasSubstr("access-keys.json"), HasSubstr("version 99")),
                                   AllOf(HasSubstr("token.key"), HasSubstr("version 9"))));
}

TEST_F(DoctorFilesTest, TellsWhatTheMasterKeyDoesNotOpen) {
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::SilentLog log;
  auth::MasterKeys master_keys({directory_, "", "", true}, disk_, clock, entropy, log);
  master_keys.configure({});
  auto orders = std::make_shared<stream::StreamInfo>();
  orders->name = "orders";
  orders->encryption.keys.push_back(kinesis::DataKeys(master_keys, entropy)
                                        .make(*orders, auth::kDirectoryMasterKey, from_millis(0))
                                        .value());
  auth::StoredKey access;
  access.id = "AKIAEXAMPLE";
  access.wrapped_secret = master_keys
                              .wrap(auth::kDirectoryMasterKey, "secret",
                                    auth::wrapping_purpose(access.id, auth::KeyPart::kSecret))
                              .value();
  put("access-keys.json", auth::encode(std::vector<auth::StoredKey>{access}));
  stream::Catalog catalog;
  catalog.streams.emplace("orders", orders);
  const auto closed = [&] {
    return check_directory_key(disk_, directory_, catalog, Owner::kRegion);
  };
  EXPECT_THAT(closed(), IsEmpty());

  const std::string key = content("master.key");
  const auto both = ElementsAre(HasSubstr("master.key doesn't open data key 1 of stream orders: "),
                                HasSubstr("master.key doesn't open access key AKIAEXAMPLE: "));
  put("master.key", std::string(32, '\x01'));
  EXPECT_THAT(closed(), both) << "another one";
  std::filesystem::remove(path("master.key"));
  EXPECT_THAT(closed(), both) << "none";
  EXPECT_FALSE(std::filesystem::exists(path("master.key"))) << "none is made";
  put("master.key", key);
  EXPECT_THAT(closed(), IsEmpty());
}

TEST_F(DoctorFilesTest, ABrokerHasNoMasterKeyFromElsewhere) {
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::SilentLog log;
  put("elsewhere.key", std::string(32, '\x02'));
  auth::MasterKeys master_keys({directory_, "", "", true}, disk_, clock, entropy, log);
  master_keys.configure({{.id = "alias/elsewhere", .source = "file:" + path("elsewhere.key")}});
  auth::StoredKey access;
  access.id = "AKIAEXAMPLE";
  access.wrapped_secret = master_keys
                              .wrap("alias/elsewhere", "secret",
                                    auth::wrapping_purpose(access.id, auth::KeyPart::kSecret))
                              .value();
  put("access-keys.json", auth::encode(std::vector<auth::StoredKey>{access}));
  const auto closed = [&](Owner owner) {
    return check_directory_key(disk_, directory_, stream::Catalog(), owner);
  };
  EXPECT_THAT(closed(Owner::kRegion), IsEmpty());
  EXPECT_THAT(closed(Owner::kBroker),
              ElementsAre(HasSubstr("master.key doesn't open access key AKIAEXAMPLE: ")));
}

TEST_F(DoctorFilesTest, ABrokerIsKnownByItsSpool) {
  EXPECT_EQ(owner_of(disk_, directory_), Owner::kRegion);
  ASSERT_TRUE(disk_.make_directory(path("spool")).ok());
  EXPECT_EQ(owner_of(disk_, directory_), Owner::kBroker);
}

TEST_F(DoctorFilesTest, SecretsAreTheirOwnersAlone) {
  for (const char* name : {"access-keys.json", "master.key", "token.key", "tls/key.pem"}) {
    for (const mode_t mode : {0640, 0604, 0620}) {
      ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
      EXPECT_THAT(wrong(), ElementsAre(AllOf(HasSubstr(path(name)), HasSubstr("chmod 600"))));
    }
    ASSERT_EQ(::chmod(path(name).c_str(), 0400), 0);
  }
  ASSERT_EQ(::chmod(path("tls/ca.pem").c_str(), 0644), 0);
  EXPECT_THAT(wrong(), IsEmpty());
}

}  // namespace
}  // namespace spillway::cli
