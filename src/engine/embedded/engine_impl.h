// The embedded engine's parts, one file each: recovery.cc, append_path.cc (append, catalog changes,
// the flusher), sealing.cc (segments, expiry, merging) and read_path.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/embedded/embedded_engine.h"
#include "engine/embedded/shard_table.h"
#include "engine/embedded/snapshot.h"
#include "log/journal.h"
#include "log/segment_set.h"

namespace spillway::engine {

// One call of append() or update_catalog() on its way to the disk.
struct Pending {
  std::vector<log::Entry> entries;  // none: it only waits for what is before it
  std::uint64_t bytes = 0;
  stream::CatalogRef catalog;  // that becomes visible with it; nullptr for appends
  UniqueFunction<void(const Error*)> finish;
};

// Of the journal file that the sealer makes ahead. Each state is left by one worker alone, so that
// the two never use the file at once.
enum class Spare {
  kNone,    // the flusher asks for one
  kWanted,  // the sealer makes it
  kMade,    // the flusher takes it
};

// A filled journal file, with what a snapshot at its end holds.
struct SealJob {
  std::uint64_t epoch = 0;
  Snapshot snapshot;
};

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
  void release(stream::ShardId shard, stream::Position before) override;
  std::uint64_t stored_bytes() override { return stored_bytes_; }
  stream::CatalogRef catalog() override;
  void update_catalog(UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
                      UniqueFunction<void(Result<stream::CatalogRef>)> done) override;
  void set_listener(stream::EngineListener* listener) override;
  Status writable() override;
  void stop() override;

 private:
  std::string directory(std::string_view name) const {
    return io::join_path(options_.directory, name);
  }
  std::uint64_t first_position() const {  // of a new shard
    return generation_ << stream::Position::kGenerationShift;
  }
  Status check_segments(const Snapshot& snapshot);
  Result<stream::CatalogRef> replay(const log::JournalContent& content);
  void expire_settled(const stream::Catalog& settled);
  Status start_journal(const log::JournalContent& content);

  io::Step flush();
  std::vector<Pending> take_pending(std::uint64_t& bytes);
  bool contended() const;
  void fail_pending(std::vector<Pending> taken, Error error, bool final);
  void publish(std::vector<Pending>& taken, std::uint64_t frame);
  void tell_listener(const std::vector<Pending>& taken);
  Result<Shard*> shard_for(const stream::AppendItem& item);
  std::vector<Result<Shard*>> shards_for(std::span<const stream::AppendItem> items);
  static stream::Appended sequence(const stream::AppendItem& item, Shard& shard,
                                   std::int64_t now_ms, Pending& pending);
  bool awaits_change(std::span<const Result<stream::Appended>> outcomes) const;
  void fill_in(stream::CatalogChange& change, std::int64_t now_ms);

  // Workers are woken under the lock and never once stopping_ is set: stop() ends them one by one.
  void wake_flusher();

  io::Step seal();
  io::Step make_space(Error no_space);
  Status seal_file(SealJob job);
  void forget_expired_losses(const stream::Catalog& catalog);
  log::JournalOptions journal_options() const;
  void want_spare();
  void make_spare();
  void expire(const log::RetentionOf& retention_of);
  io::Step merge();
  bool take_expiry_turn();
  void count_segments();
  void look_for_files();
  // nullopt where the shard is gone.
  std::optional<log::Kept> kept(stream::ShardId id);

  io::Step read_from_disk();
  bool enqueue_read(UniqueFunction<void()> job);
  std::int64_t horizon_ms(const Shard& shard) const;  // milliseconds since 1970
  std::optional<std::int64_t> horizon_ms(stream::ShardId id);
  stream::ReadResult tail_read(const Shard& shard, const stream::ReadRequest& request) const;
  Result<stream::ReadResult> segment_read(const stream::ReadRequest& request);
  // Where segments end and the tail begins; rises when the tail is evicted.
  Result<std::uint64_t> tail_begin(stream::ShardId id);
  Result<stream::Position> segment_find(stream::ShardId id, std::int64_t time_ms);

  const EmbeddedOptions options_;
  const EmbeddedSeams seams_;
  std::unique_ptr<io::FileLock> lock_file_;
  std::unique_ptr<log::Journal> journal_;  // the flusher's
  std::vector<log::Entry> flush_entries_;  // likewise
  std::unique_ptr<log::SegmentSet> segments_;
  std::vector<AcceptedLoss> losses_;  // the sealer's
  bool seals_idly_ = false;           // likewise: its next step is to merge

  std::mutex listener_mutex_;  // held while it is called
  stream::EngineListener* listener_ = nullptr;

  std::mutex mutex_;  // all below; never held across a call of the disk or a callback
  ShardTable table_;
  stream::CatalogRef catalog_ = std::make_shared<stream::Catalog>();
  stream::CatalogRef newest_catalog_ = catalog_;  // with changes under way
  std::uint64_t generation_ = 0;
  std::deque<Pending> pending_;
  std::uint64_t pending_bytes_ = 0;
  stream::ShardId last_shard_ = 0;        // of the last append
  MonoTime shards_differ_at_{};           // when it last was another than that of the append before
  std::optional<Error> write_error_;      // final
  std::optional<Error> no_space_;         // of the sealer; goes away
  std::optional<Error> append_no_space_;  // of the flusher's last try; likewise
  std::deque<SealJob> seal_jobs_;
  std::uint64_t sealed_through_ = 0;
  std::uint64_t released_epoch_ = 0;
  Spare spare_ = Spare::kNone;
  std::uint64_t spare_asked_epoch_ = 0;  // once for each file: making one may fail for long
  std::deque<UniqueFunction<void()>> reads_;
  MonoTime expired_at_{};
  std::uint64_t expired_version_ = 0;
  bool released_ = false;  // since segments were last looked through
  bool stopping_ = false;

  std::atomic<std::uint64_t> stored_bytes_{0};  // of segments

  metrics::Histogram& sync_seconds_;
  metrics::Counter& frames_;
  metrics::Counter& journal_bytes_;
  metrics::Counter& throttled_;
  metrics::Counter& share_throttled_;
  metrics::Counter& found_no_space_;
  metrics::Histogram& recovery_seconds_;
  metrics::Histogram& seal_seconds_;
  metrics::Counter& merges_;
  metrics::Counter& disk_reads_;
  metrics::Gauge& tail_bytes_;
  metrics::Gauge& segment_count_;
  metrics::Gauge& missing_segments_;
  metrics::Gauge& accepted_losses_;

  std::unique_ptr<io::Worker> flusher_;
  std::unique_ptr<io::Worker> sealer_;
  std::unique_ptr<io::Worker> reader_;
};

}  // namespace spillway::engine
