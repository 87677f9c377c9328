// One run of `spillway up`: serve and broker as child processes, the reader of the stream, and the
// view of it all, on one loop.
//
// It goes through phases: serve is started; once it serves, broker and reader are; at the end (a
// signal, the time is over, a child died) broker is stopped first, then the reader reads what is
// left, then serve is stopped. Each ending has a deadline, after which the child is killed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/up_child.h"
#include "cli/up_screen.h"
#include "cli/up_seen.h"
#include "cli/up_view.h"
#include "client/connection_pool.h"
#include "client/kinesis_client.h"
#include "client/stream_reader.h"
#include "io/asio_loop.h"
#include "server/config.h"

namespace spillway::cli {

struct UpOptions {
  std::string program;      // the path of this binary
  std::string config_file;  // handed to the children; empty: none
  server::Config config;    // what they will find in it, in the environment and in our flags
  std::vector<std::string> follow;
  std::string data;        // for people: where everything is stored
  nanoseconds run_for{0};  // 0: until a signal
};

class UpSession final : public client::ReaderEvents {
 public:
  // On one thread, which must be the process's first (the children live as long as it does).
  static Result<std::unique_ptr<UpSession>> make(UpOptions options, Random random);
  ~UpSession() override;
  UpSession(const UpSession&) = delete;
  UpSession& operator=(const UpSession&) = delete;

  // Until it is over; prints the view and the summary. The process's exit code.
  int run();

 private:
  enum class Phase { kStarting, kFlowing, kStoppingBroker, kReadingRest, kStoppingServe };

  UpSession(UpOptions options, client::ClientOptions client_options, client::PoolOptions status,
            Random random);
  Status start_serve();
  Status start_broker();
  void on_signal(int signal);
  void look();  // every kLookInterval: children, deadlines
  void take_output(UpChild& child);
  void look_while_running();
  void look_while_stopping();
  void begin_reading();
  void on_records(const std::string& shard_id, std::vector<client::Record> records) override;
  void ask_broker();
  void take_status(const std::string& json);
  void ask_to_stop();  // as soon as the broker is known whose records are to be judged
  void begin_stop();
  void enter(Phase phase, nanoseconds at_most);
  void kill_late(UpChild& child);
  void stop_reading();
  void fail(std::string problem);
  void show();  // every second
  void judge();
  void print_end();

  const UpOptions options_;
  io::AsioLoop loop_;
  UpChild serve_{"serve"};
  UpChild broker_{"broker"};
  client::KinesisClient client_;
  client::ConnectionPool status_pool_;  // to the broker's admin port
  std::unique_ptr<UpSeen> seen_;        // once the stream is there
  std::unique_ptr<client::StreamReader> reader_;
  std::unique_ptr<io::Timer> look_timer_;
  std::unique_ptr<io::Timer> show_timer_;
  std::unique_ptr<UpScreen> screen_;

  MonoTime started_{};
  WallTime started_at_{};
  Phase phase_ = Phase::kStarting;
  std::optional<MonoTime> stop_at_latest_;
  std::optional<MonoTime> phase_deadline_;
  bool serves_ = false;
  bool describing_ = false;
  bool asking_ = false;
  bool at_tip_ = false;
  bool closed_ = false;
  bool interrupted_ = false;
  UpState state_;
  std::vector<std::string> failures_;
};

}  // namespace spillway::cli
