// One line of the audit log of switches (docs/formats/switch-log.md): what was done to where a
// stream goes, by whom and why.
//
// A line is one JSON object, its members always in this order: "v" (the format's version: 1, or 2
// for the actions that came with it),
// "sequence" (1 for the first line of a log, one more for each further), "previous" (SHA-256 of the
// line before, without its line break, in hexadecimal; zeros for the first), "time" (RFC 3339, UTC,
// milliseconds), "action", "stream", "from", "to", "who", "reason", "grant", "break_glass",
// "request_id". It has exactly one form: what isn't written as switch_line() would is not a line.
//
// So every line vouches for all before it: who changes, inserts or removes one must write all later
// ones again, and then the hash of the last, kept elsewhere, differs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"

namespace spillway::broker {

enum class SwitchAction : std::uint8_t {
  kSwitch,   // the stream goes to "to" from now on
  kReturn,   // likewise, and that is its first target again
  kRelease,  // a person's choice no longer holds; health decides
  kRefuse,   // a switch was asked for and not made
  kGrant,    // a grant came into use
  kRevoke,   // one was taken back
  kRepair,   // of the log itself: what a crash left of a line was set aside
  kSetBack,  // "to" has lost what it had acknowledged, and isn't used; version 2
  kAccept,   // it may be used as it is; version 2
};
std::string_view to_string(SwitchAction action);

struct SwitchEvent {
  WallTime time{};
  SwitchAction action = SwitchAction::kSwitch;
  std::string stream;
  std::string from;    // target; empty: none
  std::string to;      // likewise
  std::string who;     // "ed25519:…", "broker:NAME", or a name
  std::string reason;  // as given, or why it was refused
  std::string grant;   // its id; empty: none was needed, or none was there
  bool break_glass = false;
  std::string request_id;

  friend bool operator==(const SwitchEvent&, const SwitchEvent&) = default;
};

struct SwitchLine {
  std::uint64_t sequence = 0;  // 0: not part of a log (yet)
  Sha256Digest previous{};
  SwitchEvent event;
};

inline constexpr std::size_t kSwitchTextMax = 1024;
// Of a line: each of its seven texts may consist of bytes that take six characters.
inline constexpr std::size_t kSwitchLineMax = std::size_t{64} << 10;
// To at most kSwitchTextMax bytes, between characters.
void cut_switch_text(std::string& text);
// With its texts cut so.
SwitchEvent bounded(SwitchEvent event);

// Of a bounded event, without the line break. A byte that isn't UTF-8 becomes U+FFFD.
std::string switch_line(const SwitchLine& line);
// kCorrupt for what switch_line() doesn't write, kUnsupported for a newer version.
Result<SwitchLine> parse_switch_line(std::string_view text);

// Where a log ends: the last line's sequence and hash. Kept elsewhere, it shows that a log was cut
// or written anew.
struct SwitchHead {
  std::uint64_t sequence = 0;  // 0: of a log without lines
  Sha256Digest hash{};

  friend bool operator==(const SwitchHead&, const SwitchHead&) = default;
};
std::string to_string(const SwitchHead& head);  // "HASH@SEQUENCE"
Result<SwitchHead> parse_switch_head(std::string_view text);

// Lines one after the other, each held against the one before.
class SwitchChain {
 public:
  SwitchChain() = default;
  explicit SwitchChain(const SwitchHead& after) : head_(after) {}
  // Goes on behind a beginning that isn't at hand: the first line's word is taken for it.
  static SwitchChain from_anywhere();

  // kCorrupt, or kUnsupported, saying what is wrong with the line; the head stays then.
  Result<SwitchEvent> add(std::string_view line);
  // The line that goes on with this chain.
  std::string extend(const SwitchEvent& event);
  const SwitchHead& head() const { return head_; }

 private:
  SwitchHead head_;
  bool anywhere_ = false;
};

}  // namespace spillway::broker
