// What the broker's status tells besides totals: how fast records come and go, and how long the
// oldest one waits. It is looked for once a second.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/input_activity.h"
#include "broker/oldest_records.h"
#include "broker/oldest_unsent.h"
#include "broker/recent_rate.h"
#include "broker/route.h"
#include "io/event_loop.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class Activity {
 public:
  // `spool`: the engine behind it.
  Activity(io::EventLoop& loop, stream::Engine& spool, metrics::Registry& metrics)
      : loop_(loop), inputs_(metrics), oldest_(loop, spool) {}

  // Every second or so. `inputs`: those that are on; `held`: of all shards of the spool.
  void look(std::vector<InputNow> inputs, const Route& route, Undelivered held);

  // A JSON array: what each input did.
  std::string inputs_json() const { return inputs_.json(loop_.mono_now()); }
  // Records that the target acknowledged, in the last minute.
  double per_second(const std::string& target) const;
  // How long the oldest record waits that no target has; nullopt: none does, or it is not known
  // yet.
  std::optional<milliseconds> oldest_unsent(stream::ShardId shard) const;

 private:
  io::EventLoop& loop_;
  InputActivity inputs_;
  OldestUnsent oldest_;
  std::map<std::string, RecentRate> targets_;  // by name
};

}  // namespace spillway::broker
