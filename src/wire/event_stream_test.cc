#include "wire/event_stream.h"

#include "base/random.h"
#include "wire/event_stream_reader.h"

namespace spillway::wire {
namespace {

// As botocore's tests have it ("empty message", "payload without headers").
TEST(EventStream, MessagesOfAwssOwnTests) {
  EXPECT_EQ(encode_event({}, {}).view(),
            std::string("\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff", 16));
  EXPECT_EQ(encode_event({}, "{'foo':'bar'}").view(),
            std::string("\0\0\0\x1d\0\0\0\0\xfd\x52\x8c\x5a{'foo':'bar'}\xc3\x65\x39\x36", 29));
}

TEST(EventStream, WhatIsEncodedIsDecoded) {
  Random random(3);
  std::string stream;
  std::vector<DecodedEvent> events;
  for (int i = 0; i < 100; ++i) {
    DecodedEvent event;
    for (auto headers = random.below(4); headers > 0; --headers) {
      event.headers[std::string(1 + random.below(255), static_cast<char>('a' + headers))] =
          std::string(random.one_in(20) ? 65'535 : random.below(40), 'v');
    }
    event.payload = std::string(random.below(5000), static_cast<char>(random.below(256)));
    std::vector<EventHeader> headers;
    for (const auto& [name, value] : event.headers) headers.push_back({name, value});
    stream += encode_event(headers, event.payload).view();
    events.push_back(std::move(event));
  }
  std::string_view rest = stream;
  for (const auto& event : events) {
    const auto decoded = take_event(rest);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->headers, event.headers);
    EXPECT_EQ(decoded->payload, event.payload);
  }
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace spillway::wire
