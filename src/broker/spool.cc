#include "broker/spool.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "io/on_loop.h"
#include "stream/record_batch.h"
#include "stream/reshard.h"

namespace spillway::broker {
namespace {

// What is spooled goes by delivery, never by age.
constexpr std::uint32_t kForEverHours = UINT32_MAX;

stream::StreamInfo make_stream(const std::string& name, std::uint32_t shards, std::uint64_t id) {
  stream::StreamInfo stream;
  stream.id = id;
  stream.name = name;
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

}  // namespace

// The entries of one shard, by their numbers.
struct Spool::Routed {
  const stream::ShardInfo* shard = nullptr;
  std::size_t bytes = stream::kBatchHeaderSize;  // of the batch
  std::size_t data_bytes = 0;
  struct Record {
    const SpoolEntry* entry;  // during put() alone
    std::size_t number;
    std::uint8_t lane;
  };
  std::vector<Record> records;
};

Spool::Spool(stream::Engine& engine, io::Entropy& entropy, metrics::Registry& metrics)
    : engine_(engine),
      entropy_(entropy),
      records_(metrics.counter("spillway_spool_records_total", "Records accepted, durably")),
      bytes_(
          metrics.counter("spillway_spool_bytes_total", "Data of the records accepted, in bytes")),
      refused_(metrics.counter("spillway_spool_refused_records_total",
                               "Records that the spool did not take")) {}

Task<Status> Spool::open(io::EventLoop& loop, std::vector<std::string> streams) {
  auto making = io::on_loop<Result<stream::CatalogRef>>(&loop, [this, &streams](auto done) {
    engine_.update_catalog(
        [&streams](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          const auto add = [&](const std::string& name, std::uint32_t shards) {
            if (catalog.find(name) != nullptr) return;
            change.put.push_back(make_stream(name, shards, catalog.next_id + change.ids_used));
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
  for (const auto& name : streams) {
    Stream& stream = streams_[name];
    stream.info = catalog->find(name);
    entropy_.fill(stream.producer);
  }
  co_return Status();
}

void Spool::on_appended(std::function<void(std::span<const stream::ShardId>)> told) {
  told_ = std::move(told);
}

std::vector<stream::ShardInfo> Spool::shards_of(std::string_view stream) const {
  const auto info = engine_.catalog()->find(stream);
  return info != nullptr ? info->shards : std::vector<stream::ShardInfo>();
}

// Gives the records their origins.
std::vector<stream::AppendItem> Spool::fill(Stream& stream, const std::vector<Routed>& groups) {
  std::vector<stream::AppendItem> items;
  items.reserve(groups.size());
  for (const auto& group : groups) {
    stream::RecordBatchBuilder builder(group.bytes);
    for (const auto& [entry, number, lane] : group.records) {
      const stream::Origin origin{stream.producer, lane, ++stream.last_sequences[lane], 0};
      builder.add({entry->partition_key, entry->data, entry->explicit_hash_key, origin});
    }
    items.push_back({group.shard->id, builder.count(), {}});
    items.back().batch = std::move(builder).finish();
  }
  return items;
}

// What became of each entry.
std::vector<Status> Spool::settle(std::size_t count, const std::vector<Routed>& groups,
                                  const Outcomes& outcomes) {
  std::vector<Status> statuses(count);
  std::vector<stream::ShardId> shards;
  shards.reserve(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (outcomes[i].ok()) {
      shards.push_back(groups[i].shard->id);
      records_.add(groups[i].records.size());
      bytes_.add(groups[i].data_bytes);
      continue;
    }
    refused_.add(groups[i].records.size());
    for (const auto& record : groups[i].records) statuses[record.number] = outcomes[i].error();
  }
  if (told_ && !shards.empty()) told_(shards);
  return statuses;
}

void Spool::put(std::string_view name, std::span<const SpoolEntry> entries,
                UniqueFunction<void(std::vector<Status>)> done) {
  const auto found = streams_.find(name);
  SPILLWAY_ASSERT(found != streams_.end());
  Stream& stream = found->second;
  std::vector<Routed> groups;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    const Uint128 key = entry.explicit_hash_key ? *entry.explicit_hash_key
                                                : stream::hash_key_of(entry.partition_key);
    const auto* shard = stream.info->open_shard_for(key);
    auto group = std::ranges::find(groups, shard, &Routed::shard);
    if (group == groups.end()) {
      groups.emplace_back().shard = shard;
      group = std::prev(groups.end());
    }
    group->bytes += stream::RecordBatchBuilder::size_of(
        entry.data.size(), entry.partition_key.size(), entry.explicit_hash_key.has_value(), true);
    group->records.push_back({&entry, i, stream::lane_of(key)});
    group->data_bytes += entry.data.size();
  }
  const std::lock_guard lock(mutex_);
  auto items = fill(stream, groups);
  engine_.append(std::move(items), [this, count = entries.size(), groups = std::move(groups),
                                    done = std::move(done)](const Outcomes& outcomes) mutable {
    auto statuses = settle(count, groups, outcomes);
    done(std::move(statuses));
  });
}

}  // namespace spillway::broker
