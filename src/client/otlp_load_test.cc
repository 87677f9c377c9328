#include "client/otlp_load.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/protobuf.h"

namespace spillway::client {
namespace {

// The messages of a field of a message.
std::vector<std::string_view> messages_of(std::string_view message, std::uint32_t number) {
  std::vector<std::string_view> found;
  wire::ProtobufReader reader(message);
  for (wire::ProtobufField field; reader.next(field);)
    if (field.number == number) found.push_back(field.bytes);
  EXPECT_TRUE(reader.ok());
  return found;
}

TEST(OtlpLoad, ARequestHasSoManyRecordsOfOneResource) {
  Random random(1);
  const auto request = otlp_logs_request({50, 400}, from_millis(1), random);
  const auto resources = messages_of(request, 1);
  ASSERT_EQ(resources.size(), 1u);
  EXPECT_EQ(messages_of(messages_of(resources[0], 1).at(0), 1).size(), 8u) << "its attributes";
  const auto scopes = messages_of(resources[0], 2);
  ASSERT_EQ(scopes.size(), 1u);
  const auto records = messages_of(scopes[0], 2);
  EXPECT_EQ(records.size(), 50u);
  for (const auto record : records) EXPECT_NEAR(static_cast<double>(record.size()), 400, 4);
  EXPECT_NE(otlp_logs_request({50, 400}, from_millis(1), random), request);
}

TEST(OtlpLoad, SmallRecordsHaveNoText) {
  Random random(1);
  const auto request = otlp_logs_request({1, 1}, from_millis(1), random);
  const auto record = messages_of(messages_of(messages_of(request, 1)[0], 2)[0], 2).at(0);
  EXPECT_EQ(messages_of(record, 6).size(), 4u);
  EXPECT_TRUE(messages_of(messages_of(record, 5).at(0), 1).at(0).empty());
}

TEST(OtlpLoad, FindsWhatWasRejected) {
  EXPECT_EQ(otlp_rejected_in(""), 0u);
  std::string partial;
  wire::append_integer(partial, 1, 7);
  wire::append_bytes(partial, 2, "too large");
  std::string answer;
  wire::append_bytes(answer, 1, partial);
  EXPECT_EQ(otlp_rejected_in(answer), 7u);
}

}  // namespace
}  // namespace spillway::client
