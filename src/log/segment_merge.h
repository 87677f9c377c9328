// Merging: adjacent segments become one, with larger extents, packed blocks, and without what has
// expired. It runs in small steps, so that its thread can do more urgent work in between.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/segment.h"
#include "log/segment_writer.h"

namespace spillway::log {

// What is kept of a shard's batches.
struct Kept {
  Kept(std::int64_t for_ms, std::uint64_t from_position = 0)  // NOLINT(*-explicit-*)
      : retention_ms(for_ms), from(from_position) {}
  std::int64_t retention_ms;  // for so long from their arrival
  std::uint64_t from;         // nothing that ends at or before this position
};
// nullopt: the shard is gone, and nothing of it is kept.
using RetentionOf = std::function<std::optional<Kept>(std::uint64_t shard)>;

// Whether nothing of `extent` is kept.
bool expired(const Extent& extent, const RetentionOf& retention_of, std::int64_t now_ms);

// One merge under way. Not thread-safe. Dropped before it is done, it leaves no file behind.
class SegmentMerge {
 public:
  // `inputs`: at least two, adjacent, by ascending frames.
  static Result<std::unique_ptr<SegmentMerge>> begin(io::Disk& disk, const std::string& directory,
                                                     std::vector<SegmentRef> inputs);

  // Copies about 4 MiB; the last step makes the result durable under the name of the last input.
  // True when it is done. After an error the object is of no further use.
  Result<bool> step(const RetentionOf& retention_of, std::int64_t now_ms);

  const std::vector<SegmentRef>& inputs() const { return inputs_; }
  FrameRange range() const {
    return {inputs_.front()->range().first, inputs_.back()->range().last};
  }
  // When it is done: the merged segment; nullptr if nothing of the inputs is to be kept.
  const SegmentRef& result() const { return result_; }

 private:
  // A walk over one input's extents.
  struct Cursor {
    const Segment* segment = nullptr;
    std::uint32_t next = 0;  // number of the extent behind `page`
    std::vector<Extent> page;
    std::size_t at = 0;  // in `page`
  };
  // The extent that is being copied.
  struct Copy {
    const Segment* segment = nullptr;
    Extent extent;
    std::uint64_t from = 0;
  };

  SegmentMerge() = default;
  Result<const Extent*> peek(Cursor& cursor);
  Result<bool> next_extent();
  Result<std::size_t> copy(std::size_t max_bytes);

  std::vector<SegmentRef> inputs_;
  std::vector<Cursor> cursors_;
  std::optional<Copy> copy_;
  std::uint64_t last_shard_ = 0;
  std::uint64_t last_end_ = 0;                // of last_shard_
  std::int64_t last_arrival_ms_ = INT64_MIN;  // likewise
  bool empty_ = true;
  std::unique_ptr<SegmentWriter> writer_;
  SegmentRef result_;
};

}  // namespace spillway::log
