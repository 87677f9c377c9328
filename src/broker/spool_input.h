// The spool as the Kinesis operations see it: an engine whose streams are those that the broker
// takes records for. What it is given to append goes into the spool, with KPL aggregates taken
// apart, so that each record has its own lane and origin. An aggregate with a part that the API
// would not take as a record, or whose parts take far more than it does, stays the one record that
// it came as.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "stream/engine.h"

namespace spillway::broker {

// Any thread. What it is handed outlives it.
class SpoolInput final : public stream::Engine {
 public:
  // By how much the aggregates of one append() may grow, in bytes as they are stored. With a
  // request's own 10 MiB it fits the frame of a journal of 16 MiB.
  static constexpr std::size_t kExpansionMax = std::size_t{5} << 20;

  // `streams`: of the spool, as opened; there are no others to see.
  SpoolInput(Spool& spool, const std::vector<std::string>& streams, metrics::Registry& metrics);
  // From now on these are seen. What is under way for others still comes in.
  void set_streams(const std::vector<std::string>& streams);

  // An item is appended when every record of its aggregates is; it stands where its first one does.
  // All items of a call are of one stream.
  void append(std::vector<stream::AppendItem> items,
              UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) override;
  void read(stream::ReadRequest request,
            UniqueFunction<void(Result<stream::ReadResult>)> done) override;
  void find_by_time(stream::ShardId shard, WallTime time,
                    UniqueFunction<void(Result<stream::Position>)> done) override;
  void find_trim_horizon(stream::ShardId shard,
                         UniqueFunction<void(Result<stream::Position>)> done) override;
  Result<stream::ShardTip> tip(stream::ShardId shard) override;
  // What may go is delivery's to say.
  void release(stream::ShardId, stream::Position) override {}
  std::uint64_t stored_bytes() override { return spool_.engine().stored_bytes(); }
  stream::CatalogRef catalog() override { return view()->catalog; }
  // `decide` sees catalog(); a change is refused with kUnsupported.
  void update_catalog(UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
                      UniqueFunction<void(Result<stream::CatalogRef>)> done) override;
  void set_listener(stream::EngineListener*) override {}
  Status writable() override;
  // The engine behind the spool is stopped by its owner.
  void stop() override {}

 private:
  struct View {
    stream::CatalogRef catalog;
    std::map<stream::ShardId, std::string> stream_of;  // those that are not seen any more, too
  };
  std::shared_ptr<const View> view() const;

  Spool& spool_;
  InputMetrics counts_;       // an aggregate's records are counted each
  mutable std::mutex mutex_;  // of view_
  std::shared_ptr<const View> view_;
};

}  // namespace spillway::broker
