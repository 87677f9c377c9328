#include "broker/statsd_intake.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StatsdIntakeTest : public SpoolTest {
 protected:
  // Those of one metric, in order.
  std::vector<std::string> stored() {
    std::vector<std::string> records;
    for (const auto& shard : spool_->shards_of("s")) {
      engine_.read({shard.id, {}}, [&](const Result<stream::ReadResult>& read) {
        for (const auto& batch : read->batches) {
          stream::RecordBatchReader reader(batch.payload);
          while (const auto record = reader.next()) records.emplace_back(record->data);
        }
      });
    }
    return records;
  }
  static std::string record(int time_ms, int interval_ms, int value) {
    return fmt::format(
        R"({{"time":{},"interval_ms":{},"host":"h","type":"counter","name":"a","value":{}}})",
        time_ms, interval_ms, value);
  }
  std::uint64_t count(const std::string& kind) {
    return metrics_.counter("spillway_input_" + kind + "_total", "", {{"input", "statsd"}}).value();
  }
  std::uint64_t counter(const std::string& name) { return metrics_.counter(name, "").value(); }
  void drain() {
    intake_.drain(seconds(5), [this] { drained_ = true; });
  }

  StatsdIntake intake_{{.stream = "s", .host = "h", .interval = seconds(10), .seed = 1},
                       {loop_, *spool_, metrics_}};
  bool drained_ = false;
};

TEST_F(StatsdIntakeTest, EachIntervalHasItsRecords) {
  intake_.start();
  intake_.take("a:1|c\na:2|c\r\n\nnone\n");
  loop_.run(seconds(9));
  EXPECT_THAT(stored(), IsEmpty());
  loop_.run(seconds(1));
  EXPECT_THAT(stored(), ElementsAre(record(10'000, 10'000, 3)));
  loop_.run(seconds(15));
  intake_.take("a:4|c");
  loop_.run(seconds(5));
  EXPECT_THAT(stored(), ElementsAre(record(10'000, 10'000, 3), record(30'000, 10'000, 4)));
  EXPECT_EQ(count("malformed_records"), 1u);
  EXPECT_EQ(counter("spillway_statsd_samples_total"), 3u);
}

TEST_F(StatsdIntakeTest, AnIntervalGoesOnWhileTheSpoolTakesNothing) {
  intake_.start();
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  intake_.take("a:1|c");
  loop_.run(seconds(10));
  for (int i = 0; i < 3; ++i) {
    intake_.take("a:2|c");
    loop_.run(seconds(10));
  }
  engine_.append_error.reset();
  loop_.run(seconds(10));
  EXPECT_THAT(stored(), ElementsAre(record(10'000, 10'000, 1), record(50'000, 40'000, 6)));
}

TEST_F(StatsdIntakeTest, DrainedItHasPutTheLastInterval) {
  intake_.start();
  intake_.take("a:1|c");
  loop_.run(seconds(4));
  drain();
  EXPECT_FALSE(drained_);
  loop_.run();
  EXPECT_TRUE(drained_);
  EXPECT_THAT(stored(), ElementsAre(record(4'000, 4'000, 1)));
  loop_.run(seconds(60));
  EXPECT_EQ(count("records"), 1u);
}

TEST_F(StatsdIntakeTest, DrainedItHasPutWhatCameWhileTheSpoolTookNothing) {
  intake_.start();
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  intake_.take("a:1|c");
  loop_.run(seconds(10));
  intake_.take("a:2|c");
  drain();
  loop_.run(seconds(3));
  EXPECT_FALSE(drained_);
  engine_.append_error.reset();
  loop_.run(seconds(1));
  EXPECT_TRUE(drained_);
  EXPECT_THAT(stored(), ElementsAre(record(10'000, 10'000, 1), record(14'000, 4'000, 2)));
}

TEST_F(StatsdIntakeTest, ADrainHasItsDeadline) {
  intake_.start();
  engine_.append_error = Error{ErrorCode::kIo, "no disk"};
  intake_.take("a:1|c");
  loop_.run(seconds(10));
  intake_.take("a:2|c\nb:1|c");
  drain();
  loop_.run(seconds(4));
  EXPECT_FALSE(drained_);
  loop_.run(seconds(1));
  EXPECT_TRUE(drained_);
  EXPECT_EQ(count("refused_records"), 3u);
}

TEST_F(StatsdIntakeTest, ManyRecordsGoBySeveralPuts) {
  intake_.start();
  const std::string tag(1000, 't');
  for (int i = 0; i < 3000; ++i) intake_.take(fmt::format("a:1|c|#{}{}", tag, i));
  drain();
  loop_.run();
  EXPECT_TRUE(drained_);
  EXPECT_EQ(count("records"), 3000u);
}

TEST_F(StatsdIntakeTest, CountsSamplesThatThereIsNoRoomFor) {
  intake_.start();
  for (std::size_t i = 0; i <= StatsdMetrics::kMetricsMax; ++i)
    intake_.take(fmt::format("m{}:1:1|c", i));
  EXPECT_EQ(counter("spillway_statsd_dropped_samples_total"), 2u);
}

}  // namespace
}  // namespace spillway::broker
