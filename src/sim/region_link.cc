#include "sim/region_link.h"

#include "client/record_aggregate.h"

namespace spillway::sim {
namespace {

class SimStreamCalls final : public client::StreamCalls {
 public:
  SimStreamCalls(RegionLink& link, std::string stream) : link_(link), stream_(std::move(stream)) {
    link_.open();
  }

  Task<Result<std::vector<client::Shard>>> list_shards() override;
  Task<Result<std::string>> get_shard_iterator(std::string shard_id,
                                               client::IteratorStart start) override;
  Task<Result<client::GetRecordsResult>> get_records(std::string iterator) override;

 private:
  RegionLink& link_;
  const std::string stream_;
};

}  // namespace

nanoseconds RegionLink::trip() {
  const bool slow = chance(weather_.slow);
  return nanoseconds(
      random_.between(20'000, (slow ? weather_.slow_max : weather_.time_max).count()));
}

void RegionLink::call(UniqueFunction<void(SimRegion&)> serve, UniqueFunction<void(Status)> done) {
  const auto id = next_call_++;
  Call& call = calls_[id];
  call.done = std::move(done);
  call.timeout = stage_.loop.make_timer();
  call.timeout->start(timeout_, [this, id] {
    finish(id, Error{ErrorCode::kIo, "no answer in time"});
  });
  if (weather_.cut || chance(weather_.loses_request)) return;
  stage_.loop.after(
      trip(), [this, id, serve = std::move(serve)]() mutable { arrive(id, std::move(serve)); });
}

void RegionLink::arrive(std::uint64_t id, UniqueFunction<void(SimRegion&)> serve) {
  if (region_.down()) return answer(id, Error{ErrorCode::kIo, "connection refused"});
  const bool reset = chance(weather_.resets);
  if (reset && random_.one_in(2)) return answer(id, Error{ErrorCode::kIo, "connection reset"});
  region_.ask(std::move(serve), [this, id, reset](bool served) {
    if (!served || reset) return answer(id, Error{ErrorCode::kIo, "connection reset"});
    answer(id, {});
  });
}

void RegionLink::answer(std::uint64_t id, Status status) {
  if (weather_.cut || chance(weather_.loses_answer)) return;
  stage_.loop.after(
      trip(), [this, id, status = std::move(status)]() mutable { finish(id, std::move(status)); });
}

void RegionLink::finish(std::uint64_t id, Status status) {
  auto call = calls_.extract(id);
  if (!call) return;  // nobody waits for it any more
  stage_.history.add(id);
  stage_.history.add(status.ok() ? "answered" : status.error().message);
  call.mapped().timeout->cancel();
  call.mapped().done(std::move(status));
}

void RegionLink::close() {
  closed_ = true;
  for (auto& [id, call] : std::exchange(calls_, {})) call.done(Error{ErrorCode::kClosed, "closed"});
}

Task<Status> SimTarget::prepare(std::string stream) {
  auto asked = link_.ask<bool>([stream](SimRegion& region) -> Result<bool> {
    SPILLWAY_TRY(region.create(stream));
    return true;
  });
  auto made = co_await std::move(asked);
  if (!made.ok()) co_return std::move(made).error();
  co_return Status();
}

broker::LanePacking SimTarget::packing() const {
  return link_.kind() == RegionKind::kAmazon ? broker::LanePacking::kAggregate
                                             : broker::LanePacking::kPrefix;
}

Task<Result<client::PutRecordsResult>> SimTarget::put(std::string stream,
                                                      std::vector<client::PutEntry> entries) {
  const bool packed = link_.kind() == RegionKind::kAmazon;
  auto request = packed ? broker::pack_lanes(std::move(entries))
                        : broker::PackedEntries{std::move(entries), {}};
  auto asked = link_.ask<client::PutRecordsResult>(
      [stream = std::move(stream), entries = std::move(request.records)](SimRegion& region) {
        return region.put(stream, entries);
      });
  auto result = co_await std::move(asked);
  if (packed && result.ok()) co_return outcomes_of_entries(request, *result);
  co_return result;
}

Task<Result<bool>> SimTarget::holds(std::string stream, client::PutOutcome place) {
  auto asked = link_.ask<bool>([stream = std::move(stream), place = std::move(place)](
                                   SimRegion& region) { return region.holds(stream, place); });
  auto there = co_await std::move(asked);
  co_return there;
}

Task<Status> SimTarget::reaches(std::string stream, client::PutOutcome place) {
  auto asked = link_.ask<bool>([stream = std::move(stream), place = std::move(place)](
                                   SimRegion& region) { return region.reaches(stream, place); });
  const auto reached = co_await std::move(asked);
  if (!reached.ok()) co_return reached.error();
  if (!*reached) co_return Error{ErrorCode::kInvalid, "InvalidArgumentException"};
  co_return Status();
}

Task<Result<std::vector<client::Shard>>> SimStreamCalls::list_shards() {
  auto asked = link_.ask<std::vector<client::Shard>>(
      [stream = stream_](SimRegion& region) { return region.list_shards(stream); });
  auto listed = co_await std::move(asked);
  co_return listed;
}

Task<Result<std::string>> SimStreamCalls::get_shard_iterator(std::string shard_id,
                                                             client::IteratorStart start) {
  auto asked = link_.ask<std::string>(
      [stream = stream_, id = std::move(shard_id), start = std::move(start)](SimRegion& region) {
        return region.get_shard_iterator(stream, id, start);
      });
  auto iterator = co_await std::move(asked);
  co_return iterator;
}

Task<Result<client::GetRecordsResult>> SimStreamCalls::get_records(std::string iterator) {
  auto asked = link_.ask<client::GetRecordsResult>(
      [iterator = std::move(iterator)](SimRegion& region) { return region.get_records(iterator); });
  auto answer = co_await std::move(asked);
  co_return answer;
}

std::unique_ptr<client::StreamCalls> sim_stream_calls(RegionLink& link, std::string stream) {
  auto calls = std::make_unique<SimStreamCalls>(link, std::move(stream));
  if (link.kind() == RegionKind::kAmazon) return client::calls_with_tags(std::move(calls));
  return calls;
}

}  // namespace spillway::sim
