#include "server/broker_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace spillway::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const PortAccess kNoKeys{.keys = false, .fault = "", .https = true};
const PortAccess kKeys{.keys = true, .fault = "", .https = true};

// Without inputs, but for what `ports` gives one, by its kind.
Config with(const std::map<InputKind, std::string>& ports) {
  Config config;
  config.broker.listen.clear();
  for (const auto& [kind, address] : ports) config.broker.*port_of(kind).address = address;
  return config;
}

TEST(BrokerPlan, AtTheStartEveryInputThatIsOnIsOpened) {
  Config config = with({{InputKind::kHttp, "127.0.0.1:1"}, {InputKind::kSyslogUdp, "127.0.0.1:1"}});
  config.broker.streams = {"orders", "telemetry"};
  const auto plan = plan_start(config, kKeys);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_THAT(plan->opened, ElementsAre(InputKind::kHttp, InputKind::kSyslogUdp));
  EXPECT_THAT(plan->closed, IsEmpty());
  EXPECT_THAT(plan->streams, ElementsAre("orders", "telemetry", "syslog"));
}

// Every pair of what a port may be before and after, of every input.
TEST(BrokerPlan, AnInputComesGoesMovesOrStays) {
  const std::string addresses[] = {"", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:0"};
  for (const auto& port : input_ports()) {
    for (const auto& before : addresses) {
      for (const auto& after : addresses) {
        const auto plan =
            plan_change(with({{port.kind, before}}), {}, with({{port.kind, after}}), kKeys);
        ASSERT_TRUE(plan.ok()) << plan.error().message;
        const bool changes = before != after;
        EXPECT_EQ(plan->closed.size(), changes && !before.empty() ? 1u : 0u) << before << after;
        EXPECT_EQ(plan->opened.size(), changes && !after.empty() ? 1u : 0u) << before << after;
        EXPECT_EQ(plan->config.broker.*port.address, after);
      }
    }
  }
}

TEST(BrokerPlan, APortThatAnotherInputHasIsRefused) {
  for (const auto& one : input_ports()) {
    for (const auto& other : input_ports()) {
      if (one.kind == other.kind) continue;
      const std::string port = "127.0.0.1:1";
      const bool same = one.datagrams == other.datagrams;
      const auto both = plan_start(with({{one.kind, port}, {other.kind, port}}), kKeys);
      EXPECT_EQ(both.ok(), !same) << one.key << other.key;
      const auto taken =
          plan_change(with({{one.kind, port}}), {}, with({{other.kind, port}}), kKeys);
      ASSERT_EQ(taken.ok(), !same) << one.key << other.key;
      if (same) {
        EXPECT_THAT(taken.error().message, HasSubstr(std::string(one.key) + " still is"));
      }
    }
  }
  const auto any = with({{InputKind::kHttp, "127.0.0.1:0"}, {InputKind::kOtlp, "127.0.0.1:0"}});
  EXPECT_TRUE(plan_start(any, kKeys).ok());
  Config admin = with({{InputKind::kHttp, "127.0.0.1:1"}});
  admin.broker.admin = "127.0.0.1:1";
  EXPECT_FALSE(plan_start(admin, kKeys).ok());
}

// Of every input, wherever it listens, whatever there is to know its senders by.
TEST(BrokerPlan, AnInputIsOpenWhereItsSendersAreKnown) {
  const PortAccess accesses[] = {{.keys = false, .fault = "", .https = false},
                                 {.keys = false, .fault = "", .https = true},
                                 {.keys = true, .fault = "", .https = false},
                                 {.keys = true, .fault = "", .https = true},
                                 {.keys = false, .fault = "the file is damaged", .https = true}};
  for (const auto& port : input_ports()) {
    for (const bool far : {false, true}) {
      for (const auto& access : accesses) {
        const auto config = with({{port.kind, far ? "0.0.0.0:1" : "127.0.0.1:1"}});
        const bool asks = port.authentication != Authentication::kNone;
        const bool open =
            !asks || (access.fault.empty() &&
                      (!far || (access.keys &&
                                (port.authentication == Authentication::kSigned || access.https))));
        SCOPED_TRACE(fmt::format("{} {} keys {} https {} {}", port.key, far, access.keys,
                                 access.https, access.fault));
        const auto start = plan_start(config, access);
        const auto change = plan_change(with({}), {}, config, access);
        if (far && !asks) {
          EXPECT_EQ(start.error().code, ErrorCode::kDenied);
          EXPECT_THAT(change.error().message,
                      HasSubstr(std::string(port.key) + " is 0.0.0.0:1: senders are not"));
          continue;
        }
        ASSERT_TRUE(start.ok());
        EXPECT_EQ(start->opened.size(), open ? 1u : 0u);
        EXPECT_EQ(start->withheld.size(), open ? 0u : 1u);
        EXPECT_EQ(exposed_address(*start), open && far ? "0.0.0.0:1" : "");
        ASSERT_EQ(change.ok(), open);
        if (open) continue;
        EXPECT_EQ(change.error().code, ErrorCode::kDenied);
        EXPECT_EQ(change.error().message, start->withheld[0].why);
        EXPECT_THAT(change.error().message, HasSubstr(std::string(port.key)));
      }
    }
  }
}

TEST(BrokerPlan, WhatAStartWithheldIsOpenedOnceItMayBe) {
  Config config = with({{InputKind::kKinesis, "0.0.0.0:1"}, {InputKind::kHttp, "127.0.0.1:2"}});
  const auto start = plan_start(config, kNoKeys).value();
  EXPECT_THAT(start.opened, ElementsAre(InputKind::kHttp));
  ASSERT_EQ(start.withheld.size(), 1u);
  EXPECT_THAT(start.withheld[0].why, HasSubstr("spillway keys create NAME --data "));

  Config wanted = config;
  wanted.broker.streams = {"orders"};
  const auto still = plan_change(config, start.withheld, wanted, kNoKeys);
  ASSERT_TRUE(still.ok()) << "other changes are made meanwhile";
  EXPECT_EQ(still->withheld.size(), 1u);
  EXPECT_THAT(still->opened, IsEmpty());
  EXPECT_THAT(still->closed, IsEmpty());

  const auto opened = plan_change(config, start.withheld, config, kKeys);
  ASSERT_TRUE(opened.ok());
  EXPECT_THAT(opened->opened, ElementsAre(InputKind::kKinesis));
  EXPECT_THAT(opened->closed, IsEmpty());
  EXPECT_THAT(opened->withheld, IsEmpty());
  EXPECT_EQ(exposed_address(*opened), "0.0.0.0:1");

  // Or goes, or moves to where it needs no key: nothing is there to be closed.
  for (const auto* const address : {"", "127.0.0.1:1"}) {
    wanted = config;
    wanted.broker.listen = address;
    const auto moved = plan_change(config, start.withheld, wanted, kNoKeys);
    ASSERT_TRUE(moved.ok());
    EXPECT_THAT(moved->closed, IsEmpty());
    EXPECT_THAT(moved->withheld, IsEmpty());
    EXPECT_EQ(moved->opened.size(), *address == '\0' ? 0u : 1u);
  }
  wanted.broker.listen = "0.0.0.0:3";
  EXPECT_FALSE(plan_change(config, start.withheld, wanted, kNoKeys).ok());
}

TEST(BrokerPlan, TheLastKeyStaysWhileAnInputIsOpenToOthers) {
  for (const auto kind : {InputKind::kKinesis, InputKind::kHttp, InputKind::kOtlp}) {
    const auto far = with({{kind, "0.0.0.0:1"}});
    const auto near = with({{kind, "127.0.0.1:1"}});
    EXPECT_FALSE(plan_change(far, {}, far, kNoKeys).ok());
    EXPECT_TRUE(plan_change(far, {}, near, kNoKeys).ok());
    EXPECT_TRUE(plan_change(far, {}, with({}), kNoKeys).ok());
    const auto moved = plan_change(near, {}, far, kKeys);
    ASSERT_TRUE(moved.ok());
    EXPECT_THAT(moved->opened, ElementsAre(kind));
    EXPECT_THAT(moved->closed, ElementsAre(kind));
  }
}

TEST(BrokerPlan, ItsAccessKeysChange) {
  Config wanted = with({});
  wanted.broker.keys = {{.id = "AKID", .secret = "secret"}};
  const auto plan = plan_change(with({}), {}, wanted, kKeys);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->config.broker.keys.size(), 1u);
}

TEST(BrokerPlan, AFileThatCanNotBeFollowedIsRefused) {
  Config wanted = with({});
  wanted.broker.files = {"/var/log/syslog", "relative.log"};
  const auto plan = plan_change(with({}), {}, wanted, kKeys);
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message, HasSubstr("broker.files: relative.log can't be followed"));
}

TEST(BrokerPlan, LinesOfAFileThatIsNotFollowedAreNotJoined) {
  Config wanted = with({});
  wanted.broker.files = {"/var/log/a", "/var/log/b"};
  wanted.broker.files_multiline = {"/var/log/a", "/var/log/b=2026-11-25"};
  EXPECT_TRUE(plan_change(with({}), {}, wanted, kKeys).ok());
  wanted.broker.files_multiline = {"/var/log/a.log=2026"};
  const auto plan = plan_change(with({}), {}, wanted, kKeys);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(
      plan.error().message,
      "broker.files_multiline: /var/log/a.log=2026 names none of the files that are followed");
}

TEST(BrokerPlan, WhatWaitsForARestartStaysAsItRuns) {
  Config running = with({});
  Config wanted = running;
  wanted.broker.streams = {"orders"};
  wanted.broker.data = "elsewhere";
  wanted.broker.stdin_stream = "lines";
  const auto plan = plan_change(running, {}, wanted, kKeys);
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->config.broker.data, running.broker.data);
  EXPECT_THAT(plan->streams, ElementsAre("orders", "telemetry"));
}

TEST(BrokerPlan, WhatIsWantedHasToFitWhatWaitsForARestart) {
  Config running = with({});
  Config wanted = running;
  wanted.broker.canary_stream = "canaries";  // only after a restart
  wanted.broker.streams = {running.broker.canary_stream};
  const auto plan = plan_change(running, {}, wanted, kKeys);
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.error().message, HasSubstr("broker.canary_stream"));
}

TEST(BrokerPlan, AStreamComesAndGoesWithItsInput) {
  const auto off = with({});
  const auto on = with({{InputKind::kOtlp, "127.0.0.1:1"}});
  const auto comes = plan_change(off, {}, on, kKeys);
  ASSERT_TRUE(comes.ok());
  EXPECT_THAT(comes->streams, ElementsAre("telemetry", "otlp-logs", "otlp-metrics", "otlp-traces"));
  const auto goes = plan_change(on, {}, off, kKeys);
  ASSERT_TRUE(goes.ok());
  EXPECT_THAT(goes->streams, ElementsAre("telemetry"));
}

Config with_targets(std::vector<TargetConfig> targets) {
  Config config = with({});
  config.broker.targets = std::move(targets);
  return config;
}

TEST(BrokerPlan, ATargetIsReachedAnotherWay) {
  const Config running = with_targets({{"a", "http://a"}, {"b", "http://b"}});
  const auto changed = [&](const auto& change) {
    Config wanted = running;
    change(wanted.broker);
    const auto plan = plan_change(running, {}, wanted, kKeys);
    EXPECT_TRUE(plan.ok());
    EXPECT_EQ(targets_of(plan->config.broker), targets_of(wanted.broker));
    return plan->changed_targets;
  };
  using Broker = BrokerConfig;
  EXPECT_THAT(changed([](Broker&) {}), IsEmpty());
  EXPECT_THAT(changed([](Broker& b) { b.targets[1].endpoint = "http://c"; }), ElementsAre(1));
  EXPECT_THAT(changed([](Broker& b) { b.targets[0].ca = "/ca.pem"; }), ElementsAre(0));
  EXPECT_THAT(changed([](Broker& b) { b.targets[0].region = "eu-west-1"; }), ElementsAre(0));
  EXPECT_THAT(changed([](Broker& b) { b.targets[1].secret_key = "secret"; }), ElementsAre(1));
  EXPECT_THAT(changed([](Broker& b) { b.targets[1].credentials = "env"; }), ElementsAre(1));
  EXPECT_THAT(changed([](Broker& b) { b.targets[1].shards = 3; }), ElementsAre(1));
  EXPECT_THAT(changed([](Broker& b) { b.secret_key = "of both"; }), ElementsAre(0, 1));
  EXPECT_THAT(changed([](Broker& b) { b.region = "eu-west-1"; }), ElementsAre(0, 1));
}

TEST(BrokerPlan, TheOnlyTargetIsReachedAnotherWay) {
  Config wanted = with({});
  wanted.broker.endpoint = "http://elsewhere";
  const auto plan = plan_change(with({}), {}, wanted, kKeys);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->changed_targets, ElementsAre(0));
  EXPECT_EQ(plan->config.broker.endpoint, "http://elsewhere");
}

// Of each change of the list, and of the form of what is sent.
TEST(BrokerPlan, OtherTargetsAnotherOrderOrAnotherFormMakeAllOfThemAnew) {
  const TargetConfig a{"a", "http://a"};
  const TargetConfig b{"b", "http://b"};
  const auto b_with = [&b](const auto& change) {
    TargetConfig changed = b;
    change(changed);
    return std::vector<TargetConfig>{{"a", "http://a"}, changed};
  };
  const std::vector<TargetConfig> wanted_lists[] = {
      {b, a},
      {a},
      {b},
      {a, b, {"c", "http://c"}},
      {a, {"c", "http://b"}},
      b_with([](TargetConfig& target) { target.kind = "amazon"; }),
      b_with([](TargetConfig& target) { target.origins = false; }),
      b_with([](TargetConfig& target) { target.aggregate = false; }),
      b_with([](TargetConfig& target) { target.backfill = true; })};
  const Config running = with_targets({a, b});
  for (const auto& list : wanted_lists) {
    const auto plan = plan_change(running, {}, with_targets(list), kKeys);
    ASSERT_TRUE(plan.ok());
    EXPECT_TRUE(plan->new_targets);
    EXPECT_THAT(plan->changed_targets, IsEmpty());
    EXPECT_EQ(plan->config.broker.targets, list);
  }
  for (const auto& list : {b_with([](TargetConfig& target) { target.backfill = false; }),
                           b_with([](TargetConfig& target) { target.kind = "spillway"; }),
                           b_with([](TargetConfig& target) { target.endpoint = "http://c"; })})
    EXPECT_FALSE(plan_change(running, {}, with_targets(list), kKeys)->new_targets)
        << "these say the same";
}

TEST(BrokerPlan, MoreCopiesMakeTheDeliveryAnew) {
  Config running = with_targets({{"a", "http://a"}, {"b", "http://b"}});
  for (auto& target : running.broker.targets) target.backfill = true;
  Config wanted = running;
  wanted.broker.copies = 2;
  const auto plan = plan_change(running, {}, wanted, kKeys);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->new_targets);
  for (auto& target : wanted.broker.targets) target.backfill = false;
  for (const auto& target : targets_of(wanted.broker)) EXPECT_TRUE(target.backfill);
}

TEST(BrokerPlan, WhatHoldsForAllTargetsChangesTheirForm) {
  using Broker = BrokerConfig;
  const auto is_new = [](const Config& running, const auto& change) {
    Config wanted = running;
    change(wanted.broker);
    const auto plan = plan_change(running, {}, wanted, kKeys);
    EXPECT_TRUE(plan.ok());
    EXPECT_EQ(targets_of(plan->config.broker), targets_of(wanted.broker));
    return plan->new_targets;
  };
  for (const auto& running : {with({}), with_targets({{"a", "http://a"}, {"b", "http://b"}})}) {
    EXPECT_TRUE(is_new(running, [](Broker& b) { b.kind = "amazon"; }));
    EXPECT_TRUE(is_new(running, [](Broker& b) { b.origins = false; }));
    EXPECT_TRUE(is_new(running, [](Broker& b) { b.aggregate = false; }));
    EXPECT_FALSE(is_new(running, [](Broker& b) { b.region = "eu-west-1"; }));
  }
  EXPECT_TRUE(is_new(with({}), [](Broker& b) { b.targets = {{"a", "http://a"}}; }));
}

TEST(BrokerPlan, AnEndpointBesideTargetsIsRefused) {
  Config wanted = with_targets({{"a", "http://a"}});
  wanted.broker.endpoint = "http://elsewhere";
  EXPECT_FALSE(plan_change(with_targets({{"a", "http://a"}}), {}, wanted, kKeys).ok());
}

}  // namespace
}  // namespace spillway::server
