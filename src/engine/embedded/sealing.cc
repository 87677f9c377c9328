#include "engine/embedded/engine_impl.h"

namespace spillway::engine {

namespace {

constexpr auto kExpireEvery = seconds(60);

}  // namespace

void EmbeddedEngine::wake_flusher() {
  const std::lock_guard lock(mutex_);
  if (!stopping_) flusher_->wake();
}

void EmbeddedEngine::want_spare() {
  if (spare_ != Spare::kNone || stopping_) return;
  if (std::exchange(spare_asked_epoch_, journal_->current_epoch()) == journal_->current_epoch())
    return;
  spare_ = Spare::kWanted;
  sealer_->wake();
}

void EmbeddedEngine::make_spare() {
  const auto made = log::make_spare(seams_.disk, journal_options());
  // The flusher makes one itself then, and tells what is wrong if that is wrong still.
  if (!made.ok())
    seams_.log.warning("no journal file made ahead", {{"reason", made.error().message}});
  const std::lock_guard lock(mutex_);
  spare_ = made.ok() ? Spare::kMade : Spare::kNone;
}

// Appends wait for it once the journal is full: on cores that others keep busy it has to come as
// soon as they do. Merging, for which nobody waits, is done idly.
io::Step EmbeddedEngine::seal() {
  const bool is_idle = std::exchange(seals_idly_, false);
  SealJob job;
  bool spare_wanted = false;
  {
    const std::lock_guard lock(mutex_);
    if (write_error_) return io::Step::kWait;  // whatever failed isn't tried again
    spare_wanted = spare_ == Spare::kWanted;
    if (!seal_jobs_.empty()) job = seal_jobs_.front();
  }
  if (is_idle) return spare_wanted || job.epoch != 0 ? io::Step::kAgain : merge();
  if (spare_wanted) {
    make_spare();
    return io::Step::kAgain;
  }
  // At full load, as on a full disk, there is always a file to seal.
  if (take_expiry_turn()) {
    expire([this](std::uint64_t shard) { return kept(shard); });
    look_for_files();
  }
  if (job.epoch == 0) {
    if (options_.merges && !options_.merges()) return io::Step::kWait;
    seals_idly_ = true;
    return io::Step::kAgainIdly;
  }
  if (auto sealed = seal_file(std::move(job)); !sealed.ok()) {
    if (sealed.error().code == ErrorCode::kNoSpace) return make_space(std::move(sealed).error());
    fail_pending({}, std::move(sealed).error(), true);
    wake_flusher();
    return io::Step::kWait;
  }
  {
    const std::lock_guard lock(mutex_);
    no_space_.reset();
    seal_jobs_.pop_front();
  }
  wake_flusher();
  return io::Step::kAgain;
}

// What is not needed gives its space to what is: the file of a merge under way, and what has
// expired since it was last looked for. Where that is nothing, space has to come from elsewhere.
io::Step EmbeddedEngine::make_space(Error no_space) {
  seams_.log.warning("no space for a segment", {{"reason", no_space.message}});
  {
    const std::lock_guard lock(mutex_);
    no_space_ = std::move(no_space);
  }
  wake_flusher();
  bool made = segments_->drop_merge();
  const std::uint64_t before = stored_bytes_;
  expire([this](std::uint64_t shard) { return kept(shard); });
  made = made || stored_bytes_ < before;
  return made ? io::Step::kAgain : io::Step::kWait;
}

Status EmbeddedEngine::seal_file(SealJob job) {
  const MonoTime began = seams_.clock.mono_now();
  std::vector<log::Batch> batches;
  log::FrameRange range{0, job.snapshot.last_frame};
  {
    const std::lock_guard lock(mutex_);
    range.first = sealed_through_ + 1;
    batches = table_.batches_between(sealed_through_, job.snapshot.last_frame);
  }
  log::SegmentRef segment;
  if (!batches.empty()) {
    SPILLWAY_ASSIGN(segment,
                    log::write_segment(seams_.disk, directory("segments"), range, batches));
  }
  auto& named = job.snapshot.segments.emplace(segments_->names());
  if (segment != nullptr) named.push_back(segment->name());
  forget_expired_losses(*job.snapshot.catalog);
  job.snapshot.losses = losses_;
  SPILLWAY_TRY(write_snapshot(seams_.disk, directory("snapshots"), job.snapshot));
  // Only now: a segment that no snapshot covers is removed by recovery, so it must not be merged.
  if (segment != nullptr) segments_->add(std::move(segment));
  count_segments();
  if (auto removed = segments_->remove_marks(); !removed.ok())
    seams_.log.warning("marks of expired segments stay", {{"reason", removed.error().message}});
  seal_seconds_.record(seams_.clock.mono_now() - began);
  const std::lock_guard lock(mutex_);
  sealed_through_ = job.snapshot.last_frame;
  released_epoch_ = std::max(released_epoch_, job.epoch);
  table_.evict(sealed_through_, options_.tail_bytes);
  return {};
}

// Those of which every record would have expired by now.
void EmbeddedEngine::forget_expired_losses(const stream::Catalog& catalog) {
  std::uint32_t hours = 0;
  for (const auto& [name, stream] : catalog.streams)
    hours = std::max(hours, stream->retention_hours);
  const WallTime horizon = seams_.clock.wall_now() - std::chrono::hours(hours);
  std::erase_if(losses_, [&](const auto& loss) { return loss.accepted_ms < to_millis(horizon); });
  accepted_losses_.set(static_cast<std::int64_t>(losses_.size()));
}

void EmbeddedEngine::count_segments() {
  const auto segments = segments_->list();
  segment_count_.set(static_cast<std::int64_t>(segments->size()));
  std::uint64_t bytes = 0;
  for (const auto& segment : *segments) bytes += segment->size();
  stored_bytes_ = bytes;
}

void EmbeddedEngine::release(stream::ShardId id, stream::Position before) {
  const std::lock_guard lock(mutex_);
  Shard* shard = table_.find(id);
  if (shard == nullptr || before.value <= shard->released) return;
  shard->released = std::min(before.value, shard->visible_next);
  released_ = true;
  if (!stopping_) sealer_->wake();
}

std::optional<log::Kept> EmbeddedEngine::kept(stream::ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) return std::nullopt;
  return log::Kept(shard->retention_ms, shard->released);
}

// Removes segments of which the last record has expired, was released, or has lost its stream. That
// is not needed for what is asked of the engine now, and neither is merging: errors are told, and
// what is there stays as it is.
void EmbeddedEngine::expire(const log::RetentionOf& retention_of) {
  const std::int64_t now_ms = to_millis(seams_.clock.wall_now());
  if (auto removed = segments_->remove_expired(retention_of, now_ms); !removed.ok())
    seams_.log.warning("expired segments stay", {{"reason", removed.error().message}});
  count_segments();
}

io::Step EmbeddedEngine::merge() {
  const auto more = segments_->merge_step([this](std::uint64_t shard) { return kept(shard); },
                                          to_millis(seams_.clock.wall_now()));
  if (more.ok()) {
    count_segments();
    if (*more) merges_.add();
    return *more ? io::Step::kAgain : io::Step::kWait;
  }
  seams_.log.warning("segments stay unmerged", {{"reason", more.error().message}});
  return io::Step::kWait;
}

// A file that somebody removed is open here: what it holds is read, and can be saved.
void EmbeddedEngine::look_for_files() {
  const auto vanished = segments_->vanished();
  if (!vanished.ok()) {
    seams_.log.warning("segments were not looked for", {{"reason", vanished.error().message}});
    return;
  }
  const auto count = static_cast<std::int64_t>(vanished->size());
  const auto before = missing_segments_.value();
  missing_segments_.set(count);
  if (count <= before) return;
  seams_.log.error("the file of a segment is gone: restore it from a backup, or from /proc/PID/fd",
                   {{"file", vanished->front()}, {"files", std::uint64_t{vanished->size()}}});
}

bool EmbeddedEngine::take_expiry_turn() {
  const MonoTime now = seams_.clock.mono_now();
  const std::lock_guard lock(mutex_);
  const bool catalog_changed =
      std::exchange(expired_version_, catalog_->version) != catalog_->version;
  const bool released = std::exchange(released_, false);
  if (!catalog_changed && !released && now - expired_at_ < kExpireEvery) return false;
  expired_at_ = now;
  return true;
}

}  // namespace spillway::engine
