#include "sim/engine_reader.h"

#include <optional>

#include "base/assert.h"

namespace spillway::sim {

namespace {

// Starts a call and runs the workers until it is answered.
template <typename T, typename Start>
T answer_of(Scheduler& scheduler, Start start) {
  std::optional<T> answer;
  start([&answer](T value) { answer.emplace(std::move(value)); });
  while (!answer && scheduler.run_one()) {
  }
  SPILLWAY_ASSERT(answer.has_value());
  return std::move(*answer);
}

Result<EngineModel::Seen> read_shard(stream::Engine& engine, stream::ShardId id,
                                     Scheduler& scheduler, SimClock& clock, Random& random) {
  EngineModel::Seen seen;
  seen.before = clock.wall_now();
  SPILLWAY_ASSIGN(auto position, answer_of<Result<stream::Position>>(scheduler, [&](auto done) {
                    engine.find_trim_horizon(id, std::move(done));
                  }));
  while (true) {
    stream::ReadRequest request{.shard = id, .from = position};
    if (random.one_in(2)) request.max_bytes = 1 + random.below(4000);
    SPILLWAY_ASSIGN(auto result, answer_of<Result<stream::ReadResult>>(scheduler, [&](auto done) {
                      engine.read(request, std::move(done));
                    }));
    for (auto& batch : result.batches) seen.batches.push_back(std::move(batch));
    position = result.next;
    if (position == result.tip) break;
  }
  SPILLWAY_ASSIGN(seen.tip, engine.tip(id));
  seen.after = clock.latest_wall();
  return seen;
}

}  // namespace

Result<std::map<stream::ShardId, EngineModel::Seen>> read_everything(stream::Engine& engine,
                                                                     Scheduler& scheduler,
                                                                     SimClock& clock,
                                                                     Random& random) {
  std::map<stream::ShardId, EngineModel::Seen> everything;
  for (const auto& [name, stream] : engine.catalog()->streams) {
    for (const auto& shard : stream->shards) {
      SPILLWAY_ASSIGN(everything[shard.id], read_shard(engine, shard.id, scheduler, clock, random));
    }
  }
  return everything;
}

}  // namespace spillway::sim
