#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace spillway::server {
namespace {

using testing::HasSubstr;

Result<Config> from_file(std::string_view text) { return make_config(text, "s.toml", {}); }

TEST(Config, AnEmptyFileGivesTheDefaults) {
  const auto config = from_file("");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->serve.listen, "127.0.0.1:4566");
  EXPECT_TRUE(config->serve.keys.empty());
}

TEST(Config, ReadsEveryKindOfValue) {
  const auto config = from_file(R"(
[log]
level = "debug"
[serve]
region = "eu-west-1"
threads = 3
[[serve.keys]]
access_key = "AKIDEXAMPLE"
secret_key = "wJalrXUtnFEMI"
[[serve.keys]]
access_key = "OTHER"
secret_key = "wJalrXUtnFEMI"
[[serve.master_keys]]
id = "12-ab"
aliases = ["alias/orders", "alias/aws/kinesis"]
source = "env:ORDERS_KEY"
[[serve.master_keys]]
id = "old"
source = "file:/etc/old.key"
disabled = true
[broker]
host_metrics = false
files = ["/a", "/b"]
)");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(log_level(config->log), io::LogLevel::kDebug);
  EXPECT_EQ(config->serve.region, "eu-west-1");
  EXPECT_EQ(config->serve.threads, 3);
  ASSERT_EQ(config->serve.keys.size(), 2u);
  EXPECT_EQ(config->serve.keys[0].id, "AKIDEXAMPLE");
  EXPECT_EQ(config->serve.keys[1].secret, "wJalrXUtnFEMI");
  EXPECT_THAT(
      config->serve.master_keys,
      testing::ElementsAre(
          auth::MasterKeyConfig{"12-ab", {"alias/orders", "alias/aws/kinesis"}, "env:ORDERS_KEY"},
          auth::MasterKeyConfig{"old", {}, "file:/etc/old.key", true}));
  EXPECT_FALSE(config->broker.host_metrics);
  EXPECT_THAT(config->broker.files, testing::ElementsAre("/a", "/b"));
}

TEST(Config, OverridesGoAboveTheFile) {
  const std::map<std::string, std::string> environment = {
      {"SPILLWAY_SERVE_REGION", "eu-north-1"},
      {"SPILLWAY_SERVE_LISTEN", "127.0.0.1:1"},
      {"SPILLWAY_BROKER_FILES", "/x,/y"},
      {"SPILLWAY_BROKER_HOST_METRICS", "false"},
      {"SPILLWAY_SERVE_THREADS", "2"},
      {"SPILLWAY_SOMETHING_ELSE", "ours not to judge"},
      {"PATH", "/bin"}};
  auto overrides = overrides_from(environment);
  ASSERT_TRUE(overrides.ok()) << overrides.error().message;
  overrides->push_back({"serve.listen", "127.0.0.1:2", "--listen"});
  const auto config =
      make_config("serve.region = \"a\"\nserve.listen = \"b\"", "s.toml", *overrides);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->serve.region, "eu-north-1");
  EXPECT_EQ(config->serve.listen, "127.0.0.1:2");
  EXPECT_EQ(config->serve.threads, 2);
  EXPECT_FALSE(config->broker.host_metrics);
  EXPECT_THAT(config->broker.files, testing::ElementsAre("/x", "/y"));
}

TEST(Config, AFlagNamesATargetOrAllOfThem) {
  const auto with = [](std::string value) {
    const std::vector<ConfigOverride> overrides{{"broker.endpoint", std::move(value), "--target"}};
    return make_config("[[broker.targets]]\nname = \"c\"\nendpoint = \"http://c\"", "s.toml",
                       overrides);
  };
  const auto config = with("a=http://h:1/?x=y,b=https://h:2");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_THAT(config->broker.targets, testing::ElementsAre(TargetConfig{"a", "http://h:1/?x=y"},
                                                           TargetConfig{"b", "https://h:2"}));
  EXPECT_THAT(with("http://h:1/?x=y").error().message, HasSubstr("exclude each other"));
  for (const auto& [value, why] :
       {std::pair{"a=http://h,", "--target: broker.targets.name is \"\""},
        std::pair{"a=http://h,b", "--target: target b needs an endpoint"},
        std::pair{"A=http://h", "--target: broker.targets.name is \"A\""},
        std::pair{"a=http://h,a=http://i", "--target: target a is there twice"}})
    EXPECT_THAT(with(value).error().message, HasSubstr(why));
}

struct BadFile {
  std::string_view text;
  std::string_view message;
};
constexpr BadFile kBadFiles[] = {
    {"[serve]\nlsten = \"x\"",
     "s.toml:2: unknown key \"serve.lsten\"; did you mean \"serve.listen\"?"},
    {"[sevre]\nlisten = \"x\"",
     "s.toml:2: unknown key \"sevre.listen\"; did you mean \"serve.listen\"?"},
    {"region = \"x\"", "s.toml:1: unknown key \"region\"; did you mean \"serve.region\"?"},
    {"[empty]", "s.toml:1: unknown key \"empty\""},
    {"[[serve.keys]]\naccess_key = \"AKID\"\nsecret = \"12345678\"",
     "s.toml:3: unknown key \"serve.keys.secret\"; did you mean \"serve.keys.secret_key\"?"},
    {"[serve]\nthreads = \"4\"", "s.toml:2: serve.threads must be a whole number"},
    {"[serve]\nthreads = 4.5", "s.toml:2: serve.threads must be a whole number"},
    {"[serve]\nthreads = -1", "s.toml:2: serve.threads is -1; it must be 0 to 1024"},
    {"[serve]\nlisten = 4566", "s.toml:2: serve.listen must be a text"},
    {"[serve]\nlimits = \"off\"", "s.toml:2: serve.limits is \"off\"; it must be one of none|aws"},
    {"[serve]\naccount = \"12\"", "serve.account is \"12\"; it must be 12 digits"},
    {"[serve]\ndata = \"\"", "serve.data must not be empty"},
    {"[broker]\nstream = \"\"", "broker.stream is \"\"; a stream's name has 1 to 128"},
    {"[broker]\ncanary_stream = \"a/b\"", "broker.canary_stream is \"a/b\"; a stream's name"},
    {"[broker]\nstreams = [\"orders\", \"two words\"]",
     "broker.streams is \"two words\"; a stream's name"},
    {"[broker]\napproval = \"grant\"", "nobody could give one: broker.approvers is empty"},
    {"[broker]\napproval = \"yes\"", "broker.approval is \"yes\"; it must be one of none|grant"},
    {"[broker]\napprovers = [\"ed25519:AAAA\"]",
     "broker.approvers: \"ed25519:AAAA\" is no approver: write NAME=ed25519:"},
    {"[broker]\napprovers = [\"alice=ed25519:AAAA\"]",
     "broker.approvers: \"ed25519:AAAA\" is no public key"},
    {"[serve]\nregion = \"\"", "serve.region is \"\"; write 1 to 64 of"},
    {"[broker]\nregion = \"a b/c\"", "broker.region is \"a b/c\"; write 1 to 64 of"},
    {"[serve]\nlisten = \"5120\"", "serve.listen is \"5120\"; write HOST:PORT"},
    {"[serve]\nlisten = \"127.0.0.1:99999\"",
     "serve.listen is \"127.0.0.1:99999\"; write HOST:PORT"},
    {"[broker]\nadmin = \"host:\"", "broker.admin is \"host:\"; write HOST:PORT"},
    {"[serve]\ntls_key = \"k.pem\"", "serve.tls_certificate and serve.tls_key go together"},
    {"[broker]\ntls_certificate = \"c.pem\"",
     "broker.tls_certificate and broker.tls_key go together"},
    {"[serve]\nlisten = \"h:1\"\nadmin = \"h:1\"", "serve.listen and serve.admin are both h:1"},
    {"[serve]\nkeys = 3", "s.toml:2: serve.keys must be written as [[serve.keys]] tables"},
    {"[broker]\nkeys = 3", "s.toml:2: broker.keys must be written as [[broker.keys]] tables"},
    {"[[broker.keys]]\naccess_key = \"A/B\"\nsecret_key = \"12345678\"",
     "broker.keys.access_key must be 3 to 128 letters"},
    {"[serve]\nmaster_keys = [1]", "must be written as [[serve.master_keys]] tables"},
    {"[[serve.master_keys]]\nid = 1", "s.toml:2: serve.master_keys.id must be a text"},
    {"[[serve.master_keys]]\ndisabled = 1", "serve.master_keys.disabled must be true or false"},
    {"[[serve.master_keys]]\naliases = \"a\"", "serve.master_keys.aliases must be a list of texts"},
    {"[[serve.master_keys]]\nalias = \"a\"", "did you mean \"serve.master_keys.aliases\"?"},
    {"[[serve.master_keys]]\nid = \"a\"\nsource = \"/etc/key\"",
     "s.toml:1: master key a: \"/etc/key\" names no source of a key"},
    {"[[serve.keys]]\naccess_key = \"A/B\"\nsecret_key = \"12345678\"", "3 to 128 letters"},
    {"[[serve.keys]]\naccess_key = \"AKID\"\nsecret_key = \"1\"", "at least 8 characters"},
    {"[[serve.keys]]\naccess_key = \"AKID\"\nsecret_key = \"12345678\"\n"
     "[[serve.keys]]\naccess_key = \"AKID\"\nsecret_key = \"12345678\"",
     "s.toml:4: access_key AKID is there twice"},
    {"[broker]\nfiles = \"/var/log\"", "s.toml:2: broker.files must be a list of texts"},
    {"[broker]\nfiles = [1]", "s.toml:2: broker.files must be a list of texts"},
    {"[broker]\nhost = \"a\\u001bb\"", "broker.host must not have control characters"},
    {"[broker]\nhost_metrics = 1", "s.toml:2: broker.host_metrics must be true or false"},
    {"[broker]\ntargets = [1]", "must be written as [[broker.targets]] tables"},
    {"[[broker.targets]]\nname = \"a\"", "s.toml:1: target a needs an endpoint"},
    {"[[broker.targets]]\nendpoint = \"http://a\"", "broker.targets.name is \"\"; write 1 to 64"},
    {"[[broker.targets]]\nname = \"A\"", "broker.targets.name is \"A\"; write 1 to 64"},
    {"[[broker.targets]]\nname = 1", "s.toml:2: broker.targets.name must be a text"},
    {"[[broker.targets]]\norigins = 1", "s.toml:2: broker.targets.origins must be true or false"},
    {"[[broker.targets]]\naggregate = 1",
     "s.toml:2: broker.targets.aggregate must be true or false"},
    {"[[broker.targets]]\nkind = \"amazn\"",
     "s.toml:2: broker.targets.kind is \"amazn\"; it must be one of spillway|amazon"},
    {"[broker]\ncredentials = \"environment\"",
     "broker.credentials: \"environment\" is no source of credentials"},
    {"[[broker.targets]]\nkind = 1", "s.toml:2: broker.targets.kind must be a text"},
    {"[[broker.targets]]\nbackfill = 1", "broker.targets.backfill must be true or false"},
    {"[[broker.targets]]\nshards = -1", "broker.targets.shards must be a whole number, 0 to 10000"},
    {"[[broker.targets]]\nendpiont = \"\"", "did you mean \"broker.targets.endpoint\"?"},
    {"[[broker.targets]]\nname = \"a\"\nendpoint = \"e\"\n[[broker.targets]]\nname = \"a\"\n"
     "endpoint = \"e\"",
     "s.toml:4: target a is there twice"},
    {"[[broker.targets]]\nname = \"a\"\nendpoint = \"e\"\nregion = \"A\"",
     "is \"A\"; write 1 to 64"},
    {"[broker]\nendpoint = \"f\"\n[[broker.targets]]\nname = \"a\"\nendpoint = \"e\"",
     "exclude each other"},
    {"[broker]\ncanary_stream = \"telemetry\"", "it must be a stream of its own"},
    {"[broker]\ncopies = 2", "broker.copies is 2, of 1 target: add [[broker.targets]]"},
    {"[broker]\ncopies = 2\nwhen_full = \"drop_oldest\"\n"
     "[[broker.targets]]\nname = \"a\"\nendpoint = \"e\"\n"
     "[[broker.targets]]\nname = \"b\"\nendpoint = \"f\"",
     "exclude each other: the one keeps what the other drops"},
    {"[serve", "s.toml:1: "},
    {"a = 1\na = 2", "s.toml:2: "},
};

TEST(Config, SaysWhatIsWrongAndWhere) {
  for (const auto& bad : kBadFiles) {
    const auto config = from_file(bad.text);
    ASSERT_FALSE(config.ok()) << bad.text;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(config.error().message, HasSubstr(bad.message)) << bad.text;
  }
}

TEST(Config, ABrokerHasOneTargetOrSeveral) {
  const auto one = from_file("[broker]\nendpoint = \"http://e\"\nshards = 2");
  ASSERT_TRUE(one.ok());
  const auto single = targets_of(one->broker);
  ASSERT_EQ(single.size(), 1u);
  EXPECT_EQ(single[0].name, "default");
  EXPECT_EQ(single[0].endpoint, "http://e");
  EXPECT_EQ(single[0].shards, 2);

  const auto several = from_file(
      "[[broker.targets]]\nname = \"a\"\nendpoint = \"http://a\"\n"
      "[[broker.targets]]\nname = \"b\"\nendpoint = \"http://b\"\nregion = \"r\"\norigins = false\n"
      "kind = \"amazon\"\naggregate = false\n"
      "[[broker.targets]]\nname = \"c\"\nendpoint = \"http://c\"\naccess_key = \"OWN\"\n"
      "[broker]\norigins = true\naccess_key = \"KEY\"\ncredentials = \"env\"");
  ASSERT_TRUE(several.ok()) << several.error().message;
  const auto targets = targets_of(several->broker);
  ASSERT_EQ(targets.size(), 3u);
  EXPECT_EQ(targets[0].name, "a");
  EXPECT_EQ(targets[0].region, "us-east-1");
  EXPECT_EQ(targets[0].access_key, "KEY") << "what it leaves out is as in [broker]";
  EXPECT_EQ(targets[0].origins, true);
  EXPECT_EQ(targets[0].kind, "spillway");
  EXPECT_EQ(targets[0].aggregate, true);
  EXPECT_EQ(targets[0].credentials, "env");
  EXPECT_EQ(targets[2].credentials, "") << "keys of its own are what it says";
  EXPECT_EQ(targets[1].kind, "amazon");
  EXPECT_EQ(targets[1].aggregate, false);
  EXPECT_EQ(targets[1].region, "r");
  EXPECT_EQ(targets[1].origins, false);
}

TEST(Config, NamesTheOverrideThatIsWrong) {
  const ConfigOverride bad[] = {{"serve.threads", "many", "SPILLWAY_SERVE_THREADS"}};
  const auto config = make_config("", "s.toml", bad);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message, "SPILLWAY_SERVE_THREADS: serve.threads must be a whole number");

  const auto overrides = overrides_from({{"SPILLWAY_SERVE_LSTEN", "x"}});
  ASSERT_FALSE(overrides.ok());
  EXPECT_EQ(overrides.error().message,
            "unknown variable SPILLWAY_SERVE_LSTEN; did you mean \"SPILLWAY_SERVE_LISTEN\"?");
}

TEST(Config, DefaultsAreAllowedValues) {
  std::string file;
  for (const auto& key : config_keys())
    file += std::string(key.name) + " = " + value_text(key, Config{}) + "\n";
  const auto config = from_file(file);
  ASSERT_TRUE(config.ok()) << config.error().message;
}

// docs/configuration.md has one row per key: | `name` | `default` | … meaning … |
TEST(Config, TheReferencePageIsTheTable) {
  std::stringstream page;
  page << std::ifstream(SPILLWAY_SOURCE_DIR "/docs/configuration.md").rdbuf();
  std::set<std::string> rows;
  for (std::string line; std::getline(page, line);)
    if (line.starts_with("| `")) rows.insert(line);
  std::set<std::string> expected;
  for (const auto& key : config_keys()) {
    std::string range;
    if (!key.choices.empty()) {
      range = " One of `" + std::string(key.choices) + "`.";
      for (std::size_t at = 0; (at = range.find('|', at)) != std::string::npos;)
        range.replace(at, 1, "`, `");
    } else if (key.field.index() == 1) {
      range = " " + std::to_string(key.min) + " to " + std::to_string(key.max) + ".";
    }
    expected.insert("| `" + std::string(key.name) + "` | `" + value_text(key, Config{}) + "` | " +
                    std::string(key.meaning) + range + (key.reloaded ? " Reloaded." : "") + " |");
  }
  for (const auto& row : expected) EXPECT_TRUE(rows.contains(row)) << "missing:\n" << row;
  for (const auto& row : rows) EXPECT_TRUE(expected.contains(row)) << "not in the table:\n" << row;
}

}  // namespace
}  // namespace spillway::server
