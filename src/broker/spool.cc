#include "broker/spool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "io/on_loop.h"
#include "stream/record_batch.h"
#include "stream/reshard.h"

namespace spillway::broker {
namespace {

// What is spooled goes by delivery, never by age. Clients are told of it in 31 bits.
constexpr std::uint32_t kForEverHours = INT32_MAX;

stream::StreamInfo make_stream(const std::string& name, std::uint32_t shards, std::uint64_t id,
                               WallTime now) {
  stream::StreamInfo stream;
  stream.id = id;
  stream.name = name;
  stream.created_at = now;
  stream.retention_hours = kForEverHours;
  stream.shards.resize(shards);
  for (std::uint32_t i = 0; i < shards; ++i) {
    auto& shard = stream.shards[i];
    shard.id = id + 1 + i;
    shard.index = i;
    shard.first_hash_key = stream::even_range_start(shards, i);
    shard.last_hash_key =
        i + 1 == shards ? kUint128Max : stream::even_range_start(shards, i + 1) - 1;
  }
  return stream;
}

bool is_same_place(const stream::RecordView& a, const stream::RecordView& b) {
  return a.explicit_hash_key == b.explicit_hash_key && a.partition_key == b.partition_key;
}

}  // namespace

// The records of one shard, by their numbers.
struct Spool::Routed {
  const stream::ShardInfo* shard = nullptr;
  std::size_t bytes = stream::kBatchHeaderSize;  // of the batch
  std::size_t data_bytes = 0;
  std::size_t key_bytes = 0;
  struct Record {
    const stream::RecordView* record;  // during put() alone
    std::size_t number;
    std::uint8_t lane;
  };
  std::vector<Record> records;
};

Spool::Spool(stream::Engine& engine, const SpoolRoom& room, io::Clock& clock, io::Entropy& entropy,
             metrics::Registry& metrics)
    : engine_(engine),
      room_(room),
      clock_(clock),
      entropy_(entropy),
      records_(metrics.counter("spillway_spool_records_total", "Records accepted, durably")),
      bytes_(
          metrics.counter("spillway_spool_bytes_total", "Data of the records accepted, in bytes")),
      refused_(metrics.counter("spillway_spool_refused_records_total",
                               "Records that the spool did not take")),
      put_seconds_(metrics.histogram("spillway_spool_put_seconds",
                                     "From what was put at once to its durability")) {}

Task<Status> Spool::open(io::EventLoop& loop, std::vector<std::string> streams) {
  auto making = io::on_loop<Result<stream::CatalogRef>>(&loop, [this, &streams,
                                                                now = loop.wall_now()](auto done) {
    engine_.update_catalog(
        [&streams, now](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          const auto add = [&](const std::string& name, std::uint32_t shards) {
            if (catalog.find(name) != nullptr) return;
            change.put.push_back(make_stream(name, shards, catalog.next_id + change.ids_used, now));
            change.ids_used += std::uint64_t{1} + shards;
          };
          add(std::string(kCursorStream), 1);
          for (const auto& name : streams) add(name, kShards);
          if (change.put.empty()) return Error{ErrorCode::kExists, ""};
          return change;
        },
        std::move(done));
  });
  auto made = co_await making;
  if (!made.ok() && made.error().code != ErrorCode::kExists)
    co_return context("make the spool's streams", std::move(made).error());
  const auto catalog = engine_.catalog();
  const std::lock_guard lock(mutex_);
  for (const auto& name : streams) {
    const auto [stream, is_new] = streams_.try_emplace(name);
    if (!is_new) continue;
    stream->second.info = catalog->find(name);
    entropy_.fill(stream->second.producer);
  }
  co_return Status();
}

void Spool::on_appended(std::function<void(std::span<const stream::ShardId>)> told) {
  told_ = std::move(told);
}

std::vector<std::string> Spool::streams() const {
  const auto catalog = engine_.catalog();
  std::vector<std::string> names;
  names.reserve(catalog->streams.size());
  for (const auto& [name, stream] : catalog->streams)
    if (name != kCursorStream) names.push_back(name);
  return names;
}

std::vector<stream::ShardInfo> Spool::shards_of(std::string_view stream) const {
  const auto info = engine_.catalog()->find(stream);
  return info != nullptr ? info->shards : std::vector<stream::ShardInfo>();
}

std::vector<Spool::Routed> Spool::route(const Stream& stream,
                                        std::span<const stream::RecordView> records) {
  std::vector<Routed> groups;
  groups.reserve(kShards);
  auto group = groups.end();
  std::uint8_t lane = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto& record = records[i];
    // Of many inputs a request's records have one key: its digest costs as much as copying a
    // record.
    if (i == 0 || !is_same_place(record, records[i - 1])) {
      const Uint128 key = record.explicit_hash_key ? *record.explicit_hash_key
                                                   : stream::hash_key_of(record.partition_key);
      const auto* shard = stream.info->open_shard_for(key);
      lane = stream::lane_of(key);
      group = std::ranges::find(groups, shard, &Routed::shard);
      if (group == groups.end()) {
        groups.emplace_back().shard = shard;
        group = std::prev(groups.end());
      }
    }
    group->bytes +=
        stream::RecordBatchBuilder::size_of(record.data.size(), record.partition_key.size(),
                                            record.explicit_hash_key.has_value(), true);
    group->data_bytes += record.data.size();
    group->key_bytes += record.partition_key.size();
    group->records.push_back({&record, i, lane});
  }
  return groups;
}

std::vector<stream::AppendItem> Spool::fill(Origins origins, Stream& stream,
                                            const std::vector<Routed>& groups) {
  std::vector<stream::AppendItem> items;
  items.reserve(groups.size());
  for (const auto& group : groups) {
    stream::RecordBatchBuilder builder(group.bytes);
    for (const auto& [record, number, lane] : group.records) {
      const stream::Origin origin =
          origins == Origins::kKept && record->origin
              ? *record->origin
              : stream::Origin{stream.producer, lane, ++stream.last_sequences[lane], 0};
      builder.add({record->partition_key, record->data, record->explicit_hash_key, origin});
    }
    items.push_back({group.shard->id, builder.count(), {}});
    items.back().batch = std::move(builder).finish();
  }
  return items;
}

// What became of each record.
Spool::Outcomes Spool::settle(std::size_t count, const std::vector<Routed>& groups,
                              const Outcomes& of_groups) {
  Outcomes outcomes(count, stream::Appended{});
  std::vector<stream::ShardId> shards;
  shards.reserve(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto& of_group = of_groups[i];
    std::uint64_t number = 0;
    for (const auto& record : groups[i].records) {
      outcomes[record.number] = of_group;
      if (of_group.ok()) outcomes[record.number]->first = of_group->first.plus(number++);
    }
    if (of_group.ok()) {
      shards.push_back(groups[i].shard->id);
      records_.add(groups[i].records.size());
      bytes_.add(groups[i].data_bytes);
      key_bytes_ += groups[i].key_bytes;
    } else {
      refused_.add(groups[i].records.size());
    }
  }
  if (told_ && !shards.empty()) told_(shards);
  return outcomes;
}

void Spool::put(std::string_view stream, std::span<const stream::RecordView> records,
                UniqueFunction<void(Outcomes)> done) {
  append(Origins::kNew, stream, records, std::move(done));
}

void Spool::restore(std::string_view stream, std::span<const stream::RecordView> records,
                    UniqueFunction<void(Outcomes)> done) {
  append(Origins::kKept, stream, records, std::move(done));
}

Spool::Stream& Spool::find(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(name);
  SPILLWAY_ASSERT(found != streams_.end());
  return found->second;
}

void Spool::append(Origins origins, std::string_view name,
                   std::span<const stream::RecordView> records,
                   UniqueFunction<void(Outcomes)> done) {
  if (auto taken = room_.takes(); !taken.ok()) {
    refused_.add(records.size());
    return done(Outcomes(records.size(), std::move(taken).error()));
  }
  const MonoTime began = clock_.mono_now();
  Stream& stream = find(name);
  auto groups = route(stream, records);
  const std::lock_guard lock(mutex_);
  auto items = fill(origins, stream, groups);
  engine_.append(std::move(items), [this, began, count = records.size(), groups = std::move(groups),
                                    done = std::move(done)](const Outcomes& of_groups) mutable {
    // What is refused is so at once, and says nothing about how long it takes to be durable.
    if (std::ranges::any_of(of_groups, [](const auto& outcome) { return outcome.ok(); }))
      put_seconds_.record(clock_.mono_now() - began);
    auto outcomes = settle(count, groups, of_groups);
    done(std::move(outcomes));
  });
}

}  // namespace spillway::broker
