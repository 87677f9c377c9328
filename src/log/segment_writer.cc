#include "log/segment_writer.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::log {

namespace {

constexpr std::size_t kBlockSize = 16 * 1024;
constexpr std::size_t kMergedBlockSize = 64 * 1024;
// The device has two such pieces to write at most: a sync of the journal waits for what is before
// it. They aren't synced each: the writer would sleep as often, and wait each time for a core that
// others want, and a file that grows takes a commit of the file system at every sync.
constexpr std::size_t kWriteSize = std::size_t{1} << 20;

}  // namespace

SegmentWriter::SegmentWriter(io::Disk& disk, const std::string& directory, FrameRange range,
                             std::uint32_t level)
    : disk_(disk),
      directory_path_(directory),
      path_(segment_path(directory, range)),
      fresh_path_(path_ + std::string(kNewSuffix)),
      range_(range),
      level_(level),
      out_(encode_segment_header()),
      block_at_(out_.size()) {}

SegmentWriter::~SegmentWriter() {
  file_.reset();
  // What failed before is the error to tell; a leftover goes with the next start.
  if (left_to_remove_) static_cast<void>(disk_.remove(fresh_path_).ok());
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(io::Disk& disk,
                                                             const std::string& directory,
                                                             FrameRange range,
                                                             std::uint32_t level) {
  SPILLWAY_ASSERT(range.first <= range.last);
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(disk, directory, range, level));
  if (auto removed = disk.remove(writer->fresh_path_);
      !removed.ok() && removed.error().code != ErrorCode::kNotFound)
    return std::move(removed).error();
  SPILLWAY_ASSIGN(writer->file_, disk.open(writer->fresh_path_, io::OpenMode::kCreate));
  writer->left_to_remove_ = true;
  return writer;
}

Status SegmentWriter::add(const Batch& batch) {
  SPILLWAY_ASSERT(batch.count > 0 && batch.payload.size() < kBlockSizeMax - kMergedBlockSize);
  if (extent_ && extent_->shard != batch.shard) {
    SPILLWAY_ASSERT(extent_->shard < batch.shard);
    SPILLWAY_TRY(end_block());
    end_extent();
  }
  if (!extent_) {
    extent_ = Extent{.shard = batch.shard,
                     .first = batch.first,
                     .end = batch.first,
                     .first_arrival_ms = batch.arrival_ms,
                     .last_arrival_ms = batch.arrival_ms,
                     .index_first = index_count_,
                     .index_count = 0};
  }
  SPILLWAY_ASSERT(batch.first >= extent_->end && batch.end() > batch.first &&
                  batch.arrival_ms >= extent_->last_arrival_ms);
  if (out_.size() == block_at_) {
    block_entry_.first = batch.first;
    block_entry_.first_arrival_ms = batch.arrival_ms;
  }
  append_le(out_, batch.count);
  append_le(out_, batch.first);
  append_le(out_, batch.arrival_ms);
  append_prefixed(out_, batch.payload);
  block_entry_.end = extent_->end = batch.end();
  block_entry_.last_arrival_ms = extent_->last_arrival_ms = batch.arrival_ms;
  last_arrival_ms_ = std::max(last_arrival_ms_, batch.arrival_ms);
  const std::size_t enough = level_ == 0 ? kBlockSize : kMergedBlockSize;
  return out_.size() - block_at_ >= enough ? end_block() : Status();
}

Status SegmentWriter::end_block() {
  std::string_view block = std::string_view(out_).substr(block_at_);
  if (block.empty()) return {};
  block_entry_.unpacked_size = 0;
  if (level_ > 0) {
    if (const auto packed = packer_.pack(block)) {
      block_entry_.unpacked_size = static_cast<std::uint32_t>(block.size());
      out_.replace(block_at_, block.size(), *packed);
      block = std::string_view(out_).substr(block_at_);
    }
  }
  block_entry_.offset = offset_ + block_at_;
  block_entry_.size = static_cast<std::uint32_t>(block.size());
  block_entry_.crc = crc32c(block);
  append_index_entry(index_, block_entry_);
  ++index_count_;
  ++extent_->index_count;
  block_at_ = out_.size();
  return out_.size() >= kWriteSize ? write_out() : Status();
}

void SegmentWriter::end_extent() {
  append_directory_entry(directory_, *extent_);
  ++shard_count_;
  extent_.reset();
}

Status SegmentWriter::write_out() {
  SPILLWAY_TRY(file_->write_at(offset_, out_));
  SPILLWAY_TRY(file_->write_behind(offset_, out_.size()));
  offset_ += out_.size();
  out_.clear();
  block_at_ = 0;
  return {};
}

Result<SegmentRef> SegmentWriter::finish() {
  SPILLWAY_ASSERT(extent_.has_value());
  SPILLWAY_TRY(end_block());
  end_extent();
  SegmentFooter footer;
  footer.index_offset = offset_ + out_.size();
  footer.directory_offset = footer.index_offset + index_.size();
  footer.index_count = index_count_;
  footer.shard_count = shard_count_;
  footer.range = range_;
  footer.last_arrival_ms = last_arrival_ms_;
  footer.level = level_;
  out_ += index_;
  out_ += directory_;
  append_segment_footer(out_, footer);
  SPILLWAY_TRY(write_out());
  SPILLWAY_TRY(file_->sync_data());
  file_.reset();
  SPILLWAY_TRY(disk_.rename(fresh_path_, path_));
  left_to_remove_ = false;
  SPILLWAY_TRY(disk_.sync_directory(directory_path_));
  return Segment::open(disk_, path_);
}

Result<SegmentRef> write_segment(io::Disk& disk, const std::string& directory, FrameRange range,
                                 std::span<const Batch> batches) {
  SPILLWAY_ASSERT(!batches.empty());
  SPILLWAY_ASSIGN(const auto writer, SegmentWriter::create(disk, directory, range, 0));
  for (const Batch& batch : batches) SPILLWAY_TRY(writer->add(batch));
  return writer->finish();
}

}  // namespace spillway::log
