#include "log/journal.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/random.h"

namespace spillway::log {

namespace {

constexpr std::string_view kSuffix = ".journal";

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

// Reads the frames of one file.
class FileReader {
 public:
  FileReader(io::File& file, std::string path, std::uint64_t size)
      : file_(file), path_(std::move(path)), size_(size) {}

  // False for a file that holds no frame above `last`: one whose header was not written whole. It
  // may still bear the name of its last use, of which the frames are covered.
  Result<bool> read_header(std::uint64_t epoch, std::uint64_t last) {
    std::string bytes(kFileHeaderSize + kFrameHeaderSize, '\0');
    SPILLWAY_ASSIGN(const std::size_t got, file_.read_at(0, bytes));
    const auto header =
        decode_file_header(std::string_view(bytes).substr(0, std::min(got, kFileHeaderSize)));
    if (header.ok()) {
      header_ = *header;
      return header_.epoch == epoch;
    }
    if (header.error().code == ErrorCode::kUnsupported) return context(path_, header.error());
    const auto number =
        unsalted_frame_number(epoch, std::string_view(bytes).substr(kFileHeaderSize));
    if (!number || *number <= last) return false;
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{}, byte 0: the file's header is damaged, and frame {} follows it; "
                             "restore the directory from a backup",
                             path_, *number)};
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
    if (!header || offset + kFrameHeaderSize + header->body_size > size_)
      return std::optional<Located>();
    Located located{*header, SharedBytes::uninitialized(header->body_size)};
    SPILLWAY_ASSIGN(
        const std::size_t body,
        file_.read_at(offset + kFrameHeaderSize, {located.body.mutable_data(), header->body_size}));
    if (body < header->body_size || crc32c(located.body.view()) != header->body_crc)
      return std::optional<Located>();
    return std::optional<Located>(std::move(located));
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
  io::File& file_;
  std::string path_;
  std::uint64_t size_;
  FileHeader header_;
};

// Appends the file's frames above `last` to `content`; `last` becomes the last one's number.
Status read_file_frames(io::Disk& disk, const std::string& path, std::uint64_t epoch,
                        JournalContent& content, std::uint64_t& last) {
  SPILLWAY_ASSIGN(auto file, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(const std::uint64_t size, file->size());
  FileReader reader(*file, path, size);
  SPILLWAY_ASSIGN(const bool used, reader.read_header(epoch, last));
  if (!used) return {};
  std::uint64_t offset = kFileHeaderSize;
  while (true) {
    SPILLWAY_ASSIGN(auto located, reader.frame_at(offset));
    if (!located) break;
    const std::uint64_t number = located->header.number;
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
  return {};
}

}  // namespace

Result<JournalContent> read_journal(io::Disk& disk, const std::string& directory,
                                    std::uint64_t after) {
  JournalContent content;
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names)
    if (const auto epoch = epoch_of(name)) content.epochs.push_back(*epoch);
  std::uint64_t last = after;
  for (const std::uint64_t epoch : content.epochs) {
    SPILLWAY_TRY(
        read_file_frames(disk, io::join_path(directory, name_of(epoch)), epoch, content, last));
    content.last_epoch = epoch;
  }
  return content;
}

Result<std::unique_ptr<Journal>> Journal::start(io::Disk& disk, const JournalOptions& options,
                                                const JournalContent& content,
                                                std::uint64_t next_frame, std::uint64_t salt_seed) {
  std::unique_ptr<Journal> journal(new Journal(disk, options));
  journal->next_frame_ = next_frame;
  journal->salt_ = salt_seed;
  journal->header_.epoch = content.last_epoch;
  journal->free_.assign(content.epochs.begin(), content.epochs.end());
  SPILLWAY_TRY(journal->next_file());
  return journal;
}

std::string Journal::path_of(std::uint64_t epoch) const {
  return io::join_path(options_.directory, name_of(epoch));
}

bool Journal::fits(std::uint64_t body_size) const {
  return offset_ + frame_space(body_size) <= options_.file_bytes;
}

// An empty file of full size at `path`, from a free one where there is one.
Result<std::unique_ptr<io::File>> Journal::make_file(const std::string& path) {
  if (free_.empty()) {
    if (in_use_.size() >= options_.files_max) {
      return Error{ErrorCode::kThrottled,
                   "the journal is full: segments are not written as fast as records arrive"};
    }
    SPILLWAY_ASSIGN(auto file, disk_.open(path, io::OpenMode::kCreate));
    SPILLWAY_TRY(file->fill_with_zeros(options_.file_bytes));
    return file;
  }
  SPILLWAY_TRY(disk_.rename(path_of(free_.front()), path));
  free_.pop_front();
  SPILLWAY_ASSIGN(auto file, disk_.open(path, io::OpenMode::kReadWrite));
  SPILLWAY_ASSIGN(const std::uint64_t size, file->size());
  // A file from before a change of file_bytes, or one whose making was cut short.
  if (size != options_.file_bytes) SPILLWAY_TRY(file->fill_with_zeros(options_.file_bytes));
  return file;
}

Status Journal::next_file() {
  const FileHeader header{header_.epoch + 1, Random(salt_ ^ (header_.epoch + 1)).next()};
  const std::string path = path_of(header.epoch);
  auto file = make_file(path);
  if (!file.ok()) {
    // What was made in part goes, so that the next call finds its name free. The error of the
    // making is the one to tell.
    static_cast<void>(disk_.remove(path).ok());
    return std::move(file).error();
  }
  const std::string bytes = encode_file_header(header);
  SPILLWAY_TRY((*file)->write_at(0, bytes));
  SPILLWAY_TRY((*file)->sync_data());
  SPILLWAY_TRY(disk_.sync_directory(options_.directory));
  file_ = *std::move(file);
  header_ = header;
  offset_ = kFileHeaderSize;
  in_use_.push_back(header.epoch);
  return {};
}

Status Journal::append(std::span<const Entry> entries) {
  const auto parts = builder_.build(header_, next_frame_, entries);
  SPILLWAY_ASSERT(offset_ + builder_.size() <= options_.file_bytes);
  SPILLWAY_TRY(file_->write_at(offset_, parts));
  if (auto synced = file_->sync_data(); !synced.ok()) {
    // Out of space at a sync is as final as any other failure of it.
    Error error = std::move(synced).error();
    error.code = ErrorCode::kIo;
    return error;
  }
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
