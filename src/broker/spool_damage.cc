#include "broker/spool_damage.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "io/on_loop.h"

namespace spillway::broker {

Task<std::optional<stream::Position>> readable_behind(io::EventLoop& loop, stream::Engine& engine,
                                                      stream::ShardId shard,
                                                      stream::Position damaged,
                                                      stream::Position until) {
  std::uint64_t low = damaged.value;  // damaged
  std::uint64_t high = until.value;
  std::uint64_t step = 1;
  bool doubling = true;
  while (high - low > 1) {
    const std::uint64_t probe = doubling ? std::min(low + step, high - 1) : low + (high - low) / 2;
    stream::ReadRequest request{shard, {probe}};
    request.max_records = 1;
    request.max_bytes = 1;
    auto reading = io::on_loop<Result<stream::ReadResult>>(
        &loop, [&engine, request](auto done) { engine.read(request, std::move(done)); });
    const auto read = co_await reading;
    if (!read.ok() && read.error().code != ErrorCode::kCorrupt) co_return std::nullopt;
    (read.ok() ? high : low) = probe;
    if (read.ok()) doubling = false;
    step *= 2;
  }
  co_return stream::Position{high};
}

}  // namespace spillway::broker
