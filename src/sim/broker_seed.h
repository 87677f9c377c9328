// What a seed of the broker's simulation has from its beginning: regions, how the broker and the
// reader are configured, and what goes wrong in some seeds alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "broker/delivery.h"
#include "broker/route.h"
#include "broker/spool_room.h"
#include "client/regions_reader.h"
#include "engine/embedded/embedded_engine.h"
#include "sim/broker_model.h"
#include "sim/sim_region.h"

namespace spillway::sim {

struct BrokerSettings {
  std::vector<std::string> streams;
  engine::EmbeddedOptions engine;
  broker::SpoolLimits limits;
  broker::RouteSettings route;
  std::vector<std::size_t> targets;     // regions, in the order in which they are preferred
  std::vector<std::size_t> backfilled;  // regions
  broker::CatchUp catch_up;
  broker::RequestBounds request;
};

// Beyond the faults that any seed may have.
struct SeedFaults {
  std::size_t regions = 2;              // three, where targets change
  std::size_t target_changes = 0;       // by SIGHUP
  std::optional<std::size_t> set_back;  // the region that is set back to a backup
};

inline constexpr std::string_view kReadStream = "s";
inline constexpr std::string_view kUnreadStream = "t";
std::string name_of_region(std::size_t region);
RegionKind kind_of_region(std::uint64_t seed, std::size_t region);

// These three are made in this order: each takes of `random` what the one before left.
SeedFaults seed_faults(std::uint64_t seed);
ModelRules model_rules(std::uint64_t seed, const SeedFaults& faults, Random& random);
// `more`: what came later to the simulation is random by itself, so that seeds stay what they are.
BrokerSettings broker_settings(std::uint64_t seed, const SeedFaults& faults, Random& random,
                               Random& more);
client::RegionsReaderOptions reader_options(const ModelRules& rules, bool live_first,
                                            Random& random);

}  // namespace spillway::sim
