#include "log/segment_directory.h"

#include <algorithm>
#include <charconv>

#include "log/segment_format.h"

namespace spillway::log {

namespace {

constexpr std::string_view kMarkSuffix = ".removed";
constexpr std::size_t kFrameDigits = 16;
constexpr std::string_view kDigits = "0123456789abcdef";

bool is_segment_name(std::string_view name) {
  return name.size() == kFrameDigits + kSegmentSuffix.size() && name.ends_with(kSegmentSuffix) &&
         name.find_first_not_of(kDigits) == kFrameDigits;
}

std::optional<std::uint64_t> parse_frame(std::string_view digits) {
  std::uint64_t frame = 0;
  if (digits.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), frame, 16);
  return parsed.ec == std::errc() ? std::optional(frame) : std::nullopt;
}

bool has_mark(std::span<const FrameRange> marks, FrameRange range) {
  return std::ranges::any_of(marks, [&](const FrameRange& mark) { return mark.covers(range); });
}

}  // namespace

Result<SegmentDirectory> open_segments(io::Disk& disk, const std::string& directory) {
  SegmentDirectory found;
  std::vector<SegmentRef> segments;  // by ascending last frame: names are sorted
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    const std::string path = io::join_path(directory, name);
    if (name.ends_with(kNewSuffix)) {
      SPILLWAY_TRY(disk.remove(path));
    } else if (const auto mark = mark_of(name)) {
      found.marks.push_back(*mark);
    } else if (is_segment_name(name)) {
      SPILLWAY_ASSIGN(auto segment, Segment::open(disk, path));
      if (segment_path(directory, segment->range()) != path) {
        return Error{ErrorCode::kCorrupt,
                     fmt::format("{} holds frames {} to {}: it was renamed", path,
                                 segment->range().first, segment->range().last)};
      }
      segments.push_back(std::move(segment));
    }
  }
  // From the last one backwards, each either stands before all that are kept or is covered.
  auto& kept = found.segments;
  std::vector<std::string> leftovers;
  for (auto at = segments.rbegin(); at != segments.rend(); ++at) {
    if (has_mark(found.marks, (*at)->range())) {
      leftovers.push_back((*at)->path());
    } else if (kept.empty() || (*at)->range().last < kept.back()->range().first) {
      kept.push_back(*at);
    } else if (kept.back()->range().covers((*at)->range())) {
      leftovers.push_back((*at)->path());
    } else {
      return Error{ErrorCode::kCorrupt, fmt::format("{} and {} hold some of the same frames",
                                                    (*at)->path(), kept.back()->path())};
    }
  }
  // The name of the merged segment, or of the mark, may not be durable yet, although it is visible.
  if (!leftovers.empty()) SPILLWAY_TRY(disk.sync_directory(directory));
  for (const auto& path : leftovers) SPILLWAY_TRY(disk.remove(path));
  std::ranges::reverse(kept);
  return found;
}

std::string mark_path(const std::string& directory, FrameRange range) {
  return io::join_path(directory,
                       fmt::format("{:016x}-{:016x}{}", range.first, range.last, kMarkSuffix));
}

std::optional<FrameRange> mark_of(std::string_view name) {
  if (name.size() != 2 * kFrameDigits + 1 + kMarkSuffix.size() || !name.ends_with(kMarkSuffix) ||
      name[kFrameDigits] != '-')
    return std::nullopt;
  const auto first = parse_frame(name.substr(0, kFrameDigits));
  const auto last = parse_frame(name.substr(kFrameDigits + 1, kFrameDigits));
  if (!first || !last || *first > *last) return std::nullopt;
  return FrameRange{*first, *last};
}

Status write_marks(io::Disk& disk, const std::string& directory,
                   std::span<const FrameRange> marks) {
  for (const FrameRange& range : marks) {
    const auto made = disk.open(mark_path(directory, range), io::OpenMode::kCreate);
    if (!made.ok() && made.error().code != ErrorCode::kExists) return made.error();
  }
  return disk.sync_directory(directory);
}

bool is_there(std::span<const SegmentRef> segments, FrameRange range) {
  return std::ranges::any_of(
      segments, [&](const SegmentRef& segment) { return segment->range().covers(range); });
}

std::vector<MissingSegment> missing_segments(std::span<const SegmentName> named,
                                             std::span<const SegmentName> there,
                                             std::span<const FrameRange> marks) {
  std::vector<MissingSegment> missing;
  for (const SegmentName& name : named) {
    if (has_mark(marks, name.range)) continue;
    const auto found = std::ranges::find_if(
        there, [&](const SegmentName& other) { return other.range.covers(name.range); });
    if (found == there.end()) {
      missing.push_back({name, std::nullopt});
    } else if (found->range == name.range && found->size != name.size) {
      missing.push_back({name, found->size});
    }
  }
  return missing;
}

std::string describe(const std::string& directory, const MissingSegment& missing) {
  const auto& [range, size] = missing.name;
  return fmt::format("{} (journal frames {} to {}, {} bytes) {}", segment_path(directory, range),
                     range.first, range.last, size,
                     missing.found_size
                         ? fmt::format("is another file, of {} bytes", *missing.found_size)
                         : "is missing");
}

}  // namespace spillway::log
