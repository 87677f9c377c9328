#include "auth/key_file.h"

#include <stdlib.h>

#include <filesystem>

#include "io/movable_clock.h"
#include "io/posix_disk.h"

namespace spillway::auth {
namespace {

constexpr std::string_view kPolicy =
    R"({"Statement":{"Effect":"Allow","Action":"kinesis:Put*","Resource":"*"}})";

StoredKey stored(std::string_view id) {
  StoredKey key;
  key.id = id;
  key.holder = "alice";
  key.created_at = from_millis(1'606'312'800'000);
  key.wrapped_secret = std::string("\x01\0wrapped", 9);
  return key;
}

StoredKey stored_with_everything() {
  auto key = stored("AKIDALL");
  key.holder = "O'Brien \"x\"";
  key.enabled = false;
  key.wrapped_token = "token";
  key.expires_at = from_millis(1'606'316'400'000);
  key.wrapped_previous = "previous";
  key.previous_until = from_millis(1'606'312'860'000);
  key.policy = kPolicy;
  key.limits = {100, 1'000'000};
  return key;
}

TEST(AccessKeys, ReadBackWhatIsStored) {
  for (const auto& keys : {std::vector<StoredKey>{},
                           {stored("AKIDONE")},
                           {stored("AKIDONE"), stored_with_everything(), stored("AKIDTWO")}}) {
    const auto read = decode_keys(encode(keys), "f");
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, keys);
  }
}

TEST(AccessKeys, AreNotReadWhereAnythingIsUnknownOrMalformed) {
  const std::string good = encode({stored_with_everything()});
  const auto with = [&](std::string_view what, std::string_view by) {
    auto text = good;
    return text.replace(text.find(what), what.size(), by);
  };
  struct Case {
    std::string text;
    ErrorCode code;
    const char* message;
  };
  for (const auto& test : {
           Case{"", ErrorCode::kCorrupt, "is no JSON"},
           Case{"{}", ErrorCode::kCorrupt, "has no version"},
           Case{with("\"version\": 1", "\"version\": 2"), ErrorCode::kUnsupported, "version 2"},
           Case{with("\"keys\"", "\"kees\""), ErrorCode::kCorrupt, "has no keys"},
           Case{with("\"enabled\"", "\"allowed\""), ErrorCode::kUnsupported,
                "a key has \"allowed\", which this version doesn't know"},
           Case{with("\"enabled\": false", "\"enabled\": 0"), ErrorCode::kCorrupt, "\"enabled\""},
           Case{with("\"secret\": \"", "\"secret\": \"?"), ErrorCode::kCorrupt, "\"secret\""},
           Case{with("\"expires\": 1", "\"expires\": -1"), ErrorCode::kCorrupt, "\"expires\""},
           Case{encode({stored("AKIDONE"), stored("AKIDONE")}), ErrorCode::kCorrupt,
                "the key AKIDONE is there twice"},
       }) {
    const auto read = decode_keys(test.text, "access-keys.json");
    ASSERT_FALSE(read.ok()) << test.text;
    EXPECT_EQ(read.error().code, test.code) << read.error().message;
    EXPECT_THAT(read.error().message, testing::StartsWith("access-keys.json"));
    EXPECT_THAT(read.error().message, testing::HasSubstr(test.message));
  }
  for (std::size_t size = 1; size + 1 < good.size(); ++size)
    EXPECT_FALSE(decode_keys(good.substr(0, size), "f").ok()) << size;
}

class KeyFileTest : public testing::Test {
 protected:
  KeyFileTest() { configure(false); }
  ~KeyFileTest() override { std::filesystem::remove_all(directory_); }

  static std::string make_directory() {
    char pattern[] = "/tmp/spillway-keys-XXXXXX";
    return ::mkdtemp(pattern);
  }
  // One master key, of a file.
  void configure(bool disabled) {
    const std::string path = directory_ + "/master.hex";
    EXPECT_TRUE(io::replace_file(disk_, path, std::string(64, 'a')).ok());
    master_keys_.configure({{.id = std::string(kDefaultMasterKey),
                             .aliases = {},
                             .source = "file:" + path,
                             .disabled = disabled}});
  }
  StoredKey wrapped(const Credentials& made) {
    StoredKey key = stored(made.access_key);
    const auto wrap = [&](std::string_view secret, KeyPart part) {
      return master_keys_.wrap(kDefaultMasterKey, secret, wrapping_purpose(made.access_key, part))
          .value();
    };
    key.wrapped_secret = wrap(made.secret_key, KeyPart::kSecret);
    if (!made.session_token.empty()) key.wrapped_token = wrap(made.session_token, KeyPart::kToken);
    return key;
  }

  const std::string directory_ = make_directory();  // before the master keys, which are told it
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
  MasterKeys master_keys_{{directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_, log_};
};

TEST_F(KeyFileTest, StoresWhatAnEditLeaves) {
  KeyFile file(disk_, directory_);
  EXPECT_TRUE(file.read().value().empty());
  const auto add = [](std::vector<StoredKey>& keys) -> Status {
    keys.push_back(stored("AKIDONE"));
    return {};
  };
  ASSERT_TRUE(file.edit(add).ok());
  EXPECT_EQ(file.read().value(), std::vector{stored("AKIDONE")});
  const auto failed = file.edit([](std::vector<StoredKey>& keys) -> Status {
    keys.clear();
    return Error{ErrorCode::kNotFound, "no such key"};
  });
  EXPECT_EQ(failed.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(file.read().value().size(), 1u) << "an edit that fails changes nothing";
  const auto lock = disk_.lock(directory_ + "/access-keys.lock");
  EXPECT_EQ(file.edit(add).error().code, ErrorCode::kBusy);
}

TEST_F(KeyFileTest, OpensAKeyForItsOwnIdOnly) {
  const auto made = make_credentials(entropy_, true);
  EXPECT_THAT(made.access_key, testing::MatchesRegex("ASIA[A-Z2-7]+"));
  EXPECT_EQ(made.access_key.size(), 20u);
  EXPECT_EQ(made.secret_key.size(), 40u);
  EXPECT_NE(make_credentials(entropy_, false).session_token, made.session_token);
  auto key = wrapped(made);
  key.policy = kPolicy;
  key.limits = {5, 0};
  const auto opened = open_key(key, master_keys_);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_EQ(opened->secret, made.secret_key);
  EXPECT_EQ(opened->session_token, made.session_token);
  EXPECT_EQ(opened->fault, "");
  EXPECT_EQ(opened->user(), "alice");
  EXPECT_NE(opened->policy, nullptr);
  EXPECT_EQ(opened->limiter->limits(), key.limits);

  auto swapped = key;  // another key's secret, put in by hand
  swapped.id = "AKIDOTHER";
  EXPECT_NE(open_key(swapped, master_keys_).value().fault, "");
  key.policy = "{}";
  EXPECT_FALSE(open_key(key, master_keys_).ok());
}

TEST_F(KeyFileTest, TellsWhichMasterKeyItsSecretsNeed) {
  StoredKey key;
  EXPECT_FALSE(is_wrapped_under(key, kDefaultMasterKey));
  key.wrapped_secret = key.wrapped_token = "nothing that was wrapped";
  EXPECT_FALSE(is_wrapped_under(key, kDefaultMasterKey));
  key.wrapped_previous = *master_keys_.wrap(kDefaultMasterKey, "s", "p");
  EXPECT_TRUE(is_wrapped_under(key, kDefaultMasterKey));
  EXPECT_FALSE(is_wrapped_under(key, kDirectoryMasterKey));
}

TEST_F(KeyFileTest, ASecretThatCannotBeOpenedNowIsAFault) {
  const auto key = wrapped(make_credentials(entropy_, false));
  configure(true);
  const auto opened = open_key(key, master_keys_);
  ASSERT_TRUE(opened.ok());
  EXPECT_THAT(opened->fault, testing::HasSubstr("disabled"));
  EXPECT_EQ(opened->secret, "");
}

TEST_F(KeyFileTest, AReplacedSecretThatCannotBeOpenedIsNoFault) {
  auto key = wrapped(make_credentials(entropy_, false));
  key.previous_until = from_millis(5);
  key.wrapped_previous = key.wrapped_secret;
  auto opened = open_key(key, master_keys_).value();
  ASSERT_TRUE(opened.previous);
  EXPECT_EQ(opened.previous->secret, opened.secret);
  EXPECT_EQ(opened.previous->until, from_millis(5));
  key.wrapped_previous = master_keys_.wrap(kDefaultMasterKey, "s", "another purpose").value();
  opened = open_key(key, master_keys_).value();
  EXPECT_EQ(opened.fault, "");
  EXPECT_FALSE(opened.previous);
}

}  // namespace
}  // namespace spillway::auth
