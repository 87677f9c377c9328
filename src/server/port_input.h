// An input of the broker that has a port. Inputs come and go while the broker runs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "io/event_loop.h"

namespace spillway::server {

// Where what OTLP brings goes.
struct OtlpStreams {
  std::string logs;
  std::string metrics;
  std::string traces;
};

// Where what inputs take goes: streams of the spool, as opened.
struct InputStreams {
  std::vector<std::string> named;  // that a producer may name
  OtlpStreams otlp;
  std::string syslog;
  std::string statsd;
};

class PortInput {
 public:
  // It was never opened, or drain() or retire() has finished, or its loops don't run any more.
  virtual ~PortInput() = default;

  // Opens the port, and takes records from then on. On `caller`, the loop of whoever calls; the
  // input's own loops run. Where it fails, a part of it may be open: drain() then, too. Errors as
  // of io::AsioLoop.
  virtual Task<Status> open(io::EventLoop* caller) = 0;
  // From now on what it takes goes there. Any thread.
  virtual void set_streams(const InputStreams& streams) = 0;
  // That are open; nullopt: what it takes comes without any. Any thread.
  virtual std::optional<std::size_t> connections() const = 0;
  // From any thread, once: takes no more, and calls `drained` on one of its loops when what it has
  // taken is durable and answered, or `deadline` is over.
  virtual void drain(nanoseconds deadline, UniqueFunction<void()> drained) = 0;
  // Instead of drain(), where the broker goes on: senders that know no acknowledgement are told
  // that it takes no more, and what they have sent by then is taken.
  virtual void retire(nanoseconds deadline, UniqueFunction<void()> retired) {
    drain(deadline, std::move(retired));
  }
};

}  // namespace spillway::server
