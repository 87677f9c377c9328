// The files of an audit log of switches, read by whoever wants to know whether it is whole: its
// writer is broker/switch_log.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/switch_event.h"
#include "io/disk.h"

namespace spillway::broker {

// No file of a log is larger.
inline constexpr std::size_t kSwitchFileBytesMax = std::size_t{64} << 20;

// "DIRECTORY/00000000000000000001.log" for the file whose first line has that number.
std::string switch_log_file(std::string_view directory, std::uint64_t first);
// Those in `directory`, the oldest first; empty where there is no such directory.
Result<std::vector<std::string>> switch_log_files(io::Disk& disk, const std::string& directory);

struct VerifiedLog {
  SwitchHead head;
  std::uint64_t lines = 0;
  std::uint64_t first = 0;  // number of the first line; above 1 of a file without those before it
};
// Reads every line of a log's directory, or of one file of it. kCorrupt names the first file and
// line that is wrong; so too where the log has another line than `kept`, or ends before it.
// kInvalid where `kept` is of a line before the file.
Result<VerifiedLog> verify_switch_log(io::Disk& disk, const std::string& path,
                                      const std::optional<SwitchHead>& kept);

}  // namespace spillway::broker
