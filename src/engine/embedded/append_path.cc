#include <algorithm>
#include <map>
#include <span>

#include "base/assert.h"
#include "engine/embedded/engine_impl.h"
#include "engine/embedded/fair_turn.h"
#include "stream/encrypted_batch.h"

namespace spillway::engine {

namespace {

constexpr std::uint64_t kFlushBytesMax = std::uint64_t{16} << 20;
// For so long after appends to different shards each is held to its share of a frame.
constexpr nanoseconds kContendedFor = milliseconds(100);

}  // namespace

// The shard that takes an item now.
Result<Shard*> EmbeddedEngine::shard_for(const stream::AppendItem& item) {
  Shard* shard = table_.find(item.shard);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "there is no such shard"};
  if (shard->closed) return Error{ErrorCode::kClosed, "the shard is closed"};
  // Of this point of the log's key alone is it sure that the catalog has it: the change that made
  // another one may have failed.
  if (stream::data_key_number(item.batch.view()).value_or(0) != shard->data_key)
    return Error{ErrorCode::kClosed, "the stream's encryption has changed"};
  // However many shards are hot, each leaves as much of the queue free as it holds: there is always
  // room for another one.
  if (shard->queued_bytes > options_.queue_bytes - std::min(pending_bytes_, options_.queue_bytes)) {
    share_throttled_.add();
    return Error{ErrorCode::kThrottled, "the shard's share of the journal's queue is full"};
  }
  return shard;
}

// That of each item, all of them looked at before anything is changed: so items with one fate have
// one, whichever is refused.
std::vector<Result<Shard*>> EmbeddedEngine::shards_for(std::span<const stream::AppendItem> items) {
  const std::uint64_t bytes_max = log::frame_body_max(options_.journal_file_bytes);
  std::uint64_t bytes = 0;
  std::vector<Result<Shard*>> shards;
  shards.reserve(items.size());
  std::map<std::uint32_t, Error> refused;  // by fate
  for (const auto& item : items) {
    auto& shard = shards.emplace_back(shard_for(item));
    const std::uint64_t size = log::kEntryHeaderSize + item.batch.size();
    if (shard.ok() && bytes + size > bytes_max)
      shard = Error{ErrorCode::kInvalid, "the request is larger than a journal file"};
    if (shard.ok())
      bytes += size;
    else if (item.fate != 0)
      refused.emplace(item.fate, shard.error());
  }
  if (refused.empty()) return shards;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (const auto found = refused.find(items[i].fate); found != refused.end())
      shards[i] = found->second;
  return shards;
}

stream::Appended EmbeddedEngine::sequence(const stream::AppendItem& item, Shard& shard,
                                          std::int64_t now_ms, Pending& pending) {
  log::Entry entry;
  entry.batch = {item.shard, shard.sequenced_next,
                 item.count, std::max(now_ms, shard.sequenced_arrival_ms),
                 item.batch, item.batch.view()};
  shard.sequenced_next = entry.batch.end();
  shard.sequenced_arrival_ms = entry.batch.arrival_ms;
  const stream::Appended appended{stream::Position{entry.batch.first},
                                  from_millis(entry.batch.arrival_ms)};
  shard.queued_bytes += entry.stored_size();
  pending.bytes += entry.stored_size();
  pending.entries.push_back(std::move(entry));
  return appended;
}

// Whether a change that isn't durable yet may be what closed a shard. The answer then comes behind
// it: whoever was told before would find shards in the newest catalog that may never come to be,
// and whose ids would then be those of others.
bool EmbeddedEngine::awaits_change(std::span<const Result<stream::Appended>> outcomes) const {
  return newest_catalog_ != catalog_ && std::ranges::any_of(outcomes, [](const auto& outcome) {
           return !outcome.ok() && outcome.error().code == ErrorCode::kClosed;
         });
}

void EmbeddedEngine::append(std::vector<stream::AppendItem> items,
                            UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) {
  const std::int64_t now_ms = to_millis(seams_.clock.wall_now());
  const MonoTime now = seams_.clock.mono_now();
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
    if (std::exchange(last_shard_, item.shard) != item.shard) shards_differ_at_ = now;
  if (refusal) {
    outcomes.assign(items.size(), *refusal);
  } else {
    const auto shards = shards_for(items);
    for (std::size_t i = 0; i < items.size(); ++i)
      outcomes.push_back(shards[i].ok() ? sequence(items[i], **shards[i], now_ms, pending)
                                        : Result<stream::Appended>(shards[i].error()));
  }
  if (pending.entries.empty() && (refusal || !awaits_change(outcomes))) {
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
    for (const auto id : change->close) table_.find(id)->closed = false;
    lock.unlock();
    return done(Error{ErrorCode::kInvalid, "the change is larger than a journal file"});
  }
  pending.entries.push_back(std::move(entry));
  // A later change may close what this one makes before this one is durable.
  for (const auto& stream : change->put) table_.foresee(stream, first_position());
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
  if (spare_ == Spare::kMade) {
    journal_->add_spare();
    spare_ = Spare::kNone;
  }
  // Alone a shard gets whole frames.
  FairTurn turn(contended() ? options_.shard_frame_bytes : bytes_max);
  std::vector<Pending> waiting;
  while (!pending_.empty() && (taken.empty() || bytes + pending_.front().bytes <= bytes_max)) {
    Pending& next = pending_.front();
    // A change of the catalog may close a shard behind what waits.
    if (next.catalog != nullptr && turn.any_waits()) break;
    if (turn.take(next.catalog != nullptr ? std::span<const log::Entry>() : next.entries)) {
      bytes += next.bytes;
      taken.push_back(std::move(next));
    } else {
      waiting.push_back(std::move(next));
    }
    pending_.pop_front();
  }
  for (auto at = waiting.rbegin(); at != waiting.rend(); ++at) pending_.push_front(std::move(*at));
  return taken;
}

// Whether appends to several shards wait, or lately did. A change of the catalog has everybody's
// turn: what is before it goes in the order of its arrival, so that it comes soon.
bool EmbeddedEngine::contended() const {
  if (pending_.empty()) return false;
  const auto shard_of = [](const Pending& pending) {
    return pending.entries.empty() ? stream::ShardId{0} : pending.entries.front().batch.shard;
  };
  const bool lately = seams_.clock.mono_now() - shards_differ_at_ < kContendedFor;
  return (lately || shard_of(pending_.front()) != shard_of(pending_.back())) &&
         std::ranges::none_of(pending_,
                              [](const Pending& pending) { return pending.catalog != nullptr; });
}

// Answers everything that was not written with `error`, and takes back the positions it was given.
void EmbeddedEngine::fail_pending(std::vector<Pending> taken, Error error, bool final) {
  bool first_without_space = false;
  bool first_final = false;
  {
    const std::lock_guard lock(mutex_);
    if (error.code == ErrorCode::kNoSpace) {
      found_no_space_.add();
      first_without_space = !std::exchange(append_no_space_, error);
    }
    for (auto& pending : pending_) taken.push_back(std::move(pending));
    pending_.clear();
    pending_bytes_ = 0;
    table_.forget_sequenced();
    newest_catalog_ = catalog_;
    table_.adopt(*catalog_, *newest_catalog_, first_position());
    first_final = final && !write_error_;
    if (first_final) write_error_ = context("writes stopped until a restart", error);
    if (final) error = *write_error_;
  }
  if (first_final) seams_.log.error("writes stopped", {{"reason", error.message}});
  if (first_without_space) seams_.log.error("no space for records", {{"reason", error.message}});
  for (auto& pending : taken) pending.finish(&error);
}

void EmbeddedEngine::publish(std::vector<Pending>& taken, std::uint64_t frame) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(append_no_space_, std::nullopt)) seams_.log.info("space for records again");
  for (const auto& pending : taken) {
    pending_bytes_ -= pending.bytes;
    if (pending.catalog != nullptr) {
      catalog_ = pending.catalog;
      table_.adopt(*catalog_, *newest_catalog_, first_position());
      continue;
    }
    for (const auto& entry : pending.entries) {
      table_.publish(entry.batch, frame);
      if (Shard* shard = table_.find(entry.batch.shard)) shard->queued_bytes -= entry.stored_size();
    }
  }
  if (journal_->wants_spare()) want_spare();
  table_.evict(sealed_through_, options_.tail_bytes);
  tail_bytes_.set(static_cast<std::int64_t>(table_.tail_bytes()));
}

void EmbeddedEngine::tell_listener(const std::vector<Pending>& taken) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_ == nullptr) return;
  std::vector<stream::ShardId> shards;
  bool catalog = false;
  for (const auto& pending : taken) {
    if (pending.catalog != nullptr) {
      catalog = true;
      continue;
    }
    for (const auto& entry : pending.entries) shards.push_back(entry.batch.shard);
  }
  std::ranges::sort(shards);
  const auto repeated = std::ranges::unique(shards);
  shards.erase(repeated.begin(), repeated.end());
  if (!shards.empty()) listener_->on_records(shards);
  if (catalog) listener_->on_catalog();
}

io::Step EmbeddedEngine::flush() {
  std::uint64_t bytes = 0;
  auto taken = take_pending(bytes);
  if (taken.empty()) return io::Step::kWait;
  if (bytes == 0) {  // they only waited for what was written before
    for (auto& pending : taken) pending.finish(nullptr);
    return io::Step::kAgain;
  }
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
  tell_listener(taken);
  return io::Step::kAgain;
}

}  // namespace spillway::engine
