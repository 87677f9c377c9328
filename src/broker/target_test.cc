#include "broker/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/manual_loop.h"
#include "io/posix_disk.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;
using testing::Not;

class TargetTest : public testing::Test {
 protected:
  TargetTest() {
    std::string name = testing::TempDir() + "targetXXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~TargetTest() override { std::filesystem::remove_all(directory_); }

  client::ClientOptions options(const std::string& place) {
    client::ClientOptions options;
    options.endpoint = client::parse_endpoint("http://127.0.0.1:1").value();
    options.source = std::make_shared<client::CredentialsSource>(
        loop_, disk_, log_, client::parse_credentials_place(place).value(), "test");
    return options;
  }
  KinesisTargetOptions target(const std::string& place) {
    KinesisTargetOptions target;
    target.client = options(place);
    return target;
  }
  // The access key that it gives at once; else why not, or that it doesn't.
  static std::string key_of(client::CredentialsSource& source) {
    auto got = std::make_shared<std::string>("it waits");
    start(source.get(),
          UniqueFunction<void(Result<auth::Credentials>)>([got](Result<auth::Credentials> result) {
            *got = result.ok() ? result->access_key : result.error().message;
          }));
    return *got;
  }

  std::string directory_;
  io::ManualLoop loop_;
  io::PosixDisk disk_;
  io::SilentLog log_;
};

TEST_F(TargetTest, WithoutCredentialsNothingIsSaidOfCertificates) {
  KinesisTarget target(loop_, this->target("file:" + directory_ + "/none"), Random(1));
  std::optional<Status> prepared;
  start(target.prepare("s"),
        UniqueFunction<void(Status)>([&](Status status) { prepared.emplace(std::move(status)); }));
  loop_.run();
  ASSERT_TRUE(prepared.has_value());
  ASSERT_FALSE(prepared->ok());
  EXPECT_EQ(prepared->error().code, ErrorCode::kDenied);
  EXPECT_THAT(prepared->error().message, HasSubstr("no credentials: "));
  EXPECT_THAT(prepared->error().message, Not(HasSubstr("broker.")));
  target.close();
}

// A command may take longer than a request to a target that isn't the only one.
TEST_F(TargetTest, AChangeKeepsTheCredentialsOfAPlaceThatStays) {
  const std::string place = "file:" + directory_ + "/keys";
  auto first = target(place);
  const auto source = first.client.source;
  KinesisTarget target(loop_, std::move(first), Random(1));
  for (int i = 0; i < 2; ++i) {  // the second time, the first client goes
    auto next = options(place);
    const std::weak_ptr<client::CredentialsSource> unused = next.source;
    target.change(std::move(next), 1);
    EXPECT_TRUE(unused.expired());
  }
  target.change(options(place), 1);
  const auto get = [&] {
    std::optional<Result<auth::Credentials>> got;
    start(source->get(),
          UniqueFunction<void(Result<auth::Credentials>)>(
              [&](Result<auth::Credentials> result) { got.emplace(std::move(result)); }));
    return got.value().error().code;
  };
  EXPECT_EQ(get(), ErrorCode::kDenied) << "it isn't closed with the clients that had it";
  auto other = options(place + "#p");
  const std::weak_ptr<client::CredentialsSource> used = other.source;
  target.change(std::move(other), 1);
  EXPECT_FALSE(used.expired());
  target.close();
  EXPECT_EQ(get(), ErrorCode::kClosed);
}

TEST_F(TargetTest, RequestsGoOnWithTheCredentialsBeforeUntilTheNewOnesAreThere) {
  KinesisTargetOptions first;
  first.client.endpoint = client::parse_endpoint("http://127.0.0.1:1").value();
  first.client.credentials = {"STATIC", "secret", ""};
  KinesisTarget target(loop_, std::move(first), Random(1));
  const auto change = [&](const std::string& place, const std::string& endpoint) {
    auto next = options(place);
    next.endpoint = client::parse_endpoint(endpoint).value();
    const auto source = next.source;
    target.change(std::move(next), 1);
    return source;
  };
  const std::string file = directory_ + "/keys";
  EXPECT_EQ(key_of(*change("command:sleep 60", "http://127.0.0.1:1")), "STATIC");
  EXPECT_EQ(key_of(*change("file:" + file, "http://127.0.0.1:1")), "STATIC") << "not there yet";
  std::ofstream(file) << "[p]\naws_access_key_id = FILE\naws_secret_access_key = secret\n";
  EXPECT_EQ(key_of(*change("file:" + file + "#p", "http://127.0.0.1:1")), "FILE");
  EXPECT_EQ(key_of(*change("command:sleep 61", "http://127.0.0.1:1")), "FILE");
  EXPECT_EQ(key_of(*change("command:sleep 62", "http://127.0.0.1:2")), "it waits")
      << "they may be nobody's there";
  target.close();
}

}  // namespace
}  // namespace spillway::broker
