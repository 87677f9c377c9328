// For tests of the operations behind their wire form: a real engine, and a clock that the tests
// move.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "auth/master_key.h"
#include "engine/embedded/embedded_engine.h"
#include "io/asio_loop.h"
#include "io/entropy.h"
#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "kinesis/service.h"

namespace spillway::server {

class KinesisApiTest : public testing::Test {
 protected:
  KinesisApiTest() {
    char pattern[] = "/tmp/spillway-api-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    engine::EmbeddedOptions options;
    options.directory = directory_;
    options.journal_file_bytes = std::uint64_t{16} << 20;
    engine_ =
        engine::open_embedded_engine(options, {disk_, clock_, workers_, entropy_, log_, metrics_})
            .value();
    master_keys_ = std::make_unique<auth::MasterKeys>(
        auth::MasterKeyOptions{directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_,
        log_);
    master_keys_->configure({});
    serve({});
  }
  ~KinesisApiTest() override {
    service_.reset();
    engine_.reset();
    std::filesystem::remove_all(directory_);
  }

  // From now on with these options; what is stored stays.
  void serve(kinesis::ServiceOptions options) {
    service_.reset();
    service_ = std::make_unique<kinesis::Service>(std::move(options), *engine_, clock_, entropy_,
                                                  stream::TokenKey{}, *master_keys_);
  }

  // The answer's body; an error's begins with `"__type"`.
  std::string ask(std::string_view operation, std::string_view body) {
    kinesis::Call call;
    call.operation = operation;
    call.body.reserve(body.size() + kinesis::kBodyPadding);
    call.body = body;
    call.loop = &loop_;
    call.wants_origins = wants_origins_;
    std::string answer;
    loop_.post([&] {
      UniqueFunction<void(kinesis::Reply)> done = [&](kinesis::Reply reply) {
        EXPECT_EQ(reply.status != 200, !reply.error_type.empty());
        if (!reply.error_type.empty()) {
          answer =
              kinesis::error_document(call.format, reply.error_type, reply.error_message).view();
        }
        for (const auto& part : reply.body) answer += part.view();
        loop_.post([&] { loop_.stop(); });
      };
      start(kinesis::find_operation(operation)->handler(*service_, call), std::move(done));
    });
    loop_.run();
    return answer;
  }
  // What an error answer says, of the type's name.
  static std::string error(std::string_view type, std::string_view message) {
    return fmt::format(R"({{"__type":"{}","message":"{}"}})", type, message);
  }
  // The first string of that name in an answer.
  static std::string value_of(std::string_view name, const std::string& answer) {
    const std::string before = fmt::format(R"("{}":")", name);
    const std::size_t at = answer.find(before);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + before.size();
    return answer.substr(begin, answer.find('"', begin) - begin);
  }
  static std::size_t count_of(std::string_view what, std::string_view answer) {
    std::size_t count = 0;
    for (std::size_t at = answer.find(what); at != std::string_view::npos;
         at = answer.find(what, at + 1))
      ++count;
    return count;
  }

  void create(std::string_view name, int shards) {
    EXPECT_EQ(
        ask("CreateStream", fmt::format(R"({{"StreamName":"{}","ShardCount":{}}})", name, shards)),
        "");
  }
  std::string iterator(std::string_view more, std::string_view shard = "shardId-000000000000") {
    return ask("GetShardIterator",
               fmt::format(R"({{"StreamName":"s","ShardId":"{}",{}}})", shard, more));
  }
  // Splits the stream's first open shard, a second after the last change, as the API will.
  void split(std::string_view name) {
    clock_.ahead_ms += 1000;
    engine_->update_catalog(
        [&](const stream::Catalog& catalog) {
          stream::CatalogChange change;
          change.put.push_back(*catalog.find(name));
          auto& shards = change.put[0].shards;
          const auto parent = *std::ranges::find_if(shards, &stream::ShardInfo::open);
          change.close.push_back(parent.id);
          const auto middle =
              parent.first_hash_key + (parent.last_hash_key - parent.first_hash_key) / 2;
          for (int i = 0; i < 2; ++i) {
            stream::ShardInfo child;
            child.id = catalog.next_id + static_cast<std::uint64_t>(i);
            child.index = shards.back().index + 1;
            child.parent = parent.index;
            child.first_hash_key = i == 0 ? parent.first_hash_key : middle + 1;
            child.last_hash_key = i == 0 ? middle : parent.last_hash_key;
            shards.push_back(child);
          }
          change.ids_used = 2;
          return change;
        },
        [&](Result<stream::CatalogRef> made) {
          EXPECT_TRUE(made.ok());
          loop_.post([&] { loop_.stop(); });
        });
    loop_.run();
    clock_.ahead_ms += 1000;
  }
  // The indexes of the shards that a filter lists.
  std::string listed(std::string_view more) {
    const std::string answer = ask(
        "ListShards", fmt::format(R"({{"StreamName":"s"{}{}}})", more.empty() ? "" : ",", more));
    std::string indexes;
    for (std::size_t at = answer.find(R"({"ShardId":"shardId-)"); at != std::string::npos;
         at = answer.find(R"({"ShardId":"shardId-)", at + 1))
      indexes += answer[at + 31];
    return indexes.empty() ? answer : indexes;
  }
  std::int64_t now_ms() { return to_millis(clock_.wall_now()); }

  bool wants_origins_ = false;  // of what is asked from now on
  std::string directory_;
  io::PosixDisk disk_;
  io::MovableClock clock_;
  io::ThreadWorkers workers_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
  metrics::Registry metrics_;
  io::AsioLoop loop_;  // outlives the engine, whose workers post to it
  std::unique_ptr<stream::Engine> engine_;
  std::unique_ptr<auth::MasterKeys> master_keys_;
  std::unique_ptr<kinesis::Service> service_;
};

}  // namespace spillway::server
