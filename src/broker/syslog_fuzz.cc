// Arbitrary bytes as a syslog connection: its messages are the same however the bytes are cut, none
// is too long, and each gives a JSON object with a partition key. Behind the first byte, as one
// message too, after a right beginning.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "broker/partition_key.h"
#include "broker/syslog.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

constexpr std::string_view kPeer = "192.0.2.7";

std::vector<SyslogMessage> framed(std::string_view bytes, std::size_t step) {
  SyslogFramer framer;
  std::vector<SyslogMessage> messages;
  for (std::size_t i = 0; i < bytes.size(); i += step) framer.take(bytes.substr(i, step), messages);
  framer.end(messages);
  return messages;
}

void read(const SyslogMessage& message) {
  SPILLWAY_ASSERT(message.text.size() <= kSyslogBytesMax);
  const auto record = read_syslog(message, kPeer, {});
  SPILLWAY_ASSERT(is_partition_key(record.key));
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  SPILLWAY_ASSERT(parser.parse(record.json).get(object) == simdjson::SUCCESS);
  std::string_view text;
  SPILLWAY_ASSERT(object[record.malformed ? "raw" : "message"].get(text) == simdjson::SUCCESS);
  SPILLWAY_ASSERT(!record.malformed || record.key == kPeer);
  SPILLWAY_ASSERT(object["cut"].error() ==
                  (message.cut ? simdjson::SUCCESS : simdjson::NO_SUCH_FIELD));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = framed(input, size + 1);
  for (const std::size_t step : {1, 3}) {
    const auto cut = framed(input, step);
    SPILLWAY_ASSERT(cut.size() == whole.size());
    for (std::size_t i = 0; i < cut.size(); ++i)
      SPILLWAY_ASSERT(cut[i].text == whole[i].text && cut[i].cut == whole[i].cut);
  }
  for (const auto& message : whole) read(message);
  for (const std::string_view begin : {"<13>1 - h a p m ", "<13>Feb  5 17:32:18 "})
    read({std::string(begin) + std::string(input.substr(0, 1024)), false});
  return 0;
}
