#include "server/ordered_put.h"

#include <optional>
#include <span>
#include <utility>

#include "io/on_loop.h"

namespace spillway::server {
namespace {

using broker::Spool;

// Of what the spool is given at once, as it is stored: a few of them fit its queue.
constexpr std::size_t kPutBytesMax = std::size_t{4} << 20;

// How many of the records the spool is given at once: at least one.
std::size_t next_part(std::span<const stream::RecordView> records) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    bytes += stream::RecordBatchBuilder::size_of(
        records[i].data.size(), records[i].partition_key.size(), /*has_hash_key=*/false,
        /*has_origin=*/true);
    if (i > 0 && bytes > kPutBytesMax) return i;
  }
  return records.size();
}

}  // namespace

Task<Spool::Outcomes> put_in_order(io::EventLoop* loop, Spool* spool, std::string stream,
                                   std::vector<stream::RecordView> records) {
  Spool::Outcomes all;
  all.reserve(records.size());
  std::optional<Error> refused;
  while (all.size() < records.size()) {
    const auto rest = std::span(records).subspan(all.size());
    if (refused) {
      all.resize(records.size(), Result<stream::Appended>(*refused));
      break;
    }
    const auto part = rest.first(next_part(rest));
    auto putting = io::on_loop<Spool::Outcomes>(
        loop, [spool, &stream, part](UniqueFunction<void(Spool::Outcomes)> done) {
          spool->put(stream, part, std::move(done));
        });
    auto outcomes = co_await putting;
    for (auto& outcome : outcomes) {
      if (!outcome.ok()) refused = outcome.error();
      all.push_back(std::move(outcome));
    }
  }
  co_return all;
}

}  // namespace spillway::server
