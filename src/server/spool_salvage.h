// A spool that can't be opened doesn't stop the broker: it is set aside whole, a new one takes its
// place, and what can be read of the old one goes into the new one while the broker runs. Records
// keep their origins; those that the old spool knew to be delivered are left out.
//
//   DIR/spool                   the one in use
//   DIR/spool.damaged-MILLIS    set aside; taken up at every start until it was read to its end
//   DIR/spool.salvaged-MILLIS   read to its end; for people, who remove it
//   DIR/spool.partly-salvaged-MILLIS  so too, but there are records of which the stream isn't known
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/spool.h"
#include "engine/embedded/inspection.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/worker.h"
#include "metrics/registry.h"

namespace spillway::server {

std::string spool_directory(const std::string& data);
// Durably renames the spool of `data`, which no process has open; its new path.
Result<std::string> set_spool_aside(io::Disk& disk, const std::string& data, WallTime now);

class SpoolSalvage {
 public:
  // They outlive the salvage.
  struct Parts {
    io::Disk& disk;
    io::Workers& workers;
    io::EventLog& log;
    metrics::Registry& metrics;
  };

  // Looks for spools of `data` that were set aside. Errors are the disk's.
  static Result<std::unique_ptr<SpoolSalvage>> make(const std::string& data, const Parts& parts);
  ~SpoolSalvage();  // as stop()

  // Those of which records wait to be salvaged: the new spool has to be opened with them.
  const std::vector<std::string>& streams() const { return streams_; }
  // Begins, on a thread of its own, if there is anything to do. `spool` is open, outlives the
  // salvage, and its engine runs until stop() has returned.
  void start(broker::Spool& spool);
  // Ends what is under way; the next start of the broker takes it up again. Once start() returned.
  void stop();

 private:
  explicit SpoolSalvage(const Parts& parts);

  // A spool that was set aside.
  struct Aside {
    std::string path;
    std::unique_ptr<engine::Inspection> inspection;
  };
  struct Source;

  io::Step step();
  Status salvage(const Aside& aside);
  static std::uint64_t lost_max(const engine::InspectionReport& report, const Source& source);
  void take(Source& source, const engine::FoundBatch& found);
  bool flush(Source& source);
  bool pause();

  const Parts parts_;
  metrics::Counter& salvaged_;
  metrics::Gauge& waiting_;
  broker::Spool* spool_ = nullptr;
  std::vector<Aside> asides_;
  std::vector<std::string> streams_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::unique_ptr<io::Worker> worker_;
};

}  // namespace spillway::server
