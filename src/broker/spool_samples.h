// For tests: a spool in memory, and a target that takes what it is given or fails as it is told.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/cursors.h"
#include "broker/spool.h"
#include "broker/target.h"
#include "io/manual_loop.h"
#include "stream/hash_key.h"
#include "stream/memory_engine.h"

namespace spillway::broker {

class CountingEntropy final : public io::Entropy {
 public:
  void fill(std::span<unsigned char> out) override {
    ++count_;
    std::ranges::fill(out, count_);
  }

 private:
  unsigned char count_ = 0;
};

inline std::vector<int> up_to(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) numbers[static_cast<std::size_t>(i)] = i + 1;
  return numbers;
}

class FakeTarget final : public Target {
 public:
  static constexpr std::string_view kCanaryStream = "canaries";

  explicit FakeTarget(io::ManualLoop& loop, std::string name = "a")
      : loop_(loop), name_(std::move(name)) {}

  LanePacking packing() const override { return packed_as; }
  Task<Status> prepare(std::string stream) override {
    prepared.push_back(std::move(stream));
    auto over = answered();
    co_await over;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    if (denies) co_return Error{ErrorCode::kDenied, "AccessDeniedException: no"};
    gone = false;
    co_return Status();
  }

  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override {
    if (stream == kCanaryStream) {
      auto result = put_canary(entries.front());
      auto put = co_await std::move(result);
      co_return put;
    }
    ++puts;
    most_in_flight = std::max(most_in_flight, ++in_flight);
    std::size_t bytes = 0;
    for (const auto& entry : entries) bytes += entry.data.size();
    bytes_in_flight += bytes;
    auto over = answered();
    co_await over;
    --in_flight;
    bytes_in_flight -= bytes;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (gone) co_return Error{ErrorCode::kNotFound, "no stream"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    const auto poison = [this](const client::PutEntry& entry) {
      return !poisonous.empty() && entry.data.find(poisonous) != std::string::npos;
    };
    if (!refuses_entries && std::ranges::any_of(entries, poison))
      co_return Error{ErrorCode::kInvalid, "PutRecords: ValidationException: no"};
    client::PutRecordsResult result;
    std::set<std::uint8_t> refused;  // lanes
    std::set<std::uint8_t> failed_lanes;
    std::map<std::uint8_t, Uint128> requested;
    for (auto& entry : entries) {
      const auto lane = entry.origin->lane;
      const auto key = stream::hash_key_of(entry.partition_key);
      const bool first = requested.try_emplace(lane, key).second;
      EXPECT_TRUE(packed_as != LanePacking::kSingle || first) << "two of a lane";
      EXPECT_TRUE(packed_as != LanePacking::kAggregate || requested[lane] == key);
      // The entries of an aggregate have one fate.
      const bool of_known = packed_as == LanePacking::kAggregate && !first;
      if (!of_known && refuse_every > 0 && ++entries_seen % refuse_every == 0) refused.insert(lane);
      client::PutOutcome outcome;
      if (refused.contains(lane) || refuse_lane == lane) {
        if (packed_as != LanePacking::kAggregate) refused.erase(lane);
        outcome.error_code = "ProvisionedThroughputExceededException";
        ++result.failed;
      } else if (poison(entry) || failed_lanes.contains(lane)) {
        failed_lanes.insert(lane);  // as a region of Spillway does
        outcome.error_code = "InvalidArgumentException";
        ++result.failed;
      } else {
        stored.push_back(std::move(entry));
        name(outcome);
      }
      result.outcomes.push_back(std::move(outcome));
    }
    if (lose_answers) co_return Error{ErrorCode::kIo, "connection reset"};
    co_return result;
  }

  Task<Result<bool>> holds(std::string, client::PutOutcome) override {
    ++reads;
    auto over = answered();
    co_await over;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (down || unreadable) co_return Error{ErrorCode::kIo, "GetRecords: InternalFailure"};
    co_return !behind;
  }

  Task<Status> reaches(std::string, client::PutOutcome) override {
    ++looks;
    auto over = answered();
    co_await over;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    if (gone) co_return Error{ErrorCode::kNotFound, "no stream"};
    if (lost) co_return Error{ErrorCode::kInvalid, "beyond the last record"};
    co_return Status();
  }

  void close() override {
    closed = true;
    answer();
  }
  // Answers what waits while the target is silent.
  void answer() {
    for (auto& done : std::exchange(pending_, {})) done(true);
  }
  const std::string& name() const override { return name_; }
  std::string address() const override { return "http://fake"; }
  std::vector<std::string> stored_data() const {
    std::vector<std::string> data;
    data.reserve(stored.size());
    for (const auto& entry : stored) data.push_back(entry.data);
    return data;
  }

  // Of what is stored, of each key: those behind it and a dash.
  std::map<std::string, std::vector<int>> stored_numbers() const {
    std::map<std::string, std::vector<int>> numbers;
    for (const auto& entry : stored)
      numbers[entry.partition_key].push_back(
          std::stoi(entry.data.substr(entry.partition_key.size() + 1)));
    return numbers;
  }

  bool down = false;
  bool gone = false;
  bool denies = false;        // to prepare a stream
  bool silent = false;        // answers when answer() is called
  bool unreadable = false;    // what is written can't be read
  bool behind = false;        // and isn't there yet
  bool lost = false;          // what was written before
  bool lose_answers = false;  // after it has stored what it was given
  bool closed = false;
  std::string poisonous;         // in the data of what it refuses; empty: nothing
  bool refuses_entries = false;  // of such data each by itself, not the whole request
  bool refuses_canaries = false;
  int refuse_every = 0;
  std::optional<std::uint8_t> refuse_lane;
  LanePacking packed_as = LanePacking::kPrefix;
  int entries_seen = 0;
  std::optional<std::uint64_t> number;  // of the next record; else they have none
  int puts = 0;                         // but for canaries
  int looks = 0;                        // whether it reaches somewhere
  int canaries = 0;
  int reads = 0;
  int in_flight = 0;
  int most_in_flight = 0;
  std::size_t bytes_in_flight = 0;  // of data
  std::vector<std::string> prepared;
  std::vector<client::PutEntry> stored;

 private:
  Task<Result<client::PutRecordsResult>> put_canary(client::PutEntry entry) {
    ++canaries;
    // As a region has it of an origin.
    const Uint128 key = entry.explicit_hash_key ? parse_uint128(*entry.explicit_hash_key).value()
                                                : stream::hash_key_of(entry.partition_key);
    const bool is_of_lane = !entry.origin || entry.origin->lane == stream::lane_of(key);
    auto over = answered();
    co_await over;
    if (closed) co_return Error{ErrorCode::kClosed, "closed"};
    if (down) co_return Error{ErrorCode::kIo, "connection refused"};
    if (refuses_canaries || !is_of_lane)
      co_return Error{ErrorCode::kInvalid, "PutRecords: ValidationException"};
    client::PutRecordsResult result;
    result.outcomes.resize(1);
    name(result.outcomes.front());
    co_return result;
  }

  void name(client::PutOutcome& outcome) {
    if (!number) return;
    outcome.shard_id = "0";
    outcome.sequence_number = std::to_string((*number)++);
  }

  CallbackAwaiter<bool, UniqueFunction<void(UniqueFunction<void(bool)>)>> answered() {
    return callback<bool>(
        UniqueFunction<void(UniqueFunction<void(bool)>)>([this](UniqueFunction<void(bool)> done) {
          pending_.push_back(std::move(done));
          if (!silent) loop_.post([this] { answer(); });
        }));
  }

  io::ManualLoop& loop_;
  const std::string name_;
  std::vector<UniqueFunction<void(bool)>> pending_;
};

class LoopClock final : public io::Clock {
 public:
  explicit LoopClock(io::EventLoop& loop) : loop_(loop) {}
  WallTime wall_now() override { return loop_.wall_now(); }
  MonoTime mono_now() override { return loop_.mono_now(); }

 private:
  io::EventLoop& loop_;
};

// A spool with the stream "s".
class SpoolTest : public testing::Test {
 protected:
  SpoolTest() { reopen(); }

  // As after a restart: what the engine has is there, and nothing else.
  void reopen() {
    spool_ = std::make_unique<Spool>(engine_, room_, clock_, entropy_, metrics_);
    bool opened = false;
    start(spool_->open(loop_, {"s"}), UniqueFunction<void(Status)>([&](Status status) {
            EXPECT_TRUE(status.ok());
            opened = true;
          }));
    loop_.run();
    EXPECT_TRUE(opened);
  }
  // As a broker's start has them.
  void load(Cursors& cursors) {
    bool loaded = false;
    start(cursors.load(spool_->shards_of(Spool::kCursorStream).front().id),
          UniqueFunction<void(Status)>([&](const Status& status) {
            EXPECT_TRUE(status.ok()) << status.error().message;
            loaded = true;
          }));
    loop_.run();
    EXPECT_TRUE(loaded);
  }
  // Records KEY-NUMBER of that partition key. How many failed.
  std::size_t put(const std::string& key, int first, int count) {
    std::vector<std::string> data;
    std::vector<stream::RecordView> records;
    data.reserve(static_cast<std::size_t>(count));
    records.reserve(static_cast<std::size_t>(count));
    for (int i = first; i < first + count; ++i) {
      data.push_back(fmt::format("{}-{}", key, i));
      records.push_back({key, data.back(), std::nullopt, std::nullopt});
    }
    return put(records);
  }
  std::size_t put(std::span<const stream::RecordView> records) {
    std::size_t failed = 0;
    spool_->put("s", records, [&](const Spool::Outcomes& outcomes) {
      for (const auto& outcome : outcomes) failed += outcome.ok() ? 0 : 1;
    });
    return failed;
  }

  io::ManualLoop loop_;
  LoopClock clock_{loop_};
  stream::MemoryEngine engine_;
  CountingEntropy entropy_;
  io::SilentLog silent_;
  metrics::Registry metrics_;
  SpoolRoom room_{{.bytes = 1'000'000}, engine_, silent_, metrics_};
  std::unique_ptr<Spool> spool_;
};

}  // namespace spillway::broker
