// One run of `spillway tail --regions`: prints the records of a stream that is in several regions,
// each once (client/regions_reader.h). With a state directory it commits what it has printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/tail_printer.h"
#include "client/kinesis_client.h"
#include "client/regions_reader.h"
#include "io/asio_loop.h"
#include "io/event_log.h"
#include "io/posix_disk.h"

namespace spillway::cli {

struct RegionToTail {
  std::string name;
  client::ClientOptions client;
  bool amazon = false;  // origins are in tags
  // Where the client's come from instead; empty: nowhere else.
  std::string credentials = {};
};

struct TailRegionsOptions {
  std::vector<RegionToTail> regions;
  TailFormat format;           // and the stream
  client::IteratorStart from;  // of which a state knows better
  client::RegionsMode mode = client::RegionsMode::kAvailable;
  nanoseconds gap_wait = seconds(60);  // as RegionsMergeOptions'
  std::string state_directory;         // empty: nothing is committed
  std::uint64_t limit = 0;             // 0: none
  bool until_tip = false;
  bool wait = false;  // for a stream that isn't there
};

class TailRegions final : public client::RegionsEvents {
 public:
  TailRegions(TailRegionsOptions options, Random random);
  ~TailRegions() override;
  TailRegions(const TailRegions&) = delete;
  TailRegions& operator=(const TailRegions&) = delete;

  // Until it is over. The process's exit code.
  int run();

 private:
  struct Region {
    client::ClientOptions options;
    std::unique_ptr<client::KinesisClient> client;
    bool answered = false;               // at some time
    std::optional<MonoTime> away_since;  // and said so
    bool missing = false;                // its stream is waited for
  };

  void on_ready() override;
  void on_region(const std::string& name, const Status& status) override;
  void on_gaps(std::uint64_t gaps) override;

  Status open_state();
  Status commit();
  // What a person has to mend before it is tried again.
  bool hopeless(const Region& region, const Error& error) const;
  void look();  // every kLookInterval
  // At most a batch, to be written and then committed. How many records; 0: there are none now.
  std::size_t print_some();
  void print(const client::RegionRecord& record);
  bool enough() const;  // as the limit has it
  void write();
  void finish();
  void end(int exit_code);

  const TailRegionsOptions options_;
  io::AsioLoop loop_;
  io::PosixDisk disk_;
  io::SilentLog log_;  // it says itself what is wrong
  std::unique_ptr<io::FileLock> state_lock_;
  std::map<std::string, Region> regions_;  // by name
  std::unique_ptr<client::RegionsReader> reader_;
  std::unique_ptr<io::Timer> look_timer_;
  std::uint64_t printed_ = 0;
  std::string out_;  // not written yet
  std::optional<int> exit_code_;
};

}  // namespace spillway::cli
