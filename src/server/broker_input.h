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
#include "io/worker.h"
#include "kinesis/service.h"
#include "metrics/registry.h"
#include "server/config.h"
#include "server/dispatch.h"
#include "server/http_server.h"

namespace spillway::server {

class BrokerInput {
 public:
  // They outlive the input.
  struct Parts {
    std::span<io::EventLoop* const> loops;  // that serve it; they don't run yet
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Workers& workers;
    io::EventLog& log;
    metrics::Registry& metrics;
    broker::Spool& spool;
  };

  // `streams`: of the spool, as opened. broker.listen is on loopback.
  static Result<std::unique_ptr<BrokerInput>> make(const BrokerConfig& config,
                                                   const std::vector<std::string>& streams,
                                                   const Parts& parts);

  // From now on records are taken for these. Any thread.
  void set_streams(const std::vector<std::string>& streams) { engine_.set_streams(streams); }
  // From any thread, once: takes no more requests, and calls `drained` on one of its loops when
  // those under way are answered, or `deadline` is over.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);

 private:
  BrokerInput(const BrokerConfig& config, const std::vector<std::string>& streams,
              const Parts& parts);

  broker::SpoolInput engine_;
  auth::MasterKeys master_keys_;  // none: streams of the spool are not encrypted
  auth::AuditLog audit_log_;
  kinesis::Service service_;
  Dispatch dispatch_;
  HttpServer api_;
};

}  // namespace spillway::server
