// Syslog: messages out of a stream of bytes (RFC 6587), and a record out of a message (RFC 5424,
// or what RFC 3164 saw in use).
//
// A record is a JSON object. Of a message that follows one of the two:
//   {"received":1795650000000,"peer":"192.0.2.7","facility":"auth","severity":"crit",
//    "time":"2026-11-25T22:14:15.003Z","host":"web-1","app":"su","pid":"4711","msgid":"ID47",
//    "data":{"origin@32473":{"ip":"192.0.2.7"}},"message":"'su root' failed"}
// `time` is as its sender wrote it (RFC 3164 has neither year nor zone); what a sender leaves out
// ("-") is left out. A parameter that an element of structured data has several times is an array.
// Any other message is kept as it came:
//   {"received":…,"peer":…,"malformed":true,"raw":"…"}
// and one that was cut to kSyslogBytesMax has "cut":true. Bytes that aren't UTF-8 become U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace spillway::broker {

// Of a message; what goes beyond is left out.
inline constexpr std::size_t kSyslogBytesMax = std::size_t{64} << 10;

struct SyslogMessage {
  std::string text;
  bool cut = false;  // it is not all that was sent
};

// Takes messages out of one connection's bytes. Each is framed by its length ("11 <13>message") or
// by the newline behind it: a digit from 1 to 9 begins a length, as long as digits and a space
// follow; nothing else does. Empty messages are none. It holds kSyslogBytesMax at most.
class SyslogFramer {
 public:
  // Appends the messages that `bytes` complete.
  void take(std::string_view bytes, std::vector<SyslogMessage>& messages);
  // The connection has ended: what is there is a message too, cut where its length says so.
  void end(std::vector<SyslogMessage>& messages);
  // Nothing more is read of it: what is there is the beginning of a message, which says so.
  void cut(std::vector<SyslogMessage>& messages);

 private:
  enum class State {
    kBegin,   // of a message
    kLength,  // in its digits, which pending_ has
    kCount,   // left_ bytes are to come
    kLine,    // up to a newline
  };
  std::string_view take_length(std::string_view bytes);
  std::string_view take_counted(std::string_view bytes, std::vector<SyslogMessage>& messages);
  std::string_view take_line(std::string_view bytes, std::vector<SyslogMessage>& messages);
  void append(std::string_view bytes);
  void finish(std::vector<SyslogMessage>& messages);

  State state_ = State::kBegin;
  std::size_t left_ = 0;
  std::string pending_;
  bool cut_ = false;
};

struct SyslogRecord {
  std::string key;   // the host that the message names, else the peer's address
  std::string json;  // see above
  bool malformed = false;
};

// `peer`: an address without its port.
SyslogRecord read_syslog(const SyslogMessage& message, std::string_view peer, WallTime received);

}  // namespace spillway::broker
