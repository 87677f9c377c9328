#include "broker/switch_state.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/assert.h"
#include "base/rfc3339.h"
#include "broker/checked_lines.h"
#include "broker/json_members.h"
#include "broker/json_object.h"
#include "broker/switch_event.h"

namespace spillway::broker {
namespace {

namespace dom = simdjson::dom;

constexpr LinesFormat kFormat{"spillway switch state", "1", "a state of switches"};
constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

std::string line_of(const std::string& stream, const StreamSwitch& state) {
  JsonObject set_back;
  for (const auto& [target, found] : state.set_back) set_back.add(target, found);
  return JsonObject()
      .add("stream", stream)
      .add("target", state.target)
      .add("held", state.held)
      .add("since", rfc3339_millis(state.since))
      .add("why", state.why)
      .add("by", state.by)
      .add("break_glass", state.break_glass)
      .add("generation", state.generation)
      .add_raw("set_back", set_back.text())
      .text();
}

bool take_set_back(const dom::element& from, std::map<std::string, std::string>& to) {
  dom::object object;
  if (from["set_back"].get_object().get(object) != simdjson::SUCCESS) return false;
  for (const auto member : object) {
    std::string_view found;
    if (member.value.get_string().get(found) != simdjson::SUCCESS) return false;
    to.emplace(member.key, found);
  }
  return true;
}

// Where it is left out it stays.
bool take_if_there(const dom::element& from, const char* name, bool& to) {
  const auto error = from[name].get_bool().get(to);
  return error == simdjson::SUCCESS || error == simdjson::NO_SUCH_FIELD;
}

bool take_line(std::string_view line, StreamSwitches& to) {
  thread_local dom::parser parser;
  dom::element root;
  std::string stream;
  StreamSwitch state;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS || !root.is_object() ||
      !take(root, "stream", stream) || !take(root, "target", state.target) ||
      !take(root, "held", state.held) || !take(root, "since", state.since) ||
      !take(root, "why", state.why) || !take(root, "by", state.by) ||
      !take_if_there(root, "break_glass", state.break_glass) ||
      !take(root, "generation", state.generation) || !take_set_back(root, state.set_back))
    return false;
  return to.emplace(std::move(stream), std::move(state)).second;
}

}  // namespace

std::string encode(const StreamSwitches& switches) {
  std::string lines;
  for (const auto& [stream, state] : switches) lines += line_of(stream, state) + "\n";
  return with_checksum(kFormat, lines);
}

Result<StreamSwitches> decode_switch_state(std::string_view text) {
  SPILLWAY_ASSIGN(text, checked_lines(kFormat, text));
  StreamSwitches switches;
  SPILLWAY_TRY(take_lines(
      text, "a stream", [&switches](std::string_view line) { return take_line(line, switches); }));
  return switches;
}

Status SwitchState::load() {
  switches_.clear();
  const auto bytes = io::read_file(disk_, path_, kFileBytesMax);
  if (!bytes.ok() && bytes.error().code != ErrorCode::kNotFound) return bytes.error();
  loaded_ = true;
  if (!bytes.ok()) return {};
  auto read = decode_switch_state(*bytes);
  if (read.ok()) {
    switches_ = *std::move(read);
    return {};
  }
  Error error = context(path_, std::move(read).error());
  const std::string aside = path_ + ".damaged";
  auto moved = disk_.rename(path_, aside);
  if (moved.ok()) moved = disk_.sync_directory(io::parent_directory(path_));
  error.message += fmt::format(
      "; every stream goes to its first target, as if no switch had been "
      "made; the file is {}",
      moved.ok() ? "kept as " + aside : "left in its place: " + moved.error().message);
  return error;
}

StreamSwitch SwitchState::of(const std::string& stream,
                             std::span<const std::string> targets) const {
  SPILLWAY_ASSERT(!targets.empty());
  StreamSwitch state;
  if (const auto known = switches_.find(stream); known != switches_.end()) state = known->second;
  std::erase_if(state.set_back, [targets](const auto& each) {
    return std::ranges::find(targets, each.first) == targets.end();
  });
  if (std::ranges::find(targets, state.target) != targets.end()) return state;
  const bool gone = !state.target.empty();
  if (gone) state.why = fmt::format("the target {} is no longer configured", state.target);
  state.target = targets.front();
  state.held = false;
  return state;
}

std::string SwitchState::target_of(const std::string& stream) const {
  const auto known = switches_.find(stream);
  return known != switches_.end() ? known->second.target : std::string();
}

Status SwitchState::set(const std::string& stream, StreamSwitch next) {
  StreamSwitches changed = switches_;
  StreamSwitch& state = changed[stream];
  next.generation = state.generation + 1;
  cut_switch_text(next.why);
  cut_switch_text(next.by);
  state = std::move(next);
  return store(std::move(changed));
}

Status SwitchState::forget(const std::string& stream) {
  StreamSwitches changed = switches_;
  if (changed.erase(stream) == 0) return {};
  return store(std::move(changed));
}

Status SwitchState::store(StreamSwitches next) {
  if (!loaded_)
    return Error{ErrorCode::kClosed, fmt::format("{} can't be read, so it is not replaced", path_)};
  SPILLWAY_TRY(io::replace_file(disk_, path_, encode(next)));
  switches_ = std::move(next);
  return {};
}

}  // namespace spillway::broker
