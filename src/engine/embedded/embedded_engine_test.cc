// The engine on a real disk, with real threads; faults by a decorator of the disk.
#include "engine/embedded/embedded_engine.h"

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "io/movable_clock.h"
#include "io/posix_disk.h"
#include "stream/encrypted_batch.h"
#include "stream/record_batch.h"

namespace spillway::engine {
namespace {

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

std::string data_of(int number) { return fmt::format("{:06}", number) + std::string(700, 'x'); }

TEST_F(EmbeddedEngineTest, KeepsWhatItAcknowledgedThroughSegmentsAndRestarts) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  const auto b = create_stream("b");
  std::map<std::uint64_t, std::string> expected;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {  // three journal files a round
      const auto appended = append(a, data_of(round * 1000 + i));
      ASSERT_TRUE(appended.ok()) << appended.error().message;
      EXPECT_TRUE(expected.emplace(appended->first.value, data_of(round * 1000 + i)).second);
      if (i % 50 == 0) {
        EXPECT_TRUE(append(b, "other").ok());
      }
    }
    EXPECT_EQ(read_all(a), expected);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(read_all(a), expected);
    EXPECT_EQ(read_all(b).size(), 6u * static_cast<unsigned>(round + 1));
  }
  EXPECT_FALSE(std::filesystem::is_empty(options_.directory + "/segments"));
  EXPECT_EQ(engine_->catalog()->streams.size(), 2u);
}

// As a backup that left them out would: told, before anything is removed for want of them.
TEST_F(EmbeddedEngineTest, MissingSnapshotsCostNothing) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int restart = 0; restart < 3; ++restart) {  // the journal's files are used again
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
    ASSERT_TRUE(open().ok());
  }
  const auto before = read_all(a);
  engine_.reset();
  const std::filesystem::path directory(options_.directory);
  std::filesystem::rename(directory / "snapshots", directory / "away");
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
  std::filesystem::remove_all(directory / "snapshots");
  std::filesystem::rename(directory / "away", directory / "snapshots");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a), before);
}

// Whichever it is, and whatever it has been merged with since the snapshot.
TEST_F(EmbeddedEngineTest, AMissingSegmentIsTold) {
  options_.merge_fan_in = 3;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int restart = 0; restart < 3; ++restart) {
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
    ASSERT_TRUE(open().ok());
  }
  const auto before = read_all(a);
  engine_.reset();
  const std::filesystem::path away = options_.directory + "/away";
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory + "/segments"))
    segments.push_back(entry.path());
  ASSERT_GT(segments.size(), 1u);
  for (const auto& segment : segments) {
    std::filesystem::rename(segment, away);
    const auto opened = open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(
        opened.error().message,
        testing::AllOf(
            testing::HasSubstr(".segment (journal frames "), testing::HasSubstr(" is missing"),
            testing::HasSubstr("spillway doctor --data " + options_.directory + " --accept-loss")));
    std::filesystem::rename(away, segment);
  }
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a), before);
}

TEST_F(EmbeddedEngineTest, AFileThatIsRemovedWhileItRunsIsCounted) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  ASSERT_TRUE(open().ok());
  auto& missing = metrics_->gauge("spillway_segments_missing", "");
  auto& lost = metrics_->gauge("spillway_segments_lost", "");
  EXPECT_EQ(missing.value(), 0);
  EXPECT_EQ(lost.value(), 0);
  const auto before = read_all(a);
  const std::filesystem::path directory = options_.directory + "/segments";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".segment") continue;
    std::filesystem::remove(entry.path());
    break;
  }
  create_stream("b");  // after which the sealer looks what has lost its stream
  log_.wait_for("the file of a segment is gone");
  EXPECT_EQ(missing.value(), 1);
  EXPECT_EQ(read_all(a), before) << "it is still open";
}

// Whoever looked at the catalog before encryption began must not put a plain batch behind that.
// `item`, encrypted under a key of that number.
stream::AppendItem encrypted(stream::AppendItem item, std::uint32_t key) {
  auto roomy = SharedBytes::uninitialized(0, item.batch.size() + stream::kEncryptedBatchExtra);
  roomy.resize(item.batch.size());
  std::ranges::copy(item.batch.view(), roomy.mutable_data());
  item.batch = stream::encrypt_batch(std::move(roomy), {1, item.shard, item.count}, key, AesKey{},
                                     GcmNonce{});
  return item;
}

// That puts a key of that number into stream "a", and turns its encryption on or off.
auto change_of_key(bool on, std::uint32_t key) {
  return [on, key](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
    stream::CatalogChange change;
    change.put.push_back(*catalog.find("a"));
    auto& encryption = change.put[0].encryption;
    encryption.on = on;
    encryption.keys.push_back({key, {}, "wrapped"});
    return change;
  };
}

TEST_F(EmbeddedEngineTest, AStreamTakesBatchesOfItsKeyAlone) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  // Of the plain batch and those of the keys 1 and 2, which it takes; 0: the plain one.
  const auto takes = [&] {
    std::string numbers;
    for (const std::uint32_t key : {0u, 1u, 2u}) {
      const auto outcome = append(key == 0 ? item(a, "plain") : encrypted(item(a, "hidden"), key));
      if (outcome.ok())
        numbers += std::to_string(key);
      else
        EXPECT_EQ(outcome.error().code, ErrorCode::kClosed);
    }
    return numbers;
  };
  const auto turn = [&](bool on, std::uint32_t key) {
    Waiter<Result<stream::CatalogRef>> changed;
    engine_->update_catalog(change_of_key(on, key), changed.callback());
    // Not durable yet, and the order is that of the calls all the same.
    EXPECT_EQ(takes(), on ? std::to_string(key) : "0");
    EXPECT_TRUE(changed.wait().ok());
  };
  EXPECT_EQ(takes(), "0");
  turn(true, 1);
  EXPECT_EQ(takes(), "1");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(takes(), "1") << "after a restart";
  create_stream("b");  // another change
  EXPECT_EQ(takes(), "1");
  turn(true, 2);
  EXPECT_EQ(takes(), "2");
  turn(false, 3);
  EXPECT_EQ(takes(), "0");
}

// Whether each of the items, which stand in one append, is taken.
TEST_F(EmbeddedEngineTest, ItemsOfOneFateAreTakenOrRefusedTogether) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  const auto b = create_stream("b");
  constexpr stream::ShardId kNone = 1'000'000;
  struct Case {
    std::vector<std::pair<stream::ShardId, std::uint32_t>> items;  // shard and fate
    std::string_view taken;
  };
  for (const auto& [items, taken] :
       {Case{{{a, 1}, {b, 1}}, "11"}, Case{{{a, 1}, {kNone, 1}}, "00"},
        Case{{{kNone, 1}, {a, 1}}, "00"}, Case{{{a, 1}, {kNone, 1}, {a, 2}, {b, 0}}, "0011"},
        Case{{{a, 0}, {kNone, 0}, {b, 0}}, "101"}, Case{{{kNone, 3}, {a, 2}, {b, 3}}, "010"}}) {
    const std::size_t before = read_all(a).size() + read_all(b).size();
    std::vector<stream::AppendItem> asked;
    for (const auto& [shard, fate] : items) {
      asked.push_back(item(shard, "x"));
      asked.back().fate = fate;
    }
    Waiter<std::vector<Result<stream::Appended>>> waiter;
    engine_->append(std::move(asked), waiter.callback());
    std::string found;
    for (const auto& outcome : waiter.wait()) found += outcome.ok() ? '1' : '0';
    EXPECT_EQ(found, taken);
    EXPECT_EQ(read_all(a).size() + read_all(b).size() - before,
              static_cast<std::size_t>(std::ranges::count(taken, '1')));
  }
}

// A change of encryption that fails takes its key with it: what was encrypted under it meanwhile
// is refused, since no catalog has it.
TEST_F(EmbeddedEngineTest, TheKeyOfAChangeThatFailedIsNotTaken) {
  disk_.fault.match = ".journal";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.fail_write = true;
  Waiter<Result<stream::CatalogRef>> changed;
  engine_->update_catalog(change_of_key(true, 1), changed.callback());
  EXPECT_FALSE(append(encrypted(item(a, "hidden"), 1)).ok());
  EXPECT_EQ(changed.wait().error().code, ErrorCode::kNoSpace);
  disk_.fault.fail_write = false;
  EXPECT_EQ(append(encrypted(item(a, "hidden"), 1)).error().code, ErrorCode::kClosed);
  Waiter<Result<stream::CatalogRef>> retried;
  engine_->update_catalog(change_of_key(true, 2), retried.callback());
  EXPECT_EQ(append(encrypted(item(a, "hidden"), 1)).error().code, ErrorCode::kClosed);
  EXPECT_TRUE(append(encrypted(item(a, "hidden"), 2)).ok());
  EXPECT_TRUE(retried.wait().ok());
}

TEST_F(EmbeddedEngineTest, RefusesToReadBeyondTheTip) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  ASSERT_TRUE(append(a, "x").ok());
  EXPECT_TRUE(read(a, 1)->batches.empty());
  EXPECT_EQ(read(a, 2).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(read(a + 100, 0).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(append(a + 100, "x").error().code, ErrorCode::kNotFound);
}

TEST_F(EmbeddedEngineTest, ASecondProcessIsRefused) {
  ASSERT_TRUE(open().ok());
  metrics::Registry metrics;
  const auto second =
      open_embedded_engine(options_, {disk_, clock_, workers_, entropy_, log_, metrics});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

TEST_F(EmbeddedEngineTest, AFailedSyncIsFinalUntilARestart) {
  disk_.fault.match = ".journal";
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  ASSERT_TRUE(append(a, "kept").ok());
  disk_.fault.fail_sync = true;
  EXPECT_EQ(append(a, "lost").error().code, ErrorCode::kIo);
  disk_.fault.fail_sync = false;
  const auto after = append(a, "refused");
  EXPECT_EQ(after.error().code, ErrorCode::kIo);
  EXPECT_THAT(after.error().message, testing::HasSubstr("writes stopped until a restart"));
  EXPECT_FALSE(engine_->writable().ok());
  EXPECT_EQ(read_all(a).size(), 1u) << "reads go on, of what is durable alone";
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a).at(0), "kept");
  EXPECT_TRUE(append(a, "again").ok());
}

TEST_F(EmbeddedEngineTest, AnyFailedWriteOrSyncIsFinalAndReadsGoOn) {
  struct Case {
    std::string match;
    std::atomic<bool> Fault::*fails;
    std::string_view message;
  };
  const Case cases[] = {{".journal", &Fault::fail_write, "planted write failure"},
                        {".journal", &Fault::fail_sync, "planted sync failure"},
                        {".segment.new", &Fault::fail_write, "planted write failure"},
                        {".segment.new", &Fault::fail_sync, "planted sync failure"}};
  int number = 0;
  for (const auto& test : cases) {
    SCOPED_TRACE(fmt::format("{} {}", test.match, test.message));
    engine_.reset();  // its threads look at what comes next
    disk_.fault.match = test.match;
    ASSERT_TRUE(open().ok());
    const auto shard = create_stream(fmt::format("s{}", number++));
    std::map<std::uint64_t, std::string> expected;
    for (int i = 0; i < 20; ++i) expected[append(shard, data_of(i))->first.value] = data_of(i);
    disk_.fault.*test.fails = true;
    std::optional<Error> refused;
    for (int i = 20; i < 2000 && !refused; ++i) {
      const auto appended = append(shard, data_of(i));
      if (appended.ok()) expected[appended->first.value] = data_of(i);
      if (!appended.ok()) refused = appended.error();
    }
    disk_.fault.*test.fails = false;
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->code, ErrorCode::kIo);
    EXPECT_THAT(append(shard, "refused").error().message,
                testing::AllOf(testing::HasSubstr("writes stopped until a restart"),
                               testing::HasSubstr(test.message)));
    EXPECT_FALSE(engine_->writable().ok());
    EXPECT_EQ(read_all(shard), expected);
    ASSERT_TRUE(open().ok());
    EXPECT_TRUE(append(shard, "again").ok());
  }
}

TEST_F(EmbeddedEngineTest, AFailedReadIsThatReadersAlone) {
  disk_.fault.match = ".segment";
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  const auto before = read_all(a);
  disk_.fault.fail_read = true;
  const auto failed = read(a, 0);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_THAT(failed.error().message, testing::HasSubstr("planted read failure"));
  EXPECT_TRUE(append(a, "taken").ok());
  EXPECT_TRUE(engine_->writable().ok());
  disk_.fault.fail_read = false;
  EXPECT_EQ(read_all(a).size(), before.size() + 1);
}

TEST_F(EmbeddedEngineTest, GoesOnWhenSpaceReturns) {
  disk_.fault.match = ".segment.new";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.fail_write = true;
  std::map<std::uint64_t, std::string> expected;
  std::optional<Error> refused;
  for (int i = 0; i < 2000 && !refused; ++i) {
    const auto appended = append(a, data_of(i));
    if (appended.ok()) expected[appended->first.value] = data_of(i);
    if (!appended.ok()) refused = appended.error();
  }
  ASSERT_TRUE(refused.has_value()) << "the journal is bounded";
  EXPECT_EQ(refused->code, ErrorCode::kNoSpace);
  EXPECT_EQ(read_all(a), expected);
  disk_.fault.fail_write = false;
  auto appended = append(a, "after");
  for (; !appended.ok(); appended = append(a, "after"))
    ASSERT_EQ(appended.error().code, ErrorCode::kNoSpace);
  expected[appended->first.value] = "after";
  EXPECT_EQ(read_all(a), expected);
}

// The engine on a disk that is full of records.
class FullDiskTest : public EmbeddedEngineTest {
 protected:
  FullDiskTest() {
    disk_.fault.match = ".segment.new";
    disk_.fault.code = ErrorCode::kNoSpace;
    options_.merge_fan_in = 100;  // what is merged is packed
    EXPECT_TRUE(open().ok());
    shard_ = create_stream("a");
    for (int i = 0; i < 600; ++i) EXPECT_TRUE(append(shard_, data_of(i)).ok());
    while (engine_->stored_bytes() < 200'000) std::this_thread::yield();
    // All of the journal's files wait for segments before there is no space for any.
    disk_.fault.fail_write = true;
    auto appended = append(shard_, data_of(600));
    for (int i = 601; appended.ok(); ++i) appended = append(shard_, data_of(i));
    EXPECT_EQ(appended.error().code, ErrorCode::kNoSpace);
    disk_.fault.directory = options_.directory;
    disk_.fault.capacity = disk_.fault.used();
    disk_.fault.fail_write = false;
  }
  // Tries until more has been appended than the journal holds; false if that doesn't come.
  bool goes_on() {
    const MonoTime end = io::SystemClock().mono_now() + seconds(20);
    int appended = 0;
    while (appended < 400 && io::SystemClock().mono_now() < end)
      if (append(shard_, data_of(appended)).ok()) ++appended;
    return appended == 400;
  }

  stream::ShardId shard_ = 0;
};

TEST_F(FullDiskTest, GoesOnWhenRecordsExpire) {
  clock_.ahead_ms = std::int64_t{25} * 3'600'000;
  EXPECT_TRUE(goes_on());
}

TEST_F(FullDiskTest, GoesOnWhenRecordsAreReleased) {
  engine_->release(shard_, engine_->tip(shard_)->next);
  EXPECT_TRUE(goes_on());
}

TEST_F(FullDiskTest, AStartTakesTheSpaceOfWhatHasExpired) {
  engine_.reset();
  clock_.ahead_ms = std::int64_t{25} * 3'600'000;
  const auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_TRUE(goes_on());
}

TEST_F(EmbeddedEngineTest, AStartLeavesASegmentWithoutSpaceForLater) {
  disk_.fault.match = ".segment.new";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.fail_write = true;
  std::size_t count = 0;
  while (append(a, data_of(static_cast<int>(count))).ok()) ++count;
  options_.journal_files = 2;  // of four that are there
  options_.journal_starts = 0;
  const auto opened = open();
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_EQ(read_all(a).size(), count);
  disk_.fault.fail_write = false;
  while (!append(a, "after").ok()) {
  }
  EXPECT_EQ(read_all(a).size(), count + 1);
}

TEST_F(EmbeddedEngineTest, ATornLastFrameIsCutAndDamageIsNot) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  engine_.reset();
  const std::string journal = options_.directory + "/journal/0000000000000001.journal";
  std::ifstream in(journal, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::size_t last = bytes.rfind(data_of(9));
  const std::size_t middle = bytes.find(data_of(4));
  ASSERT_NE(last, std::string::npos);
  const auto write_with_flip = [&](std::size_t at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(journal, std::ios::binary) << damaged;
  };
  write_with_flip(middle);
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message, testing::HasSubstr(journal));
  EXPECT_THAT(opened.error().message, testing::HasSubstr("damaged"));
  write_with_flip(last);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(read_all(a).size(), 9u);
}

TEST_F(EmbeddedEngineTest, RecordsExpireExactlyWhenTheirRetentionEnds) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  clock_.ahead_ms = std::int64_t{23} * 3'600'000;
  ASSERT_TRUE(append(a, "later").ok());
  EXPECT_EQ(read_all(a).size(), 301u);
  clock_.ahead_ms = std::int64_t{24} * 3'600'000 + 60'000;
  EXPECT_EQ(read_all(a), (std::map<std::uint64_t, std::string>{{300, "later"}}));
  Waiter<Result<stream::Position>> horizon;
  engine_->find_trim_horizon(a, horizon.callback());
  EXPECT_EQ(horizon.wait()->value, 300u);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(append(a, "next")->first.value, 301u) << "positions go on";
}

TEST_F(EmbeddedEngineTest, TheSpaceOfWhatIsReleasedIsGivenBack) {
  options_.merge_fan_in = 100;  // what is merged is packed
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  EXPECT_EQ(engine_->stored_bytes(), 0u);
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(append(a, data_of(i)).ok());
  while (engine_->stored_bytes() < 200'000) std::this_thread::yield();
  const auto stored = engine_->stored_bytes();
  engine_->release(a, {300});
  while (engine_->stored_bytes() >= stored) std::this_thread::yield();
  const auto rest = read_all(a);
  EXPECT_LE(rest.begin()->first, 300u) << "nothing from there on has gone";
  EXPECT_GT(rest.begin()->first, 0u);
  EXPECT_EQ(rest.rbegin()->first, 599u);
  engine_->release(a, {600});
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(append(a, "next")->first.value, 600u) << "positions go on";
}

// That closes the only shard of "a".
auto closing(stream::ShardId shard) {
  return [shard](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
    stream::CatalogChange change;
    change.put.push_back(*catalog.find("a"));
    change.close = {shard};
    change.put[0].shards.push_back({.id = catalog.next_id, .index = 1, .parent = 0});
    change.ids_used = 1;
    return change;
  };
}

TEST_F(EmbeddedEngineTest, ACloseCarriesTheEndAndItsChildrenComeLater) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  ASSERT_TRUE(append(a, "x").ok());
  Waiter<Result<stream::CatalogRef>> waiter;
  engine_->update_catalog(closing(a), waiter.callback());
  const auto changed = waiter.wait();
  ASSERT_TRUE(changed.ok());
  for (int restart = 0; restart < 2; ++restart) {
    const auto stream = engine_->catalog()->find("a");
    EXPECT_EQ(stream->shards[0].ended->end.value, 1u);
    EXPECT_GT(stream->shards[1].created_seconds,
              to_millis(stream->shards[0].ended->closed_at) / 1000);
    EXPECT_EQ(append(a, "y").error().code, ErrorCode::kClosed);
    EXPECT_TRUE(read(a, 1)->ended);
    EXPECT_TRUE(append(stream->shards[1].id, "z").ok());
    ASSERT_TRUE(open().ok());
  }
}

TEST_F(EmbeddedEngineTest, ThatAShardIsClosedIsToldWhenThatIsDurable) {
  disk_.fault.match = ".journal";
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.hold_sync = true;
  Waiter<Result<stream::CatalogRef>> changed;
  engine_->update_catalog(closing(a), changed.callback());
  std::vector<stream::AppendItem> items;
  items.push_back(item(a, "late"));
  Waiter<bool> children_seen;
  engine_->append(std::move(items), [&](const std::vector<Result<stream::Appended>>& outcomes) {
    EXPECT_EQ(outcomes[0].error().code, ErrorCode::kClosed);
    children_seen.callback()(engine_->catalog()->find("a")->shards.size() == 2);
  });
  disk_.fault.hold_sync = false;
  disk_.fault.hold_sync.notify_all();
  EXPECT_TRUE(children_seen.wait());
  EXPECT_TRUE(changed.wait().ok());
}

// The ids of its children are then free for others: nobody may have been sent to them.
TEST_F(EmbeddedEngineTest, AClosingThatFailsIsToldBeforeWhatItRefused) {
  disk_.fault.match = ".journal";
  disk_.fault.code = ErrorCode::kNoSpace;
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  disk_.fault.hold_sync = true;  // of this, behind which the change has to wait
  Waiter<std::vector<Result<stream::Appended>>> before;
  std::vector<stream::AppendItem> first;
  first.push_back(item(a, "early"));
  engine_->append(std::move(first), before.callback());
  disk_.fault.held.wait(false);
  disk_.fault.fail_write = true;
  std::atomic<bool> failed{false};
  engine_->update_catalog(closing(a), [&](const Result<stream::CatalogRef>& changed) {
    EXPECT_EQ(changed.error().code, ErrorCode::kNoSpace);
    failed = true;
  });
  std::vector<stream::AppendItem> items;
  items.push_back(item(a, "late"));
  Waiter<bool> in_order;
  engine_->append(std::move(items), [&](const std::vector<Result<stream::Appended>>& outcomes) {
    EXPECT_EQ(outcomes[0].error().code, ErrorCode::kClosed);
    in_order.callback()(failed);
  });
  disk_.fault.hold_sync = false;
  disk_.fault.hold_sync.notify_all();
  EXPECT_TRUE(before.wait().front().ok());
  EXPECT_TRUE(in_order.wait());
  disk_.fault.fail_write = false;
  EXPECT_TRUE(append(a, "again").ok()) << "it is open";
}

TEST_F(EmbeddedEngineTest, ManyThreadsAppendAndRead) {
  ASSERT_TRUE(open().ok());
  const auto a = create_stream("a");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 150; ++i) EXPECT_TRUE(append(a, data_of(t * 1000 + i)).ok());
    });
  }
  threads.emplace_back([&] {
    std::size_t seen = 0;
    while (seen < 450) {
      const auto now = read_all(a).size();
      EXPECT_GE(now, seen);
      seen = now;
    }
  });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(read_all(a).size(), 450u);
}

// Who was answered, in order; from the engine's threads.
class Answers {
 public:
  UniqueFunction<void(std::vector<Result<stream::Appended>>)> of(std::string name) {
    return [this, name = std::move(name)](const std::vector<Result<stream::Appended>>& outcomes) {
      const std::lock_guard lock(mutex_);
      names_.push_back(outcomes.front().ok() ? name : name + " refused");
      changed_.notify_all();
    };
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return names_.size() >= count; });
    return names_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> names_;
};

class FairnessTest : public EmbeddedEngineTest {
 protected:
  FairnessTest() {
    disk_.fault.match = "journal";
    options_.journal_file_bytes = std::uint64_t{1} << 20;
    options_.queue_bytes = 64 * 1024;
    options_.shard_frame_bytes = 4096;
  }
  // Ends what is held, so that the engine can stop.
  ~FairnessTest() override { release(); }

  // From now on nothing becomes durable: one append's frame is under way.
  void hold(stream::ShardId shard) {
    disk_.fault.hold_sync = true;
    put(shard, 1000, "hot");
    disk_.fault.held.wait(false);
  }
  void release() {
    disk_.fault.hold_sync = false;
    disk_.fault.hold_sync.notify_all();
  }
  void put(stream::ShardId shard, std::size_t size, const std::string& name) {
    std::vector<stream::AppendItem> items;
    items.push_back(item(shard, std::string(size, 'x')));
    engine_->append(std::move(items), answers_.of(name));
  }

  Answers answers_;
};

TEST_F(FairnessTest, AHotShardsBacklogDoesNotKeepOthersWaiting) {
  ASSERT_TRUE(open().ok());
  const auto hot = create_stream("hot");
  const auto cold = create_stream("cold");
  hold(hot);
  for (int i = 0; i < 19; ++i) put(hot, 1000, "hot");
  put(cold, 10, "cold");
  release();
  const auto names = answers_.wait_for(21);
  const auto at = std::ranges::find(names, "cold") - names.begin();
  EXPECT_LE(at, 7) << "in the next frame, of which the hot shard has its share";
  EXPECT_EQ(std::ranges::count(names, "hot"), 20);
  EXPECT_EQ(read_all(hot).size(), 20u);
}

TEST_F(FairnessTest, AHotShardLeavesRoomInTheQueueForOthers) {
  ASSERT_TRUE(open().ok());
  const auto hot = create_stream("hot");
  const auto cold = create_stream("cold");
  hold(hot);
  for (int i = 0; i < 99; ++i) put(hot, 1000, "hot");
  for (const auto& name : answers_.wait_for(60)) EXPECT_EQ(name, "hot refused");
  put(cold, 1000, "cold");
  put(hot, 1000, "hot");
  release();
  const auto names = answers_.wait_for(102);
  EXPECT_EQ(std::ranges::count(names, "cold"), 1);
  const auto taken = static_cast<std::size_t>(std::ranges::count(names, "hot"));
  EXPECT_GE(taken, 25u);
  EXPECT_LE(taken, 40u) << "about half of 64 KiB";
  EXPECT_EQ(read_all(hot).size(), taken);
}

}  // namespace
}  // namespace spillway::engine
