// The broker's inputs that producers reach over the network, and the threads that serve them. They
// come and go while the broker runs: new ones are opened first, and then the old ones go, each when
// what it has taken is durable and answered.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/input_activity.h"
#include "broker/line_input.h"
#include "broker/spool.h"
#include "broker/statsd_intake.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "io/loop_threads.h"
#include "io/tls.h"
#include "io/worker.h"
#include "metrics/registry.h"
#include "server/access_keys.h"
#include "server/broker_plan.h"
#include "server/config.h"
#include "server/http_port.h"
#include "server/port_input.h"

namespace spillway::server {

class BrokerInput;

// On the thread of the loop that it is handed, once that runs.
class BrokerInputs {
 public:
  // They outlive the inputs.
  struct Parts {
    io::EventLoop& loop;  // not one of the inputs' own
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Workers& workers;
    io::EventLog& log;
    metrics::Registry& metrics;
    broker::Spool& spool;
    std::shared_ptr<io::TlsContext> tls;  // of the ports over HTTP, beside plain HTTP; or nullptr
  };

  // No port is open yet. `host`: this machine, in what it writes itself; `keys`: of those whose
  // calls are taken.
  // Errors are those of standard input, where the configuration says that it is read.
  static Result<std::unique_ptr<BrokerInputs>> make(const BrokerConfig& config,
                                                    const std::string& host, KeyTableRef keys,
                                                    const Parts& parts);
  ~BrokerInputs();  // as stop()

  // Opens what the plan opens, on `caller`, the loop of whoever calls. Where that fails, the error
  // names the key, and all is as it was.
  Task<Status> open(BrokerPlan plan, io::EventLoop* caller);
  // What the plan closes goes, and has `at_most` for that; all others put what they take where the
  // plan says. The spool has its streams. Once open() has succeeded with it.
  void use(const BrokerPlan& plan, nanoseconds at_most);
  // Whose calls are taken from now on by those that ask for an access key. `done`, unless it is
  // null, is called when it does, on any thread.
  void set_keys(KeyTableRef keys, UniqueFunction<void()> done);
  // What they take, and where, for people: "records for orders on http://127.0.0.1:4567".
  std::vector<std::string> described(const BrokerPlan& plan) const;

  bool over_http() const;
  // Those that are on, or would be, with the addresses of `config`, which runs.
  std::vector<broker::InputNow> now(const BrokerConfig& config,
                                    std::span<const WithheldInput> withheld) const;

  // Once: reads standard input, if the configuration says so, and calls `ended` on one of their own
  // threads when it has ended and all of it is durable.
  void read_lines(UniqueFunction<void()> ended);
  // Once, not between open() and its end: they take no more, and `drained` is called on the loop
  // when what is under way is answered, or `deadline` is over; or before this returns.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);
  // Once the engine has stopped, whose answers go to their threads.
  void stop();

 private:
  using Inputs = std::map<InputKind, std::unique_ptr<PortInput>>;

  BrokerInputs(const BrokerConfig& config, std::string host, KeyTableRef keys, const Parts& parts);
  std::unique_ptr<PortInput> make_input(InputKind kind, const BrokerPlan& plan);
  InputHandler& handler_of(InputKind kind, const BrokerPlan& plan);
  std::unique_ptr<InputHandler> make_handler(InputKind kind, const BrokerPlan& plan);
  // Who calls those over HTTP, once one of them was ever open.
  struct Callers;
  Callers& callers_of(const BrokerConfig& config);
  // Keeps the input until it has gone; what is to be called then.
  UniqueFunction<void()> let_go(std::unique_ptr<PortInput> input);
  broker::StatsdIntake& statsd_of(const BrokerConfig& config);
  void finish_drain_if_done();
  void end_statsd();

  const std::string host_;
  KeyTableRef keys_;
  const Parts parts_;
  io::LoopThreads loops_;
  std::unique_ptr<Callers> callers_;
  // Of those over HTTP that were ever open: one port after the other hands them its requests.
  std::map<InputKind, std::unique_ptr<InputHandler>> handlers_;
  BrokerInput* kinesis_ = nullptr;  // of these, once it is there
  // Once a port for StatsD was ever open: ports come and go, and the interval goes on.
  std::unique_ptr<broker::StatsdIntake> statsd_;
  Inputs inputs_;
  Inputs opened_;                                           // and not in use yet
  std::map<PortInput*, std::unique_ptr<PortInput>> going_;  // until what they took is durable
  std::unique_ptr<broker::LineInput> lines_;
  std::string lines_stream_;
  bool lines_drained_ = true;
  bool statsd_drained_ = true;
  bool statsd_ends_ = false;
  UniqueFunction<void()> drained_;  // while draining
  MonoTime drained_by_{};
};

}  // namespace spillway::server
