// The broker's Kinesis API: what takes records, and what clients ask before they send any.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "auth/audit_log.h"
#include "auth/master_key.h"
#include "broker/spool_input.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "kinesis/service.h"
#include "metrics/registry.h"
#include "server/access_keys.h"
#include "server/config.h"
#include "server/dispatch.h"
#include "server/http_port.h"

namespace spillway::server {

// Region and account of a broker's streams.
kinesis::ServiceOptions service_options(const BrokerConfig& config);

// On the loops of the servers that hand it requests.
class BrokerInput final : public InputHandler {
 public:
  // They outlive the input.
  struct Parts {
    std::span<io::EventLoop* const> loops;  // of those servers
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::EventLog& log;
    metrics::Registry& metrics;
    broker::Spool& spool;
    auth::AuditLog& audit_log;
  };

  BrokerInput(const BrokerConfig& config, const InputStreams& streams, const KeyTableRef& keys,
              const Parts& parts);

  // Who may call from now on, as Dispatch::set_keys().
  void set_keys(const KeyTableRef& keys, UniqueFunction<void()> done) {
    dispatch_.set_keys(keys, std::move(done));
  }

  void set_streams(const InputStreams& streams) override { engine_.set_streams(streams.named); }
  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override {
    return dispatch_.on_request(loop, peer, std::move(head), std::move(responder));
  }
  wire::Response refuse(Refusal why) override { return dispatch_.refuse(why); }

 private:
  broker::SpoolInput engine_;
  auth::MasterKeys master_keys_;  // none: streams of the spool are not encrypted
  kinesis::Service service_;
  Dispatch dispatch_;
};

}  // namespace spillway::server
