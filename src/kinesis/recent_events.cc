#include "kinesis/recent_events.h"

namespace spillway::kinesis {

namespace {

// Of data and keys: an event with less is not given to who has more to read, since small ones one
// after the other would keep a reader that is behind from catching up.
constexpr std::size_t kLargeEvent = 64 << 10;

std::size_t cost_of(const RecentEvent& event) {
  constexpr std::size_t kEntry = 256;  // the map's node and the place in the order
  return event.message.size() + kEntry;
}

}  // namespace

std::optional<RecentEvent> RecentEvents::find(const Place& place, stream::Position read_next,
                                              MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(place);
  if (found == entries_.end() || now - found->second.made > kAgeMax) return std::nullopt;
  const RecentEvent& event = found->second.event;
  if (event.next != read_next && event.amount.bytes < kLargeEvent) return std::nullopt;
  return event;
}

void RecentEvents::add(const Place& place, RecentEvent event, MonoTime now) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[place];
  if (entry.made != MonoTime{}) bytes_ -= cost_of(entry.event);
  bytes_ += cost_of(event);
  entry = {std::move(event), now};
  order_.emplace_back(now, place);
  while (!order_.empty() && (bytes_ > kBytesMax || now - order_.front().first > kAgeMax))
    drop_oldest();
}

void RecentEvents::forget_old(MonoTime now) {
  const std::lock_guard lock(mutex_);
  while (!order_.empty() && now - order_.front().first > kAgeMax) drop_oldest();
}

void RecentEvents::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  order_.clear();
  bytes_ = 0;
}

std::size_t RecentEvents::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

void RecentEvents::drop_oldest() {
  const auto found = entries_.find(order_.front().second);
  if (found != entries_.end() && found->second.made == order_.front().first) {
    bytes_ -= cost_of(found->second.event);
    entries_.erase(found);
  }
  order_.pop_front();
}

}  // namespace spillway::kinesis
