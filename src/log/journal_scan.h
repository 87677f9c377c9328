// Every frame in a journal file, for those who look at a data directory rather than serve from it:
// the valid ones, and what earlier uses of the file left behind them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/frame.h"

namespace spillway::log {

struct ScannedFrame {
  std::uint64_t offset = 0;
  std::uint64_t epoch = 0;
  std::uint64_t number = 0;
  // Of an earlier use: its body's checksum is right; its header's can't be checked any more, since
  // it was begun from a salt that is gone.
  bool leftover = false;
  std::vector<Entry> entries;
};

// Journal files of `directory`, by epoch, ascending.
Result<std::vector<std::string>> journal_paths(io::Disk& disk, const std::string& directory);

// Calls `visit` for each frame that is whole, in the order of the file. Errors are the disk's;
// bytes that are no frame are passed over (read_journal() tells which of them are damage).
Status scan_journal_file(io::Disk& disk, const std::string& path,
                         const std::function<void(const ScannedFrame&)>& visit);

}  // namespace spillway::log
