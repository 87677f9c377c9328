#include "engine/embedded/embedded_engine.h"

#include <bit>
#include <deque>
#include <mutex>

#include "base/assert.h"
#include "engine/embedded/shard_table.h"
#include "engine/embedded/snapshot.h"
#include "log/journal.h"
#include "log/segment.h"

namespace spillway::engine {

namespace {

constexpr std::uint64_t kFlushBytesMax = std::uint64_t{16} << 20;
constexpr std::size_t kReadsQueuedMax = 10'000;
constexpr auto kRetryEvery = seconds(1);  // a segment that found no space
constexpr auto kExpireEvery = seconds(60);
constexpr std::int64_t kRetentionMinMs = 24 * 3'600'000;

// One call of append() or update_catalog() on its way to the disk.
struct Pending {
  std::vector<log::Entry> entries;
  std::uint64_t bytes = 0;
  stream::CatalogRef catalog;  // that becomes visible with it; nullptr for appends
  UniqueFunction<void(const Error*)> finish;
};

// A filled journal file, with what a snapshot at its end holds.
struct SealJob {
  std::uint64_t epoch = 0;
  Snapshot snapshot;
};

using Segments = std::vector<std::shared_ptr<const log::Segment>>;

class EmbeddedEngine final : public stream::Engine {
 public:
  EmbeddedEngine(const EmbeddedOptions& options, const EmbeddedSeams& seams);
  ~EmbeddedEngine() override { stop(); }

  Status recover();
  void start_workers();

  void append(std::vector<stream::AppendItem> items,
              UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) override;
  void read(stream::ReadRequest request,
            UniqueFunction<void(Result<stream::ReadResult>)> done) override;
  void find_by_time(stream::ShardId shard, WallTime time,
                    UniqueFunction<void(Result<stream::Position>)> done) override;
  void find_trim_horizon(stream::ShardId shard,
                         UniqueFunction<void(Result<stream::Position>)> done) override {
    find_by_time(shard, WallTime{}, std::move(done));
  }
  Result<stream::ShardTip> tip(stream::ShardId shard) override;
  stream::CatalogRef catalog() override;
  void update_catalog(UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
                      UniqueFunction<void(Result<stream::CatalogRef>)> done) override;
  Status writable() override;
  void stop() override;

 private:
  std::string directory(std::string_view name) const {
    return io::join_path(options_.directory, name);
  }
  Status replay(const log::JournalContent& content, std::uint64_t& last_frame);
  Status seal_recovered(std::uint64_t last_frame);

  io::Step flush();
  std::vector<Pending> take_pending(std::uint64_t& bytes);
  void fail_pending(std::vector<Pending> taken, Error error, bool final);
  void publish(std::vector<Pending>& taken, std::uint64_t frame);
  Result<stream::Appended> sequence(const stream::AppendItem& item, std::int64_t now_ms,
                                    Pending& pending);
  void fill_in(stream::CatalogChange& change, std::int64_t now_ms);

  // Workers are woken under the lock and never once stopping_ is set: stop() ends them one by one.
  void wake_flusher();

  io::Step seal();
  Status seal_file(const SealJob& job);
  void remove_expired();

  io::Step read_from_disk();
  bool enqueue_read(UniqueFunction<void()> job);
  std::int64_t horizon_ms(const Shard& shard) const;
  stream::ReadResult tail_read(const Shard& shard, const stream::ReadRequest& request) const;
  Result<stream::ReadResult> segment_read(const stream::ReadRequest& request);
  Result<stream::Position> segment_find(stream::ShardId id, std::int64_t time_ms);

  const EmbeddedOptions options_;
  const EmbeddedSeams seams_;
  std::unique_ptr<io::FileLock> lock_file_;
  std::unique_ptr<log::Journal> journal_;  // the flusher's
  std::vector<log::Entry> flush_entries_;  // likewise

  std::mutex mutex_;  // all below; never held across a call of the disk or a callback
  ShardTable table_;
  stream::CatalogRef catalog_ = std::make_shared<stream::Catalog>();
  stream::CatalogRef newest_catalog_ = catalog_;  // with changes under way
  std::uint64_t generation_ = 0;
  std::deque<Pending> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::optional<Error> write_error_;  // final
  std::optional<Error> no_space_;     // of the sealer; goes away
  std::deque<SealJob> seal_jobs_;
  std::uint64_t sealed_through_ = 0;
  std::uint64_t released_epoch_ = 0;
  std::shared_ptr<const Segments> segments_ = std::make_shared<Segments>();
  std::deque<UniqueFunction<void()>> reads_;
  MonoTime expired_at_{};
  std::uint64_t expired_version_ = 0;
  bool stopping_ = false;

  metrics::Histogram& sync_seconds_;
  metrics::Counter& frames_;
  metrics::Counter& journal_bytes_;
  metrics::Counter& throttled_;
  metrics::Gauge& tail_bytes_;
  metrics::Gauge& segment_count_;

  std::unique_ptr<io::Worker> flusher_;
  std::unique_ptr<io::Worker> sealer_;
  std::unique_ptr<io::Worker> reader_;
};

EmbeddedEngine::EmbeddedEngine(const EmbeddedOptions& options, const EmbeddedSeams& seams)
    : options_(options),
      seams_(seams),
      sync_seconds_(seams.metrics.histogram("spillway_journal_flush_seconds",
                                            "Writing and syncing one journal frame")),
      frames_(seams.metrics.counter("spillway_journal_frames_total", "Frames written and synced")),
      journal_bytes_(seams.metrics.counter("spillway_journal_bytes_total",
                                           "Bytes of entries written and synced")),
      throttled_(seams.metrics.counter("spillway_engine_throttled_total",
                                       "Appends refused because the queue was full")),
      tail_bytes_(seams.metrics.gauge("spillway_tail_bytes", "Memory of recent batches")),
      segment_count_(seams.metrics.gauge("spillway_segments", "Segment files")) {}

// --- recovery
// ---------------------------------------------------------------------------------------

Status EmbeddedEngine::recover() {
  for (const char* name : {"", "journal", "segments", "snapshots"})
    SPILLWAY_TRY(seams_.disk.make_directory(*name == '\0' ? options_.directory : directory(name)));
  SPILLWAY_TRY(seams_.disk.sync_directory(options_.directory));
  SPILLWAY_ASSIGN(lock_file_, seams_.disk.lock(directory("lock")));
  SPILLWAY_ASSIGN(Snapshot snapshot, read_newest_snapshot(seams_.disk, directory("snapshots")));
  SPILLWAY_ASSIGN(auto segments, log::open_segments(seams_.disk, directory("segments")));
  // A segment that no snapshot covers was being made from frames that the journal still holds.
  std::erase_if(segments, [&](const auto& segment) {
    if (segment->range().last <= snapshot.last_frame) return false;
    return seams_.disk.remove(segment->path()).ok();
  });
  SPILLWAY_TRY(seams_.disk.sync_directory(directory("segments")));
  segments_ = std::make_shared<Segments>(std::move(segments));
  generation_ = snapshot.generation;
  catalog_ = snapshot.catalog;
  table_.adopt(*catalog_, generation_ << stream::Position::kGenerationShift);
  for (const auto& row : snapshot.tips) {
    if (Shard* shard = table_.find(row.shard)) {
      shard->sequenced_next = shard->visible_next = row.next;
      shard->sequenced_arrival_ms = shard->visible_arrival_ms = row.last_arrival_ms;
    }
  }
  sealed_through_ = snapshot.last_frame;
  SPILLWAY_ASSIGN(const auto content,
                  log::read_journal(seams_.disk, directory("journal"), snapshot.last_frame));
  std::uint64_t last_frame = snapshot.last_frame;
  SPILLWAY_TRY(replay(content, last_frame));
  newest_catalog_ = catalog_;
  SPILLWAY_TRY(seal_recovered(last_frame));
  std::array<unsigned char, 8> salt{};
  seams_.entropy.fill(salt);
  SPILLWAY_ASSIGN(
      journal_,
      log::Journal::start(
          seams_.disk, {directory("journal"), options_.journal_file_bytes, options_.journal_files},
          content, last_frame + 1, std::bit_cast<std::uint64_t>(salt)));
  segment_count_.set(static_cast<std::int64_t>(segments_->size()));
  seams_.log.info("recovered", {{"frames", std::uint64_t{content.frames.size()}},
                                {"segments", std::uint64_t{segments_->size()}},
                                {"streams", std::uint64_t{catalog_->streams.size()}}});
  return {};
}

Status EmbeddedEngine::replay(const log::JournalContent& content, std::uint64_t& last_frame) {
  for (const auto& frame : content.frames) {
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
        table_.adopt(*catalog_, generation_ << stream::Position::kGenerationShift);
      }
    }
    last_frame = frame.number;
  }
  return {};
}

// What the journal holds is written anew and synced before anything is served: the page cache may
// show frames that the disk does not hold. Afterwards every journal file is free.
Status EmbeddedEngine::seal_recovered(std::uint64_t last_frame) {
  if (last_frame == sealed_through_) return {};
  SealJob job;
  job.snapshot = {last_frame, generation_, catalog_, table_.tips()};
  return seal_file(job);
}

void EmbeddedEngine::start_workers() {
  flusher_ = seams_.workers.start({.name = "flusher"}, [this] { return flush(); });
  sealer_ = seams_.workers.start(
      {.name = "sealer", .priority = io::Priority::kBackground, .interval = kRetryEvery},
      [this] { return seal(); });
  reader_ = seams_.workers.start({.name = "reader"}, [this] { return read_from_disk(); });
}

// --- writing
// ----------------------------------------------------------------------------------------

Result<stream::Appended> EmbeddedEngine::sequence(const stream::AppendItem& item,
                                                  std::int64_t now_ms, Pending& pending) {
  Shard* shard = table_.find(item.shard);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "there is no such shard"};
  if (shard->closed) return Error{ErrorCode::kClosed, "the shard is closed"};
  log::Entry entry;
  entry.batch = {item.shard, shard->sequenced_next,
                 item.count, std::max(now_ms, shard->sequenced_arrival_ms),
                 item.batch, item.batch.view()};
  const std::uint64_t size = entry.stored_size();
  if (pending.bytes + size > log::frame_body_max(options_.journal_file_bytes))
    return Error{ErrorCode::kInvalid, "the request is larger than a journal file"};
  shard->sequenced_next = entry.batch.end();
  shard->sequenced_arrival_ms = entry.batch.arrival_ms;
  const stream::Appended appended{stream::Position{entry.batch.first},
                                  from_millis(entry.batch.arrival_ms)};
  pending.bytes += size;
  pending.entries.push_back(std::move(entry));
  return appended;
}

void EmbeddedEngine::append(std::vector<stream::AppendItem> items,
                            UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) {
  const std::int64_t now_ms = to_millis(seams_.clock.wall_now());
  std::vector<Result<stream::Appended>> outcomes;
  outcomes.reserve(items.size());
  Pending pending;
  pending.entries.reserve(items.size());
  std::unique_lock lock(mutex_);
  std::optional<Error> refusal = write_error_;
  if (stopping_) refusal = Error{ErrorCode::kClosed, "the engine is stopping"};
  if (!refusal && pending_bytes_ > options_.queue_bytes) {
    throttled_.add();
    refusal = Error{ErrorCode::kThrottled, "the journal's queue is full"};
  }
  for (const auto& item : items)
    outcomes.push_back(refusal ? Result<stream::Appended>(*refusal)
                               : sequence(item, now_ms, pending));
  if (pending.entries.empty()) {
    lock.unlock();
    return done(std::move(outcomes));
  }
  pending.finish = [outcomes = std::move(outcomes),
                    done = std::move(done)](const Error* error) mutable {
    if (error != nullptr)
      for (auto& outcome : outcomes)
        if (outcome.ok()) outcome = *error;
    done(std::move(outcomes));
  };
  pending_bytes_ += pending.bytes;
  pending_.push_back(std::move(pending));
  flusher_->wake();
}

// What only the log knows: where closed shards end, and when new ones begin.
void EmbeddedEngine::fill_in(stream::CatalogChange& change, std::int64_t now_ms) {
  for (auto& stream : change.put) {
    for (auto& info : stream.shards) {
      if (std::find(change.close.begin(), change.close.end(), info.id) == change.close.end())
        continue;
      Shard* shard = table_.find(info.id);
      SPILLWAY_ASSERT(shard != nullptr && !shard->closed);
      shard->closed = true;
      info.ended = stream::ShardEnd{stream::Position{shard->sequenced_next},
                                    from_millis(std::max(now_ms, shard->sequenced_arrival_ms))};
    }
    for (auto& info : stream.shards) {
      if (info.created_seconds != 0) continue;
      info.created_seconds = now_ms / 1000;
      for (const auto& parent : {info.parent, info.adjacent_parent}) {
        const auto* ended = parent ? stream.find_shard(*parent) : nullptr;
        if (ended != nullptr && ended->ended)
          info.created_seconds =
              std::max(info.created_seconds, to_millis(ended->ended->closed_at) / 1000 + 1);
      }
    }
  }
}

void EmbeddedEngine::update_catalog(
    UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
    UniqueFunction<void(Result<stream::CatalogRef>)> done) {
  const std::int64_t now_ms = to_millis(seams_.clock.wall_now());
  std::unique_lock lock(mutex_);
  auto change = write_error_ ? Result<stream::CatalogChange>(*write_error_)
                : stopping_  ? Error{ErrorCode::kClosed, "the engine is stopping"}
                             : decide(*newest_catalog_);
  if (!change.ok()) {
    lock.unlock();
    return done(std::move(change).error());
  }
  fill_in(*change, now_ms);
  Pending pending;
  log::Entry entry;
  entry.type = log::EntryType::kCatalogChange;
  entry.batch.owner = SharedBytes::copy_of(stream::encode(*change));
  entry.batch.payload = entry.batch.owner.view();
  pending.bytes = entry.stored_size();
  if (pending.bytes > log::frame_body_max(options_.journal_file_bytes)) {
    lock.unlock();
    return done(Error{ErrorCode::kInvalid, "the change is larger than a journal file"});
  }
  pending.entries.push_back(std::move(entry));
  pending.catalog = newest_catalog_ = stream::apply(*newest_catalog_, *change);
  pending.finish = [catalog = newest_catalog_, done = std::move(done)](const Error* error) mutable {
    done(error != nullptr ? Result<stream::CatalogRef>(*error) : catalog);
  };
  pending_bytes_ += pending.bytes;
  pending_.push_back(std::move(pending));
  flusher_->wake();
}

std::vector<Pending> EmbeddedEngine::take_pending(std::uint64_t& bytes) {
  const std::uint64_t bytes_max =
      std::min(kFlushBytesMax, log::frame_body_max(options_.journal_file_bytes));
  std::vector<Pending> taken;
  const std::lock_guard lock(mutex_);
  journal_->release_through(released_epoch_);
  while (!pending_.empty() && (taken.empty() || bytes + pending_.front().bytes <= bytes_max)) {
    bytes += pending_.front().bytes;
    taken.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return taken;
}

// Answers everything that was not written with `error`, and takes back the positions it was given.
void EmbeddedEngine::fail_pending(std::vector<Pending> taken, Error error, bool final) {
  {
    const std::lock_guard lock(mutex_);
    for (auto& pending : pending_) taken.push_back(std::move(pending));
    pending_.clear();
    pending_bytes_ = 0;
    table_.forget_sequenced();
    newest_catalog_ = catalog_;
    if (final) write_error_ = context("writes stopped until a restart", error);
    if (final) error = *write_error_;
  }
  if (final) seams_.log.error("writes stopped", {{"reason", error.message}});
  for (auto& pending : taken) pending.finish(&error);
}

void EmbeddedEngine::publish(std::vector<Pending>& taken, std::uint64_t frame) {
  const std::lock_guard lock(mutex_);
  for (const auto& pending : taken) {
    pending_bytes_ -= pending.bytes;
    if (pending.catalog != nullptr) {
      catalog_ = pending.catalog;
      table_.adopt(*catalog_, generation_ << stream::Position::kGenerationShift);
      continue;
    }
    for (const auto& entry : pending.entries) table_.publish(entry.batch, frame);
  }
  table_.evict(sealed_through_, options_.tail_bytes);
  tail_bytes_.set(static_cast<std::int64_t>(table_.tail_bytes()));
}

io::Step EmbeddedEngine::flush() {
  std::uint64_t bytes = 0;
  auto taken = take_pending(bytes);
  if (taken.empty()) return io::Step::kWait;
  if (!journal_->fits(bytes)) {
    SealJob job;
    job.epoch = journal_->current_epoch();
    {
      const std::lock_guard lock(mutex_);
      job.snapshot = {journal_->next_frame() - 1, generation_, catalog_, table_.tips()};
    }
    auto moved = journal_->next_file();
    if (!moved.ok() && moved.error().code == ErrorCode::kThrottled) {
      std::unique_lock lock(mutex_);
      if (!no_space_) {  // the sealer wakes us when a file is free
        for (auto at = taken.rbegin(); at != taken.rend(); ++at)
          pending_.push_front(std::move(*at));
        return io::Step::kWait;
      }
      moved = *no_space_;
    }
    if (!moved.ok()) {
      const bool final = moved.error().code != ErrorCode::kNoSpace;
      fail_pending(std::move(taken), std::move(moved).error(), final);
      return final ? io::Step::kWait : io::Step::kAgain;
    }
    const std::lock_guard lock(mutex_);
    seal_jobs_.push_back(std::move(job));
    if (!stopping_) sealer_->wake();
  }
  flush_entries_.clear();
  for (const auto& pending : taken)
    flush_entries_.insert(flush_entries_.end(), pending.entries.begin(), pending.entries.end());
  const std::uint64_t frame = journal_->next_frame();
  const MonoTime begin = seams_.clock.mono_now();
  if (auto written = journal_->append(flush_entries_); !written.ok()) {
    const bool final = written.error().code != ErrorCode::kNoSpace;
    fail_pending(std::move(taken), std::move(written).error(), final);
    return io::Step::kWait;
  }
  sync_seconds_.record(seams_.clock.mono_now() - begin);
  frames_.add();
  journal_bytes_.add(bytes);
  flush_entries_.clear();
  publish(taken, frame);
  for (auto& pending : taken) pending.finish(nullptr);
  return io::Step::kAgain;
}

// --- segments
// ---------------------------------------------------------------------------------------

void EmbeddedEngine::wake_flusher() {
  const std::lock_guard lock(mutex_);
  if (!stopping_) flusher_->wake();
}

io::Step EmbeddedEngine::seal() {
  SealJob job;
  {
    const std::lock_guard lock(mutex_);
    if (!seal_jobs_.empty()) job = seal_jobs_.front();
  }
  if (job.epoch == 0) {
    remove_expired();
    return io::Step::kWait;
  }
  if (auto sealed = seal_file(job); !sealed.ok()) {
    if (sealed.error().code == ErrorCode::kNoSpace) {
      seams_.log.warning("no space for a segment", {{"reason", sealed.error().message}});
      const std::lock_guard lock(mutex_);
      no_space_ = std::move(sealed).error();
    } else {
      fail_pending({}, std::move(sealed).error(), true);
    }
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

Status EmbeddedEngine::seal_file(const SealJob& job) {
  std::vector<log::Batch> batches;
  log::FrameRange range{0, job.snapshot.last_frame};
  {
    const std::lock_guard lock(mutex_);
    range.first = sealed_through_ + 1;
    batches = table_.batches_between(sealed_through_, job.snapshot.last_frame);
  }
  auto segments = std::make_shared<Segments>(*segments_);
  if (!batches.empty()) {
    SPILLWAY_TRY(log::write_segment(seams_.disk, directory("segments"), range, batches));
    const std::string path =
        io::join_path(directory("segments"), fmt::format("{:016x}.segment", range.last));
    SPILLWAY_ASSIGN(auto segment, log::Segment::open(seams_.disk, path));
    segments->push_back(std::move(segment));
  }
  SPILLWAY_TRY(write_snapshot(seams_.disk, directory("snapshots"), job.snapshot));
  const std::lock_guard lock(mutex_);
  segments_ = std::move(segments);
  segment_count_.set(static_cast<std::int64_t>(segments_->size()));
  sealed_through_ = job.snapshot.last_frame;
  released_epoch_ = std::max(released_epoch_, job.epoch);
  table_.evict(sealed_through_, options_.tail_bytes);
  return {};
}

// A segment goes when the last of its records has expired, or has lost its stream.
void EmbeddedEngine::remove_expired() {
  const MonoTime now = seams_.clock.mono_now();
  const std::int64_t now_ms = to_millis(seams_.clock.wall_now());
  Segments kept;
  std::vector<std::string> gone;
  bool catalog_changed = false;
  {
    const std::lock_guard lock(mutex_);
    catalog_changed = std::exchange(expired_version_, catalog_->version) != catalog_->version;
    if (!catalog_changed && now - expired_at_ < kExpireEvery) return;
    expired_at_ = now;
  }
  for (const auto& segment : *segments_) {
    bool expired = catalog_changed || segment->last_arrival_ms() + kRetentionMinMs < now_ms;
    if (expired) {
      const auto extents = segment->extents();
      const std::lock_guard lock(mutex_);
      expired = extents.ok() &&
                std::all_of(extents->begin(), extents->end(), [&](const log::Extent& extent) {
                  const Shard* shard = table_.find(extent.shard);
                  return shard == nullptr || extent.last_arrival_ms + shard->retention_ms < now_ms;
                });
    }
    if (expired) gone.push_back(segment->path());
    if (!expired) kept.push_back(segment);
  }
  if (gone.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    segments_ = std::make_shared<Segments>(std::move(kept));
    segment_count_.set(static_cast<std::int64_t>(segments_->size()));
  }
  for (const auto& path : gone) {
    if (auto removed = seams_.disk.remove(path); !removed.ok())
      seams_.log.warning("an expired segment stays", {{"reason", removed.error().message}});
  }
}

// --- reading
// ----------------------------------------------------------------------------------------

stream::StoredBatch stored(const log::Batch& batch) {
  return {stream::Position{batch.first}, batch.count, from_millis(batch.arrival_ms), batch.owner,
          batch.payload};
}

std::int64_t EmbeddedEngine::horizon_ms(const Shard& shard) const {
  return to_millis(seams_.clock.wall_now()) - shard.retention_ms;
}

void set_tip(const Shard& shard, stream::ReadResult& result) {
  result.tip = stream::Position{shard.visible_next};
  result.last_arrival = from_millis(shard.visible_arrival_ms);
  result.ended = shard.visibly_closed && result.next == result.tip;
}

stream::ReadResult EmbeddedEngine::tail_read(const Shard& shard,
                                             const stream::ReadRequest& request) const {
  stream::ReadResult result;
  result.next = request.from;
  const std::int64_t horizon = horizon_ms(shard);
  std::uint64_t records = 0;
  std::size_t bytes = 0;
  auto at = std::partition_point(shard.tail.begin(), shard.tail.end(), [&](const TailBatch& held) {
    return held.batch.end() <= request.from.value;
  });
  for (; at != shard.tail.end() && records < request.max_records && bytes < request.max_bytes;
       ++at) {
    result.next = stream::Position{at->batch.end()};
    if (at->batch.arrival_ms < horizon) continue;
    records += at->batch.end() - std::max(at->batch.first, request.from.value);
    bytes += at->batch.payload.size();
    result.batches.push_back(stored(at->batch));
  }
  if (at == shard.tail.end()) result.next = stream::Position{shard.visible_next};
  set_tip(shard, result);
  return result;
}

bool EmbeddedEngine::enqueue_read(UniqueFunction<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || reads_.size() >= kReadsQueuedMax) return false;
    reads_.push_back(std::move(job));
    reader_->wake();
  }
  return true;
}

void EmbeddedEngine::read(stream::ReadRequest request,
                          UniqueFunction<void(Result<stream::ReadResult>)> done) {
  std::unique_lock lock(mutex_);
  const Shard* shard = table_.find(request.shard);
  std::optional<Result<stream::ReadResult>> answer;
  if (shard == nullptr) {
    answer = Error{ErrorCode::kNotFound, "there is no such shard"};
  } else if (request.from.value > shard->visible_next) {
    answer = Error{ErrorCode::kInvalid, "the position is beyond the shard's last record"};
  } else if (request.from.value >= shard->tail_begin() ||
             (!shard->tail.empty() && shard->tail.front().batch.arrival_ms < horizon_ms(*shard))) {
    answer = tail_read(*shard, request);
  }
  const bool full = !answer && reads_.size() >= kReadsQueuedMax;
  lock.unlock();
  if (answer) return done(std::move(*answer));
  if (full) return done(Error{ErrorCode::kThrottled, "too many reads wait for the disk"});
  auto shared = std::make_shared<UniqueFunction<void(Result<stream::ReadResult>)>>(std::move(done));
  if (!enqueue_read([this, request, shared] { (*shared)(segment_read(request)); }))
    (*shared)(Error{ErrorCode::kClosed, "the engine is stopping"});
}

Result<stream::ReadResult> EmbeddedEngine::segment_read(const stream::ReadRequest& request) {
  std::shared_ptr<const Segments> segments;
  std::int64_t horizon = 0;
  {
    const std::lock_guard lock(mutex_);
    const Shard* shard = table_.find(request.shard);
    if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
    segments = segments_;
    horizon = horizon_ms(*shard);
  }
  std::vector<log::Batch> batches;
  for (const auto& segment : *segments) {
    SPILLWAY_ASSIGN(const auto extent, segment->find(request.shard));
    if (!extent || extent->end <= request.from.value || extent->last_arrival_ms < horizon) continue;
    std::uint64_t from = request.from.value;
    if (extent->first_arrival_ms < horizon) {
      SPILLWAY_ASSIGN(const auto position, segment->find_by_time(*extent, horizon));
      from = std::max(from, position.value_or(extent->end));
    }
    SPILLWAY_TRY(segment->read(*extent, from, request.max_records, request.max_bytes, batches));
    if (!batches.empty()) break;
  }
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(request.shard);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
  if (batches.empty()) {  // all that segments held has expired
    stream::ReadRequest rest = request;
    rest.from.value = std::max(rest.from.value, shard->tail_begin());
    return tail_read(*shard, rest);
  }
  stream::ReadResult result;
  for (const auto& batch : batches) result.batches.push_back(stored(batch));
  result.next = stream::Position{batches.back().end()};
  set_tip(*shard, result);
  return result;
}

void EmbeddedEngine::find_by_time(stream::ShardId id, WallTime time,
                                  UniqueFunction<void(Result<stream::Position>)> done) {
  std::unique_lock lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) {
    lock.unlock();
    return done(Error{ErrorCode::kNotFound, "there is no such shard"});
  }
  const std::int64_t time_ms = std::max(to_millis(time), horizon_ms(*shard));
  if (segments_->empty() ||
      (!shard->tail.empty() && shard->tail.front().batch.arrival_ms < time_ms)) {
    const auto at = std::partition_point(
        shard->tail.begin(), shard->tail.end(),
        [time_ms](const TailBatch& held) { return held.batch.arrival_ms < time_ms; });
    const stream::Position position{at == shard->tail.end() ? shard->visible_next
                                                            : at->batch.first};
    lock.unlock();
    return done(position);
  }
  lock.unlock();
  auto shared = std::make_shared<UniqueFunction<void(Result<stream::Position>)>>(std::move(done));
  if (!enqueue_read([this, id, time_ms, shared] { (*shared)(segment_find(id, time_ms)); }))
    (*shared)(Error{ErrorCode::kThrottled, "too many reads wait for the disk"});
}

Result<stream::Position> EmbeddedEngine::segment_find(stream::ShardId id, std::int64_t time_ms) {
  std::shared_ptr<const Segments> segments;
  {
    const std::lock_guard lock(mutex_);
    segments = segments_;
  }
  for (const auto& segment : *segments) {
    SPILLWAY_ASSIGN(const auto extent, segment->find(id));
    if (!extent || extent->last_arrival_ms < time_ms) continue;
    SPILLWAY_ASSIGN(const auto position, segment->find_by_time(*extent, time_ms));
    if (position) return stream::Position{*position};
  }
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "the stream was deleted"};
  for (const auto& held : shard->tail)
    if (held.batch.arrival_ms >= time_ms) return stream::Position{held.batch.first};
  return stream::Position{shard->visible_next};
}

io::Step EmbeddedEngine::read_from_disk() {
  UniqueFunction<void()> job;
  {
    const std::lock_guard lock(mutex_);
    if (reads_.empty()) return io::Step::kWait;
    job = std::move(reads_.front());
    reads_.pop_front();
  }
  job();
  return io::Step::kAgain;
}

Result<stream::ShardTip> EmbeddedEngine::tip(stream::ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "there is no such shard"};
  return stream::ShardTip{stream::Position{shard->visible_next},
                          from_millis(shard->visible_arrival_ms), shard->visibly_closed};
}

stream::CatalogRef EmbeddedEngine::catalog() {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

Status EmbeddedEngine::writable() {
  const std::lock_guard lock(mutex_);
  if (write_error_) return *write_error_;
  if (no_space_) return *no_space_;
  return {};
}

void EmbeddedEngine::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  if (!flusher_) return;  // recovery failed
  reader_.reset();
  while (read_from_disk() == io::Step::kAgain) {
  }
  flusher_.reset();
  while (flush() == io::Step::kAgain) {
  }
  sealer_.reset();
  fail_pending({}, Error{ErrorCode::kClosed, "the engine is stopping"}, false);
}

}  // namespace

Result<std::unique_ptr<stream::Engine>> open_embedded_engine(const EmbeddedOptions& options,
                                                             const EmbeddedSeams& seams) {
  auto engine = std::make_unique<EmbeddedEngine>(options, seams);
  if (auto recovered = engine->recover(); !recovered.ok())
    return context("open " + options.directory, std::move(recovered).error());
  engine->start_workers();
  return std::unique_ptr<stream::Engine>(std::move(engine));
}

}  // namespace spillway::engine
