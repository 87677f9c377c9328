// The broker's inputs that producers reach over the network, and the threads that serve them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/line_input.h"
#include "broker/spool.h"
#include "io/loop_threads.h"
#include "server/broker_input.h"
#include "server/config.h"
#include "server/http_input.h"
#include "server/http_server.h"
#include "server/otlp_input.h"
#include "server/syslog_input.h"

namespace spillway::server {

class BrokerInputs {
 public:
  // They outlive the inputs.
  struct Parts {
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Workers& workers;
    io::EventLog& log;
    metrics::Registry& metrics;
    broker::Spool& spool;
  };

  // Whether make() may listen where the configuration says: kDenied, of an address that is not on
  // loopback.
  static Status check(const BrokerConfig& config);
  // Those that the configuration names, each on its port. `host`: this machine, in the partition
  // key of what it writes itself. `streams`: of the spool, as opened. Once check() allows it.
  static Result<std::unique_ptr<BrokerInputs>> make(const BrokerConfig& config,
                                                    const std::string& host,
                                                    const std::vector<std::string>& streams,
                                                    const Parts& parts);

  // What they take, and where, for people: "records for orders on http://127.0.0.1:4567".
  const std::vector<std::string>& described() const { return described_; }

  // From now on those that name streams take records for these, of the spool, as opened. Any
  // thread.
  void set_streams(const std::vector<std::string>& streams);
  // Once: reads standard input, if the configuration says so, and calls `ended` on one of their own
  // threads when it has ended and all of it is durable.
  void read_lines(UniqueFunction<void()> ended);
  // From any thread, once: they take no more, and `drained` is called when what is under way is
  // answered, or `deadline` is over; on one of their own threads, or before this returns.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);
  // Once the engine has stopped, whose answers go to their threads.
  void stop();

 private:
  explicit BrokerInputs(const BrokerConfig& config);
  Status add_syslog(const BrokerConfig& config, const Parts& parts);
  Status add_http(const BrokerConfig& config, const std::vector<std::string>& streams,
                  const Parts& parts);
  Status add_otlp(const BrokerConfig& config, const Parts& parts);

  io::LoopThreads loops_;
  std::unique_ptr<BrokerInput> kinesis_;
  std::unique_ptr<HttpInput> http_;
  std::unique_ptr<HttpServer> http_server_;
  std::unique_ptr<OtlpInput> otlp_;
  std::unique_ptr<HttpServer> otlp_server_;
  std::unique_ptr<SyslogInput> syslog_;
  std::unique_ptr<broker::LineInput> lines_;
  std::vector<std::string> described_;
};

}  // namespace spillway::server
