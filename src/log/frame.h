// The journal's stored form: a file of frames, a frame of entries.
//
// Format, version 1 (integers little-endian; also docs/formats/journal.md).
//
// File, named EPOCH.journal (16 hexadecimal digits):
//   0    [8] "SPILLJNL"
//   8    u32 version = 1
//   12   u32 zero
//   16   u64 epoch: rises with every use of a file, recycled ones included; equals the file's name
//   24   u64 salt: drawn for each use
//   32   u32 CRC32C of bytes 0 … 31
//   36   zeros up to 512
//   512  frames, each beginning at a multiple of 512; what follows the last is zeros or old bytes
//
// Frame:
//   0    u32 magic = "SWF1"
//   4    u32 length of the body, > 0
//   8    u64 epoch of the file
//   16   u64 number: one more than that of the frame before it, across files
//   24   u32 CRC32C of the body
//   28   u32 entries in the body, > 0
//   32   u32 CRC32C of bytes 0 … 31, begun from the salt's lower half
//   36   body: entries; then zeros up to a multiple of 512
//
// Entry:
//   0    u8  type: 1 batch, 2 catalog change
//   1    [3] zero
//   4    u32 records in the batch, > 0   (0 for a catalog change, as are the next three)
//   8    u64 shard
//   16   u64 position of the first record
//   24   i64 arrival, milliseconds since 1970
//   32   u32 length of the payload
//   36   payload
//
// Invariants:
// - A file's header is written and synced before its first frame.
// - A flush writes exactly one frame and syncs it before the first byte of the next is written. So
//   a valid frame header proves that every earlier frame was synced.
// - All-zero bytes never validate (magic), old bytes of a recycled file neither (epoch, salt), nor
//   do frames that a client hides in its payload (it can't know the salt).
// - Sectors of 512 bytes that hold a synced frame are never written again.
// - A file may begin with a copy of the last frame before it, under the same number: recovery
//   writes it, since of the last frame alone it can't be told whether its sync came back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/batch.h"

namespace spillway::log {

inline constexpr std::size_t kSectorSize = 512;
inline constexpr std::size_t kFileHeaderSize = kSectorSize;
inline constexpr std::size_t kFrameHeaderSize = 36;
inline constexpr std::size_t kEntryHeaderSize = 36;

struct FileHeader {
  std::uint64_t epoch = 0;
  std::uint64_t salt = 0;
};

std::string encode_file_header(const FileHeader& header);
// kCorrupt: not a journal file's first bytes; kUnsupported: a newer version.
Result<FileHeader> decode_file_header(std::string_view bytes);

struct FrameHeader {
  std::uint32_t body_size = 0;
  std::uint64_t number = 0;
  std::uint32_t body_crc = 0;
  std::uint32_t entries = 0;
};

void encode_frame_header(const FileHeader& file, const FrameHeader& frame, char* to);
// `bytes`: at least kFrameHeaderSize of them. Nothing unless they are a header of `file`.
std::optional<FrameHeader> decode_frame_header(const FileHeader& file, std::string_view bytes);

// Likewise where the header of the file (of `epoch`), and with it the salt, can't be read: as far
// as can be told without a checksum.
std::optional<FrameHeader> decode_unsalted_frame_header(std::uint64_t epoch,
                                                        std::string_view bytes);

enum class EntryType : std::uint8_t { kBatch = 1, kCatalogChange = 2 };

// A batch, or a catalog change in `batch.payload` (every other member of the batch is then zero).
struct Entry {
  EntryType type = EntryType::kBatch;
  Batch batch;

  std::size_t stored_size() const { return kEntryHeaderSize + batch.payload.size(); }
};

void encode_entry_header(const Entry& entry, char* to);
// The entries of a body whose checksum is right; their payloads are views into `body`, which they
// share. kCorrupt if the body isn't `count` well-formed entries.
Result<std::vector<Entry>> decode_entries(const SharedBytes& body, std::uint32_t count);

// What a frame with a body of this size takes in its file.
constexpr std::uint64_t frame_space(std::uint64_t body_size) {
  return (kFrameHeaderSize + body_size + kSectorSize - 1) / kSectorSize * kSectorSize;
}

// One frame, ready to be written: views into the entries' payloads and into itself. Kept by the
// flusher from one flush to the next, so that no memory is allocated for the usual frame.
class FrameBuilder {
 public:
  // The parts to write, for `entries` (not empty) as frame `number` of `file`. They live until the
  // next build() and as long as the entries' payloads.
  std::span<const std::string_view> build(const FileHeader& file, std::uint64_t number,
                                          std::span<const Entry> entries);
  // Bytes of all parts, a multiple of kSectorSize.
  std::uint64_t size() const { return size_; }

 private:
  std::string headers_;
  std::vector<std::string_view> parts_;
  std::uint64_t size_ = 0;
};

}  // namespace spillway::log
