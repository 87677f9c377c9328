#include "broker/switch_event.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "base/rfc3339.h"
#include "broker/json_members.h"
#include "broker/json_object.h"

namespace spillway::broker {
namespace {

namespace dom = simdjson::dom;

constexpr std::uint64_t kVersion = 2;

constexpr std::array kActions = {
    SwitchAction::kSwitch, SwitchAction::kReturn,  SwitchAction::kRelease,
    SwitchAction::kRefuse, SwitchAction::kGrant,   SwitchAction::kRevoke,
    SwitchAction::kRepair, SwitchAction::kSetBack, SwitchAction::kAccept};

// Builds that know version 1 alone say what is new, not that it is wrong.
std::uint64_t version_of(SwitchAction action) {
  return action == SwitchAction::kSetBack || action == SwitchAction::kAccept ? 2 : 1;
}

bool take_event(const dom::element& from, SwitchEvent& event) {
  std::string action;
  const bool whole = take(from, "time", event.time) && take(from, "action", action) &&
                     take(from, "stream", event.stream) && take(from, "from", event.from) &&
                     take(from, "to", event.to) && take(from, "who", event.who) &&
                     take(from, "reason", event.reason) && take(from, "grant", event.grant) &&
                     take(from, "break_glass", event.break_glass) &&
                     take(from, "request_id", event.request_id);
  const auto* const known =
      std::ranges::find_if(kActions, [&](SwitchAction each) { return to_string(each) == action; });
  if (!whole || known == kActions.end()) return false;
  event.action = *known;
  return true;
}

}  // namespace

std::string_view to_string(SwitchAction action) {
  switch (action) {
    case SwitchAction::kSwitch:
      return "switch";
    case SwitchAction::kReturn:
      return "return";
    case SwitchAction::kRelease:
      return "release";
    case SwitchAction::kRefuse:
      return "refuse";
    case SwitchAction::kGrant:
      return "grant";
    case SwitchAction::kRevoke:
      return "revoke";
    case SwitchAction::kRepair:
      return "repair";
    case SwitchAction::kSetBack:
      return "set_back";
    case SwitchAction::kAccept:
      return "accept";
  }
  return "";
}

void cut_switch_text(std::string& text) {
  if (text.size() <= kSwitchTextMax) return;
  std::size_t end = kSwitchTextMax;  // not within a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

SwitchEvent bounded(SwitchEvent event) {
  for (auto* text : {&event.stream, &event.from, &event.to, &event.who, &event.reason, &event.grant,
                     &event.request_id})
    cut_switch_text(*text);
  return event;
}

std::string switch_line(const SwitchLine& line) {
  const SwitchEvent& event = line.event;
  JsonObject json;
  json.add("v", version_of(event.action))
      .add("sequence", line.sequence)
      .add("previous", to_hex(line.previous))
      .add("time", rfc3339_millis(event.time))
      .add("action", to_string(event.action))
      .add("stream", event.stream)
      .add("from", event.from)
      .add("to", event.to)
      .add("who", event.who)
      .add("reason", event.reason)
      .add("grant", event.grant)
      .add("break_glass", event.break_glass)
      .add("request_id", event.request_id);
  return json.text();
}

Result<SwitchLine> parse_switch_line(std::string_view text) {
  const Error corrupt{ErrorCode::kCorrupt, "this is no line of a log of switches"};
  if (text.size() > kSwitchLineMax) return corrupt;
  thread_local dom::parser parser;
  dom::element root;
  std::uint64_t version = 0;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS || !root.is_object() ||
      root["v"].get_uint64().get(version) != simdjson::SUCCESS || version == 0)
    return corrupt;
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("the line is of version {}; this build knows {}", version, kVersion)};
  }
  SwitchLine line;
  std::string previous;
  if (root["sequence"].get_uint64().get(line.sequence) != simdjson::SUCCESS ||
      !take(root, "previous", previous) || !take_event(root, line.event))
    return corrupt;
  const auto head = parse_switch_head(fmt::format("{}@{}", previous, line.sequence));
  if (!head.ok()) return corrupt;
  line.previous = head->hash;
  // Another order, further members, other escapes: a line has one form.
  if (switch_line(line) != text) return corrupt;
  return line;
}

std::string to_string(const SwitchHead& head) {
  return fmt::format("{}@{}", to_hex(head.hash), head.sequence);
}

Result<SwitchHead> parse_switch_head(std::string_view text) {
  SwitchHead head;
  const Error invalid{
      ErrorCode::kInvalid,
      fmt::format("\"{}\" is no head of a log: it is 64 hexadecimal digits, an @ and "
                  "a line's number, as `spillway audit head` prints it",
                  text.substr(0, 100))};
  constexpr std::size_t kDigits = 2 * std::tuple_size_v<Sha256Digest>;
  if (text.size() < kDigits + 2 || text[kDigits] != '@') return invalid;
  for (std::size_t i = 0; i < head.hash.size(); ++i) {
    const char* const at = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, head.hash[i], 16);
    if (error != std::errc{} || end != at + 2) return invalid;
  }
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + kDigits + 1, end, head.sequence);
  if (parsed.ec != std::errc{} || parsed.ptr != end || to_string(head) != text) return invalid;
  return head;
}

SwitchChain SwitchChain::from_anywhere() {
  SwitchChain chain;
  chain.anywhere_ = true;
  return chain;
}

Result<SwitchEvent> SwitchChain::add(std::string_view line) {
  SPILLWAY_ASSIGN(auto parsed, parse_switch_line(line));
  if (parsed.sequence == 0)
    return Error{ErrorCode::kCorrupt, "the line has the number 0, so it was never part of a log"};
  if (!anywhere_ && parsed.sequence != head_.sequence + 1) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("the line has the number {}, and {} is due: lines "
                             "were removed, put in or moved",
                             parsed.sequence, head_.sequence + 1)};
  }
  if (!anywhere_ && parsed.previous != head_.hash) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("line {} does not follow the one before it, which was changed, or is "
                             "another one",
                             parsed.sequence)};
  }
  anywhere_ = false;
  head_ = {parsed.sequence, sha256(line)};
  return std::move(parsed.event);
}

std::string SwitchChain::extend(const SwitchEvent& event) {
  std::string line = switch_line({head_.sequence + 1, head_.hash, event});
  head_ = {head_.sequence + 1, sha256(line)};
  return line;
}

}  // namespace spillway::broker
