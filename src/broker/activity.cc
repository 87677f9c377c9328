#include "broker/activity.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {

void Activity::look(std::vector<InputNow> inputs, const Route& route, Undelivered held) {
  const MonoTime now = loop_.mono_now();
  inputs_.look(std::move(inputs), now);
  auto before = std::exchange(targets_, {});
  for (std::size_t place = 0; place < route.size(); ++place) {
    const auto& link = route.link(place);
    auto& rate = targets_[link.target().name()];
    rate = std::move(before[link.target().name()]);
    rate.look(link.acknowledged(), now);
  }
  oldest_.look(std::move(held));
}

double Activity::per_second(const std::string& target) const {
  const auto found = targets_.find(target);
  return found != targets_.end() ? found->second.per_second() : 0;
}

std::optional<milliseconds> Activity::oldest_unsent(stream::ShardId shard) const {
  const auto accepted_at = oldest_.accepted_at(shard);
  if (!accepted_at) return std::nullopt;
  return std::max(loop_.wall_now() - *accepted_at, milliseconds(0));  // the clock may go back
}

}  // namespace spillway::broker
