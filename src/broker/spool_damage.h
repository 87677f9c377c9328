// How far damage in the spool goes.
#pragma once

#include <optional>

#include "base/task.h"
#include "io/event_loop.h"
#include "stream/engine.h"

namespace spillway::broker {

// The first position behind `damaged` and before `until` that can be read, or `until`: by doubling
// steps, and then by halves. Where a step passes over a second damage, what is whole between the
// two may be passed over with them. nullopt: it can't be told now. On the loop's thread; the loop
// and the engine outlive it.
Task<std::optional<stream::Position>> readable_behind(io::EventLoop& loop, stream::Engine& engine,
                                                      stream::ShardId shard,
                                                      stream::Position damaged,
                                                      stream::Position until);

}  // namespace spillway::broker
