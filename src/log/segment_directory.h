// A directory of segments: which of its files count, and which have to be there.
//
// Files (also docs/formats/segment.md):
//   LASTFRAME.segment             a segment (log/segment.h)
//   LASTFRAME.segment.new         one that is being made
//   FIRSTFRAME-LASTFRAME.removed  a mark, without content: what the segments of these frames held
//                                 has expired, and their files are to go
//
// Whoever makes segments count (the engine's snapshot) names them, and holds the directory against
// that. Invariants:
// - A named segment is there, or another one covers its frames (it was merged), or a mark does.
//   Everything else is a loss, and nobody's intention.
// - A mark is durable before the file of a segment goes, and goes itself once the names that are
//   durable don't have the segment any more. So it is needed for a while only, and takes no space:
//   a full disk, on which no new list of names can be written, keeps nothing that has expired.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/disk.h"
#include "log/segment.h"

namespace spillway::log {

struct SegmentDirectory {
  std::vector<SegmentRef> segments;  // by ascending frames, which don't overlap
  std::vector<FrameRange> marks;
};

// Opens the segments of `directory`. Leftovers are removed: files of writes that were cut short,
// segments that a merged one covers, and those with a mark. kCorrupt where two hold some of the
// same frames in any other way.
Result<SegmentDirectory> open_segments(io::Disk& disk, const std::string& directory);

// DIRECTORY/FIRSTFRAME-LASTFRAME.removed.
std::string mark_path(const std::string& directory, FrameRange range);
// The frames of a mark by its file's name; nullopt: the name is no mark's.
std::optional<FrameRange> mark_of(std::string_view name);
// Makes marks, durable together. One that is there already is as good.
Status write_marks(io::Disk& disk, const std::string& directory, std::span<const FrameRange> marks);

// Whether one of `segments` covers `range`.
bool is_there(std::span<const SegmentRef> segments, FrameRange range);

struct MissingSegment {
  SegmentName name;
  std::optional<std::uint64_t> found_size;  // of the file that is there in its place
};

// The segments of `named` that are neither in `there` nor covered by one of those or by a mark.
std::vector<MissingSegment> missing_segments(std::span<const SegmentName> named,
                                             std::span<const SegmentName> there,
                                             std::span<const FrameRange> marks);
// For people: its file, what should be in it, and what is wrong.
std::string describe(const std::string& directory, const MissingSegment& missing);

}  // namespace spillway::log
