#include "broker/input_activity.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

class InputActivityTest : public testing::Test {
 protected:
  void look(std::vector<InputNow> inputs) {
    now_ += seconds(1);
    activity_.look(std::move(inputs), now_);
  }

  metrics::Registry metrics_;
  InputActivity activity_{metrics_};
  MonoTime now_{};
};

TEST_F(InputActivityTest, TellsOfThoseThatAreOn) {
  InputMetrics counts(metrics_, "http");
  look({{"http", "127.0.0.1:4602", 3}, {"syslog_udp", "127.0.0.1:514", std::nullopt}});
  counts.records.add(9);
  counts.refused.add(2);
  counts.malformed.add();
  look({{"http", "127.0.0.1:4602", 3}, {"syslog_udp", "127.0.0.1:514", std::nullopt}});
  look({{"http", "127.0.0.1:4602", 4}, {"syslog_udp", "127.0.0.1:514", std::nullopt}});
  EXPECT_EQ(activity_.json(now_ + milliseconds(500)),
            R"([{"name":"http","at":"127.0.0.1:4602","accepted_records":9,)"
            R"("records_per_second":4.50,"refused_records":2,"malformed_records":1,)"
            R"("last_record_ms":1500,"connections":4},)"
            R"({"name":"syslog_udp","at":"127.0.0.1:514","accepted_records":0,)"
            R"("records_per_second":0.00,"refused_records":0,"malformed_records":0}])");
  look({});
  EXPECT_EQ(activity_.json(now_), "[]");
}

TEST_F(InputActivityTest, OneThatComesAgainGoesOn) {
  InputMetrics counts(metrics_, "statsd");
  counts.records.add(4);
  look({{"statsd", "127.0.0.1:8125", std::nullopt}});
  look({});
  look({{"statsd", "127.0.0.1:8126", std::nullopt}});
  EXPECT_EQ(activity_.json(now_),
            R"([{"name":"statsd","at":"127.0.0.1:8126","accepted_records":4,)"
            R"("records_per_second":0.00,"refused_records":0,"malformed_records":0,)"
            R"("last_record_ms":2000}])");
}

TEST_F(InputActivityTest, OneThatIsClosedIsToldOfUntilItIsOpen) {
  auto& closed = metrics_.gauge("spillway_input_closed", "", {{"input", "otlp"}});
  look({{"otlp", "0.0.0.0:4318", std::nullopt, "there is no key"}});
  EXPECT_EQ(closed.value(), 1);
  EXPECT_NE(activity_.json(now_).find(R"("closed":"there is no key")"), std::string::npos);
  look({{"otlp", "0.0.0.0:4318", 0}});
  EXPECT_EQ(closed.value(), 0);
  EXPECT_EQ(activity_.json(now_).find("closed"), std::string::npos);
  look({{"otlp", "0.0.0.0:4318", std::nullopt, "there is no key"}});
  look({});
  EXPECT_EQ(closed.value(), 0) << "it is not wanted any more";
}

}  // namespace
}  // namespace spillway::broker
