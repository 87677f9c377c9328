#include "client/load_subscription.h"

#include <fmt/format.h>

#include "wire/event_stream.h"

namespace spillway::client {
namespace {

using wire::Format;

std::string message(std::string_view type, std::string_view payload) {
  const wire::EventHeader headers[] = {{":event-type", type}, {":message-type", "event"}};
  return std::string(wire::encode_event(headers, payload).view());
}

std::string event_of(Format format, std::initializer_list<std::string> data) {
  wire::DocumentWriter to(format);
  to.open_map().key("Records").open_list();
  for (const auto& one : data) {
    to.open_map().key("Data").blob(one).text("PartitionKey", "Data").close_map();
  }
  to.close_list().number("MillisBehindLatest", 0).close_map();
  return message("SubscribeToShardEvent", std::move(to).finish().view());
}

std::string stamped(int stamp, std::size_t more) {
  return fmt::format("{:020}", stamp) + std::string(more, 'x');
}

TEST(LoadSubscription, RecordsOfEventsHoweverTheyAreCut) {
  for (const auto format : {Format::kJson, Format::kCbor}) {
    const std::string stream =
        message("initial-response", "{}") +
        event_of(format, {stamped(1, 0), "", "abc", stamped(2, 1), stamped(3, 300)}) +
        event_of(format, {}) + event_of(format, {stamped(4, 2)});
    for (std::size_t size = 1; size <= stream.size(); ++size) {
      std::vector<std::string> events;
      const auto note = [&](std::span<const SeenRecord> records) {
        std::string event;
        for (const auto& record : records)
          event += fmt::format("{}:{} ", record.stamp, record.data_bytes);
        events.push_back(event);
      };
      LoadSubscription subscription(format, note, nullptr);
      for (std::string_view rest = stream; !rest.empty();
           rest.remove_prefix(std::min(size, rest.size())))
        ASSERT_TRUE(subscription.take(rest.substr(0, size)).ok());
      EXPECT_THAT(events, testing::ElementsAre("", "1:20 0:0 0:3 2:21 3:320 ", "", "4:22 "))
          << size;
    }
  }
}

TEST(LoadSubscription, ExceptionsAndWhatIsNoEventStreamAreErrors) {
  const wire::EventHeader exception[] = {{":exception-type", "ResourceInUseException"}};
  for (const std::string& bytes : {std::string(wire::encode_event(exception, "taken").view()),
                                   std::string(100, '\0'), std::string(100, 'x')}) {
    LoadSubscription subscription(
        Format::kJson, [](std::span<const SeenRecord>) { FAIL(); }, nullptr);
    EXPECT_FALSE(subscription.take(bytes).ok());
  }
}

}  // namespace
}  // namespace spillway::client
