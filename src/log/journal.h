// The journal: one ordered log for everything durable in a data directory. Frames as log/frame.h
// describes them, in files that are filled one after the other and used again once what they hold
// is in segments and a snapshot.
//
// Not thread-safe: the flusher alone appends. Blocks on the disk. Making a file of full size takes
// long against a sync (64 MiB of zeros), so another thread can make one ahead: make_spare().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/frame.h"
#include "log/journal_note.h"

namespace spillway::log {

struct JournalOptions {
  std::string directory;
  std::uint64_t file_bytes = std::uint64_t{64} << 20;
  std::uint32_t files_max = 4;  // that exist at a time, but for those that starts had to add
};

// The largest frame body that fits into a file.
constexpr std::uint64_t frame_body_max(std::uint64_t file_bytes) {
  return file_bytes - kFileHeaderSize - kFrameHeaderSize - kSectorSize;
}

struct JournalFrame {
  std::uint64_t number = 0;
  std::vector<Entry> entries;
};

// What stood in a directory's journal behind frame `after`.
struct JournalContent {
  std::vector<JournalFrame> frames;
  std::uint64_t last_epoch = 0;  // of any file, 0 where there is none
  // The files, by epoch, ascending: those with a frame behind `after`, and those without.
  std::vector<std::uint64_t> used;
  std::vector<std::uint64_t> covered;
  std::uint64_t last_used_size = 0;  // in bytes, of the last of `used`
  std::optional<NewestFile> noted;   // nullopt: by no build that notes it, or nothing is needed
};

// Reads every frame with a number above `after`. A last frame that is not whole is left out (it was
// never acknowledged); kCorrupt, with file and offset, where a valid frame follows bytes that are
// none: the first proves that they were synced; where no file is there, `after` being above 0:
// there always is one since the first frame; and where the newest file is gone, too short or
// without its header (log/journal_note.h).
Result<JournalContent> read_journal(io::Disk& disk, const std::string& directory,
                                    std::uint64_t after);

// Makes the file that a Journal uses when it has been told of it by add_spare(), and until then
// must not be called again. From any thread, once the journal has been started.
Status make_spare(io::Disk& disk, const JournalOptions& options);

class Journal {
 public:
  // Goes on behind `content`, which was read behind frame `after`, in a new file, of which there
  // may be one more than files_max then. The last frame of `content` is written again, under its
  // number: that the page cache shows it doesn't say that its sync came back (that of every earlier
  // one did, or it would not follow). The files that `content` calls covered may be used again.
  static Result<std::unique_ptr<Journal>> start(io::Disk& disk, const JournalOptions& options,
                                                const JournalContent& content, std::uint64_t after,
                                                std::uint64_t salt_seed);

  // Whether a frame with a body of `body_size` bytes goes into the current file.
  bool fits(std::uint64_t body_size) const;
  // Whether the current file is half full and next_file() would have to make one.
  bool wants_spare() const;
  // make_spare() has succeeded since the last call.
  void add_spare() { has_spare_ = true; }
  // Moves on to an empty file: recycled, the spare, or new. kThrottled: files_max exist and none is
  // free; kNoSpace: there is no room for a new one. Both leave the journal as it was.
  Status next_file();
  // Writes and syncs one frame; it must fit. kNoSpace: nothing was synced, the call may be
  // repeated. After any other error nothing more may be appended, ever.
  Status append(std::span<const Entry> entries);

  std::uint64_t next_frame() const { return next_frame_; }
  std::uint64_t current_epoch() const { return header_.epoch; }
  // The file of `epoch`, and all before it, may be used again.
  void release_through(std::uint64_t epoch);

 private:
  Journal(io::Disk& disk, const JournalOptions& options) : disk_(disk), options_(options) {}
  std::string path_of(std::uint64_t epoch) const;
  Result<std::unique_ptr<io::File>> make_file(const std::string& path, std::uint32_t files_max);
  enum class Noting { kAtOnce, kLater };
  Status begin_file(std::uint32_t files_max, Noting noting);
  Status note(std::uint64_t epoch);
  Status settle_note(const JournalContent& content);
  void remove_surplus();

  io::Disk& disk_;
  const JournalOptions options_;
  std::unique_ptr<io::File> file_;
  FileHeader header_;
  std::uint64_t offset_ = 0;
  std::uint64_t next_frame_ = 0;
  std::uint64_t salt_ = 0;
  std::deque<std::uint64_t> in_use_;  // epochs, the current one last
  std::deque<std::uint64_t> free_;
  bool has_spare_ = false;
  std::optional<NewestFile> noted_;
  FrameBuilder builder_;
};

}  // namespace spillway::log
