// Who uses which stream, as recorded by the operations and shown at the admin port; and its file.
#include "server/callers_route.h"

#include <simdjson.h>

#include "server/caller_store.h"
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class CallersTest : public KinesisApiTest {
 protected:
  std::string json(std::string_view stream = {}) {
    return callers_json(service_->callers(), stream);
  }
};

TEST_F(CallersTest, OperationsTellWhoDoesWhat) {
  create("s", 1);
  EXPECT_THAT(json(), HasSubstr(R"({"callers":[],"forgotten":0})")) << "it wasn't there yet";
  ask("PutRecords", R"({"StreamName":"s","Records":[{"Data":"AAAA","PartitionKey":"key"},)"
                    R"({"Data":"","PartitionKey":"k"}]})");
  ask("GetRecords",
      fmt::format(R"({{"ShardIterator":"{}"}})",
                  value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")"))));
  ask("PutRecord", R"({"StreamName":"none","Data":"","PartitionKey":"k"})");
  ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k","DryRun":true})");
  const auto found = json();
  EXPECT_EQ(count_of(R"("stream":)", found), 1u);
  EXPECT_THAT(found, HasSubstr(R"("put":{"requests":1,"records":2,"bytes":7,)"));
  EXPECT_THAT(found, HasSubstr(R"("get":{"requests":1,"records":2,"bytes":7,)"));
  EXPECT_THAT(found, HasSubstr(R"("describe":{"requests":1,)"));
  EXPECT_THAT(found, HasSubstr(R"("lag_ms":0)"));
  EXPECT_EQ(json("s"), found);
  EXPECT_EQ(json("other"), R"({"callers":[],"forgotten":0})");
  ask("DeleteStream", R"({"StreamName":"s"})");
  service_->forget_deleted();
  EXPECT_EQ(json(), R"({"callers":[],"forgotten":0})");
}

TEST_F(CallersTest, WhateverAnAgentIsCalledItIsJson) {
  create("s", 1);
  const auto stream = engine_->catalog()->find("s");
  for (const std::string& agent :
       {std::string("a\"gent\\/1"), std::string("\xff\x80"), std::string(63, 'x') + "\xc3\xa9",
        std::string("\x01\n\x7f"), std::string(20'000, 'y'),
        "agent/1 app/" + std::string(20'000, '\xff')}) {
    kinesis::Call call;
    call.user_agent = agent;
    service_->callers().saw(kinesis::caller_of(call), *stream, kinesis::Use::kPut,
                            clock_.wall_now());
    const auto told = json();
    simdjson::dom::parser parser;
    EXPECT_EQ(parser.parse(told).error(), simdjson::SUCCESS) << told;
    service_->callers().keep_only(stream::Catalog());
    EXPECT_LT(told.size(), 1000u);
  }
}

TEST_F(CallersTest, TheStoreLoadsOnceAndSavesEveryMinute) {
  create("s", 1);
  ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k"})");
  const auto seen = json();
  const auto path = io::join_path(directory_, "callers");
  {
    CallerStore store(service_->callers(), disk_, log_, directory_);
    store.tick(MonoTime(seconds(1)));
    store.tick(MonoTime(seconds(60)));
    EXPECT_FALSE(std::filesystem::exists(path));
    store.tick(MonoTime(seconds(61)));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  serve({});
  CallerStore store(service_->callers(), disk_, log_, directory_);
  EXPECT_EQ(json(), R"({"callers":[],"forgotten":0})");
  store.tick(MonoTime(seconds(1)));
  EXPECT_EQ(json(), seen);
  store.tick(MonoTime(seconds(2)));
  EXPECT_EQ(json(), seen) << "once";
}

TEST_F(CallersTest, ADamagedFileIsReplaced) {
  const auto path = io::join_path(directory_, "callers");
  ASSERT_TRUE(io::replace_file(disk_, path, "SPWYCALL but no more").ok());
  CallerStore store(service_->callers(), disk_, log_, directory_);
  store.tick(MonoTime(seconds(1)));
  create("s", 1);
  ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k"})");
  store.save();
  const auto seen = json();
  serve({});
  CallerStore again(service_->callers(), disk_, log_, directory_);
  again.tick(MonoTime(seconds(1)));
  EXPECT_EQ(json(), seen);
}

}  // namespace
}  // namespace spillway::server
