// One of the regions that `spillway up` runs: a `spillway serve` as a child process, and a client
// of it.
#pragma once

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "cli/up_child.h"
#include "cli/up_view.h"
#include "client/kinesis_client.h"
#include "io/event_loop.h"
#include "server/config.h"

namespace spillway::cli {

struct UpRegionOptions {
  std::string name;
  std::string program;
  std::string config_file;  // empty: none
  server::ServeConfig serve;
  client::ClientOptions client;  // but for its endpoint
};

// Where a client on this machine reaches what listens on `listen`.
std::string reachable(const std::string& listen);

// On the loop's thread.
class UpRegion {
 public:
  // kInvalid: its address can't be one.
  static Result<std::unique_ptr<UpRegion>> make(io::EventLoop& loop, UpRegionOptions options,
                                                Random random);

  // Not while it runs.
  Status start();
  // With SIGKILL, as an accident would: that it has ended is no failure then.
  void kill();
  void stop() { child_.send(SIGTERM); }

  const std::string& name() const { return options_.name; }
  const std::string& address() const { return address_; }
  client::KinesisClient& client() { return client_; }
  UpChild& child() { return child_; }
  bool running() { return child_.running(); }
  // It has said so, and runs.
  bool serves() { return serves_ && running(); }
  bool killed() const { return killed_; }
  bool ending() { return killed_ && running(); }
  bool ended_well() { return child_.ended_well(); }
  // What it has written since the last call, each line with its name before it.
  std::vector<std::string> take_lines();
  // How it ended. Not while it runs.
  std::string report(bool with_output) { return child_.report(with_output); }
  RegionSeen seen();

 private:
  UpRegion(io::EventLoop& loop, UpRegionOptions options, client::ClientOptions client,
           Random random);

  const UpRegionOptions options_;
  const std::string address_;
  UpChild child_;
  client::KinesisClient client_;
  bool serves_ = false;
  bool killed_ = false;
};

}  // namespace spillway::cli
