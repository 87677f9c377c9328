#include "kinesis/callers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace spillway::kinesis {
namespace {

const CallerName kProducer{"AKIDPUT", "KPL", "10.0.0.1"};
const CallerName kReader{"AKIDGET", "KCL orders", "10.0.0.2"};

stream::StreamInfo stream_of(std::uint64_t id, std::string name) {
  stream::StreamInfo stream;
  stream.id = id;
  stream.name = std::move(name);
  return stream;
}

WallTime at(std::int64_t millis) { return from_millis(1'600'000'000'000 + millis); }
const Usage& usage(const Caller& caller, Use use) {
  return caller.uses[static_cast<std::size_t>(use)];
}

TEST(Callers, AgentsAreToldApartByTheirFamily) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"Boto3/1.43.67 md/Botocore#1.43.67 ua/2.1 os/linux#6.1 lang/python#3.11", "Boto3"},
      {"Boto3/1.43.67 md/Botocore#1.43.67 ua/2.1 lang/python#3.11 app/orders md/x", "Boto3 orders"},
      {"aws-sdk-js/3.1143.0 ua/2.1 os/linux lang/js md/nodejs#18", "aws-sdk-js"},
      {"aws-sdk-java/2.31.0 Linux amazon-kinesis-client-library-java-3.0.0", "KCL"},
      {"KinesisProducerLibrary/1.0.4 | Linux | x86_64 | aws-sdk-cpp", "KPL"},
      {"", ""},
  };
  for (const auto& [agent, family] : cases) EXPECT_EQ(agent_family(agent), family) << agent;
  EXPECT_LE(agent_family(std::string(10'000, 'x') + " app/" + std::string(10'000, 'y')).size(),
            128u);
}

TEST(Callers, RecordsWhatEachDoesWithEachStream) {
  Callers callers;
  const auto orders = stream_of(1, "orders");
  const auto clicks = stream_of(5, "clicks");
  callers.saw(kProducer, orders, Use::kPut, at(0), 3, 300);
  callers.saw(kProducer, orders, Use::kPut, at(10), 1, 100);
  callers.saw(kProducer, orders, Use::kDescribe, at(20));
  callers.saw(kReader, orders, Use::kGet, at(30), 4, 400, 1500);
  callers.saw(kReader, clicks, Use::kGet, at(40));
  const auto all = callers.list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].stream, "clicks");
  EXPECT_EQ(all[1].name, kReader);
  EXPECT_EQ(all[1].lag_ms, 1500);
  EXPECT_EQ(usage(all[1], Use::kGet).records, 4u);
  EXPECT_EQ(all[2].name, kProducer);
  EXPECT_EQ(all[2].first_at, at(0));
  EXPECT_EQ(all[2].last_at, at(20));
  EXPECT_EQ(usage(all[2], Use::kPut).requests, 2u);
  EXPECT_EQ(usage(all[2], Use::kPut).bytes, 400u);
  EXPECT_EQ(usage(all[2], Use::kPut).last_at, at(10));
  EXPECT_EQ(usage(all[2], Use::kDescribe).requests, 1u);
  EXPECT_EQ(callers.list("clicks").size(), 1u);
  EXPECT_TRUE(callers.list("none").empty());
}

TEST(Callers, ForgetsWhoWasNotSeenForLongest) {
  Callers callers(160);
  const auto orders = stream_of(1, "orders");
  for (int i = 0; i < 10'000; ++i) {
    callers.saw(kReader, orders, Use::kGet, at(i));
    callers.saw({"AKID", "Boto3", std::to_string(i)}, orders, Use::kPut, at(i));
  }
  const auto all = callers.list();
  EXPECT_LE(all.size(), 160u);
  EXPECT_EQ(callers.forgotten(), 10'001 - all.size());
  EXPECT_THAT(all, testing::Contains(testing::Field(&Caller::name, kReader)));
}

TEST(Callers, ForgetsThoseOfDeletedStreams) {
  Callers callers;
  const auto orders = stream_of(1, "orders");
  callers.saw(kReader, orders, Use::kGet, at(0));
  callers.saw(kReader, stream_of(2, "clicks"), Use::kGet, at(0));
  stream::Catalog catalog;
  catalog.streams["orders"] = std::make_shared<stream::StreamInfo>(orders);
  callers.keep_only(catalog);
  ASSERT_EQ(callers.list().size(), 1u);
  EXPECT_EQ(callers.list()[0].stream, "orders");
  callers.saw(kReader, orders, Use::kGet, at(1));
  EXPECT_EQ(callers.list().size(), 1u);
}

TEST(Callers, WhatIsLoadedIsAddedToWhatWasSeenSince) {
  const auto orders = stream_of(1, "orders");
  Callers before;
  before.saw(kProducer, orders, Use::kPut, at(0), 3, 300);
  before.saw(kReader, orders, Use::kGet, at(5), 1, 10, 70);
  Callers after;
  after.saw(kProducer, orders, Use::kPut, at(100), 1, 100);
  ASSERT_TRUE(after.load(before.encode()).ok());
  const auto all = after.list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].lag_ms, 70);
  EXPECT_EQ(usage(all[1], Use::kPut).records, 4u);
  EXPECT_EQ(all[1].first_at, at(0));
  EXPECT_EQ(all[1].last_at, at(100));
}

TEST(Callers, RefusesWhatIsDamaged) {
  Callers callers;
  callers.saw(kProducer, stream_of(1, "orders"), Use::kPut, at(0), 3, 300);
  const auto good = callers.encode();
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(Callers().load(good.substr(0, size)).ok()) << size;
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    Callers loaded;
    EXPECT_FALSE(loaded.load(bad).ok()) << i;
    EXPECT_TRUE(loaded.list().empty());
  }
}

TEST(Callers, CountsFromSeveralThreads) {
  Callers callers;
  const auto orders = stream_of(1, "orders");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) callers.saw(kProducer, orders, Use::kPut, at(n), 1, 1);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(usage(callers.list().at(0), Use::kPut).records, 20'000u);
}

}  // namespace
}  // namespace spillway::kinesis
