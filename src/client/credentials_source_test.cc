#include "client/credentials_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "io/asio_loop.h"
#include "io/manual_loop.h"
#include "io/posix_disk.h"

namespace spillway::client {
namespace {

using testing::HasSubstr;
using Got = std::optional<Result<auth::Credentials>>;

class CredentialsSourceTest : public testing::Test {
 protected:
  CredentialsSourceTest() {
    std::string name = testing::TempDir() + "credentialsXXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~CredentialsSourceTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<CredentialsSource> make(io::EventLoop& loop, const std::string& place) {
    auto parsed = parse_credentials_place(place);
    EXPECT_TRUE(parsed.ok()) << parsed.error().message;
    return std::make_unique<CredentialsSource>(loop, disk_, log_, *std::move(parsed), "test");
  }
  static void get(CredentialsSource& source, Got& got) {
    start(source.get(),
          UniqueFunction<void(Result<auth::Credentials>)>(
              [&got](Result<auth::Credentials> result) { got.emplace(std::move(result)); }));
  }
  // Of a source that doesn't wait.
  static Result<auth::Credentials> get(CredentialsSource& source) {
    Got got;
    get(source, got);
    return got.value();
  }
  // One that runs a command, until it has ended.
  static Result<auth::Credentials> get(CredentialsSource& source, io::AsioLoop& loop) {
    Got got;
    start(source.get(),
          UniqueFunction<void(Result<auth::Credentials>)>([&](Result<auth::Credentials> result) {
            got.emplace(std::move(result));
            loop.post([&loop] { loop.stop(); });
          }));
    loop.run();
    return got.value();
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }

  std::string directory_;
  io::PosixDisk disk_;
  io::SilentLog log_;
};

TEST_F(CredentialsSourceTest, KnowsTheFormsOfAPlace) {
  EXPECT_EQ(parse_credentials_place("env")->kind, CredentialsPlace::Kind::kEnvironment);
  auto place = parse_credentials_place("file:/a/b#orders");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->text, "/a/b");
  EXPECT_EQ(place->profile, "orders");
  EXPECT_EQ(parse_credentials_place("file:/a")->profile, "default");
  EXPECT_EQ(parse_credentials_place("command:x # y")->text, "x # y");
  for (const auto* wrong : {"", "envy", "file:", "file:#p", "file:/a#", "command:", "/a"}) {
    EXPECT_FALSE(parse_credentials_place(wrong).ok()) << wrong;
  }
}

TEST_F(CredentialsSourceTest, ReadsTheEnvironment) {
  io::ManualLoop loop;
  const auto source = make(loop, "env");
  ::unsetenv("AWS_ACCESS_KEY_ID");
  const auto none = get(*source);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kDenied);
  EXPECT_THAT(none.error().message, HasSubstr("AWS_ACCESS_KEY_ID"));
  ::setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  ::setenv("AWS_SESSION_TOKEN", "token", 1);
  loop.run(CredentialsSource::kRetryAfter);
  const auto keys = get(*source);
  ASSERT_TRUE(keys.ok()) << keys.error().message;
  EXPECT_EQ(keys->access_key, "AKID");
  EXPECT_EQ(keys->secret_key, "secret");
  EXPECT_EQ(keys->session_token, "token");
  for (const auto* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
    ::unsetenv(name);
}

TEST_F(CredentialsSourceTest, ThoseThatWereDeniedAreFetchedAgain) {
  io::ManualLoop loop;
  const auto source = make(loop, "env");
  ::setenv("AWS_ACCESS_KEY_ID", "ONE", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  EXPECT_EQ(get(*source).value().access_key, "ONE");
  ::setenv("AWS_ACCESS_KEY_ID", "TWO", 1);
  loop.run(CredentialsSource::kFileLook);
  EXPECT_EQ(get(*source).value().access_key, "ONE") << "these don't end";
  source->rejected();
  EXPECT_EQ(get(*source).value().access_key, "TWO");
  source->rejected();
  ::setenv("AWS_ACCESS_KEY_ID", "THREE", 1);
  EXPECT_EQ(get(*source).value().access_key, "TWO") << "not at each denial";
  for (const auto* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) ::unsetenv(name);
}

TEST_F(CredentialsSourceTest, ReadsTheFileAgain) {
  io::ManualLoop loop;
  const auto source = make(loop, "file:" + directory_ + "/keys#p");
  EXPECT_FALSE(get(*source).ok());
  write("keys", "[p]\naws_access_key_id = ONE\naws_secret_access_key = s\n");
  EXPECT_FALSE(get(*source).ok()) << "not at once";
  loop.run(CredentialsSource::kRetryAfter);
  EXPECT_EQ(get(*source).value().access_key, "ONE");
  write("keys", "[p]\naws_access_key_id = TWO\naws_secret_access_key = s\n");
  EXPECT_EQ(get(*source).value().access_key, "ONE");
  loop.run(CredentialsSource::kFileLook);
  EXPECT_EQ(get(*source).value().access_key, "TWO");
  write("keys", "half");
  loop.run(CredentialsSource::kFileLook);
  EXPECT_EQ(get(*source).value().access_key, "TWO") << "what was good goes on";
}

TEST_F(CredentialsSourceTest, RunsACommandAndAgainBeforeTheEnd) {
  io::AsioLoop loop;
  write("run", R"sh(
echo >> $0.count
echo to whom it may concern >&2
cat <<END
{"Version": 1, "AccessKeyId": "KEY$(wc -l < $0.count)", "SecretAccessKey": "s", "SessionToken": "t",
 "Expiration": "$(date -u -d '+8 seconds' +%FT%TZ)"
}
END
)sh");
  const auto source = make(loop, "command:sh " + directory_ + "/run");
  const auto first = get(*source, loop);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->access_key, "KEY1");
  EXPECT_EQ(first->session_token, "t");
  EXPECT_EQ(get(*source, loop).value().access_key, "KEY1") << "they are good for a while";
  const MonoTime began = loop.mono_now();
  std::string key = "KEY1";
  while (key == "KEY1" && loop.mono_now() - began < seconds(60)) {
    const auto timer = loop.make_timer();
    timer->start(milliseconds(100), [&loop] { loop.stop(); });
    loop.run();
    const auto next = get(*source, loop);
    ASSERT_TRUE(next.ok()) << next.error().message;
    key = next->access_key;
  }
  EXPECT_EQ(key, "KEY2");
  source->close();
}

TEST_F(CredentialsSourceTest, GoesOnWithOthersUntilItHasItsOwn) {
  io::AsioLoop loop;
  write("run", R"sh(
while [ ! -e $0.go ]; do sleep 0.02; done
echo '{"Version": 1, "AccessKeyId": "OWN", "SecretAccessKey": "s"}'
)sh");
  const auto source = make(loop, "command:sh " + directory_ + "/run");
  EXPECT_FALSE(source->current().has_value());
  source->begin_with({.keys = {"OTHER", "s", ""}});
  Got got;
  get(*source, got);
  ASSERT_TRUE(got.has_value()) << "nobody waits for the command";
  EXPECT_EQ(got->value().access_key, "OTHER");
  write("run.go", "");
  const MonoTime began = loop.mono_now();
  while (source->current()->keys.access_key == "OTHER" && loop.mono_now() - began < seconds(60)) {
    const auto timer = loop.make_timer();
    timer->start(milliseconds(10), [&loop] { loop.stop(); });
    loop.run();
  }
  EXPECT_EQ(get(*source, loop).value().access_key, "OWN");
  source->close();
}

TEST_F(CredentialsSourceTest, SaysWhatACommandDidInsteadOfGivingAny) {
  io::AsioLoop loop;
  const std::pair<const char*, const char*> commands[] = {
      {"command:exit 3", "exit code 3"},
      {"command:echo hello", "no JSON object"},
      {"command:head -c 100000 /dev/zero", "more than credentials"},
      {"command:echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\","
       "\"Expiration\":\"2020-11-25T00:00:00Z\"}'",
       "they have ended"}};
  for (const auto& [command, why] : commands) {
    const auto source = make(loop, command);
    const auto none = get(*source, loop);
    ASSERT_FALSE(none.ok()) << command;
    EXPECT_EQ(none.error().code, ErrorCode::kDenied);
    EXPECT_THAT(none.error().message, HasSubstr(why));
    EXPECT_FALSE(get(*source, loop).ok()) << "and it isn't run for each request";
    source->close();
  }
}

TEST_F(CredentialsSourceTest, ACommandThatHangsIsKilled) {
  io::ManualLoop loop;
  const auto source = make(loop, "command:sleep 1000; echo");
  Got got;
  get(*source, got);
  loop.run(CredentialsSource::kCommandTime - seconds(1));
  EXPECT_FALSE(got.has_value());
  loop.run(seconds(2));
  ASSERT_TRUE(got.has_value());
  ASSERT_FALSE(got->ok());
  EXPECT_THAT(got->error().message, HasSubstr("took longer than 30 s"));
  loop.run(CredentialsSource::kRetryAfter);
  got.reset();
  get(*source, got);
  EXPECT_FALSE(got.has_value()) << "it is run again";
  source->close();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->error().code, ErrorCode::kClosed);
}

}  // namespace
}  // namespace spillway::client
