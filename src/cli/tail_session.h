// One run of `spillway tail`: reads a stream, puts its shards' records into one order, prints them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "cli/tail_merge.h"
#include "cli/tail_printer.h"
#include "cli/tail_start.h"
#include "client/kinesis_client.h"
#include "client/stream_reader.h"
#include "io/asio_loop.h"

namespace spillway::cli {

struct TailOptions {
  client::ClientOptions client;
  TailFormat format;  // and the stream
  TailStart start;
  std::uint64_t limit = 0;  // 0: none
  bool until_tip = false;
  bool wait = false;  // for a stream that isn't there
};

class TailSession final : public client::ReaderEvents {
 public:
  TailSession(TailOptions options, Random random);
  ~TailSession() override;
  TailSession(const TailSession&) = delete;
  TailSession& operator=(const TailSession&) = delete;

  // Until it is over. The process's exit code.
  int run();

 private:
  void on_records(const std::string& shard_id, std::vector<client::Record> records) override;
  void on_shard(const std::string& shard_id) override;
  void on_tip(const std::string& shard_id, MonoTime began) override;
  void on_end(const std::string& shard_id) override;

  // Whether the stream is there, before the reader tries for ever.
  Task<Status> check();
  void begin(const Status& checked);
  void look();  // every kLookInterval
  void tell_status();
  void print_ready();
  void print(const TailMerge::Next& next);
  void write();
  // Prints all that waits.
  void finish();
  void end(int exit_code);

  const TailOptions options_;
  io::AsioLoop loop_;
  client::KinesisClient client_;
  std::unique_ptr<client::StreamReader> reader_;
  std::unique_ptr<io::Timer> look_timer_;
  TailMerge merge_;
  std::uint64_t printed_ = 0;
  std::string out_;                         // not written yet
  std::optional<MonoTime> retrying_since_;  // and said so
  std::optional<int> exit_code_;
};

}  // namespace spillway::cli
