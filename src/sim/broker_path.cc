#include "sim/broker_path.h"

#include <algorithm>
#include <utility>

namespace spillway::sim {
namespace {

std::vector<std::string> names_of(const std::vector<std::size_t>& order) {
  std::vector<std::string> names;
  names.reserve(order.size());
  for (const auto region : order) names.push_back(name_of_region(region));
  return names;
}

std::vector<std::unique_ptr<SimTarget>> targets_of(const std::vector<RegionLink*>& links,
                                                   const std::vector<std::size_t>& order) {
  std::vector<std::unique_ptr<SimTarget>> targets;
  targets.reserve(order.size());
  for (const auto region : order)
    targets.push_back(std::make_unique<SimTarget>(*links[region], name_of_region(region)));
  return targets;
}

std::vector<std::unique_ptr<broker::MarkedTarget>> marked(
    io::EventLoop& loop, const std::vector<std::unique_ptr<SimTarget>>& targets,
    const std::string& canary_stream) {
  std::vector<std::unique_ptr<broker::MarkedTarget>> marked;
  marked.reserve(targets.size());
  for (const auto& target : targets)
    marked.push_back(std::make_unique<broker::MarkedTarget>(loop, *target, canary_stream));
  return marked;
}

std::vector<broker::Target*> pointers_of(
    const std::vector<std::unique_ptr<broker::MarkedTarget>>& targets) {
  std::vector<broker::Target*> pointers;
  pointers.reserve(targets.size());
  for (const auto& target : targets) pointers.push_back(target.get());
  return pointers;
}

std::vector<std::size_t> places_of(const std::vector<std::size_t>& regions,
                                   const std::vector<std::size_t>& order) {
  std::vector<std::size_t> places;
  places.reserve(order.size());
  for (std::size_t place = 0; place < order.size(); ++place)
    if (std::ranges::find(regions, order[place]) != regions.end()) places.push_back(place);
  return places;
}

}  // namespace

BrokerPath::BrokerPath(const Parts& parts, const std::vector<RegionLink*>& links,
                       std::vector<std::size_t> regions, Random random)
    : order(std::move(regions)),
      names(names_of(order)),
      targets(targets_of(links, order)),
      marked_targets(marked(parts.stage.loop, targets, parts.settings.route.canary_stream)),
      route({parts.stage.loop, parts.log, parts.metrics}, pointers_of(marked_targets),
            parts.settings.route,
            broker::kept_of(parts.switch_state.of(std::string(broker::kAllStreams), names), names)),
      switches({parts.stage.loop, route, parts.switch_state, parts.switch_log, parts.log,
                parts.metrics, parts.settings.streams},
               "sim"),
      set_backs(
          {parts.stage.loop, parts.log, parts.metrics, parts.spool, parts.cursors, parts.horizon,
           route, switches, parts.high_water, parts.settings.route.canary_stream},
          marked_targets),
      delivery({parts.stage.loop, parts.spool, parts.cursors, route, parts.log, parts.metrics},
               parts.spool.streams(), random, places_of(parts.settings.backfilled, order),
               parts.settings.catch_up, parts.settings.request) {
  look();
}

void BrokerPath::look() {
  switches.set_held(delivery.held_streams());
  switches.look();
  set_backs.look();
}

std::size_t BrokerPath::place_of(std::size_t region) const {
  return static_cast<std::size_t>(std::ranges::find(order, region) - order.begin());
}

}  // namespace spillway::sim
