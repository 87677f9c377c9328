#include "server/input_ports.h"

#include <algorithm>

#include "base/assert.h"
#include "server/access_keys.h"

namespace spillway::server {
namespace {

constexpr InputPort kPorts[] = {
    {InputKind::kKinesis, "broker.listen", &BrokerConfig::listen, Authentication::kSigned},
    {InputKind::kHttp, "broker.http", &BrokerConfig::http, Authentication::kBasic},
    {InputKind::kOtlp, "broker.otlp", &BrokerConfig::otlp, Authentication::kBasic},
    {InputKind::kSyslogTcp, "broker.syslog_tcp", &BrokerConfig::syslog_tcp},
    {InputKind::kSyslogUdp, "broker.syslog_udp", &BrokerConfig::syslog_udp, Authentication::kNone,
     true},
    {InputKind::kStatsdUdp, "broker.statsd", &BrokerConfig::statsd, Authentication::kNone, true},
    {InputKind::kStatsdTcp, "broker.statsd_tcp", &BrokerConfig::statsd_tcp},
};

}  // namespace

bool is_exposed(const std::string& address) { return !address.empty() && !is_loopback(address); }

std::span<const InputPort> input_ports() { return kPorts; }

const InputPort& port_of(InputKind kind) {
  const auto* const found = std::ranges::find(kPorts, kind, &InputPort::kind);
  SPILLWAY_ASSERT(found != std::end(kPorts));
  return *found;
}

}  // namespace spillway::server
