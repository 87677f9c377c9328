#include "server/input_ports.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::server {
namespace {

constexpr InputPort kPorts[] = {
    {InputKind::kKinesis, "broker.listen", &BrokerConfig::listen},
    {InputKind::kHttp, "broker.http", &BrokerConfig::http},
    {InputKind::kOtlp, "broker.otlp", &BrokerConfig::otlp},
    {InputKind::kSyslogTcp, "broker.syslog_tcp", &BrokerConfig::syslog_tcp},
    {InputKind::kSyslogUdp, "broker.syslog_udp", &BrokerConfig::syslog_udp, true},
    {InputKind::kStatsdUdp, "broker.statsd", &BrokerConfig::statsd, true},
    {InputKind::kStatsdTcp, "broker.statsd_tcp", &BrokerConfig::statsd_tcp},
};

}  // namespace

std::span<const InputPort> input_ports() { return kPorts; }

const InputPort& port_of(InputKind kind) {
  const auto* const found = std::ranges::find(kPorts, kind, &InputPort::kind);
  SPILLWAY_ASSERT(found != std::end(kPorts));
  return *found;
}

}  // namespace spillway::server
