// Reads all that an engine shows, as a client would.
#pragma once

#include <map>

#include "base/random.h"
#include "sim/engine_model.h"
#include "sim/scheduler.h"

namespace spillway::sim {

// Every shard of the catalog, from its trim horizon to its tip. The first error of a read, where
// there is one.
Result<std::map<stream::ShardId, EngineModel::Seen>> read_everything(stream::Engine& engine,
                                                                     Scheduler& scheduler,
                                                                     SimClock& clock,
                                                                     Random& random);

}  // namespace spillway::sim
