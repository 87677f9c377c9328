#include "broker/oldest_records.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

Delivered ends_of(const Undelivered& held) {
  Delivered ends;
  for (const auto& [shard, range] : held) ends[shard] = range.second;
  return ends;
}

// Of what is held, what was there when the shards ended so.
Delivered behind(const Undelivered& held, const Delivered& ends) {
  Delivered behind;
  for (const auto& [shard, range] : held) {
    const auto end = ends.find(shard);
    behind[shard] =
        end == ends.end() ? range.first : std::clamp(end->second, range.first, range.second);
  }
  return behind;
}

std::uint64_t records_before(const Undelivered& held, const Delivered& next) {
  std::uint64_t records = 0;
  for (const auto& [shard, range] : held) records += next.at(shard).value - range.first.value;
  return records;
}

}  // namespace

void OldestRecords::look(const Undelivered& held) {
  if (looks_++ % looks_per_time_ != 0) return;
  ends_.push_back(ends_of(held));
  if (ends_.size() <= kTimesMax) return;
  std::deque<Delivered> every_second;
  for (std::size_t i = 0; i < ends_.size(); i += 2) every_second.push_back(std::move(ends_[i]));
  ends_ = std::move(every_second);
  looks_per_time_ *= 2;
}

Delivered OldestRecords::without_oldest(const Undelivered& held, std::uint64_t parts) const {
  Delivered low = behind(held, {});
  Delivered high = behind(held, ends_of(held));
  const std::uint64_t wanted = (records_before(held, high) + parts - 1) / parts;
  for (const auto& ends : ends_) {
    auto at = behind(held, ends);
    if (records_before(held, at) >= wanted) {
      high = std::move(at);
      break;
    }
    low = std::move(at);
  }
  const std::uint64_t missing = wanted - records_before(held, low);
  const std::uint64_t between = records_before(held, high) - records_before(held, low);
  for (auto& [shard, next] : low) {
    const auto records = static_cast<Uint128>(high.at(shard).value - next.value);
    if (between > 0)
      next.value += static_cast<std::uint64_t>((records * missing + between - 1) / between);
  }
  return low;
}

}  // namespace spillway::broker
