#include "broker/spool_input.h"

#include <algorithm>

#include "base/assert.h"
#include "broker/partition_key.h"
#include "stream/record_batch.h"
#include "wire/aggregate.h"

namespace spillway::broker {
namespace {

// What clients are told: AWS's longest. How long the spool keeps what it holds is in no hours.
constexpr std::uint32_t kToldRetentionHours = 8760;

stream::CatalogRef only(const stream::Catalog& all, const std::vector<std::string>& streams) {
  auto catalog = std::make_shared<stream::Catalog>();
  catalog->version = all.version;
  catalog->next_id = all.next_id;
  for (const auto& name : streams) {
    auto told = std::make_shared<stream::StreamInfo>(*all.find(name));
    told->retention_hours = kToldRetentionHours;
    catalog->streams[name] = std::move(told);
  }
  return catalog;
}

std::map<stream::ShardId, std::string> names_by_shard(const stream::Catalog& catalog) {
  std::map<stream::ShardId, std::string> names;
  for (const auto& [name, stream] : catalog.streams)
    for (const auto& shard : stream->shards) names[shard.id] = name;
  return names;
}

std::size_t stored_size(const stream::RecordView& record) {
  return stream::RecordBatchBuilder::size_of(record.data.size(), record.partition_key.size(),
                                             record.explicit_hash_key.has_value(), true);
}

// A part of an aggregate, if it is what the API takes for a record. Its size needs no look: it is
// within that of the aggregate, which was looked at.
std::optional<stream::RecordView> view_of(const wire::UserRecord& part) {
  const auto key = part.partition_key;
  if (!is_partition_key(key)) return std::nullopt;
  stream::RecordView view{key, part.data, std::nullopt, std::nullopt};
  if (part.explicit_hash_key) {
    view.explicit_hash_key = parse_uint128(*part.explicit_hash_key);
    if (!view.explicit_hash_key) return std::nullopt;
  }
  return view;
}

// Replaces the record at the end by its parts, if it is an aggregate that has some, all of them are
// records, and they take no more than `room` beyond what the aggregate does. Each part may name a
// key that the aggregate has but once: what they take knows no bound by itself.
void take_apart(std::vector<stream::RecordView>& records, std::size_t& room) {
  const stream::RecordView whole = records.back();
  const auto parts = wire::split_aggregate(whole.data);
  if (!parts || parts->empty()) return;
  const std::size_t size_max = stored_size(whole) + room;
  const std::size_t begin = records.size() - 1;
  std::size_t size = 0;
  records.pop_back();
  for (const auto& part : *parts) {
    const auto view = view_of(part);
    if (view) size += stored_size(*view);
    if (!view || size > size_max) {
      records.resize(begin);
      records.push_back(whole);
      return;
    }
    records.push_back(*view);
  }
  room -= size - std::min(size, stored_size(whole));
}

}  // namespace

SpoolInput::SpoolInput(Spool& spool, const std::vector<std::string>& streams,
                       metrics::Registry& metrics)
    : spool_(spool), counts_(metrics, "kinesis"), view_(std::make_shared<const View>()) {
  set_streams(streams);
}

void SpoolInput::set_streams(const std::vector<std::string>& streams) {
  auto fresh = std::make_shared<View>();
  fresh->catalog = only(*spool_.engine().catalog(), streams);
  fresh->stream_of = names_by_shard(*fresh->catalog);
  const std::lock_guard lock(mutex_);
  fresh->stream_of.insert(view_->stream_of.begin(), view_->stream_of.end());
  view_ = std::move(fresh);
}

std::shared_ptr<const SpoolInput::View> SpoolInput::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void SpoolInput::append(std::vector<stream::AppendItem> items,
                        UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) {
  SPILLWAY_ASSERT(!items.empty());
  const auto seen = view();
  const std::string& stream = seen->stream_of.at(items.front().shard);
  std::vector<stream::RecordView> records;
  std::vector<std::size_t> ends;  // of each item, in `records`
  ends.reserve(items.size());
  std::size_t room = kExpansionMax;
  for (const auto& item : items) {
    stream::RecordBatchReader reader(item.batch.view());
    while (const auto record = reader.next()) {
      records.push_back(*record);
      take_apart(records, room);
    }
    ends.push_back(records.size());
  }
  spool_.put(
      stream, records,
      [this, ends = std::move(ends), done = std::move(done)](const Spool::Outcomes& of) mutable {
        const auto refused = static_cast<std::uint64_t>(
            std::ranges::count_if(of, [](const auto& outcome) { return !outcome.ok(); }));
        counts_.records.add(of.size() - refused);
        counts_.refused.add(refused);
        Spool::Outcomes outcomes;
        outcomes.reserve(ends.size());
        std::size_t begin = 0;
        for (const std::size_t end : ends) {
          const auto failed = std::find_if(of.begin() + static_cast<std::ptrdiff_t>(begin),
                                           of.begin() + static_cast<std::ptrdiff_t>(end),
                                           [](const auto& outcome) { return !outcome.ok(); });
          outcomes.push_back(failed - of.begin() < static_cast<std::ptrdiff_t>(end) ? *failed
                                                                                    : of[begin]);
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
  const auto change = decide(*catalog());
  if (!change.ok()) return done(change.error());
  done(Error{ErrorCode::kUnsupported, "a broker's streams are those of its configuration"});
}

Status SpoolInput::writable() { return spool_.engine().writable(); }

}  // namespace spillway::broker
