#include "client/stream_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "io/manual_loop.h"

namespace spillway::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A stream whose iterators are "SHARD:NEXT INDEX"; it answers when the loop runs.
class FakeStream final : public StreamCalls {
 public:
  struct ShardData {
    Shard about;
    std::vector<std::string> records;
    bool closed = false;
  };

  explicit FakeStream(io::ManualLoop& loop) : loop_(loop) {}

  void add(const std::string& id, const std::string& parent = "",
           const std::string& adjacent = "") {
    shards[id].about.id = id;
    shards[id].about.parent = parent;
    shards[id].about.adjacent_parent = adjacent;
  }

  Task<Result<std::vector<Shard>>> list_shards() override {
    co_await later();
    if (!error.ok()) co_return error.error();
    std::vector<Shard> all;
    for (const auto& [id, shard] : shards) all.push_back(shard.about);
    if (all.empty()) co_return Error{ErrorCode::kNotFound, "no stream"};
    co_return all;
  }

  Task<Result<std::string>> get_shard_iterator(std::string shard_id, IteratorStart start) override {
    co_await later();
    ++iterators;
    if (!error.ok()) co_return error.error();
    switch (start.type) {
      case IteratorType::kTrimHorizon:
        co_return shard_id + ":0";
      case IteratorType::kLatest:
        co_return shard_id + ":" + std::to_string(shards[shard_id].records.size());
      case IteratorType::kAtSequenceNumber:
        co_return shard_id + ":" + start.sequence_number;
      case IteratorType::kAfterSequenceNumber:
        co_return shard_id + ":" + std::to_string(std::stoi(start.sequence_number) + 1);
      case IteratorType::kAtTimestamp:
        times.push_back(shard_id + " " + std::to_string(to_millis(start.timestamp)));
        co_return shard_id + ":1";
    }
    co_return Error{ErrorCode::kInvalid, "type"};
  }

  Task<Result<GetRecordsResult>> get_records(std::string iterator) override {
    most_at_once = std::max(most_at_once, ++at_once[iterator.substr(0, iterator.find(':'))]);
    co_await later();
    --at_once[iterator.substr(0, iterator.find(':'))];
    ++looks;
    if (!error.ok()) co_return error.error();
    if (iterator.substr(0, iterator.find(':')) == failing_shard)
      co_return Error{ErrorCode::kIo, "damaged"};
    if (expire_next) {
      expire_next = false;
      co_return Error{ErrorCode::kExpired, "expired"};
    }
    const auto id = iterator.substr(0, iterator.find(':'));
    const auto& shard = shards[id];
    auto next = std::stoul(iterator.substr(id.size() + 1));
    GetRecordsResult result;
    for (int i = 0; i < 2 && next < shard.records.size(); ++i, ++next)
      result.records.push_back({std::to_string(next), "key", shard.records[next], {}});
    result.behind = milliseconds(static_cast<std::int64_t>(shard.records.size() - next) * 100);
    if (!shard.closed || next < shard.records.size())
      result.next_iterator = id + ":" + std::to_string(next);
    co_return result;
  }

  std::map<std::string, ShardData> shards;
  Status error;
  std::string failing_shard;
  bool expire_next = false;
  int iterators = 0;
  std::vector<std::string> times;  // that iterators were asked for
  int looks = 0;
  std::map<std::string, int> at_once;
  int most_at_once = 0;

 private:
  Task<void> later() {
    auto over = callback<bool>([this](UniqueFunction<void(bool)> done) {
      loop_.post([told = std::move(done)]() mutable { told(true); });
    });
    co_await over;
  }
  io::ManualLoop& loop_;
};

class StreamReaderTest : public testing::Test, public ReaderEvents {
 protected:
  StreamReaderTest() { make_reader({}); }
  void make_reader(ReaderOptions options) {
    auto stream = std::make_unique<FakeStream>(loop_);
    stream_ = stream.get();
    reader_.emplace(loop_, std::move(stream), std::move(options), *this);
  }
  // a is closed and was split into b and c; b is closed and was split into d and e.
  void add_family() {
    for (const auto& [id, parent] : std::map<std::string, std::string>{
             {"a", ""}, {"b", "a"}, {"c", "a"}, {"d", "b"}, {"e", "b"}})
      stream_->add(id, parent);
    for (auto& [id, shard] : stream_->shards) shard.records = {"1", "2"};
    for (const char* id : {"a", "b"}) {
      stream_->shards[id].closed = true;
      stream_->shards[id].about.last_sequence_number = "1";
    }
  }
  void on_shard(const std::string& shard) override { events_.push_back("+" + shard); }
  void on_records(const std::string& shard, std::vector<Record> records) override {
    EXPECT_FALSE(records.empty());
    for (auto& record : records) read_.push_back(shard + " " + record.data);
    if (hold_all_) reader_->hold(shard);
  }
  void on_tip(const std::string& shard, MonoTime began) override { tips_[shard] = began; }
  void on_end(const std::string& shard) override { events_.push_back("-" + shard); }

  void TearDown() override {
    bool ended = false;
    reader_->stop([&] { ended = true; });
    loop_.run(seconds(1));
    EXPECT_TRUE(ended);
    EXPECT_LE(stream_->most_at_once, 1) << "one GetRecords per shard";
  }

  io::ManualLoop loop_;
  FakeStream* stream_ = nullptr;
  std::optional<StreamReader> reader_;
  std::vector<std::string> read_;
  std::vector<std::string> events_;
  std::map<std::string, MonoTime> tips_;
  bool hold_all_ = false;
};

TEST_F(StreamReaderTest, WaitsForTheStreamThenReadsAllOfIt) {
  reader_->start();
  loop_.run(seconds(3));
  EXPECT_EQ(reader_->status().error().code, ErrorCode::kNotFound);
  stream_->add("a");
  stream_->add("b");
  stream_->shards["a"].records = {"1", "2", "3", "4", "5"};
  loop_.run(seconds(1));
  EXPECT_TRUE(reader_->status().ok());
  EXPECT_EQ(reader_->shards(), 2u);
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2", "a 3", "a 4", "a 5"));
  stream_->shards["b"].records = {"x"};
  loop_.run(seconds(1));
  EXPECT_EQ(read_.back(), "b x");
}

TEST_F(StreamReaderTest, GoesOnFromItsPlaces) {
  make_reader({.from = {IteratorType::kAtTimestamp, "", from_millis(7)},
               .places = {{"a", "1"}, {"c", "0"}}});
  add_family();
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, testing::UnorderedElementsAre("b 2", "c 2", "d 2", "e 2"));
  EXPECT_THAT(stream_->times, testing::UnorderedElementsAre("b 7", "d 7", "e 7"));
}

TEST_F(StreamReaderTest, LooksAtAQuietShardOncePerInterval) {
  stream_->add("a");
  reader_->start();
  loop_.run(seconds(10));
  EXPECT_GE(stream_->looks, 39);
  EXPECT_LE(stream_->looks, 41);
}

TEST_F(StreamReaderTest, GoesOnBehindWhatItReadAfterErrors) {
  stream_->add("a");
  stream_->shards["a"].records = {"1", "2", "3"};
  reader_->start();
  loop_.run(seconds(1));
  stream_->expire_next = true;
  stream_->shards["a"].records.push_back("4");
  loop_.run(seconds(1));
  EXPECT_EQ(stream_->iterators, 2);
  stream_->error = Error{ErrorCode::kIo, "connection refused"};
  stream_->shards["a"].records.push_back("5");
  loop_.run(seconds(5));
  EXPECT_EQ(reader_->status().error().code, ErrorCode::kIo);
  stream_->error = {};
  loop_.run(seconds(2));
  EXPECT_TRUE(reader_->status().ok());
  EXPECT_THAT(read_, ElementsAre("a 1", "a 2", "a 3", "a 4", "a 5"));
}

TEST_F(StreamReaderTest, AShardThatFailsIsToldWhileOthersAreRead) {
  stream_->add("a");
  stream_->add("b");
  stream_->failing_shard = "a";
  reader_->start();
  loop_.run(seconds(1));
  for (int i = 0; i < 100; ++i) {
    loop_.run(milliseconds(37));
    EXPECT_FALSE(reader_->status().ok()) << "b's success is not a's";
  }
  stream_->failing_shard.clear();
  loop_.run(seconds(2));
  EXPECT_TRUE(reader_->status().ok());
}

TEST_F(StreamReaderTest, ParentsAreReadToTheirEndBeforeTheirChildren) {
  // a is split into b and c, which are merged into d; z's parent has expired.
  stream_->add("a");
  stream_->add("b", "a");
  stream_->add("c", "a");
  stream_->add("d", "b", "c");
  stream_->add("z", "expired");
  for (auto& [id, shard] : stream_->shards) shard.records = {"1", "2", "3"};
  stream_->shards["a"].closed = stream_->shards["b"].closed = true;
  reader_->start();
  loop_.run(seconds(2));
  EXPECT_EQ(read_.size(), 12u) << "all but d's: c is still open";
  stream_->shards["c"].closed = true;
  loop_.run(seconds(2));
  EXPECT_EQ(read_.size(), 15u);
  const auto at = [&](const char* what) {
    return std::find(read_.begin(), read_.end(), what) - read_.begin();
  };
  EXPECT_LT(at("a 3"), at("b 1"));
  EXPECT_LT(at("a 3"), at("c 1"));
  EXPECT_LT(at("b 3"), at("d 1"));
  EXPECT_LT(at("c 3"), at("d 1"));
  EXPECT_EQ(reader_->shards(), 2u) << "d and z are open";
}

TEST_F(StreamReaderTest, FromTheTipOnlyOpenShardsAreRead) {
  make_reader({.from = {IteratorType::kLatest, "", {}}});
  add_family();
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, IsEmpty());
  EXPECT_THAT(events_, ElementsAre("+c", "+d", "+e"));
  for (auto& [id, shard] : stream_->shards) shard.records.push_back("3");
  // What is found later is read from its beginning.
  stream_->add("f", "c", "d");
  stream_->shards["f"].records = {"1"};
  stream_->shards["c"].closed = stream_->shards["d"].closed = true;
  loop_.run(seconds(1));
  EXPECT_THAT(read_, testing::UnorderedElementsAre("c 3", "d 3", "e 3", "f 1"));
}

TEST_F(StreamReaderTest, FromTheTipOfAStreamThatIsMadeLaterEverythingIsRead) {
  make_reader({.from = {IteratorType::kLatest, "", {}}});
  reader_->start();
  loop_.run(seconds(1));
  stream_->add("a");
  stream_->shards["a"].records = {"1"};
  loop_.run(seconds(1));
  EXPECT_THAT(read_, ElementsAre("a 1"));
}

TEST_F(StreamReaderTest, ATipThatWasLostIsFoundByTime) {
  make_reader({.from = {IteratorType::kLatest, "", {}}});
  stream_->add("a");
  stream_->shards["a"].records = {"1"};
  loop_.run(seconds(7));
  reader_->start();
  loop_.run(seconds(1));
  stream_->shards["a"].records.push_back("2");
  stream_->expire_next = true;
  loop_.run(seconds(1));
  EXPECT_THAT(stream_->times, ElementsAre("a 7000"));
  EXPECT_THAT(read_, ElementsAre("a 2"));
}

TEST_F(StreamReaderTest, ATimeHoldsForChildrenToo) {
  make_reader({.from = {IteratorType::kAtTimestamp, "", from_millis(5)}});
  add_family();
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(stream_->times, testing::UnorderedElementsAre("a 5", "b 5", "c 5", "d 5", "e 5"));
}

TEST_F(StreamReaderTest, FromASequenceNumberItsShardAndWhatBecameOfItAreRead) {
  make_reader({.from = {IteratorType::kAtSequenceNumber, "1", {}}, .from_shard = "b"});
  add_family();
  reader_->start();
  loop_.run(seconds(1));
  EXPECT_THAT(read_, testing::UnorderedElementsAre("b 2", "d 1", "d 2", "e 1", "e 2"));
  EXPECT_THAT(events_, ElementsAre("+b", "+d", "+e", "-b")) << "children before their parent's end";
}

TEST_F(StreamReaderTest, AHeldShardIsNotReadOn) {
  stream_->add("a");
  stream_->shards["a"].records = {"1", "2", "3", "4", "5"};
  hold_all_ = true;
  reader_->start();
  loop_.run(seconds(10));
  EXPECT_EQ(read_.size(), 2u);
  EXPECT_TRUE(tips_.empty());
  reader_->release("a");
  loop_.run(seconds(10));
  EXPECT_EQ(read_.size(), 4u);
  reader_->release("a");
  reader_->release("b");
  loop_.run(seconds(10));
  EXPECT_EQ(read_.size(), 5u);
  EXPECT_TRUE(tips_.contains("a"));
}  // and the end comes while it is held

TEST_F(StreamReaderTest, TheTipIsWhatWasStoredBeforeItWasAskedFor) {
  stream_->add("a");
  stream_->add("b");
  reader_->start();
  loop_.run(seconds(1));
  for (int i = 0; i < 99; ++i) stream_->shards["b"].records.push_back(std::to_string(i));
  std::optional<std::size_t> read_then;
  reader_->read_to_tip([&] { read_then = read_.size(); });
  EXPECT_EQ(read_then, std::nullopt) << "not from within";
  loop_.run();
  EXPECT_EQ(read_then, 99u);
  EXPECT_EQ(reader_->behind(), milliseconds(0));
}

TEST_F(StreamReaderTest, WhereThatIsAskedForAStreamThatIsMissingIsReadToItsTip) {
  make_reader({.missing_is_empty = true});
  bool told = false;
  reader_->start();
  loop_.run(seconds(1));
  reader_->read_to_tip([&] { told = true; });
  loop_.run(seconds(1));
  EXPECT_TRUE(told);
}

TEST_F(StreamReaderTest, TheTipIsNotReachedWithoutAStreamOrAfterTheEnd) {
  bool told = false;
  reader_->start();
  reader_->read_to_tip([&] { told = true; });
  loop_.run(seconds(5));
  bool ended = false;
  reader_->stop([&] { ended = true; });
  EXPECT_FALSE(ended) << "not from within";
  stream_->add("a");
  loop_.run(seconds(5));
  EXPECT_TRUE(ended);
  EXPECT_FALSE(told);
  EXPECT_EQ(stream_->looks, 0);
  EXPECT_THAT(read_, IsEmpty());
}

}  // namespace
}  // namespace spillway::client
