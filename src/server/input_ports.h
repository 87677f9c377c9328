// The ports that the broker's inputs may have, each with the key that says where it is.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/config.h"

namespace spillway::server {

enum class InputKind { kKinesis, kHttp, kOtlp, kSyslogTcp, kSyslogUdp, kStatsdUdp, kStatsdTcp };

// How it knows who sends.
enum class Authentication {
  kNone,    // for loopback alone
  kBasic,   // by an access key, which is handed over: beyond loopback, over https alone
  kSigned,  // by an access key that signs
};

struct InputPort {
  InputKind kind;
  std::string_view key;                // "broker.http"
  std::string BrokerConfig::*address;  // "HOST:PORT"; empty: there is none
  Authentication authentication = Authentication::kNone;
  bool datagrams = false;  // UDP, whose ports are not those of TCP
};

// Whether other machines may reach an address; empty: there is none.
bool is_exposed(const std::string& address);

// One of each kind.
std::span<const InputPort> input_ports();
const InputPort& port_of(InputKind kind);

}  // namespace spillway::server
