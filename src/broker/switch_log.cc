#include "broker/switch_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "broker/switch_log_files.h"

namespace spillway::broker {
namespace {

// An event by itself, as the file of what was kept aside has it.
std::string aside_line(const SwitchEvent& event) { return switch_line({0, {}, event}); }

// Takes a line off the front, without its line break; nullopt where it has none.
std::optional<std::string_view> take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    bytes = {};
    return std::nullopt;
  }
  const auto line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return line;
}

SwitchEvent repair(WallTime now, std::string what) {
  SwitchEvent event;
  event.time = now;
  event.action = SwitchAction::kRepair;
  event.reason = std::move(what);
  return event;
}

}  // namespace

Recorded SwitchLog::open(WallTime now) {
  if (ready_) return {chain_.head(), "", false};
  if (auto recovered = recover(now); !recovered.ok())
    return kept_aside(std::move(recovered).error());
  return {chain_.head(), "", false};
}

Recorded SwitchLog::append(const SwitchEvent& event) {
  auto done = ready_ ? Status() : recover(event.time);
  if (done.ok()) done = next_file_if_due();
  if (done.ok()) done = write(bounded(event));
  if (done.ok()) return {chain_.head(), "", false};
  if (aside_.size() < options_.aside_events) {
    aside_.push_back(bounded(event));
  } else {
    ++dropped_;
  }
  return kept_aside(std::move(done).error());
}

Recorded SwitchLog::kept_aside(Error cause) {
  ready_ = false;
  file_.reset();
  const auto stored = store_aside();
  std::string fault =
      fmt::format("the log of switches can't be written: {}; {} entries are kept {}", cause.message,
                  aside_.size(), stored.ok() ? "in " + options_.aside : "in memory alone");
  if (!stored.ok()) fault += fmt::format(", since {}", stored.error().message);
  if (dropped_ > 0) fault += fmt::format("; {} found no room and are lost", dropped_);
  return {chain_.head(), std::move(fault), stored.ok() && dropped_ == 0};
}

Status SwitchLog::recover(WallTime now) {
  SPILLWAY_TRY(load_aside());
  SPILLWAY_TRY(disk_.make_directory(options_.directory));
  SPILLWAY_ASSIGN(const auto last, read_last(now));
  if (opened_ && last.head != chain_.head()) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{} ends with line {}, and line {} was written: somebody changed it",
                             options_.directory, last.head.sequence, chain_.head().sequence)};
  }
  file_.reset();
  if (!last.path.empty()) {
    // A file of its own, whatever the system still has of the other one.
    SPILLWAY_TRY(io::replace_file(disk_, last.path, last.bytes));
    SPILLWAY_ASSIGN(file_, disk_.open(last.path, io::OpenMode::kReadWrite));
    end_ = last.bytes.size();
  }
  chain_ = SwitchChain(last.head);
  if (!std::exchange(opened_, true)) forget_those_of(last);
  SPILLWAY_TRY(take_in_aside(now));
  forget_aside();
  ready_ = true;
  return {};
}

// Into one file, whose last line may be torn. What is written is no longer aside, whatever becomes
// of the others.
Status SwitchLog::take_in_aside(WallTime now) {
  if (aside_.empty() && dropped_ == 0) return {};
  SPILLWAY_TRY(next_file_if_due());
  for (; !aside_.empty(); aside_.pop_front()) SPILLWAY_TRY(write(aside_.front()));
  if (dropped_ == 0) return {};
  SPILLWAY_TRY(write(repair(now, fmt::format("{} entries are missing here: more were to be written "
                                             "than could be kept aside",
                                             dropped_))));
  dropped_ = 0;
  return {};
}

// A crash came after they were taken in, and before their file was removed.
void SwitchLog::forget_those_of(const Last& last) {
  std::set<std::string> there;
  for (const auto& event : last.events) there.insert(aside_line(event));
  std::erase_if(aside_,
                [&](const SwitchEvent& event) { return there.contains(aside_line(event)); });
}

// Files without a line that was acknowledged are removed on the way.
Result<SwitchLog::Last> SwitchLog::read_last(WallTime now) {
  SPILLWAY_ASSIGN(auto files, switch_log_files(disk_, options_.directory));
  for (; !files.empty(); files.pop_back()) {
    if (!opened_ || files.back() <= switch_log_file(options_.directory, chain_.head().sequence)) {
      std::string torn;
      SPILLWAY_ASSIGN(auto last, read_file(files.back(), torn));
      if (!torn.empty()) SPILLWAY_TRY(set_aside(torn, last, now));
      if (last.head.sequence > 0 || opened_) return last;
    }
    SPILLWAY_TRY(disk_.remove(files.back()));
  }
  return Last{};
}

// What a crash left of a line, at the end of a file; the event that tells of it is aside before the
// line is gone, once, however often this is tried.
Status SwitchLog::set_aside(std::string_view torn, const Last& last, WallTime now) {
  const std::string path = fmt::format("{}.{}.torn", last.path, last.bytes.size());
  SPILLWAY_TRY(io::replace_file(disk_, path, torn));
  auto event =
      repair(now, fmt::format("{} bytes of a line that was never acknowledged were set aside in {}",
                              torn.size(), path));
  if (std::ranges::find(aside_, event.reason, &SwitchEvent::reason) != aside_.end()) return {};
  aside_.push_front(std::move(event));
  // The log is mended even where this fails: the line itself is in its file.
  static_cast<void>(store_aside().ok());
  return {};
}

Result<SwitchLog::Last> SwitchLog::read_file(const std::string& path, std::string& torn) {
  Last last;
  last.path = path;
  SPILLWAY_ASSIGN(last.bytes, io::read_file(disk_, path, kSwitchFileBytesMax));
  auto chain = SwitchChain::from_anywhere();
  std::string_view rest = last.bytes;
  std::size_t whole = 0;
  while (!rest.empty()) {
    const std::string_view before = rest;
    const auto line = take_line(rest);
    auto event =
        line ? chain.add(*line) : Result<SwitchEvent>(Error{ErrorCode::kCorrupt, "a line is cut"});
    // What was written here and never acknowledged is kept aside.
    if (opened_ && event.ok() && chain.head().sequence > chain_.head().sequence) break;
    const bool in_order =
        event.ok() &&
        (whole > 0 || path == switch_log_file(options_.directory, chain.head().sequence));
    if (!in_order) {
      const bool newer = !event.ok() && event.error().code == ErrorCode::kUnsupported;
      if (rest.empty() && !newer) {
        if (!opened_) torn = before;
        break;
      }
      return Error{newer ? ErrorCode::kUnsupported : ErrorCode::kCorrupt,
                   fmt::format("{}, at byte {}: {}; `spillway audit verify` tells more, and a log "
                               "that begins anew needs {} moved away",
                               path, whole,
                               event.ok() ? "its first line is not the one it is named for"
                                          : event.error().message,
                               options_.directory)};
    }
    whole = last.bytes.size() - rest.size();
    last.head = chain.head();
    last.events.push_back(*std::move(event));
  }
  last.bytes.resize(whole);
  return last;
}

Status SwitchLog::load_aside() {
  if (aside_loaded_) return {};
  auto stored = io::read_file(disk_, options_.aside, kSwitchFileBytesMax);
  if (!stored.ok() && stored.error().code != ErrorCode::kNotFound) return std::move(stored).error();
  std::vector<SwitchEvent> found;
  std::string_view rest = stored.ok() ? std::string_view(*stored) : std::string_view();
  while (const auto text = take_line(rest)) {
    auto line = parse_switch_line(*text);
    if (!line.ok())
      return context(fmt::format("{} (move it away, and it is left out)", options_.aside),
                     std::move(line).error());
    found.push_back(std::move(line->event));
  }
  aside_.insert(aside_.begin(), found.begin(), found.end());
  aside_there_ = stored.ok();
  aside_loaded_ = true;
  return {};
}

// A sync for each: only the last line of a log may be torn.
Status SwitchLog::write(const SwitchEvent& event) {
  SwitchChain chain = chain_;
  const std::string line = chain.extend(event) + "\n";
  SPILLWAY_TRY(file_->write_at(end_, line));
  SPILLWAY_TRY(file_->sync_data());
  end_ += line.size();
  chain_ = chain;
  return {};
}

Status SwitchLog::next_file_if_due() {
  if (file_ != nullptr && end_ < options_.file_bytes) return {};
  const std::string path = switch_log_file(options_.directory, chain_.head().sequence + 1);
  SPILLWAY_ASSIGN(file_, disk_.open(path, io::OpenMode::kCreate));
  end_ = 0;
  return disk_.sync_directory(options_.directory);
}

Status SwitchLog::store_aside() {
  std::string lines;
  for (const auto& event : aside_) {
    lines += aside_line(event);
    lines += '\n';
  }
  if (!aside_loaded_) {
    return Error{ErrorCode::kClosed,
                 fmt::format("{} can't be read, and may hold earlier ones", options_.aside)};
  }
  SPILLWAY_TRY(io::replace_file(disk_, options_.aside, lines));
  aside_there_ = true;
  return {};
}

void SwitchLog::forget_aside() {
  aside_.clear();
  if (!std::exchange(aside_there_, false)) return;
  // Where it stays, the next start finds that the log has what is in it.
  if (disk_.remove(options_.aside).ok())
    static_cast<void>(disk_.sync_directory(io::parent_directory(options_.aside)).ok());
}

}  // namespace spillway::broker
