// Failed writes, syncs and reads, and a disk that is full.
#include "engine/embedded/embedded_engine_fixture.h"

namespace spillway::engine {
namespace {

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

}  // namespace
}  // namespace spillway::engine
