#include "sim/broker_seed.h"

#include <algorithm>

namespace spillway::sim {
namespace {

constexpr std::uint64_t kLiveFirst = 0x6c697665;  // other seeds
constexpr std::uint64_t kSetBack = 0x6261636b;
constexpr std::uint64_t kTargets = 0x74617267657473;
constexpr std::uint64_t kRequests = 0x72657173;
constexpr nanoseconds kForEver = std::chrono::hours(100'000);
constexpr nanoseconds kTillAllCame = std::chrono::minutes(15);

// Of some seeds, some regions or all.
std::vector<std::size_t> backfilled(std::uint64_t seed, const SeedFaults& faults) {
  Random random(~seed);
  std::vector<std::size_t> regions;
  regions.reserve(faults.regions);
  for (std::size_t region = 0; region < faults.regions; ++region)
    if (random.one_in(4)) regions.push_back(region);
  if (faults.set_back && Random(seed ^ ~kSetBack).one_in(2) &&
      std::ranges::find(regions, *faults.set_back) == regions.end())
    regions.push_back(*faults.set_back);
  return regions;
}

// Likewise. Backlogs are of tens of records here.
broker::CatchUp catch_up(std::uint64_t seed) {
  Random random(seed ^ kLiveFirst);
  broker::CatchUp catch_up;
  catch_up.live_first = random.one_in(3);
  catch_up.backlog_min = 1 + random.below(20);
  return catch_up;
}

// Likewise: requests that so few records fill are under way side by side.
broker::RequestBounds request(std::uint64_t seed) {
  Random random(seed ^ kRequests);
  broker::RequestBounds request;
  if (random.one_in(2)) request.records = 1 + random.below(8);
  if (random.one_in(4)) request.bytes = 100 + random.below(2000);
  return request;
}

}  // namespace

std::string name_of_region(std::size_t region) {
  return std::string(1, static_cast<char>('a' + region));
}

// In every third seed, b is Amazon's.
RegionKind kind_of_region(std::uint64_t seed, std::size_t region) {
  return seed % 3 == 0 && region == 1 ? RegionKind::kAmazon : RegionKind::kSpillway;
}

SeedFaults seed_faults(std::uint64_t seed) {
  SeedFaults faults;
  Random targets(seed ^ kTargets);
  if (targets.one_in(4)) {
    faults.regions = 3;
    faults.target_changes = 1 + targets.below(3);
  }
  Random random(seed ^ kSetBack);
  if (random.one_in(3)) faults.set_back = random.below(faults.regions);
  // Of Amazon's a broker notices it only where a stream is gone.
  if (faults.set_back && kind_of_region(seed, *faults.set_back) == RegionKind::kAmazon)
    faults.set_back = 0;
  return faults;
}

ModelRules model_rules(std::uint64_t seed, const SeedFaults& faults, Random& random) {
  ModelRules rules;
  rules.live_first = catch_up(seed).live_first;
  rules.regions = faults.regions;
  rules.ordered = !random.one_in(3);
  rules.gaps = rules.ordered && random.one_in(3);
  // What a region lost is waited for in vain.
  if (faults.set_back) rules.gaps = rules.ordered;
  return rules;
}

BrokerSettings broker_settings(std::uint64_t seed, const SeedFaults& faults, Random& random,
                               Random& more) {
  BrokerSettings settings;
  settings.streams = {std::string(kReadStream)};
  if (more.one_in(3)) settings.streams.emplace_back(kUnreadStream);
  settings.targets = {0, 1};
  settings.backfilled = backfilled(seed, faults);
  settings.catch_up = catch_up(seed);
  settings.request = request(seed);
  auto& engine = settings.engine;
  engine.directory = "broker/spool";
  engine.journal_file_bytes = std::uint64_t{65'536} << random.below(3);
  engine.journal_files = static_cast<std::uint32_t>(random.between(2, 4));
  engine.queue_bytes = engine.journal_file_bytes * 2;
  engine.shard_frame_bytes = engine.queue_bytes / 8;
  engine.tail_bytes = random.below(65'536);
  engine.merge_fan_in = static_cast<std::uint32_t>(random.between(2, 4));
  settings.limits.bytes =
      random.one_in(2) ? std::uint64_t{1} << 30 : 50'000 + random.below(300'000);
  if (more.one_in(2)) {
    settings.limits.when_full = broker::WhenFull::kDropOldest;
    settings.limits.bytes = 50'000 + more.below(150'000);
  }
  settings.limits.keep = seconds(random.between(5, 600));
  settings.route.switching.returns = !random.one_in(4);
  settings.route.switching.return_after = seconds(random.between(5, 90));
  return settings;
}

client::RegionsReaderOptions reader_options(const ModelRules& rules, bool live_first,
                                            Random& random) {
  client::RegionsReaderOptions options;
  options.stream = kReadStream;
  options.merge.mode =
      rules.ordered ? client::RegionsMode::kOrdered : client::RegionsMode::kAvailable;
  // Behind what was left behind a record may name one that never comes: it is waited for until all
  // that does come has.
  options.merge.gap_wait = live_first ? kTillAllCame : kForEver;
  if (rules.gaps) options.merge.gap_wait = seconds(random.between(1, 90));
  if (rules.gaps && random.one_in(2)) options.merge.waiting_max = 10 + random.below(200);
  if (random.one_in(4)) options.merge.ready_bytes_max = 1 + random.below(20'000);
  options.poll_interval = milliseconds(random.between(250, 2000));
  return options;
}

}  // namespace spillway::sim
