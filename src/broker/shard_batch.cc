#include "broker/shard_batch.h"

#include <algorithm>

namespace spillway::broker {

ShardBatch::ShardBatch(SpoolBatch taken, const LaneMarks& before, bool known)
    : entries_(std::move(taken.entries)),
      given_up_(entries_.size()),
      first_(taken.first),
      next_(taken.next),
      before_(&before),
      known_(known) {
  link();
}

Pending ShardBatch::all() const {
  Pending all;
  all.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (!given_up_[i]) all.push_back(i);
  return all;
}

void ShardBatch::give_up(const Pending& numbers) {
  if (numbers.empty()) return;
  for (const auto number : numbers) given_up_[number] = true;
  link();
}

void ShardBatch::cut(stream::Position end) {
  const auto size = std::min<std::size_t>(end.value - std::min(end, first_).value, entries_.size());
  entries_.resize(size);
  given_up_.resize(size);
  next_ = std::min(next_, end);
  link();
}

void ShardBatch::link() {
  lanes_ = *before_;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto& origin = entries_[i].origin;
    if (!origin) continue;
    const auto last = lanes_.find(origin->lane);
    if (last == lanes_.end() ? !known_ : !last->second.is_known())
      origin->previous = origin->sequence - 1;
    else if (last != lanes_.end() && last->second.producer == origin->producer)
      origin->previous = last->second.sequence;
    else
      origin->previous = 0;
    lanes_[origin->lane] = {origin->producer, given_up_[i] ? origin->previous : origin->sequence};
  }
}

}  // namespace spillway::broker
