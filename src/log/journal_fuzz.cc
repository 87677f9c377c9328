// Arbitrary bytes as a journal's files: frames in order, or an error that names a file. They are
// read as they are, and then with every checksum made right, so that what stands behind checksums
// is reached too. And a journal that was written whole, with one byte of it changed: everything is
// there, or all but a torn last frame, or the damage is told.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/crash_disk.h"
#include "log/journal.h"

namespace {

using namespace spillway;
using namespace spillway::log;

constexpr std::uint64_t kFileBytes = 16 << 10;

std::string path_of(std::uint64_t epoch) { return fmt::format("j/{:016x}.journal", epoch); }

void check(const Result<JournalContent>& content, std::uint64_t after) {
  if (!content.ok()) {
    SPILLWAY_ASSERT(content.error().code == ErrorCode::kCorrupt ||
                    content.error().code == ErrorCode::kUnsupported);
    SPILLWAY_ASSERT(content.error().message.find("j/") != std::string::npos);
    return;
  }
  for (const auto& frame : content->frames) {
    SPILLWAY_ASSERT(frame.number == ++after);
    SPILLWAY_ASSERT(!frame.entries.empty());
    for (const auto& entry : frame.entries) {
      const auto& batch = entry.batch;
      SPILLWAY_ASSERT((entry.type == EntryType::kBatch) == (batch.count > 0));
      SPILLWAY_ASSERT(batch.first <= UINT64_MAX - batch.count);
      SPILLWAY_ASSERT(batch.payload.data() >= batch.owner.view().data() &&
                      batch.payload.data() + batch.payload.size() <=
                          batch.owner.view().data() + batch.owner.size());
    }
  }
}

// Gives the file's header and all that may be frames the checksums that they should have.
void make_checksums_right(std::string& bytes, std::uint64_t epoch) {
  bytes.resize(std::max<std::size_t>(bytes.size(), 2 * kSectorSize));
  const FileHeader header{epoch, load_le<std::uint64_t>(bytes.data() + 24)};
  bytes.replace(0, kFileHeaderSize, encode_file_header(header));
  for (std::size_t at = kFileHeaderSize; at + kFrameHeaderSize < bytes.size(); at += kSectorSize) {
    FrameHeader frame;
    const std::size_t room = bytes.size() - at - kFrameHeaderSize;
    frame.body_size = static_cast<std::uint32_t>(1 + load_le<std::uint32_t>(&bytes[at + 4]) % room);
    frame.number = load_le<std::uint64_t>(&bytes[at + 16]);
    frame.entries = std::max<std::uint32_t>(1, load_le<std::uint32_t>(&bytes[at + 28]));
    frame.body_crc = crc32c(std::string_view(bytes).substr(at + kFrameHeaderSize, frame.body_size));
    if (bytes[at] == 'S') encode_frame_header(header, frame, &bytes[at]);
  }
}

void read_arbitrary(std::string_view input) {
  // The first two bytes say where the second file begins, the third after which frame to read.
  if (input.size() < 3) return;
  const std::uint64_t after = static_cast<unsigned char>(input[2]) % 4;
  const std::size_t cut = load_le<std::uint16_t>(input.data()) % input.size();
  std::string files[] = {std::string(input.substr(3, cut)),
                         std::string(input.substr(std::min(input.size(), 3 + cut)))};
  for (const bool right : {false, true}) {
    CrashDisk disk;
    for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
      if (right) make_checksums_right(files[epoch - 1], epoch);
      disk.put(path_of(epoch), files[epoch - 1]);
    }
    check(read_journal(disk, "j", after), after);
  }
}

bool same(const JournalContent& a, const JournalContent& b, std::size_t frames) {
  for (std::size_t i = 0; i < frames; ++i) {
    if (a.frames[i].entries.size() != b.frames[i].entries.size()) return false;
    for (std::size_t j = 0; j < a.frames[i].entries.size(); ++j) {
      const auto& left = a.frames[i].entries[j];
      const auto& right = b.frames[i].entries[j];
      if (left.type != right.type || left.batch.first != right.batch.first ||
          left.batch.payload != right.batch.payload)
        return false;
    }
  }
  return true;
}

void damage_a_whole_one(std::string_view input) {
  // Three bytes say what is changed and how; each further one is a frame.
  if (input.size() < 4) return;
  const std::uint64_t place = load_le<std::uint16_t>(input.data());
  const char change = input[2];
  CrashDisk disk;
  const auto journal =
      Journal::start(disk, {"j", kFileBytes, 4}, JournalContent{}, 0, place).value();
  std::size_t in_last_file = 0;
  for (const unsigned char kind : input.substr(3, 60)) {
    Entry entry;
    entry.type = kind % 8 == 0 ? EntryType::kCatalogChange : EntryType::kBatch;
    entry.batch.count = kind % 8 == 0 ? 0 : 1 + kind % 3;
    entry.batch.first = journal->next_frame() * 10;
    entry.batch.owner = SharedBytes::copy_of(std::string(kind * 8, static_cast<char>(kind)));
    entry.batch.payload = entry.batch.owner.view();
    const std::vector<Entry> entries(1 + kind % 2, entry);
    const std::uint64_t size = entries.size() * entry.stored_size();
    if (!journal->fits(size)) {
      if (!journal->next_file().ok()) break;
      in_last_file = 0;
    }
    SPILLWAY_ASSERT(journal->append(entries).ok());
    ++in_last_file;
  }
  const auto before = read_journal(disk, "j", 0);
  SPILLWAY_ASSERT(before.ok() && before->frames.size() + 1 == journal->next_frame());

  const std::uint64_t epoch = 1 + place % journal->current_epoch();
  std::string& bytes = disk.content(path_of(epoch));
  bytes[place % bytes.size()] = static_cast<char>(bytes[place % bytes.size()] ^ change);
  const auto now = read_journal(disk, "j", 0);
  check(now, 0);
  if (!now.ok()) {
    SPILLWAY_ASSERT(change != 0);
    return;
  }
  // Less than all is there only where the last frame was hit.
  const std::size_t lost = before->frames.size() - now->frames.size();
  SPILLWAY_ASSERT(lost == 0 ||
                  (lost == 1 && epoch == journal->current_epoch() && in_last_file > 0));
  SPILLWAY_ASSERT(same(*before, *now, now->frames.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_arbitrary(input);
  damage_a_whole_one(input);
  return 0;
}
