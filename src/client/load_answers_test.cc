#include "client/load_answers.h"

#include <fmt/format.h>

#include "wire/document_writer.h"

namespace spillway::client {
namespace {

using wire::DocumentWriter;
using wire::Format;

std::string answer_with(Format format, std::initializer_list<std::string> data) {
  DocumentWriter to(format);
  to.open_map().key("Records").open_list();
  for (const auto& one : data)
    to.open_map()
        .text("SequenceNumber", "4")
        .key("Data")
        .blob(one)
        .text("PartitionKey", "Data")
        .close_map();
  to.close_list().number("MillisBehindLatest", 0).close_map();
  return std::string(std::move(to).finish().view());
}

TEST(LoadAnswers, RecordsOfBothFormats) {
  const std::string stamped = fmt::format("{:020}", 123456789) + std::string(70'000, 'x');
  const std::string digits(20, '9');  // beyond 64 bits
  for (const auto format : {Format::kJson, Format::kCbor}) {
    const auto records = find_records(
        answer_with(format, {"", "a", "ab", "abc", stamped, digits, std::string(300, 'y')}),
        format);
    ASSERT_EQ(records.size(), 7u);
    std::vector<std::size_t> sizes;
    for (const auto& record : records) sizes.push_back(record.data_bytes);
    EXPECT_THAT(sizes, testing::ElementsAre(0, 1, 2, 3, stamped.size(), 20, 300));
    EXPECT_EQ(records[4].stamp, 123456789u);
    EXPECT_EQ(records[3].stamp + records[5].stamp + records[6].stamp, 0u);
    EXPECT_TRUE(find_records(answer_with(format, {}), format).empty());
  }
  EXPECT_TRUE(find_records("dData\x5a\xff", Format::kCbor).empty()) << "cut short";
}

TEST(LoadAnswers, FailedRecordsOfBothFormats) {
  for (const auto format : {Format::kJson, Format::kCbor}) {
    for (const int failed : {0, 1, 3}) {
      DocumentWriter to(format);
      to.open_map().number("FailedRecordCount", failed).key("Records").open_list();
      for (int i = 0; i < failed; ++i) to.open_map().text("ErrorCode", "Slow").close_map();
      to.open_map().text("SequenceNumber", "4").close_map().close_list().close_map();
      EXPECT_EQ(failed_records_in(std::move(to).finish().view(), format),
                static_cast<std::size_t>(failed));
    }
  }
}

TEST(LoadAnswers, StringsByName) {
  EXPECT_THAT(find_strings(R"({"A":"1","B":[{"A":"2"}],"AA":"3","A":"4)", "A"),
              testing::ElementsAre("1", "2"));
}

}  // namespace
}  // namespace spillway::client
