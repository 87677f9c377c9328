// For tests: an engine that keeps everything in memory. One thread; appends are answered at once,
// or, while `holding`, when release() says so.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "stream/engine.h"

namespace spillway::stream {

class MemoryEngine final : public Engine {
 public:
  std::optional<Error> append_error;  // of every append while it is there
  std::optional<Error> read_error;    // likewise
  // Positions [first, second) of every shard can't be read.
  std::pair<std::uint64_t, std::uint64_t> damaged{0, 0};
  std::uint64_t expired = 0;  // positions before it, of every shard, are gone
  bool holding = false;
  std::size_t reads = 0;
  WallTime arrival{};                    // of what is appended
  std::uint64_t stored = 0;              // what stored_bytes() says
  std::map<ShardId, Position> released;  // what release() was told last

  // Answers what was held: durable, or failed by `error`, as all of it is.
  void release(const std::optional<Error>& error = std::nullopt) {
    for (auto& append : std::exchange(held_, {})) finish(std::move(append), error);
  }
  std::size_t held() const { return held_.size(); }

  void append(std::vector<AppendItem> items,
              UniqueFunction<void(std::vector<Result<Appended>>)> done) override {
    Append append{std::move(items), std::move(done)};
    if (append_error) return finish(std::move(append), append_error);
    held_.push_back(std::move(append));
    if (!holding) release();
  }

  void read(ReadRequest request, UniqueFunction<void(Result<ReadResult>)> done) override {
    ++reads;
    if (read_error) return done(*read_error);
    if (request.from.value >= damaged.first && request.from.value < damaged.second)
      return done(Error{ErrorCode::kCorrupt, "damaged"});
    const auto found = shards_.find(request.shard);
    if (found == shards_.end()) return done(Error{ErrorCode::kNotFound, "there is no such shard"});
    const Shard& shard = found->second;
    if (request.from > shard.next) return done(Error{ErrorCode::kInvalid, "beyond the tip"});
    ReadResult result;
    result.next = request.from;
    result.tip = shard.next;
    std::uint64_t records = 0;
    std::size_t bytes = 0;
    for (const auto& batch : shard.batches) {
      if (batch.first.value + batch.count <= std::max(request.from.value, expired)) continue;
      if (records >= request.max_records || bytes >= request.max_bytes) break;
      if (batch.first.value >= damaged.first && batch.first.value < damaged.second) break;
      result.batches.push_back(batch);
      result.next = batch.first.plus(batch.count);
      records += result.next.value - std::max(batch.first, request.from).value;
      bytes += batch.payload.size();
    }
    done(std::move(result));
  }
  void find_by_time(ShardId, WallTime, UniqueFunction<void(Result<Position>)> done) override {
    done(Error{ErrorCode::kUnsupported, "a memory engine knows no times"});
  }
  void find_trim_horizon(ShardId, UniqueFunction<void(Result<Position>)> done) override {
    done(Position{expired});
  }
  Result<ShardTip> tip(ShardId id) override {
    const auto found = shards_.find(id);
    if (found == shards_.end()) return Error{ErrorCode::kNotFound, "there is no such shard"};
    return ShardTip{found->second.next, {}, false};
  }
  void release(ShardId shard, Position before) override { released[shard] = before; }
  std::uint64_t stored_bytes() override { return stored; }
  CatalogRef catalog() override { return catalog_; }
  void update_catalog(UniqueFunction<Result<CatalogChange>(const Catalog&)> decide,
                      UniqueFunction<void(Result<CatalogRef>)> done) override {
    const auto change = decide(*catalog_);
    if (!change.ok()) return done(change.error());
    catalog_ = apply(*catalog_, *change);
    for (const auto& [name, stream] : catalog_->streams)
      for (const auto& shard : stream->shards) shards_.try_emplace(shard.id);
    done(catalog_);
  }
  void set_listener(EngineListener*) override {}
  Status writable() override { return append_error ? Status(*append_error) : Status(); }
  void stop() override {}

 private:
  struct Shard {
    Position next;
    std::deque<StoredBatch> batches;
  };
  struct Append {
    std::vector<AppendItem> items;
    UniqueFunction<void(std::vector<Result<Appended>>)> done;
  };

  void finish(Append append, const std::optional<Error>& error) {
    std::vector<Result<Appended>> outcomes;
    outcomes.reserve(append.items.size());
    for (auto& item : append.items) {
      if (error) {
        outcomes.emplace_back(*error);
        continue;
      }
      Shard& shard = shards_.at(item.shard);
      outcomes.emplace_back(Appended{shard.next, {}});
      const auto payload = item.batch.view();
      shard.batches.push_back({shard.next, item.count, arrival, std::move(item.batch), payload});
      shard.next = shard.next.plus(item.count);
    }
    append.done(std::move(outcomes));
  }

  CatalogRef catalog_ = std::make_shared<Catalog>();
  std::map<ShardId, Shard> shards_;
  std::deque<Append> held_;
};

}  // namespace spillway::stream
