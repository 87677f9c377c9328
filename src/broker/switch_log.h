// The audit log of switches: files of lines that vouch for each other (broker/switch_event.h,
// docs/formats/switch-log.md), each line durable before append() returns.
//
// A switch never waits for the log to be well: what can't be written is kept aside, in memory and
// in a file of its own, is told to the caller at each call, and goes into the log as soon as that
// can be written again.
//
// DIRECTORY/SEQUENCE.log, named for its first line's number with 20 digits. A file that has reached
// its size is followed by another one, and the chain goes on; none is ever removed or renamed.
// After a crash or a failure the last file is read, and what was acknowledged of it is written
// again as a fresh file: the page cache may show what the disk doesn't hold (decision 0001). What a
// crash left of a line is moved to DIRECTORY/SEQUENCE.log.BYTE.torn first.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/switch_event.h"
#include "io/disk.h"

namespace spillway::broker {

struct SwitchLogOptions {
  std::string directory;
  std::string aside;  // path of the file for what the log can't take; best on another disk
  std::uint64_t file_bytes = std::uint64_t{1} << 20;
  std::size_t aside_events = 1000;  // further ones are counted, and told when the log is well again
};

struct Recorded {
  SwitchHead head;  // of the log
  // Empty: everything so far is durable in the log. Else why not, to be told loudly.
  std::string fault;
  bool aside = false;  // with a fault: whether everything that the log lacks is durable in its file
};

// One thread at a time; each call blocks on the disk. One process at a time: its directory is
// locked by whoever owns this.
class SwitchLog {
 public:
  SwitchLog(SwitchLogOptions options, io::Disk& disk) : options_(std::move(options)), disk_(disk) {}

  // Brings the log into order after a start or a failure, and takes in what was kept aside. `now`
  // is the time of what that itself has to tell. Append does it too, where it is due.
  Recorded open(WallTime now);
  // Never refuses.
  Recorded append(const SwitchEvent& event);

 private:
  struct Last {  // the last file that has a line
    std::string path;
    std::string bytes;  // its whole lines
    SwitchHead head;
    std::vector<SwitchEvent> events;
  };

  Status recover(WallTime now);
  Result<Last> read_last(WallTime now);
  Result<Last> read_file(const std::string& path, std::string& torn);
  Status set_aside(std::string_view torn, const Last& last, WallTime now);
  void forget_those_of(const Last& last);
  Status take_in_aside(WallTime now);
  Status write(const SwitchEvent& event);
  Status next_file_if_due();
  Status load_aside();
  Status store_aside();
  void forget_aside();
  Recorded kept_aside(Error cause);

  const SwitchLogOptions options_;
  io::Disk& disk_;
  std::unique_ptr<io::File> file_;  // nullptr: the next write begins one
  std::uint64_t end_ = 0;
  SwitchChain chain_;
  bool opened_ = false;            // once; from then on chain_ is what was acknowledged
  bool ready_ = false;             // and nothing has failed since
  std::deque<SwitchEvent> aside_;  // in their order
  bool aside_loaded_ = false;      // what an earlier process left is among them
  bool aside_there_ = false;       // their file exists
  std::uint64_t dropped_ = 0;      // events that found no room aside
};

}  // namespace spillway::broker
