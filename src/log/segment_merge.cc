#include "log/segment_merge.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::log {

namespace {

constexpr std::size_t kStepSize = std::size_t{4} << 20;
constexpr std::size_t kExtentCost = 4096;  // in bytes copied: finding a block, however small
constexpr std::uint32_t kExtentsAtOnce = 256;

}  // namespace

bool expired(const Extent& extent, const RetentionOf& retention_of, std::int64_t now_ms) {
  const std::optional<Kept> kept = retention_of(extent.shard);
  return !kept || extent.end <= kept->from || extent.last_arrival_ms < now_ms - kept->retention_ms;
}

Result<std::unique_ptr<SegmentMerge>> SegmentMerge::begin(io::Disk& disk,
                                                          const std::string& directory,
                                                          std::vector<SegmentRef> inputs) {
  SPILLWAY_ASSERT(inputs.size() >= 2);
  std::unique_ptr<SegmentMerge> merge(new SegmentMerge);
  std::uint32_t level = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    SPILLWAY_ASSERT(i == 0 || inputs[i - 1]->range().last < inputs[i]->range().first);
    level = std::max(level, inputs[i]->level() + 1);
    merge->cursors_.push_back({.segment = inputs[i].get()});
  }
  merge->inputs_ = std::move(inputs);
  SPILLWAY_ASSIGN(merge->writer_, SegmentWriter::create(disk, directory, merge->range(), level));
  return merge;
}

// The extent at the cursor; nullptr at the end.
Result<const Extent*> SegmentMerge::peek(Cursor& cursor) {
  if (cursor.at == cursor.page.size()) {
    if (cursor.next == cursor.segment->shard_count()) return nullptr;
    SPILLWAY_ASSIGN(cursor.page, cursor.segment->extents(cursor.next, kExtentsAtOnce));
    cursor.next += static_cast<std::uint32_t>(cursor.page.size());
    cursor.at = 0;
  }
  return &cursor.page[cursor.at];
}

// Takes up the next extent: the lowest shard's, and of those of one shard the oldest input's. False
// when there is none.
Result<bool> SegmentMerge::next_extent() {
  Cursor* lowest = nullptr;
  for (Cursor& cursor : cursors_) {
    SPILLWAY_ASSIGN(const Extent* const extent, peek(cursor));
    if (extent != nullptr && (lowest == nullptr || extent->shard < lowest->page[lowest->at].shard))
      lowest = &cursor;
  }
  if (lowest == nullptr) return false;
  const Extent extent = lowest->page[lowest->at++];
  copy_ = Copy{lowest->segment, extent, extent.first};
  return true;
}

// Copies batches of the extent until `max_bytes`, and lets go of it at its end. How much was
// copied.
Result<std::size_t> SegmentMerge::copy(std::size_t max_bytes) {
  const auto contradiction = [this] {
    return Error{ErrorCode::kCorrupt, fmt::format("{}: the batches of shard {} are not in order",
                                                  copy_->segment->path(), copy_->extent.shard)};
  };
  std::vector<Batch> batches;
  SPILLWAY_TRY(copy_->segment->read(copy_->extent, copy_->from, UINT64_MAX, max_bytes, batches));
  if (batches.empty()) return contradiction();
  std::size_t bytes = 0;
  for (const Batch& batch : batches) {
    const bool same_shard = batch.shard == last_shard_;
    if (batch.first < copy_->from ||
        (same_shard && (batch.first < last_end_ || batch.arrival_ms < last_arrival_ms_)))
      return contradiction();
    SPILLWAY_TRY(writer_->add(batch));
    copy_->from = last_end_ = batch.end();
    last_shard_ = batch.shard;
    last_arrival_ms_ = batch.arrival_ms;
    bytes += batch.payload.size();
  }
  empty_ = false;
  if (copy_->from >= copy_->extent.end) copy_.reset();
  return bytes;
}

Result<bool> SegmentMerge::step(const RetentionOf& retention_of, std::int64_t now_ms) {
  for (std::size_t done = 0; done < kStepSize;) {
    if (!copy_) {
      SPILLWAY_ASSIGN(const bool more, next_extent());
      if (!more) {
        if (!empty_) {
          SPILLWAY_ASSIGN(result_, writer_->finish());
        }
        writer_.reset();
        return true;
      }
      done += kExtentCost;
      if (expired(copy_->extent, retention_of, now_ms)) {
        copy_.reset();
        continue;
      }
    }
    SPILLWAY_ASSIGN(const std::size_t copied, copy(kStepSize - std::min(done, kStepSize - 1)));
    done += copied;
  }
  return false;
}

}  // namespace spillway::log
