#include "broker/spool_input.h"

#include <algorithm>

#include "base/assert.h"
#include "stream/record_batch.h"
#include "wire/aggregate.h"

namespace spillway::broker {
namespace {

stream::CatalogRef only(const stream::Catalog& all, const std::vector<std::string>& streams) {
  auto catalog = std::make_shared<stream::Catalog>();
  catalog->version = all.version;
  catalog->next_id = all.next_id;
  for (const auto& name : streams) catalog->streams[name] = all.find(name);
  return catalog;
}

std::map<stream::ShardId, std::string> names_by_shard(const stream::Catalog& catalog) {
  std::map<stream::ShardId, std::string> names;
  for (const auto& [name, stream] : catalog.streams)
    for (const auto& shard : stream->shards) names[shard.id] = name;
  return names;
}

// Adds a record, or what an aggregate holds.
void take_apart(const stream::RecordView& record, std::vector<stream::RecordView>& records) {
  const auto parts = wire::split_aggregate(record.data);
  if (!parts || parts->empty()) {
    records.push_back(record);
    return;
  }
  for (const auto& part : *parts) {
    stream::RecordView view{part.partition_key, part.data, std::nullopt, std::nullopt};
    if (part.explicit_hash_key) view.explicit_hash_key = parse_uint128(*part.explicit_hash_key);
    records.push_back(view);
  }
}

}  // namespace

SpoolInput::SpoolInput(Spool& spool, std::vector<std::string> streams)
    : spool_(spool),
      catalog_(only(*spool.engine().catalog(), streams)),
      stream_of_(names_by_shard(*catalog_)) {}

void SpoolInput::append(std::vector<stream::AppendItem> items,
                        UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) {
  SPILLWAY_ASSERT(!items.empty());
  const std::string& stream = stream_of_.at(items.front().shard);
  std::vector<stream::RecordView> records;
  std::vector<std::size_t> ends;  // of each item, in `records`
  ends.reserve(items.size());
  for (const auto& item : items) {
    stream::RecordBatchReader reader(item.batch.view());
    while (const auto record = reader.next()) take_apart(*record, records);
    ends.push_back(records.size());
  }
  spool_.put(stream, records,
             [ends = std::move(ends), done = std::move(done)](const Spool::Outcomes& of) mutable {
               Spool::Outcomes outcomes;
               outcomes.reserve(ends.size());
               std::size_t begin = 0;
               for (const std::size_t end : ends) {
                 const auto failed =
                     std::find_if(of.begin() + static_cast<std::ptrdiff_t>(begin),
                                  of.begin() + static_cast<std::ptrdiff_t>(end),
                                  [](const auto& outcome) { return !outcome.ok(); });
                 outcomes.push_back(
                     failed - of.begin() < static_cast<std::ptrdiff_t>(end) ? *failed : of[begin]);
                 begin = end;
               }
               done(std::move(outcomes));
             });
}

void SpoolInput::read(stream::ReadRequest request,
                      UniqueFunction<void(Result<stream::ReadResult>)> done) {
  spool_.engine().read(request, std::move(done));
}

void SpoolInput::find_by_time(stream::ShardId shard, WallTime time,
                              UniqueFunction<void(Result<stream::Position>)> done) {
  spool_.engine().find_by_time(shard, time, std::move(done));
}

void SpoolInput::find_trim_horizon(stream::ShardId shard,
                                   UniqueFunction<void(Result<stream::Position>)> done) {
  spool_.engine().find_trim_horizon(shard, std::move(done));
}

Result<stream::ShardTip> SpoolInput::tip(stream::ShardId shard) {
  return spool_.engine().tip(shard);
}

void SpoolInput::update_catalog(
    UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
    UniqueFunction<void(Result<stream::CatalogRef>)> done) {
  const auto change = decide(*catalog_);
  if (!change.ok()) return done(change.error());
  done(Error{ErrorCode::kUnsupported, "a broker's streams are those of its configuration"});
}

Status SpoolInput::writable() { return spool_.engine().writable(); }

}  // namespace spillway::broker
