// For tests of the engine on a real disk, with real threads; faults by a decorator of the disk.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/embedded/embedded_engine.h"
#include "io/entropy.h"
#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "metrics/registry.h"
#include "stream/record_batch.h"

namespace spillway::engine {

// Waits for a callback's value.
template <typename T>
class Waiter {
 public:
  UniqueFunction<void(T)> callback() {
    return [this](T value) {
      const std::lock_guard lock(mutex_);
      value_.emplace(std::move(value));
      changed_.notify_all();
    };
  }
  T wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return value_.has_value(); });
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

// Waits for an event of the log.
class NotingLog final : public io::EventLog {
 public:
  void write(io::LogLevel, std::string_view event, std::initializer_list<io::LogField>) override {
    const std::lock_guard lock(mutex_);
    events_.emplace_back(event);
    changed_.notify_all();
  }
  void wait_for(std::string_view beginning) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return std::ranges::any_of(
          events_, [&](const std::string& event) { return event.starts_with(beginning); });
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
};

// Fails every read of, write to, or sync of, a file whose path contains `match` while `failing` is
// set.
struct Fault {
  std::string match;
  std::atomic<bool> fail_write{false};
  std::atomic<bool> fail_sync{false};
  std::atomic<bool> fail_read{false};
  std::atomic<bool> hold_sync{false};  // syncs wait until it is false
  std::atomic<bool> held{false};       // one waits
  ErrorCode code = ErrorCode::kIo;
  std::string directory;                            // of which the files are counted
  std::atomic<std::uint64_t> capacity{UINT64_MAX};  // of their bytes

  std::uint64_t used() const {
    std::uint64_t bytes = 0;
    std::error_code gone;  // meanwhile
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, gone))
      if (const auto size = entry.file_size(gone); !gone) bytes += size;
    return bytes;
  }
};

class FaultyFile final : public io::File {
 public:
  FaultyFile(std::unique_ptr<io::File> file, Fault& fault, bool hit)
      : file_(std::move(file)), fault_(fault), hit_(hit) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    if (hit_ && fault_.fail_read) return Error{fault_.code, "planted read failure"};
    return file_->read_at(offset, out);
  }
  using io::File::write_at;
  Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    if (hit_ && fault_.fail_write) return Error{fault_.code, "planted write failure"};
    std::uint64_t end = offset;
    for (const auto part : parts) end += part.size();
    SPILLWAY_TRY(grow(end));
    return file_->write_at(offset, parts);
  }
  Status sync_data() override {
    if (hit_ && fault_.hold_sync) {
      fault_.held = true;
      fault_.held.notify_all();
      fault_.hold_sync.wait(true);
    }
    if (hit_ && fault_.fail_sync) return Error{fault_.code, "planted sync failure"};
    return file_->sync_data();
  }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status fill_with_zeros(std::uint64_t size) override {
    SPILLWAY_TRY(grow(size));
    return file_->fill_with_zeros(size);
  }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }

 private:
  Status grow(std::uint64_t to) {
    if (fault_.capacity == UINT64_MAX) return {};
    SPILLWAY_ASSIGN(const std::uint64_t size, file_->size());
    if (to <= size || fault_.used() + (to - size) <= fault_.capacity) return {};
    return Error{ErrorCode::kNoSpace, "the disk is full"};
  }

  std::unique_ptr<io::File> file_;
  Fault& fault_;
  bool hit_;
};

class FaultyDisk final : public io::Disk {
 public:
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    auto file = disk_.open(path, mode);
    if (!file.ok()) return file;
    const bool hit = path.find(fault.match) != std::string::npos;
    return std::unique_ptr<io::File>(
        std::make_unique<FaultyFile>(std::move(file).value(), fault, hit));
  }
  Status rename(const std::string& a, const std::string& b) override { return disk_.rename(a, b); }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Status make_directory(const std::string& path) override { return disk_.make_directory(path); }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }
  Result<std::uint64_t> free_space(const std::string& path) override {
    return disk_.free_space(path);
  }

  Fault fault;

 private:
  io::PosixDisk disk_;
};

class EmbeddedEngineTest : public testing::Test {
 protected:
  EmbeddedEngineTest() {
    char pattern[] = "/tmp/spillway-engine-XXXXXX";
    options_.directory = ::mkdtemp(pattern);
    options_.journal_file_bytes = 64 * 1024;
    options_.tail_bytes = 32 * 1024;
  }
  ~EmbeddedEngineTest() override {
    engine_.reset();
    std::filesystem::remove_all(options_.directory);
  }

  Status open() {
    engine_.reset();
    metrics_ = std::make_unique<metrics::Registry>();
    auto opened =
        open_embedded_engine(options_, {disk_, clock_, workers_, entropy_, log_, *metrics_});
    if (!opened.ok()) return std::move(opened).error();
    engine_ = std::move(opened).value();
    return {};
  }

  stream::ShardId create_stream(const std::string& name) {
    Waiter<Result<stream::CatalogRef>> waiter;
    stream::ShardId id = 0;
    engine_->update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          change.put.resize(1);
          change.put[0].id = catalog.next_id;
          change.put[0].name = name;
          id = catalog.next_id + 1;
          change.put[0].shards.push_back({.id = id, .last_hash_key = kUint128Max});
          change.ids_used = 2;
          return change;
        },
        waiter.callback());
    EXPECT_TRUE(waiter.wait().ok());
    return id;
  }

  static stream::AppendItem item(stream::ShardId shard, std::string_view data) {
    stream::RecordBatchBuilder builder(stream::kBatchHeaderSize + 64 + data.size());
    builder.add({.partition_key = "k", .data = data});
    return {shard, 1, std::move(builder).finish()};
  }

  Result<stream::Appended> append(stream::ShardId shard, std::string_view data) {
    return append(item(shard, data));
  }

  Result<stream::Appended> append(stream::AppendItem item) {
    Waiter<std::vector<Result<stream::Appended>>> waiter;
    std::vector<stream::AppendItem> items;
    items.push_back(std::move(item));
    engine_->append(std::move(items), waiter.callback());
    return waiter.wait().front();
  }

  Result<stream::ReadResult> read(stream::ShardId shard, std::uint64_t from) {
    Waiter<Result<stream::ReadResult>> waiter;
    engine_->read({shard, stream::Position{from}}, waiter.callback());
    return waiter.wait();
  }

  // Position → data of everything from the horizon to the tip.
  std::map<std::uint64_t, std::string> read_all(stream::ShardId shard) {
    std::map<std::uint64_t, std::string> found;
    std::uint64_t from = 0;
    while (true) {
      const auto result = read(shard, from);
      if (!result.ok()) {
        ADD_FAILURE() << result.error().message;
        return found;
      }
      for (const auto& batch : result->batches) {
        stream::RecordBatchReader reader(batch.payload);
        for (std::uint32_t i = 0; i < batch.count; ++i)
          EXPECT_TRUE(
              found.emplace(batch.first.value + i, std::string(reader.next()->data)).second);
      }
      from = result->next.value;
      if (result->next == result->tip) return found;
    }
  }

  EmbeddedOptions options_;
  FaultyDisk disk_;
  io::MovableClock clock_;
  io::ThreadWorkers workers_;
  io::SystemEntropy entropy_;
  NotingLog log_;
  std::unique_ptr<metrics::Registry> metrics_;
  std::unique_ptr<stream::Engine> engine_;
};

inline std::string data_of(int number) {
  return fmt::format("{:06}", number) + std::string(700, 'x');
}

}  // namespace spillway::engine
