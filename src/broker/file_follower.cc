#include "broker/file_follower.h"

#include <algorithm>
#include <utility>

#include "broker/rotated_files.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// Of what a rotation at the same time makes fail.
constexpr int kTries = 8;

// As it is behind the beginning that was told of a line that is too long.
Result<bool> is_amid_line(io::File& file, std::uint64_t offset) {
  char before = '\n';
  if (offset > 0) SPILLWAY_TRY(file.read_at(offset - 1, std::span(&before, 1)));
  return before != '\n';
}

}  // namespace

FileFollower::FileFollower(io::Disk& disk, std::string path, std::optional<FilePlace> resume)
    : disk_(disk), path_(std::move(path)), resume_(resume) {}

Result<FileFollower::Opened> FileFollower::open(const std::string& path) const {
  // The file may be replaced between the two calls: the same name before and after says that what
  // was opened has it.
  for (int i = 0; i < kTries; ++i) {
    SPILLWAY_ASSIGN(const auto before, disk_.file_id(path));
    SPILLWAY_ASSIGN(auto file, disk_.open(path, io::OpenMode::kRead));
    SPILLWAY_ASSIGN(const auto after, disk_.file_id(path));
    if (before == after) return Opened{std::move(file), before};
  }
  return Error{ErrorCode::kBusy, path + " is being replaced all the time"};
}

void FileFollower::begin_reading(Opened opened, std::uint64_t offset) {
  file_ = std::move(opened.file);
  id_ = opened.id;
  line_begin_ = offset;
  pending_.clear();
  in_cut_line_ = skip_to_line_ = replaced_ = finished_ = false;
}

Status FileFollower::open_next() {
  if (finished_) return open_behind(id_);
  return resume_ ? open_again(*resume_) : open_first();
}

Status FileFollower::open_first() {
  SPILLWAY_ASSIGN(auto opened, open(path_));
  SPILLWAY_ASSIGN(const auto size, opened.file->size());
  const auto offset = size > kFirstBytesMax ? size - kFirstBytesMax : 0;
  begin_reading(std::move(opened), offset);
  skip_to_line_ = offset > 0;
  skipped_bytes_ += offset;
  return {};
}

Status FileFollower::open_again(const FilePlace& place) {
  SPILLWAY_ASSIGN(auto opened, open(path_));
  SPILLWAY_ASSIGN(const auto size, opened.file->size());
  if (place.file_id == opened.id) {
    if (place.offset <= size) return go_on(std::move(opened), place.offset);
    ++truncations_;
    begin_reading(std::move(opened), 0);
    return {};
  }
  // Rotated while nobody followed: what is left of the old file comes first.
  if (!replaced_) ++rotations_;
  for (int i = 0; i < kTries; ++i) {
    const auto rotated = find_rotated(place.file_id);
    if (!rotated) break;
    auto old = open(rotated->path);
    if (!old.ok() || old->id != place.file_id) continue;  // rotated once more
    SPILLWAY_ASSIGN(const auto old_size, old->file->size());
    if (old_size < place.offset) break;  // another one, which has got its id
    SPILLWAY_TRY(go_on(*std::move(old), place.offset));
    replaced_ = true;
    return {};
  }
  begin_reading(std::move(opened), 0);
  return {};
}

Status FileFollower::go_on(Opened opened, std::uint64_t offset) {
  SPILLWAY_ASSIGN(const bool amid_line, is_amid_line(*opened.file, offset));
  begin_reading(std::move(opened), offset);
  skip_to_line_ = amid_line;
  return {};
}

// The file that came behind the one of that id, which may have been rotated itself since then.
Status FileFollower::open_behind(std::uint64_t id) {
  const auto next_of = [this, id] {
    const auto rotated = find_rotated(id);
    return rotated ? rotated->next : path_;
  };
  for (int i = 0; i < kTries; ++i) {
    const auto next = next_of();
    auto opened = open(next);
    if (next_of() != next) continue;  // rotated meanwhile
    if (!opened.ok()) return std::move(opened).error();
    begin_reading(*std::move(opened), 0);
    return {};
  }
  return Error{ErrorCode::kBusy, path_ + " is being rotated all the time"};
}

// A rotation at the same time may hide a file from one look, and not from two.
std::optional<FileFollower::Rotated> FileFollower::find_rotated(std::uint64_t id) const {
  auto found = look_for_rotated(id);
  for (int i = 0; i < kTries; ++i) {
    auto again = look_for_rotated(id);
    if (again == found) break;
    found = std::move(again);
  }
  return found;
}

std::optional<FileFollower::Rotated> FileFollower::look_for_rotated(std::uint64_t id) const {
  const auto directory = io::parent_directory(path_);
  const auto name = path_.substr(path_.rfind('/') + 1);
  auto names = disk_.list(directory);
  // There are directories in which names may be used and not listed.
  const std::vector<std::string> known = names.ok() ? *std::move(names) : std::vector{name + ".1"};
  for (const auto& rotation : rotations_of(name, known)) {
    for (std::size_t i = 0; i < rotation.size(); ++i) {
      auto path = io::join_path(directory, rotation[i]);
      const auto found = disk_.file_id(path);
      if (!found.ok() || *found != id) continue;
      const bool newest = i + 1 == rotation.size();
      return Rotated{std::move(path), newest ? path_ : io::join_path(directory, rotation[i + 1])};
    }
  }
  return std::nullopt;
}

std::optional<FilePlace> FileFollower::next_line() const {
  if (file_ == nullptr || in_cut_line_ || skip_to_line_) return std::nullopt;
  return FilePlace{id_, line_begin_};
}

Result<std::vector<FollowedLine>> FileFollower::poll(std::size_t lines_max) {
  std::vector<FollowedLine> lines;
  auto read = read_new(lines, lines_max);
  // An error that lasts is met again by the next poll, which goes on behind these.
  if (!read.ok() && lines.empty()) return std::move(read).error();
  return lines;
}

Status FileFollower::read_new(std::vector<FollowedLine>& lines, std::size_t lines_max) {
  if (file_ == nullptr) SPILLWAY_TRY(open_next());
  while (lines.size() < lines_max) {
    const bool knew_of_replacement = replaced_;
    SPILLWAY_ASSIGN(const bool more, read_more(lines, lines_max));
    if (more) continue;
    SPILLWAY_ASSIGN(const bool replaced, was_replaced());
    if (!replaced) break;
    if (!knew_of_replacement) break;  // its writer may not have noticed yet: once more
    // The old file's last line may have no newline, and will get none.
    if (!pending_.empty() && !in_cut_line_) take_line(lines, pending_.size(), false);
    file_ = nullptr;
    finished_ = true;
    SPILLWAY_TRY(open_next());
  }
  return {};
}

Result<bool> FileFollower::read_more(std::vector<FollowedLine>& lines, std::size_t lines_max) {
  const auto before = lines.size();
  take_lines(lines, lines_max);  // left from the last poll
  if (lines.size() > before) return true;
  const std::uint64_t offset = line_begin_ + pending_.size();
  const std::size_t kept = pending_.size();
  pending_.resize(kept + kReadBytes);
  auto read = file_->read_at(offset, std::span(pending_).subspan(kept));
  pending_.resize(kept + (read.ok() ? *read : 0));
  if (!read.ok()) {
    file_ = nullptr;  // opened anew by the next poll, where it was left
    resume_ = FilePlace{id_, line_begin_};
    return std::move(read).error();
  }
  if (*read > 0) {
    take_lines(lines, lines_max);
    return true;
  }
  SPILLWAY_ASSIGN(const auto size, file_->size());
  if (size >= offset) return false;
  ++truncations_;
  line_begin_ = 0;
  pending_.clear();
  in_cut_line_ = skip_to_line_ = false;
  return true;
}

void FileFollower::take_lines(std::vector<FollowedLine>& lines, std::size_t lines_max) {
  while (lines.size() < lines_max) {
    const auto newline = pending_.find('\n');
    if (newline != std::string::npos) {
      take_line(lines, newline, true);
    } else if (pending_.size() > kLineBytesMax) {
      take_line(lines, kLineBytesMax, false);
      in_cut_line_ = true;
    } else {
      return;
    }
  }
}

// Tells the first `size` bytes of pending_, or drops them where they belong to no line to be told.
void FileFollower::take_line(std::vector<FollowedLine>& lines, std::size_t size,
                             bool with_newline) {
  const std::size_t taken = size + (with_newline ? 1 : 0);
  const bool dropped = in_cut_line_ || skip_to_line_;
  if (dropped) {
    skipped_bytes_ += taken;
  } else {
    FollowedLine line;
    line.cut = size > kLineBytesMax || (!with_newline && size == kLineBytesMax);
    line.text = pending_.substr(0, std::min(size, kLineBytesMax));
    if (line.text.ends_with('\r')) line.text.pop_back();
    line.begin = {id_, line_begin_};
    line.behind = {id_, line_begin_ + taken};
    lines.push_back(std::move(line));
  }
  if (with_newline) in_cut_line_ = skip_to_line_ = false;
  pending_.erase(0, taken);
  line_begin_ += taken;
}

Result<bool> FileFollower::was_replaced() {
  const auto now = disk_.file_id(path_);
  if (!now.ok()) {
    // Between the rename and the new file there is none: the old one is still followed.
    if (now.error().code == ErrorCode::kNotFound) return false;
    return now.error();
  }
  if (*now == id_) return false;
  if (!replaced_) {
    replaced_ = true;
    ++rotations_;
  }
  return true;
}

}  // namespace spillway::broker
