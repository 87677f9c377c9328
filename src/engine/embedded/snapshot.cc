#include "engine/embedded/snapshot.h"

#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::engine {

namespace {

constexpr std::string_view kMagic = "SPILLSNP";
constexpr std::string_view kSuffix = ".snapshot";
// Sorts before the other, so that builds that know nothing of copies remove one that they replace
// the snapshot of.
constexpr std::string_view kCopySuffix = ".copy";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kSizeMax = std::size_t{1} << 30;

std::string encode(const Snapshot& snapshot) {
  std::string bytes(kMagic);
  append_le(bytes, kVersion);
  append_le(bytes, static_cast<std::uint32_t>(snapshot.tips.size()));
  append_le(bytes, snapshot.last_frame);
  append_le(bytes, snapshot.generation);
  for (const auto& tip : snapshot.tips) {
    append_le(bytes, tip.shard);
    append_le(bytes, tip.next);
    append_le(bytes, tip.last_arrival_ms);
  }
  const auto segments = snapshot.segments.value_or(std::vector<log::SegmentName>());
  append_le(bytes, static_cast<std::uint32_t>(segments.size()));
  for (const auto& segment : segments) {
    append_le(bytes, segment.range.first);
    append_le(bytes, segment.range.last);
    append_le(bytes, segment.size);
  }
  append_le(bytes, static_cast<std::uint32_t>(snapshot.losses.size()));
  for (const auto& loss : snapshot.losses) {
    append_le(bytes, loss.range.first);
    append_le(bytes, loss.range.last);
    append_le(bytes, loss.accepted_ms);
  }
  append_prefixed(bytes, stream::encode(*snapshot.catalog));
  append_le(bytes, crc32c(bytes));
  return bytes;
}

log::FrameRange decode_range(ByteReader& reader) {
  log::FrameRange range;
  range.first = reader.integer<std::uint64_t>();
  range.last = reader.integer<std::uint64_t>();
  return range;
}

void decode_segments(ByteReader& reader, Snapshot& snapshot) {
  auto& segments = snapshot.segments.emplace(std::vector<log::SegmentName>());
  for (auto left = reader.integer<std::uint32_t>(); left > 0 && reader.ok(); --left) {
    const log::FrameRange range = decode_range(reader);
    segments.push_back({range, reader.integer<std::uint64_t>()});
  }
  for (auto left = reader.integer<std::uint32_t>(); left > 0 && reader.ok(); --left) {
    const log::FrameRange range = decode_range(reader);
    snapshot.losses.push_back({range, reader.integer<std::int64_t>()});
  }
}

Result<Snapshot> decode(std::string_view bytes, const std::string& path) {
  const Error damaged{ErrorCode::kCorrupt,
                      fmt::format("{} is damaged: restore the directory from a backup", path)};
  if (bytes.size() < 4 || !bytes.starts_with(kMagic) ||
      crc32c(bytes.substr(0, bytes.size() - 4)) !=
          load_le<std::uint32_t>(bytes.data() + bytes.size() - 4))
    return damaged;
  ByteReader reader(bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - 4));
  const auto version = reader.integer<std::uint32_t>();
  if (version == 0) return damaged;
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{} has version {}; this build reads up to {}: use a newer spillway",
                             path, version, kVersion)};
  }
  auto shards = reader.integer<std::uint32_t>();
  Snapshot snapshot;
  snapshot.last_frame = reader.integer<std::uint64_t>();
  snapshot.generation = reader.integer<std::uint64_t>();
  for (; shards > 0 && reader.ok(); --shards) {
    ShardTipRow tip;
    tip.shard = reader.integer<std::uint64_t>();
    tip.next = reader.integer<std::uint64_t>();
    tip.last_arrival_ms = reader.integer<std::int64_t>();
    snapshot.tips.push_back(tip);
  }
  if (version >= 2) decode_segments(reader, snapshot);
  const auto catalog = reader.prefixed();
  if (!reader.at_end()) return damaged;
  auto decoded = stream::decode_catalog(catalog);
  if (!decoded.ok()) return context(path, std::move(decoded).error());
  snapshot.catalog = std::move(decoded).value();
  return snapshot;
}

}  // namespace

Status write_snapshot(io::Disk& disk, const std::string& directory, const Snapshot& snapshot) {
  const std::string stem = fmt::format("{:016x}", snapshot.last_frame);
  const std::string path = io::join_path(directory, stem);
  const std::string bytes = encode(snapshot);
  SPILLWAY_TRY(io::replace_file(disk, path + std::string(kSuffix), bytes));
  // The snapshot counts by now, and on a full disk it is what gives space back.
  auto copied = io::replace_file(disk, path + std::string(kCopySuffix), bytes);
  if (!copied.ok() && copied.error().code != ErrorCode::kNoSpace) return copied;
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& other : names)
    if (other < stem) SPILLWAY_TRY(disk.remove(io::join_path(directory, other)));
  return {};
}

Result<FoundSnapshot> read_newest_snapshot(io::Disk& disk, const std::string& directory) {
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  const auto newest = std::find_if(names.rbegin(), names.rend(), [](const std::string& name) {
    return name.ends_with(kSuffix) || name.ends_with(kCopySuffix);
  });
  if (newest == names.rend()) return FoundSnapshot{};
  const std::string stem = newest->substr(0, newest->find('.'));
  FoundSnapshot found;
  std::optional<Error> damage;
  bool whole = false;
  for (const auto suffix : {kSuffix, kCopySuffix}) {
    const std::string path = io::join_path(directory, stem + std::string(suffix));
    const auto bytes = io::read_file(disk, path, kSizeMax);
    if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) continue;
    if (!bytes.ok() && bytes.error().code != ErrorCode::kIo) return bytes.error();
    if (!bytes.ok()) {  // a bad sector
      if (!damage) damage = bytes.error();
      continue;
    }
    auto decoded = decode(*bytes, path);
    if (!decoded.ok() && decoded.error().code != ErrorCode::kCorrupt) return decoded.error();
    if (!decoded.ok()) {
      if (!damage) damage = std::move(decoded).error();
    } else if (!std::exchange(whole, true)) {
      found.snapshot = *std::move(decoded);
    }
  }
  if (damage && !whole) return *std::move(damage);
  if (damage) found.damage = std::move(damage->message);
  return found;
}

}  // namespace spillway::engine
