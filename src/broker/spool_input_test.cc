#include "broker/spool_input.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"
#include "wire/aggregate.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;

class SpoolInputTest : public SpoolTest {
 protected:
  // As PutRecords appends: all of `data` to the first shard of "s".
  Spool::Outcomes append(const std::vector<std::string>& data) {
    std::vector<stream::AppendItem> items;
    items.reserve(data.size());
    for (const auto& bytes : data) {
      stream::RecordBatchBuilder builder(
          stream::kBatchHeaderSize +
          stream::RecordBatchBuilder::size_of(bytes.size(), 1, false, false));
      builder.add({"k", bytes, std::nullopt, std::nullopt});
      items.push_back({spool_->shards_of("s").front().id, 1, std::move(builder).finish()});
    }
    Spool::Outcomes outcomes;
    input_.append(std::move(items), [&](Spool::Outcomes of) { outcomes = std::move(of); });
    return outcomes;
  }
  // Partition key and data of what the spool has.
  std::vector<std::string> stored() {
    std::vector<std::string> records;
    for (const auto& shard : spool_->shards_of("s")) {
      engine_.read({shard.id, {}}, [&](const Result<stream::ReadResult>& read) {
        for (const auto& batch : read->batches) {
          stream::RecordBatchReader reader(batch.payload);
          while (const auto record = reader.next())
            records.push_back(fmt::format("{}={}", record->partition_key, record->data));
        }
      });
    }
    std::ranges::sort(records);
    return records;
  }

  SpoolInput input_{*spool_, {"s"}, metrics_};
};

TEST_F(SpoolInputTest, ShowsTheStreamsThatItTakesRecordsFor) {
  EXPECT_EQ(input_.catalog()->streams.size(), 1u) << "not that of the cursors";
  ASSERT_NE(input_.catalog()->find("s"), nullptr);
  EXPECT_EQ(input_.catalog()->find("s")->retention_hours, 8760u) << "as an API's client knows";
  input_.update_catalog([](const stream::Catalog&) { return stream::CatalogChange{}; },
                        [](const Result<stream::CatalogRef>& changed) {
                          EXPECT_EQ(changed.error().code, ErrorCode::kUnsupported);
                        });
}

TEST_F(SpoolInputTest, ShowsOthersWhenItIsTold) {
  start(spool_->open(loop_, {"t"}),
        UniqueFunction<void(Status)>([](const Status& status) { EXPECT_TRUE(status.ok()); }));
  loop_.run();
  input_.set_streams({"t"});
  EXPECT_EQ(input_.catalog()->find("s"), nullptr);
  EXPECT_NE(input_.catalog()->find("t"), nullptr);
  EXPECT_TRUE(append({"found before"}).front().ok());
  EXPECT_THAT(stored(), ElementsAre("k=found before"));
}

TEST_F(SpoolInputTest, TakesAggregatesApart) {
  const std::vector<wire::UserRecord> parts = {
      {"a", "1", std::nullopt}, {"b", "2", "340282366920938463463374607431768211455"}};
  const auto outcomes = append({"plain", wire::make_aggregate(parts)});
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(outcomes[0].ok() && outcomes[1].ok());
  EXPECT_THAT(stored(), ElementsAre("a=1", "b=2", "k=plain"));
}

TEST_F(SpoolInputTest, AnEmptyAggregateIsARecord) {
  EXPECT_TRUE(append({wire::make_aggregate({})}).front().ok());
  EXPECT_EQ(stored().size(), 1u);
}

TEST_F(SpoolInputTest, AnAggregateWithAPartThatIsNoRecordStaysOne) {
  const std::string long_key(257, 'k');
  const std::string huge_key(70'000, 'k');
  std::size_t appended = 0;
  const wire::UserRecord good{"a", "1", std::nullopt};
  for (const wire::UserRecord& bad : {wire::UserRecord{"", "2", std::nullopt},
                                      {long_key, "2", std::nullopt},
                                      {huge_key, "2", std::nullopt},
                                      {"\xff", "2", std::nullopt},
                                      {"b", "2", "340282366920938463463374607431768211456"},
                                      {"b", "2", "-1"}}) {
    const auto aggregate = wire::make_aggregate(std::vector<wire::UserRecord>{good, bad});
    EXPECT_TRUE(append({aggregate}).front().ok());
    EXPECT_THAT(stored(), testing::Contains("k=" + aggregate)) << bad.partition_key.size();
    EXPECT_EQ(stored().size(), ++appended);
  }
}

TEST_F(SpoolInputTest, TheLongestKeyIsOne) {
  std::string key;
  for (int i = 0; i < 128; ++i) key += "\xf0\x9f\x8c\x8a";  // two units each
  append({wire::make_aggregate(std::vector<wire::UserRecord>{{key, "1", std::nullopt}})});
  EXPECT_THAT(stored(), ElementsAre(key + "=1"));
  append({wire::make_aggregate(std::vector<wire::UserRecord>{{key + "x", "1", std::nullopt}})});
  EXPECT_THAT(stored(), testing::Contains(testing::StartsWith("k=")));
}

TEST_F(SpoolInputTest, AggregatesGrowWithinABoundOfTheWholeAppend) {
  const std::string key(256, 'k');
  const auto aggregate = wire::make_aggregate(
      std::vector<wire::UserRecord>(SpoolInput::kExpansionMax / 2 / 256, {key, "1", std::nullopt}));
  EXPECT_LT(aggregate.size(), SpoolInput::kExpansionMax / 20);
  const auto outcomes = append({aggregate, aggregate, "plain"});
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.ok());
  std::size_t whole = 0;
  std::size_t bytes = 0;
  for (const auto& record : stored()) {
    whole += record == "k=" + aggregate ? 1U : 0U;
    bytes += record.size();
  }
  EXPECT_EQ(whole, 1u) << "there is room for one of them to grow";
  EXPECT_LT(bytes, SpoolInput::kExpansionMax + 2 * aggregate.size());
}

TEST_F(SpoolInputTest, AnItemFailsWithAnyOfItsRecords) {
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  const auto outcomes = append({"plain", wire::make_aggregate(std::vector<wire::UserRecord>{
                                             {"a", "1", std::nullopt}, {"b", "2", std::nullopt}})});
  ASSERT_EQ(outcomes.size(), 2u);
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome.error().code, ErrorCode::kNoSpace);
}

TEST_F(SpoolInputTest, EachRecordOfAnAggregateCounts) {
  const InputMetrics counts(metrics_, "kinesis");
  const auto aggregate = wire::make_aggregate(std::vector<wire::UserRecord>{
      {"a", "1", std::nullopt}, {"b", "2", std::nullopt}, {"c", "3", std::nullopt}});
  append({"plain", aggregate});
  EXPECT_EQ(counts.records.value(), 4u);
  EXPECT_EQ(counts.refused.value(), 0u);
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  append({aggregate});
  EXPECT_EQ(counts.records.value(), 4u);
  EXPECT_EQ(counts.refused.value(), 3u);
}

}  // namespace
}  // namespace spillway::broker
