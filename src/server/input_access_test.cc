#include "server/input_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>

#include "base/base64.h"
#include "io/asio_loop.h"
#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "io/worker.h"

namespace spillway::server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kOrdersOnly =
    R"({"Statement":[{"Effect":"Allow","Action":"kinesis:PutRecords",
        "Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"},
       {"Effect":"Deny","Action":"*","Resource":"*",
        "Condition":{"Bool":{"aws:SecureTransport":"false"}}}]})";

auth::Key key(const std::string& id) { return {id, "secret-of-" + id, "", std::nullopt}; }

KeyTableRef table(std::vector<auth::Key> keys) {
  return std::make_shared<auth::KeyTable>(std::move(keys));
}

class InputAccessTest : public testing::Test {
 protected:
  ~InputAccessTest() override {
    audit_log_.reset();
    std::filesystem::remove_all(directory_);
  }
  static std::string make_directory() {
    char pattern[] = "/tmp/spillway-input-access-XXXXXX";
    return ::mkdtemp(pattern);
  }
  auth::AuditOptions audit_options() const {
    auth::AuditOptions options;
    options.directory = directory_ + "/audit";
    return options;
  }

  // A request's; with an id, it comes with that key's secret.
  InputCaller caller(const std::string& id = "", bool secure = true, bool exposed = false) {
    wire::RequestHead head;
    head.headers.push_back({"User-Agent", "curl/8"});
    if (!id.empty()) {
      const std::string text = id + ":secret-of-" + id;
      std::string encoded(base64_encoded_size(text.size()), '\0');
      base64_encode(text, encoded.data());
      head.headers.push_back({"Authorization", "Basic " + encoded});
    }
    return {access_, loop_, Peer{"192.0.2.7:5000", secure, exposed}, head};
  }
  // 200 where it is let through.
  static int status(const std::optional<CallerRefusal>& refusal) {
    if (!refusal) return 200;
    EXPECT_FALSE(refusal->message.empty());
    EXPECT_EQ(refusal->request_id.size(), 36u);
    return refusal->status;
  }
  std::uint64_t count(const std::string& name) { return metrics_.counter(name, "").value(); }
  // Those that were written; nothing is audited any more.
  std::vector<auth::AuditEvent> audited() {
    audit_log_.reset();
    std::vector<auth::AuditEvent> events;
    const auto text = io::read_file(disk_, directory_ + "/audit/audit.log", 1 << 20);
    std::string_view rest = text.ok() ? std::string_view(*text) : "";
    while (!rest.empty()) {
      events.push_back(auth::parse_audit_line(rest.substr(0, rest.find('\n'))).value());
      rest.remove_prefix(rest.find('\n') + 1);
    }
    return events;
  }

  const std::string directory_ = make_directory();
  io::PosixDisk disk_;
  io::SystemClock clock_;
  io::SystemEntropy entropy_;
  io::ThreadWorkers workers_;
  io::SilentLog log_;
  metrics::Registry metrics_;
  io::AsioLoop loop_;
  std::optional<auth::AuditLog> audit_log_{std::in_place, audit_options(), disk_, clock_,
                                           workers_,      metrics_,        log_};
  CallAudit audit_{*audit_log_, metrics_, log_};
  InputAccess access_{kinesis::ServiceOptions(), table({}), audit_, entropy_};
};

TEST_F(InputAccessTest, WithoutKeysAnybodyMayPut) {
  for (const std::string id : {"", "AKIDANY"}) {
    auto anybody = caller(id);
    EXPECT_EQ(status(anybody.check("orders")), 200);
    EXPECT_EQ(status(anybody.check_whole("orders", 1)), 200);
  }
  EXPECT_THAT(audited(), IsEmpty());
}

// Whatever becomes of the keys.
TEST_F(InputAccessTest, FromOtherMachinesNobodyIsTakenWithoutAKey) {
  EXPECT_EQ(status(caller("AKIDANY", true, true).check("orders")), 401);
  auto early = caller("AKIDGOOD", true, true);
  EXPECT_EQ(status(early.check("orders")), 401);
  access_.set_keys(table({key("AKIDGOOD")}));
  EXPECT_EQ(status(caller("AKIDGOOD", true, true).check("orders")), 200);
  access_.set_keys(std::make_shared<auth::KeyTable>(auth::KeyTable::unreadable()));
  EXPECT_EQ(status(caller("AKIDGOOD").check("orders")), 401) << "nobody knows";
}

TEST_F(InputAccessTest, WithKeysOneIsNeeded) {
  access_.set_keys(table({key("AKIDGOOD")}));
  EXPECT_EQ(status(caller("AKIDGOOD").check("orders")), 200);
  for (const auto* const stream : {"orders", ""}) {
    EXPECT_EQ(status(caller().check(stream)), 401);
    const auto refusal = caller("AKIDNOBODY").check(stream);
    ASSERT_EQ(status(refusal), 401);
    wire::Response response;
    refusal->add_headers(response);
    ASSERT_EQ(response.headers.size(), 2u);
    EXPECT_EQ(response.headers[1].name, "WWW-Authenticate");
    EXPECT_THAT(response.headers[1].value, HasSubstr("Basic realm="));
  }
  EXPECT_EQ(count("spillway_api_refused_signatures_total"), 4u);
  const auto events = audited();
  ASSERT_EQ(events.size(), 4u) << "and who may is not told of";
  const auto& event = events[1];
  EXPECT_EQ(event.access_key, "AKIDNOBODY");
  EXPECT_EQ(event.peer, "192.0.2.7");
  EXPECT_EQ(event.user_agent, "curl/8");
  EXPECT_EQ(event.action, "kinesis:PutRecords");
  EXPECT_EQ(event.outcome, auth::AuditOutcome::kDenied);
  EXPECT_EQ(event.error, "UnrecognizedClientException");
  EXPECT_TRUE(event.secure);
  EXPECT_FALSE(event.authenticated);
}

TEST_F(InputAccessTest, APolicyHoldsAsForPutRecords) {
  auto app = key("AKIDAPP");
  app.holder = "app";
  app.policy = std::make_shared<auth::Policy>(
      auth::Policy::parse(kOrdersOnly, auth::PolicyKind::kIdentity).value());
  access_.set_keys(table({std::move(app)}));
  EXPECT_EQ(status(caller("AKIDAPP").check("orders")), 200);
  EXPECT_EQ(status(caller("AKIDAPP").check("")), 200) << "it is known";
  EXPECT_EQ(status(caller("AKIDAPP").check("telemetry")), 403);
  EXPECT_EQ(status(caller("AKIDAPP", false).check("orders")), 403) << "not over TLS";
  EXPECT_EQ(count("spillway_api_denied_total"), 2u);
  const auto events = audited();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].resource, "arn:aws:kinesis:us-east-1:000000000000:stream/telemetry");
  EXPECT_EQ(events[0].user, "app");
  EXPECT_EQ(events[0].error, "AccessDeniedException");
  EXPECT_TRUE(events[0].authenticated);
}

TEST_F(InputAccessTest, KeysOfTheTimeWhenTheBodyIsWholeCount) {
  access_.set_keys(table({key("AKIDOLD")}));
  auto old = caller("AKIDOLD");
  auto early = caller("AKIDNEW");
  EXPECT_EQ(status(old.check("orders")), 200);
  EXPECT_EQ(status(early.check("orders")), 401);
  access_.set_keys(table({key("AKIDNEW")}));
  EXPECT_EQ(status(old.check_whole("orders", 1)), 401);
  EXPECT_EQ(status(early.check_whole("orders", 1)), 200);
  const auto events = audited();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].access_key, "AKIDOLD");
  EXPECT_FALSE(events[1].authenticated) << "any more";
}

TEST_F(InputAccessTest, TheRateOfAKeyHoldsOverItsRequests) {
  auto slow = key("AKIDSLOW");
  slow.limiter = std::make_shared<auth::RateLimiter>(auth::RateLimits{.bytes_per_second = 1'000});
  access_.set_keys(table({std::move(slow), key("AKIDFAST")}));
  auto first = caller("AKIDSLOW");
  EXPECT_EQ(status(first.check_whole("orders", 10)), 200);
  first.pay(1'000'000);
  EXPECT_EQ(status(caller("AKIDSLOW").check("orders")), 200) << "its bytes are not known yet";
  EXPECT_EQ(status(caller("AKIDSLOW").check_whole("orders", 10)), 429);
  EXPECT_EQ(status(caller("AKIDFAST").check_whole("orders", 10)), 200);
  EXPECT_EQ(count("spillway_api_key_throttled_total"), 1u);
}

TEST_F(InputAccessTest, AKeyThatCannotBeReadNowIsNoWrongOne) {
  auto closed = key("AKIDCLOSED");
  closed.fault = "no master key";
  access_.set_keys(table({std::move(closed)}));
  EXPECT_EQ(status(caller("AKIDCLOSED").check("orders")), 503);
}

}  // namespace
}  // namespace spillway::server
