// Reads a stream that is in several regions: a StreamReader for each, and RegionsMerge, which says
// what of all that is handed over, once each. A region that doesn't answer is tried again for ever
// and holds up no other one, but for what waits for it under kOrdered; nothing is kept for it.
//
//   on_ready() → take() → the caller handles the batch → handled() → state() is stored → …
//
// What is stored after handled(), and before the next take(), is a commit. A reader that resumes
// from it hands over exactly what wasn't handled by then. Records that were, without a commit, come
// again with the same origins: an effect that is stored together with state(), or is keyed by the
// origin, comes about once.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/regions_merge.h"
#include "client/regions_state.h"
#include "client/stream_reader.h"
#include "io/event_loop.h"

namespace spillway::client {

struct RegionSource {
  std::string name;  // in the state: whatever is read under it later is the same region
  std::unique_ptr<StreamCalls> calls;  // of a client that asks for origins
};

struct RegionsReaderOptions {
  std::string stream;
  // kTrimHorizon, kLatest or kAtTimestamp. kLatest is the time of the start, by our clock, in a
  // region that doesn't answer then, and after a resume().
  IteratorStart from;
  RegionsMergeOptions merge;
  nanoseconds poll_interval = milliseconds(250);  // as StreamReader's
  nanoseconds retry_delay = seconds(1);
  bool missing_is_empty = false;
};

// What a reader tells, on the loop. From within, it may be asked for anything but its end.
class RegionsEvents {
 public:
  virtual ~RegionsEvents() = default;
  // take() may give something.
  virtual void on_ready() = 0;
  // Whether it can be read: at first, and at each change; or why not.
  virtual void on_region(const std::string& name, const Status& status) = 0;
  // So many gaps were given up under kOrdered, what is missing may come late.
  virtual void on_gaps(std::uint64_t gaps) = 0;
};

// On the loop's thread, which outlives it, as `events` does.
class RegionsReader {
 public:
  RegionsReader(io::EventLoop& loop, std::vector<RegionSource> regions,
                RegionsReaderOptions options, RegionsEvents& events);
  // Not between start() and the end of stop().
  ~RegionsReader();
  RegionsReader(const RegionsReader&) = delete;
  RegionsReader& operator=(const RegionsReader&) = delete;

  // Before start(). kInvalid: it is another stream's; else as SeenSet::apply().
  Status resume(RegionsState state);
  void start();
  // As RegionsMerge's.
  std::vector<RegionRecord> take(std::size_t records_max, std::size_t bytes_max);
  void handled();
  // After start(). With what was resumed of regions that aren't read now.
  RegionsState state();
  // `done` is called once everything has been given that was stored in any region before this call;
  // of what then waits, release_all() makes the rest. Once.
  void read_to_tip(UniqueFunction<void()> done);
  void release_all();
  // As StreamReader's.
  void stop(UniqueFunction<void()> done);

  const std::string& name(std::size_t region) const;
  const RegionsMerge::Counts& counts() const { return merge_.counts(); }

 private:
  class Region;

  void ready();  // tells it soon
  void look();   // every kLookInterval
  void release();
  void one_at_tip();

  io::EventLoop& loop_;
  const RegionsReaderOptions options_;
  RegionsEvents& events_;
  RegionsMerge merge_;
  std::vector<std::unique_ptr<Region>> regions_;
  std::map<std::string, RegionPlaces> others_;  // of regions that aren't read now
  IteratorStart begin_;                         // where a shard without a place begins
  bool resumed_ = false;
  std::unique_ptr<io::Timer> look_timer_;
  std::unique_ptr<io::Timer> ready_timer_;
  std::uint64_t gaps_told_ = 0;
  std::size_t before_tip_ = 0;  // regions
  UniqueFunction<void()> tip_done_;
  std::size_t running_ = 0;  // regions
  UniqueFunction<void()> stop_done_;
};

}  // namespace spillway::client
