#include <array>
#include <bit>

#include "engine/embedded/engine_impl.h"

namespace spillway::engine {

namespace {

constexpr auto kRetryEvery = seconds(1);  // what found no space, and the expired

}  // namespace

Status EmbeddedEngine::recover() {
  const MonoTime began = seams_.clock.mono_now();
  for (const char* name : {"", "journal", "segments", "snapshots"})
    SPILLWAY_TRY(seams_.disk.make_directory(*name == '\0' ? options_.directory : directory(name)));
  SPILLWAY_TRY(seams_.disk.sync_directory(options_.directory));
  SPILLWAY_ASSIGN(lock_file_, seams_.disk.lock(directory("lock")));
  // A process that was killed may have left names that are seen and not durable. What follows
  // relies on them: a merge across the end of a snapshot that a power cut takes back could not be
  // undone.
  SPILLWAY_TRY(seams_.disk.sync_directory(directory("segments")));
  SPILLWAY_TRY(seams_.disk.sync_directory(directory("snapshots")));
  SPILLWAY_ASSIGN(const auto found, read_newest_snapshot(seams_.disk, directory("snapshots")));
  const Snapshot& snapshot = found.snapshot;
  if (!found.damage.empty())
    seams_.log.warning("one of two copies of a snapshot is damaged", {{"damage", found.damage}});
  log::SegmentSetOptions segments;
  segments.directory = directory("segments");
  segments.merge_fan_in = options_.merge_fan_in;
  segments.merge_bytes_max = options_.merge_bytes_max;
  segments.page_cache_bytes = options_.page_cache_bytes;
  segments.holes.reserve(snapshot.losses.size());
  for (const auto& loss : snapshot.losses) segments.holes.push_back(loss.range);
  SPILLWAY_ASSIGN(segments_, log::SegmentSet::open(seams_.disk, std::move(segments)));
  SPILLWAY_TRY(check_segments(snapshot));
  // No segment of the journal's frames is removed before the journal has been read.
  SPILLWAY_ASSIGN(const auto content,
                  log::read_journal(seams_.disk, directory("journal"), snapshot.last_frame));
  const std::uint64_t last_frame =
      content.frames.empty() ? snapshot.last_frame : content.frames.back().number;
  if (segments_->last_frame() > last_frame) {
    return Error{
        ErrorCode::kCorrupt,
        fmt::format("{}: frames through {} are there, but snapshots and journal end at {}; "
                    "restore the directory from a backup",
                    directory("segments"), segments_->last_frame(), last_frame)};
  }
  // A segment that no snapshot covers was being made from frames that the journal still holds.
  SPILLWAY_TRY(segments_->remove_after(snapshot.last_frame));
  generation_ = snapshot.generation;
  catalog_ = snapshot.catalog;
  table_.adopt(*catalog_, *catalog_, first_position());
  for (const auto& row : snapshot.tips) {
    if (Shard* shard = table_.find(row.shard)) {
      shard->sequenced_next = shard->visible_next = row.next;
      shard->sequenced_arrival_ms = shard->visible_arrival_ms = row.last_arrival_ms;
    }
  }
  sealed_through_ = snapshot.last_frame;
  SPILLWAY_ASSIGN(const auto settled, replay(content));
  newest_catalog_ = catalog_;
  // Before the journal asks for a file: on a full disk there may be no other space for it.
  expire_settled(*settled);
  SPILLWAY_TRY(start_journal(content));
  recovery_seconds_.record(seams_.clock.mono_now() - began);
  seams_.log.info("recovered", {{"frames", std::uint64_t{content.frames.size()}},
                                {"segments", std::uint64_t{segments_->list()->size()}},
                                {"streams", std::uint64_t{catalog_->streams.size()}}});
  return {};
}

// Without a segment, readers would go from what came before it to what came after it, and nobody
// would know.
Status EmbeddedEngine::check_segments(const Snapshot& snapshot) {
  losses_ = snapshot.losses;
  const auto list = segments_->list();
  std::erase_if(losses_, [&](const auto& loss) { return log::is_there(*list, loss.range); });
  for (const auto& loss : losses_) {
    seams_.log.warning("the records of a segment were given up",
                       {{"first_frame", loss.range.first},
                        {"last_frame", loss.range.last},
                        {"accepted_ms", loss.accepted_ms}});
  }
  accepted_losses_.set(static_cast<std::int64_t>(losses_.size()));
  if (!snapshot.segments) return {};
  const auto missing = segments_->missing(*snapshot.segments);
  if (missing.empty()) return {};
  return Error{
      ErrorCode::kCorrupt,
      fmt::format(
          "{}{}; restore it from a backup, or give up the records in it: spillway "
          "doctor --data {} --accept-loss",
          log::describe(directory("segments"), missing.front()),
          missing.size() == 1 ? "" : fmt::format(", and so are {} others", missing.size() - 1),
          options_.directory)};
}

// The catalog as of the last frame but one: the last frame is durable only once the journal has
// started, and what a change in it would let go must be there where it is lost.
Result<stream::CatalogRef> EmbeddedEngine::replay(const log::JournalContent& content) {
  stream::CatalogRef settled = catalog_;
  for (const auto& frame : content.frames) {
    settled = catalog_;
    for (const auto& entry : frame.entries) {
      if (entry.type == log::EntryType::kBatch) {
        const Shard* shard = table_.find(entry.batch.shard);
        if (shard != nullptr && entry.batch.first < shard->visible_next) {
          return Error{ErrorCode::kCorrupt,
                       fmt::format("journal frame {}: shard {} goes back to position {}",
                                   frame.number, entry.batch.shard, entry.batch.first)};
        }
        table_.publish(entry.batch, frame.number);
      } else {
        auto change = stream::decode_catalog_change(entry.batch.payload);
        if (!change.ok())
          return context(fmt::format("journal frame {}", frame.number), change.error());
        catalog_ = stream::apply(*catalog_, *change);
        table_.adopt(*catalog_, *catalog_, first_position());
      }
    }
  }
  return settled;
}

void EmbeddedEngine::expire_settled(const stream::Catalog& settled) {
  ShardTable shards;
  shards.adopt(settled, settled, 0);
  expire([&](std::uint64_t id) {
    const Shard* shard = shards.find(id);
    return shard == nullptr ? std::nullopt : std::optional(log::Kept(shard->retention_ms));
  });
}

log::JournalOptions EmbeddedEngine::journal_options() const {
  return {directory("journal"), options_.journal_file_bytes, options_.journal_files};
}

// What was replayed goes into a segment as every filled file does: in the background, unless many
// starts that were cut short, one after the other, have each left a file. Without space for that it
// is left to the sealer, which goes on looking for some.
Status EmbeddedEngine::start_journal(const log::JournalContent& content) {
  std::array<unsigned char, 8> salt{};
  seams_.entropy.fill(salt);
  SPILLWAY_ASSIGN(journal_,
                  log::Journal::start(seams_.disk, journal_options(), content, sealed_through_,
                                      std::bit_cast<std::uint64_t>(salt)));
  if (content.frames.empty()) return {};
  SealJob job;
  job.epoch = content.last_epoch;
  job.snapshot = {content.frames.back().number, generation_, catalog_, table_.tips()};
  if (content.used.size() > options_.journal_files + options_.journal_starts) {
    auto sealed = seal_file(job);
    if (sealed.ok() || sealed.error().code != ErrorCode::kNoSpace) return sealed;
  }
  seal_jobs_.push_back(std::move(job));
  return {};
}

void EmbeddedEngine::start_workers() {
  flusher_ = seams_.workers.start({.name = "flusher"}, [this] { return flush(); });
  sealer_ = seams_.workers.start(
      {.name = "sealer", .priority = io::Priority::kBulk, .idles = true, .interval = kRetryEvery},
      [this] { return seal(); });
  reader_ = seams_.workers.start({.name = "reader"}, [this] { return read_from_disk(); });
  if (!seal_jobs_.empty()) sealer_->wake();
}

}  // namespace spillway::engine
