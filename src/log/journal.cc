#include "log/journal.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/random.h"

namespace spillway::log {

namespace {

constexpr std::string_view kSuffix = ".journal";
constexpr std::string_view kSpareName = "spare";

std::string spare_path(const JournalOptions& options) {
  return io::join_path(options.directory, kSpareName);
}

std::string name_of(std::uint64_t epoch) { return fmt::format("{:016x}{}", epoch, kSuffix); }

std::optional<std::uint64_t> epoch_of(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t epoch = 0;
  for (const char c : name.substr(0, 16)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    epoch = epoch << 4 | static_cast<std::uint64_t>(digit);
  }
  return epoch;
}

// Out of space at a sync is as final as any other failure of it.
Status final_sync(Status synced) {
  if (synced.ok()) return synced;
  return Error{ErrorCode::kIo, std::move(synced).error().message};
}

// Reads the frames of one file.
class FileReader {
 public:
  FileReader(io::File& file, std::string path, std::uint64_t size)
      : file_(file), path_(std::move(path)), size_(size) {}

  // False for a file of which the header was not written whole. It may still bear the name of its
  // last use, of which no frame is behind `after`: before that it would not be used again.
  Result<bool> read_header(std::uint64_t epoch, std::uint64_t after) {
    std::string bytes(kFileHeaderSize, '\0');
    SPILLWAY_ASSIGN(const std::size_t got, file_.read_at(0, bytes));
    const auto header = decode_file_header(std::string_view(bytes).substr(0, got));
    if (header.ok()) {
      header_ = *header;
      return header_.epoch == epoch;
    }
    if (header.error().code == ErrorCode::kUnsupported) return context(path_, header.error());
    std::uint64_t offset = kFileHeaderSize;
    while (true) {
      char at[kFrameHeaderSize];
      SPILLWAY_ASSIGN(const std::size_t read, file_.read_at(offset, at));
      if (read < kFrameHeaderSize) return false;
      const auto frame = decode_unsalted_frame_header(epoch, {at, kFrameHeaderSize});
      if (!frame) return false;
      // The last frame may have been cut short; then nothing of it was acknowledged, and its number
      // was given again, in another file.
      SPILLWAY_ASSIGN(const auto body, body_of(offset, *frame));
      if (!body) return false;
      if (frame->number > after) {
        return Error{
            ErrorCode::kCorrupt,
            fmt::format("{}, byte 0: the file's header is damaged, and frame {} follows it; "
                        "restore the directory from a backup",
                        path_, frame->number)};
      }
      offset += frame_space(frame->body_size);
    }
  }

  struct Located {
    FrameHeader header;
    SharedBytes body;
  };
  // The frame at `offset`; nullopt where there is no valid one.
  Result<std::optional<Located>> frame_at(std::uint64_t offset) {
    if (offset + kFrameHeaderSize > size_) return std::optional<Located>();
    char bytes[kFrameHeaderSize];
    SPILLWAY_ASSIGN(const std::size_t got, file_.read_at(offset, bytes));
    if (got < kFrameHeaderSize) return std::optional<Located>();
    const auto header = decode_frame_header(header_, {bytes, kFrameHeaderSize});
    if (!header) return std::optional<Located>();
    SPILLWAY_ASSIGN(auto body, body_of(offset, *header));
    if (!body) return std::optional<Located>();
    return std::optional<Located>(Located{*header, *std::move(body)});
  }

  // The first valid frame numbered above `number` at or behind `offset`.
  Result<std::optional<std::uint64_t>> later_frame(std::uint64_t offset, std::uint64_t number) {
    for (; offset + kFrameHeaderSize <= size_; offset += kSectorSize) {
      SPILLWAY_ASSIGN(const auto located, frame_at(offset));
      if (located && located->header.number > number) return std::optional(offset);
    }
    return std::optional<std::uint64_t>();
  }

 private:
  // Of the frame at `offset`; nullopt where it is not what `header` says.
  Result<std::optional<SharedBytes>> body_of(std::uint64_t offset, const FrameHeader& header) {
    const std::uint64_t begin = offset + kFrameHeaderSize;
    if (begin + header.body_size > size_) return std::optional<SharedBytes>();
    auto body = SharedBytes::uninitialized(header.body_size);
    SPILLWAY_ASSIGN(const std::size_t got,
                    file_.read_at(begin, {body.mutable_data(), header.body_size}));
    if (got < header.body_size || crc32c(body.view()) != header.body_crc)
      return std::optional<SharedBytes>();
    return std::optional<SharedBytes>(std::move(body));
  }

  io::File& file_;
  std::string path_;
  std::uint64_t size_;
  FileHeader header_;
};

// What is known of a file once it was read.
struct FileState {
  std::uint64_t epoch = 0;
  std::uint64_t size = 0;
  bool headed = false;  // it has the header of this use
  bool behind = false;  // it holds frames behind `after`, those that others hold too included
  bool empty = true;    // it holds no frame at all
};

// Appends the file's frames behind `last` to `content`; `last`, at first `after`, becomes the last
// one's number.
Result<FileState> read_file_frames(io::Disk& disk, const std::string& path, std::uint64_t epoch,
                                   std::uint64_t after, JournalContent& content,
                                   std::uint64_t& last) {
  FileState state{.epoch = epoch};
  SPILLWAY_ASSIGN(auto file, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(state.size, file->size());
  FileReader reader(*file, path, state.size);
  SPILLWAY_ASSIGN(state.headed, reader.read_header(epoch, after));
  if (!state.headed) return state;
  std::uint64_t offset = kFileHeaderSize;
  while (true) {
    SPILLWAY_ASSIGN(auto located, reader.frame_at(offset));
    if (!located) break;
    const std::uint64_t number = located->header.number;
    state.behind = state.behind || number > after;
    state.empty = false;
    if (number > last + 1) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{}, byte {}: frame {} follows frame {}: those between are missing; "
                               "restore the directory from a backup",
                               path, offset, number, last)};
    }
    if (number == last + 1) {
      auto entries = decode_entries(located->body, located->header.entries);
      if (!entries.ok())
        return context(fmt::format("{}, byte {}", path, offset), std::move(entries).error());
      content.frames.push_back({number, std::move(entries).value()});
      last = number;
    }
    offset += frame_space(located->header.body_size);
  }
  SPILLWAY_ASSIGN(const auto later, reader.later_frame(offset + kSectorSize, last));
  if (later) {
    return Error{
        ErrorCode::kCorrupt,
        fmt::format("{}, byte {}: damaged: no valid frame here, but one at byte {} that was "
                    "written after it; restore the directory from a backup",
                    path, offset, *later)};
  }
  return state;
}

// The newest file that was to hold frames has to be there, whole as far as its size tells, and all
// frames before it, of which `last` is the last that was found. What an older build went on with,
// it didn't note.
Status check_noted(const std::string& directory, const std::vector<FileState>& files,
                   std::uint64_t last, const NewestFile& noted) {
  const auto found = std::ranges::find(files, noted.epoch, &FileState::epoch);
  std::string what;
  if (found == files.end()) {
    const bool gone_on = std::ranges::any_of(
        files, [&](const FileState& file) { return file.epoch > noted.epoch && !file.empty; });
    if (gone_on) return {};
    what = "is gone, and with it all frames that it held";
  } else if (found->size < noted.size) {
    what = fmt::format("has {} bytes of {}: it was cut off, and frames with it", found->size,
                       noted.size);
  } else if (!found->headed) {
    what = "has lost its header, and with it all frames that it held";
  } else if (last < noted.after) {
    what = fmt::format("goes on behind frame {}, but those behind frame {} are missing",
                       noted.after, last);
  } else {
    return {};
  }
  return Error{ErrorCode::kCorrupt,
               fmt::format("{} {}; restore the directory from a backup",
                           io::join_path(directory, name_of(noted.epoch)), what)};
}

}  // namespace

Result<JournalContent> read_journal(io::Disk& disk, const std::string& directory,
                                    std::uint64_t after) {
  JournalContent content;
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  std::uint64_t last = after;
  std::vector<FileState> files;
  for (const auto& name : names) {
    if (const auto noted = newest_of(name)) content.noted = noted;
    const auto epoch = epoch_of(name);
    if (!epoch) continue;
    SPILLWAY_ASSIGN(const auto file, read_file_frames(disk, io::join_path(directory, name), *epoch,
                                                      after, content, last));
    (file.behind ? content.used : content.covered).push_back(*epoch);
    if (file.behind) content.last_used_size = file.size;
    content.last_epoch = *epoch;
    files.push_back(file);
  }
  if (content.noted) SPILLWAY_TRY(check_noted(directory, files, last, *content.noted));
  if (after > 0 && content.last_epoch == 0) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{}: no file is there, though frames through {} were written; restore "
                             "the directory from a backup",
                             directory, after)};
  }
  return content;
}

Status make_spare(io::Disk& disk, const JournalOptions& options) {
  const std::string path = spare_path(options);
  SPILLWAY_ASSIGN(auto file, disk.open(path, io::OpenMode::kCreate));
  auto filled = file->fill_with_zeros(options.file_bytes);
  if (filled.ok()) filled = file->sync_data();
  // The error of the filling is the one to tell.
  if (!filled.ok()) static_cast<void>(disk.remove(path).ok());
  return filled;
}

Result<std::unique_ptr<Journal>> Journal::start(io::Disk& disk, const JournalOptions& options,
                                                const JournalContent& content, std::uint64_t after,
                                                std::uint64_t salt_seed) {
  std::unique_ptr<Journal> journal(new Journal(disk, options));
  journal->next_frame_ = content.frames.empty() ? after + 1 : content.frames.back().number;
  journal->salt_ = salt_seed;
  journal->header_.epoch = content.last_epoch;
  journal->in_use_.assign(content.used.begin(), content.used.end());
  journal->free_.assign(content.covered.begin(), content.covered.end());
  // The spare of an earlier run, of which nobody knows how far it came: its space may be wanted.
  if (auto removed = disk.remove(spare_path(options));
      !removed.ok() && removed.error().code != ErrorCode::kNotFound)
    return std::move(removed).error();
  SPILLWAY_TRY(journal->settle_note(content));
  // Until the last frame is there too, the file that holds it is the one to miss.
  SPILLWAY_TRY(
      journal->begin_file(UINT32_MAX, content.frames.empty() ? Noting::kAtOnce : Noting::kLater));
  if (content.frames.empty()) return journal;
  const auto& again = content.frames.back().entries;
  std::uint64_t body_size = 0;
  for (const Entry& entry : again) body_size += entry.stored_size();
  if (!journal->fits(body_size)) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("the journal's last frame has {} bytes, more than a file of {}: use the "
                    "journal file size that it was written with",
                    body_size, options.file_bytes)};
  }
  SPILLWAY_TRY(journal->append(again));
  SPILLWAY_TRY(journal->note(journal->header_.epoch));
  return journal;
}

std::string Journal::path_of(std::uint64_t epoch) const {
  return io::join_path(options_.directory, name_of(epoch));
}

bool Journal::fits(std::uint64_t body_size) const {
  return offset_ + frame_space(body_size) <= options_.file_bytes;
}

bool Journal::wants_spare() const {
  return offset_ > options_.file_bytes / 2 && free_.empty() && !has_spare_ &&
         in_use_.size() < options_.files_max;
}

// An empty file of full size at `path`, from a free one or the spare where there is one.
Result<std::unique_ptr<io::File>> Journal::make_file(const std::string& path,
                                                     std::uint32_t files_max) {
  if (free_.empty() && in_use_.size() >= files_max) {
    return Error{ErrorCode::kThrottled,
                 "the journal is full: segments are not written as fast as records arrive"};
  }
  if (!free_.empty()) {
    SPILLWAY_TRY(disk_.rename(path_of(free_.front()), path));
    free_.pop_front();
  } else if (has_spare_) {
    SPILLWAY_TRY(disk_.rename(spare_path(options_), path));
    has_spare_ = false;
  } else {
    SPILLWAY_ASSIGN(auto file, disk_.open(path, io::OpenMode::kCreate));
    SPILLWAY_TRY(file->fill_with_zeros(options_.file_bytes));
    return file;
  }
  SPILLWAY_ASSIGN(auto file, disk_.open(path, io::OpenMode::kReadWrite));
  SPILLWAY_ASSIGN(const std::uint64_t size, file->size());
  // A file from before a change of file_bytes, or one whose making was cut short.
  if (size != options_.file_bytes) SPILLWAY_TRY(file->fill_with_zeros(options_.file_bytes));
  return file;
}

Status Journal::next_file() { return begin_file(options_.files_max, Noting::kAtOnce); }

// The file that is noted may be used again where it holds nothing that is needed: then the last one
// that does is noted in its place.
Status Journal::settle_note(const JournalContent& content) {
  noted_ = content.noted;
  if (!noted_ || std::ranges::find(content.used, noted_->epoch) != content.used.end()) return {};
  const auto before = std::exchange(noted_, std::nullopt);
  if (content.used.empty()) return forget_newest(disk_, options_.directory, *before);
  noted_ = {content.used.back(), content.last_used_size, content.frames.back().number - 1};
  return note_newest(disk_, options_.directory, before, *noted_);
}

// The file of `epoch`, with all frames so far before it or in it.
Status Journal::note(std::uint64_t epoch) {
  const NewestFile newest{epoch, options_.file_bytes, next_frame_ - 1};
  auto noted = note_newest(disk_, options_.directory, noted_, newest);
  // Without one before it there is nothing that would be wrong: the next file is noted.
  if (!noted.ok() && noted.error().code == ErrorCode::kNoSpace && !noted_) return {};
  SPILLWAY_TRY(std::move(noted));
  noted_ = newest;
  return {};
}

Status Journal::begin_file(std::uint32_t files_max, Noting noting) {
  const FileHeader header{header_.epoch + 1, Random(salt_ ^ (header_.epoch + 1)).next()};
  const std::string path = path_of(header.epoch);
  auto file = make_file(path, files_max);
  if (!file.ok()) {
    // What was made in part goes, so that the next call finds its name free. The error of the
    // making is the one to tell.
    static_cast<void>(disk_.remove(path).ok());
    return std::move(file).error();
  }
  if (auto headed = (*file)->write_at(0, encode_file_header(header)); !headed.ok()) {
    static_cast<void>(disk_.remove(path).ok());
    return headed;
  }
  SPILLWAY_TRY(final_sync((*file)->sync_data()));
  SPILLWAY_TRY(final_sync(disk_.sync_directory(options_.directory)));
  if (auto noted = noting == Noting::kAtOnce ? note(header.epoch) : Status(); !noted.ok()) {
    // It stays, free: it may be the last one, and there must always be one.
    if (noted.error().code == ErrorCode::kNoSpace) free_.push_front(header.epoch);
    return noted;
  }
  file_ = *std::move(file);
  header_ = header;
  offset_ = kFileHeaderSize;
  in_use_.push_back(header.epoch);
  remove_surplus();
  return {};
}

// Each start adds a file where none is free: without this there would be more after every crash.
void Journal::remove_surplus() {
  while (!free_.empty() && in_use_.size() + free_.size() > options_.files_max) {
    // One that stays is free all the same, and is tried again when the next file begins.
    if (!disk_.remove(path_of(free_.back())).ok()) return;
    free_.pop_back();
  }
}

Status Journal::append(std::span<const Entry> entries) {
  const auto parts = builder_.build(header_, next_frame_, entries);
  SPILLWAY_ASSERT(offset_ + builder_.size() <= options_.file_bytes);
  SPILLWAY_TRY(file_->write_at(offset_, parts));
  SPILLWAY_TRY(final_sync(file_->sync_data()));
  offset_ += builder_.size();
  ++next_frame_;
  return {};
}

void Journal::release_through(std::uint64_t epoch) {
  while (!in_use_.empty() && in_use_.front() <= epoch && in_use_.front() != header_.epoch) {
    free_.push_back(in_use_.front());
    in_use_.pop_front();
  }
}

}  // namespace spillway::log
