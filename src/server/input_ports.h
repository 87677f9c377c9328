// The ports that the broker's inputs may have, each with the key that says where it is.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/config.h"

namespace spillway::server {

enum class InputKind { kKinesis, kHttp, kOtlp, kSyslogTcp, kSyslogUdp, kStatsdUdp, kStatsdTcp };

struct InputPort {
  InputKind kind;
  std::string_view key;                // "broker.http"
  std::string BrokerConfig::*address;  // "HOST:PORT"; empty: there is none
  bool datagrams = false;              // UDP, whose ports are not those of TCP
};

// One of each kind.
std::span<const InputPort> input_ports();
const InputPort& port_of(InputKind kind);

}  // namespace spillway::server
