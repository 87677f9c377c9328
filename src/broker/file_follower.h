// Follows a log file line by line, as `tail -F` does: through rotation (the file is renamed and
// another takes its place) and truncation (it is cut and written from its beginning).
//
// A line is told once its newline is there. After a rotation the old file is read to its end before
// the new one begins; its writer may go on with it for a while, so it is left only when a poll that
// knew of the rotation found nothing more. Where it was rotated several times meanwhile, those that
// came behind it are read first, as far as they are in its directory and are called as rotations do
// (rotated_files.h). What a truncation cuts before it was read is gone, and a file that was cut and
// grew past the reading place between two polls can't be told from one that only grew: rotate by
// renaming where every line counts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/disk.h"

namespace spillway::broker {

// How far a file was read, or its lines spooled: `offset` bytes of the file `file_id`.
struct FilePlace {
  std::uint64_t file_id = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const FilePlace&, const FilePlace&) = default;
};

struct FollowedLine {
  std::string text;  // without its newline; any bytes
  bool cut = false;  // the line went on beyond kLineBytesMax, and the rest was left out
  FilePlace begin;   // where it stands
  FilePlace behind;  // where to go on once it is spooled
};

// One thread at a time; blocks on the disk.
class FileFollower {
 public:
  static constexpr std::size_t kLineBytesMax = 64 * 1024;
  // Of a file met for the first time, this much of its end is told.
  static constexpr std::uint64_t kFirstBytesMax = std::uint64_t{1} << 20;

  // `resume`: what was spooled before, if the file was ever followed. If the file was rotated
  // since then, it is looked for among the rotated ones.
  FileFollower(io::Disk& disk, std::string path, std::optional<FilePlace> resume);

  // New lines, at most `lines_max`. kNotFound where there is no file yet; other errors name the
  // file, and the next poll tries again. What was read before an error is told first.
  Result<std::vector<FollowedLine>> poll(std::size_t lines_max);

  // Where the next line begins that isn't told; none before there is a file, or amid a line of
  // which the rest is left out.
  std::optional<FilePlace> next_line() const;

  const std::string& path() const { return path_; }
  std::uint64_t rotations() const { return rotations_; }
  std::uint64_t truncations() const { return truncations_; }
  std::uint64_t skipped_bytes() const { return skipped_bytes_; }

 private:
  struct Opened {
    std::unique_ptr<io::File> file;
    std::uint64_t id = 0;
  };
  // Where a file is that was rotated, and the one that came behind it.
  struct Rotated {
    std::string path;
    std::string next;
    friend bool operator==(const Rotated&, const Rotated&) = default;
  };
  Result<Opened> open(const std::string& path) const;
  Status open_next();
  Status open_first();
  Status open_again(const FilePlace& place);
  Status go_on(Opened opened, std::uint64_t offset);
  Status open_behind(std::uint64_t id);
  std::optional<Rotated> find_rotated(std::uint64_t id) const;
  std::optional<Rotated> look_for_rotated(std::uint64_t id) const;
  Status read_new(std::vector<FollowedLine>& lines, std::size_t lines_max);
  void begin_reading(Opened opened, std::uint64_t offset);
  // Reads once and takes whole lines; false when there is nothing more to read.
  Result<bool> read_more(std::vector<FollowedLine>& lines, std::size_t lines_max);
  void take_lines(std::vector<FollowedLine>& lines, std::size_t lines_max);
  void take_line(std::vector<FollowedLine>& lines, std::size_t size, bool with_newline);
  // At the file's end: whether another file has taken its place.
  Result<bool> was_replaced();

  io::Disk& disk_;
  const std::string path_;
  std::optional<FilePlace> resume_;  // where it goes on when a file is opened

  std::unique_ptr<io::File> file_;
  std::uint64_t id_ = 0;
  std::uint64_t line_begin_ = 0;  // offset of pending_'s first byte
  std::string pending_;           // read, not yet told
  bool in_cut_line_ = false;      // dropping the rest of a line that was too long
  bool skip_to_line_ = false;     // reading began amid a line
  bool replaced_ = false;         // a poll has seen another file in its place
  bool finished_ = false;         // read to its end: the one that came behind it is next

  std::uint64_t rotations_ = 0;
  std::uint64_t truncations_ = 0;
  std::uint64_t skipped_bytes_ = 0;
};

}  // namespace spillway::broker
