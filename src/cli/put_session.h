// One run of `spillway put`: reads records, puts them with one request under way at a time, so that
// those of a key keep their order, and says what became of them.
//
// While a request is under way, what comes is read for the next one, up to its size. Nothing is
// read or sent after a failure or a signal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/put_lines.h"
#include "client/kinesis_client.h"
#include "io/asio_loop.h"
#include "io/standard_input.h"

namespace spillway::cli {

struct PutOptions {
  client::ClientOptions client;
  std::string stream;
  std::optional<std::string> data;  // one record; without it standard input is read
  bool raw = false;                 // standard input is one record
  bool json = false;
  std::optional<std::string> partition_key;  // without it each record has a random one
  std::uint32_t create_shards = 0;           // makes a stream that isn't there; 0: doesn't
};

class PutSession {
 public:
  PutSession(PutOptions options, Random random);
  ~PutSession();
  PutSession(const PutSession&) = delete;
  PutSession& operator=(const PutSession&) = delete;

  // Until it is over. The process's exit code.
  int run();

 private:
  Task<Status> prepare();
  void begin(Status prepared);
  void read_more();
  void on_input(Result<std::string> got);
  void send_more();
  std::vector<client::PutEntry> next_batch();
  void on_sent(const Result<client::PutRecordsResult>& result);
  void count_outcomes(const client::PutRecordsResult& result);
  std::string printed(const client::PutOutcome& outcome, std::uint64_t line) const;
  void on_signal(int signal);
  void stop(std::string problem);  // and says why, at the end
  void end_if_over();
  int report();
  std::string records_named(std::uint64_t first, std::uint64_t last) const;

  const PutOptions options_;
  io::AsioLoop loop_;
  Random random_;
  client::KinesisClient client_;
  std::unique_ptr<io::StandardInput> input_;
  PutLines lines_;
  bool reading_ = false;  // a read is under way
  bool input_ended_ = false;
  bool in_flight_ = false;
  bool preparing_ = true;
  std::vector<std::uint64_t> sent_lines_;  // of the request under way
  std::uint64_t put_ = 0;                  // acknowledged
  std::vector<std::string> problems_;
  int signal_ = 0;
  MonoTime started_;
};

}  // namespace spillway::cli
