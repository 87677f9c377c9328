// Keeps callers (kinesis/callers.h) in a file of the data directory, DATA/callers.
//
// A start doesn't wait for them: they are loaded when the region serves, and added to who was seen
// by then. What was seen since the last save is lost when the process is killed: a minute at most.
#pragma once

#include <string>

#include "base/time.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "kinesis/callers.h"

namespace spillway::server {

// On one thread, which the disk may hold up.
class CallerStore {
 public:
  CallerStore(kinesis::Callers& callers, io::Disk& disk, io::EventLog& log,
              std::string_view directory);

  // Now and then, once the region serves: loads at first, then saves when it is time.
  void tick(MonoTime now);
  // When nobody calls any more.
  void save();

 private:
  void load();

  kinesis::Callers& callers_;
  io::Disk& disk_;
  io::EventLog& log_;
  const std::string path_;
  bool loaded_ = false;
  MonoTime saved_at_{};
  std::string saved_;  // to leave the disk alone while nothing changes
};

}  // namespace spillway::server
