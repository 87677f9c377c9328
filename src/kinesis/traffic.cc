#include "kinesis/traffic.h"

#include <unordered_set>

namespace spillway::kinesis {

void Flow::add(const Flow& more, bool has_read) {
  incoming_bytes += more.incoming_bytes;
  incoming_records += more.incoming_records;
  outgoing_bytes += more.outgoing_bytes;
  outgoing_records += more.outgoing_records;
  write_exceeded += more.write_exceeded;
  read_exceeded += more.read_exceeded;
  if (has_read) iterator_age_ms = more.iterator_age_ms;
}

void Traffic::add(std::uint64_t id, const Flow& more, bool has_read) {
  Stripe& stripe = stripes_[id % kStripes];
  const std::lock_guard lock(stripe.mutex);
  stripe.flows[id].add(more, has_read);
}

Flow Traffic::of(std::uint64_t id) const {
  const Stripe& stripe = stripes_[id % kStripes];
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.flows.find(id);
  return found != stripe.flows.end() ? found->second : Flow{};
}

void Traffic::keep_only(const stream::Catalog& catalog) {
  std::unordered_set<std::uint64_t> known;
  for (const auto& [name, stream] : catalog.streams) {
    known.insert(stream->id);
    for (const auto& shard : stream->shards) known.insert(shard.id);
  }
  for (auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    std::erase_if(stripe.flows, [&](const auto& flow) { return !known.contains(flow.first); });
  }
}

std::size_t Traffic::size() const {
  std::size_t size = 0;
  for (const auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    size += stripe.flows.size();
  }
  return size;
}

}  // namespace spillway::kinesis
