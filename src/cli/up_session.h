// One run of `spillway up`: two regions and a broker as child processes, a reader of both regions,
// and the view of it all, on one loop.
//
// It goes through phases: the regions are started; once they serve, broker and reader are. A region
// that ends while it flows is what all this is there for: the rest goes on. At the end (a signal,
// the time is over, the broker died) the broker is stopped first; regions that had ended are
// started again, so that the reader can read what is left in all of them; then they are stopped.
// Each ending has a deadline, after which the child is killed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/up_child.h"
#include "cli/up_region.h"
#include "cli/up_screen.h"
#include "cli/up_script.h"
#include "cli/up_seen.h"
#include "cli/up_view.h"
#include "client/connection_pool.h"
#include "client/regions_reader.h"
#include "io/asio_loop.h"
#include "server/config.h"

namespace spillway::cli {

struct UpOptions {
  std::string program;      // the path of this binary
  std::string config_file;  // handed to the children; empty: none
  server::Config config;    // what they will find in it, in the environment and in our flags
  std::vector<server::ServeConfig> regions;  // of each of kUpRegions
  std::vector<std::string> follow;
  std::string data;  // for people: where everything is stored
  std::vector<UpAction> script;
  nanoseconds run_for{0};  // 0: until a signal
};

class UpSession final : public client::RegionsEvents {
 public:
  // On one thread, which must be the process's first (the children live as long as it does).
  static Result<std::unique_ptr<UpSession>> make(UpOptions options, Random random);
  ~UpSession() override;
  UpSession(const UpSession&) = delete;
  UpSession& operator=(const UpSession&) = delete;

  // Until it is over; prints the view and the summary. The process's exit code.
  int run();

 private:
  enum class Phase { kStarting, kFlowing, kStoppingBroker, kReadingRest, kStoppingRegions };

  UpSession(UpOptions options, client::PoolOptions status);
  Status start_broker();
  void on_signal(int signal);
  void look();  // every kLookInterval: children, keys, deadlines
  void take_output();
  void tell(std::string line);
  void look_while_running();
  void look_at_regions();
  void look_while_stopping();
  void act();  // what is typed, and what the script says is due
  void act(const UpAction& action);
  void on_key(char key);
  void kill_region(std::size_t region);
  void restart_region(std::size_t region);
  // To that target; nullopt: what holds is released.
  void ask_switch(std::optional<std::size_t> region);
  void begin_reading();
  void on_ready() override;
  void on_region(const std::string& name, const Status& status) override;
  void on_gaps(std::uint64_t) override {}
  void ask_broker();
  void take_status(const std::string& json);
  void ask_to_stop();  // as soon as the broker is known whose records are to be judged
  void begin_stop();
  void enter(Phase phase, nanoseconds at_most);
  void read_rest();
  void look_while_reading_rest();
  void kill_late(UpChild& child);
  void stop_reading();
  void fail(std::string problem);
  void show();  // every second
  void judge();
  void print_end();

  const UpOptions options_;
  io::AsioLoop loop_;
  std::vector<std::unique_ptr<UpRegion>> regions_;  // as kUpRegions has them
  UpChild broker_{"broker"};
  client::ConnectionPool status_pool_;  // to the broker's admin port
  std::unique_ptr<UpSeen> seen_;        // once the stream is there
  std::unique_ptr<client::RegionsReader> reader_;
  std::map<std::string, std::string> away_;  // regions that can't be read, and why
  std::unique_ptr<io::Timer> look_timer_;
  std::unique_ptr<io::Timer> show_timer_;
  std::unique_ptr<UpScreen> screen_;

  MonoTime started_{};
  WallTime started_at_{};
  Phase phase_ = Phase::kStarting;
  std::optional<MonoTime> stop_at_latest_;
  std::optional<MonoTime> phase_deadline_;
  std::size_t acted_ = 0;  // of the script
  bool served_ = false;    // all regions, at some time
  bool describing_ = false;
  bool asking_ = false;
  bool at_tip_ = false;
  bool reading_rest_ = false;
  bool closed_ = false;
  bool interrupted_ = false;
  std::vector<bool> ended_;  // of each region: that it has ended was told
  UpState state_;
  std::vector<std::string> failures_;
};

}  // namespace spillway::cli
