#include "client/regions_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "io/manual_loop.h"

namespace spillway::client {
namespace {

using testing::ElementsAre;

// A region's stream, of one shard, "s"; its iterators are indexes. It answers when the loop runs.
struct FakeRegion {
  std::vector<Record> records;
  Status error;
  std::vector<std::string> iterators;  // that were asked for
};

class FakeCalls final : public StreamCalls {
 public:
  FakeCalls(io::ManualLoop& loop, FakeRegion& region) : loop_(loop), region_(region) {}

  Task<Result<std::vector<Shard>>> list_shards() override {
    co_await later();
    if (!region_.error.ok()) co_return region_.error.error();
    Shard shard;
    shard.id = "s";
    co_return std::vector<Shard>{shard};
  }
  Task<Result<std::string>> get_shard_iterator(std::string /*shard*/,
                                               IteratorStart start) override {
    co_await later();
    if (!region_.error.ok()) co_return region_.error.error();
    switch (start.type) {
      case IteratorType::kLatest:
        region_.iterators.emplace_back("latest");
        co_return std::to_string(region_.records.size());
      case IteratorType::kAfterSequenceNumber:
        region_.iterators.push_back("after " + start.sequence_number);
        co_return std::to_string(std::stoul(start.sequence_number) + 1);
      case IteratorType::kAtTimestamp:
        region_.iterators.push_back("at " + std::to_string(to_millis(start.timestamp)));
        break;
      default:
        region_.iterators.emplace_back("horizon");
    }
    co_return "0";
  }
  Task<Result<GetRecordsResult>> get_records(std::string iterator) override {
    co_await later();
    if (!region_.error.ok()) co_return region_.error.error();
    auto next = std::stoul(iterator);
    GetRecordsResult result;
    for (; result.records.size() < 2 && next < region_.records.size(); ++next) {
      result.records.push_back(region_.records[next]);
      result.records.back().sequence_number = std::to_string(next);
    }
    result.behind = milliseconds(region_.records.size() - next);
    result.next_iterator = std::to_string(next);
    co_return result;
  }

 private:
  Task<void> later() {
    auto over = callback<bool>([this](UniqueFunction<void(bool)> done) {
      loop_.post([told = std::move(done)]() mutable { told(true); });
    });
    co_await over;
  }
  io::ManualLoop& loop_;
  FakeRegion& region_;
};

Record record(std::uint64_t sequence) {
  stream::Origin origin{.lane = 3, .sequence = sequence, .previous = sequence - 1};
  return {"", "key", std::to_string(sequence), from_millis(0), origin};
}

class RegionsReaderTest : public testing::Test, public RegionsEvents {
 protected:
  RegionsReaderTest() { make({.stream = "s"}); }
  void make(RegionsReaderOptions options, const std::string& second = "b") {
    std::vector<RegionSource> sources(2);
    sources[0] = {"a", std::make_unique<FakeCalls>(loop_, regions_[0])};
    sources[1] = {second, std::make_unique<FakeCalls>(loop_, regions_[1])};
    reader_ = std::make_unique<RegionsReader>(loop_, std::move(sources), std::move(options), *this);
  }
  void on_ready() override {
    while (taking_) {
      const auto batch = reader_->take(10, 1000);
      if (batch.empty()) return;
      for (const auto& each : batch)
        read_.push_back(reader_->name(each.region) + " " + each.record.data);
      if (!handling_) return;
      reader_->handled();
    }
  }
  void on_region(const std::string& name, const Status& status) override {
    told_.push_back(name + (status.ok() ? " is there" : ": " + status.error().message));
  }
  void on_gaps(std::uint64_t gaps) override { told_.push_back(fmt::format("{} gaps", gaps)); }

  void stop() {
    bool ended = false;
    reader_->stop([&] { ended = true; });
    loop_.run(seconds(1));
    EXPECT_TRUE(ended);
  }
  void TearDown() override { stop(); }

  io::ManualLoop loop_;
  std::array<FakeRegion, 2> regions_;
  std::unique_ptr<RegionsReader> reader_;
  bool taking_ = true;
  bool handling_ = true;
  std::vector<std::string> read_;
  std::vector<std::string> told_;
};

const Error kRefused{ErrorCode::kIo, "connection refused"};

TEST_F(RegionsReaderTest, HandsOverARecordOfTwoRegionsOnce) {
  regions_[0].records = {record(1), record(2), record(3)};
  regions_[1].records = {record(2), record(3), record(4)};
  reader_->start();
  loop_.run(seconds(1));
  std::vector<std::string> data;
  data.reserve(read_.size());
  for (const auto& each : read_) data.push_back(each.substr(2));
  EXPECT_THAT(data, testing::UnorderedElementsAre("1", "2", "3", "4"));
  EXPECT_EQ(reader_->counts().copies, 2u);
  EXPECT_THAT(told_, ElementsAre("a is there", "b is there"));
}

TEST_F(RegionsReaderTest, ARegionThatIsAwayIsToldOnceAndReadWhenItIsBack) {
  regions_[0].error = kRefused;
  regions_[1].records = {record(1)};
  reader_->start();
  loop_.run(seconds(10));
  EXPECT_THAT(told_, ElementsAre("a: connection refused", "b is there"));
  EXPECT_THAT(read_, ElementsAre("b 1"));
  regions_[0].error = {};
  regions_[0].records = {record(1), record(2)};
  loop_.run(seconds(3));
  EXPECT_THAT(told_, ElementsAre("a: connection refused", "b is there", "a is there"));
  EXPECT_THAT(read_, ElementsAre("b 1", "a 2"));
  regions_[1].error = kRefused;
  loop_.run(seconds(3));
  EXPECT_EQ(told_.back(), "b: connection refused");
}

TEST_F(RegionsReaderTest, ThrottlingIsNoAbsence) {
  regions_[0].error = Error{ErrorCode::kThrottled, "others read"};
  reader_->start();
  loop_.run(seconds(5));
  EXPECT_THAT(told_, ElementsAre("a is there", "b is there"));
}

TEST_F(RegionsReaderTest, OrderedWaitsForARegionThatIsAway) {
  make({.stream = "s", .merge = {.mode = RegionsMode::kOrdered, .gap_wait = seconds(30)}});
  regions_[0].records = {record(1)};
  reader_->start();
  loop_.run(seconds(1));
  regions_[0].error = kRefused;
  regions_[0].records.push_back(record(2));
  regions_[1].records = {record(3)};
  loop_.run(seconds(20));
  EXPECT_THAT(read_, ElementsAre("a 1"));
  regions_[0].error = {};
  loop_.run(seconds(5));
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2", "b 3"));
  regions_[1].records.push_back(record(5));
  loop_.run(seconds(29));
  EXPECT_EQ(read_.size(), 3u);
  loop_.run(seconds(2));
  EXPECT_EQ(read_.back(), "b 5");
  EXPECT_EQ(told_.back(), "1 gaps");
}

TEST_F(RegionsReaderTest, AShardIsNotReadOnBeforeItsRecordsAreTaken) {
  regions_[0].records = {record(1), record(2), record(3), record(4), record(5)};
  taking_ = false;
  reader_->start();
  loop_.run(seconds(5));
  taking_ = true;
  handling_ = false;
  on_ready();
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2"));
  handling_ = true;
  reader_->handled();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2", "a 3", "a 4", "a 5"));
}

TEST_F(RegionsReaderTest, ResumesFromWhatWasCommitted) {
  regions_[0].records = {record(1), record(2)};
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2"));
  const auto state = reader_->state();
  EXPECT_FALSE(state.begin.has_value());
  stop();

  make({.stream = "s"});
  ASSERT_TRUE(reader_->resume(state).ok());
  regions_[0].records.push_back(record(3));
  regions_[1].records = {record(2), record(4)};
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(regions_[0].iterators, ElementsAre("horizon", "after 1"));
  EXPECT_THAT(regions_[1].iterators, ElementsAre("horizon", "horizon"));
  EXPECT_THAT(read_, testing::UnorderedElementsAre("a 1", "a 2", "a 3", "b 4"));
}

TEST_F(RegionsReaderTest, LatestIsTheTimeOfTheStartWhereARegionWasAwayThen) {
  make({.stream = "s", .from = {IteratorType::kLatest, "", {}}});
  loop_.run(seconds(7));
  regions_[0].records = {record(1)};
  regions_[1].error = kRefused;
  reader_->start();
  loop_.run(seconds(2));
  regions_[1].error = {};
  loop_.run(seconds(2));
  EXPECT_THAT(regions_[0].iterators, ElementsAre("latest"));
  EXPECT_THAT(regions_[1].iterators, ElementsAre("at 7000"));
  const auto state = reader_->state();
  EXPECT_EQ(state.begin, from_millis(7000));
  stop();

  make({.stream = "s", .from = {IteratorType::kLatest, "", {}}}, "c");
  ASSERT_TRUE(reader_->resume(state).ok());
  reader_->start();
  loop_.run(seconds(2));
  EXPECT_EQ(regions_[0].iterators.back(), "at 7000");
  EXPECT_EQ(regions_[1].iterators.back(), "at 7000");
  EXPECT_TRUE(reader_->state().regions.contains("b")) << "it isn't read now";
}

TEST_F(RegionsReaderTest, TheStateIsOfOneStream) {
  auto state = reader_->state();
  state.stream = "t";
  EXPECT_EQ(reader_->resume(state).error().code, ErrorCode::kInvalid);
  state.stream = "s";
  state.seen = "rubbish";
  EXPECT_EQ(reader_->resume(state).error().code, ErrorCode::kCorrupt);
}

TEST_F(RegionsReaderTest, TellsWhenAllWasRead) {
  make({.stream = "s", .merge = {.mode = RegionsMode::kOrdered}});
  bool tip = false;
  regions_[0].records = {record(1), record(5)};
  regions_[1].error = kRefused;
  reader_->start();
  reader_->read_to_tip([&] { tip = true; });
  loop_.run(seconds(5));
  EXPECT_FALSE(tip) << "nobody knows what b has";
  regions_[1].error = {};
  loop_.run(seconds(2));
  EXPECT_TRUE(tip);
  EXPECT_THAT(read_, ElementsAre("a 1"));
  reader_->release_all();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, ElementsAre("a 1", "a 5"));
  EXPECT_EQ(told_.back(), "1 gaps");
}

TEST_F(RegionsReaderTest, CanBeStoppedBeforeARegionHasAnswered) { reader_->start(); }

}  // namespace
}  // namespace spillway::client
