// Where each stream goes, and since when, why and by whom: what a broker has to know again after a
// restart. One small text file in its data directory, replaced atomically.
//
// Format, version 1 (docs/formats/switch-state.md): the line "spillway switch state 1 CRC", CRC
// being the CRC32C of everything behind that line as 8 hexadecimal digits, then one JSON object a
// line for each stream, sorted by its name: "stream", "target", "held", "since" (RFC 3339, UTC,
// milliseconds), "why", "by", "break_glass" (left out by earlier builds: false), "generation",
// "set_back" (an object: target → what was found).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "io/disk.h"

namespace spillway::broker {

struct StreamSwitch {
  std::string target;  // name of the one in use
  bool held = false;   // by a person, until it is released; else health decides
  WallTime since{};
  std::string why;                              // at most kSwitchTextMax bytes, as is the next
  std::string by;                               // "ed25519:…", "broker:NAME", or a name
  bool break_glass = false;                     // held without the grant that it took
  std::uint64_t generation = 0;                 // one more with each change; 0: never changed
  std::map<std::string, std::string> set_back;  // targets that a person must accept first

  friend bool operator==(const StreamSwitch&, const StreamSwitch&) = default;
};
using StreamSwitches = std::map<std::string, StreamSwitch>;  // by stream

std::string encode(const StreamSwitches& switches);
// kUnsupported for a newer version, kCorrupt saying what is wrong.
Result<StreamSwitches> decode_switch_state(std::string_view text);

// One thread at a time; calls block on the disk.
class SwitchState {
 public:
  SwitchState(io::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  // Reads the file. One that is damaged, or of a newer version, is moved to PATH.damaged, all
  // streams begin at their first targets again, and the error says so, to be told loudly. Any other
  // error: the file can't be read now, and is not replaced before it was.
  Status load();

  // The stream's, by the targets that are configured: their first one, not held, where nothing is
  // known or the target in use is no longer among them. `targets` has at least one.
  StreamSwitch of(const std::string& stream, std::span<const std::string> targets) const;

  // The name of the stream's target as it is stored, be it configured or not; empty: none is.
  std::string target_of(const std::string& stream) const;

  // Durable when it returns, before anything goes by it; gives it the next generation. An error:
  // of() goes on as before.
  Status set(const std::string& stream, StreamSwitch next);
  // Drops a stream that is no longer configured. Durable when it returns.
  Status forget(const std::string& stream);

 private:
  Status store(StreamSwitches next);

  io::Disk& disk_;
  const std::string path_;
  StreamSwitches switches_;
  bool loaded_ = false;
};

}  // namespace spillway::broker
