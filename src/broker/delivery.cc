#include "broker/delivery.h"

#include <algorithm>
#include <set>
#include <utility>

namespace spillway::broker {

Delivery::Delivery(Parts parts, std::span<const std::string> streams, Random random,
                   std::span<const std::size_t> backfilled, CatchUp catch_up,
                   const RequestBounds& request, std::size_t copies)
    : parts_(parts),
      catch_up_(catch_up),
      copies_(copies),
      dropped_(parts.metrics.counter(
          "spillway_broker_dropped_records_total",
          "Records that were accepted, and dropped undelivered since the spool was full")),
      yields_(parts.metrics.gauge("spillway_broker_yields",
                                  "1 while delivery is slowed down for acknowledgements' sake")),
      sender_parts_{parts.loop,
                    parts.spool.engine(),
                    parts.cursors,
                    parts.route,
                    budget_,
                    catch_up_,
                    linger_,
                    request,
                    [this](std::size_t bytes) {
                      const MonoTime now = parts_.loop.mono_now();
                      return pace(now).take(bytes, now);
                    },
                    [this](std::size_t bytes) { return take_spare(bytes); },
                    parts.log,
                    parts.metrics.counter("spillway_broker_unreadable_records_total",
                                          "Records given up: damaged in the spool"),
                    dropped_},
      random_(random),
      deadline_(parts.loop.make_timer()) {
  const Backfill::Parts backfill{parts.loop,
                                 parts.spool.engine(),
                                 parts.cursors,
                                 parts.route,
                                 [this](std::size_t bytes) { return take_spare(bytes); },
                                 parts.log,
                                 parts.metrics};
  for (const auto place : backfilled)
    backfills_[place] = std::make_unique<Backfill>(backfill, place);
  make_senders(streams);
  held_gauge_ = parts.metrics.computed_gauge("spillway_broker_held_records",
                                             "Records in the spool that no target has acknowledged",
                                             {}, [this] { return static_cast<double>(held()); });
  left_behind_gauge_ = parts.metrics.computed_gauge(
      "spillway_broker_left_behind_records",
      "Those of them that were left behind for what came later, under catch_up = \"live_first\"",
      {}, [this] { return static_cast<double>(left_behind()); });
}

std::vector<ShardSender*> Delivery::make_senders(std::span<const std::string> streams) {
  std::vector<ShardSender*> made;
  made.reserve(streams.size() * Spool::kShards);
  for (const auto& stream : streams) {
    for (const auto& shard : parts_.spool.shards_of(stream)) {
      auto& sender = senders_[shard.id];
      if (sender != nullptr) continue;
      sender = std::make_unique<ShardSender>(sender_parts_, stream, shard, random_.fork());
      for (const auto& [place, backfill] : backfills_) backfill->add({stream, shard.id});
      made.push_back(sender.get());
    }
  }
  return made;
}

void Delivery::add(std::span<const std::string> streams) {
  for (auto* sender : make_senders(streams)) {
    ++running_;
    sender->start([this] { ended(); });
  }
}

// With what it goes by up to date.
Pace& Delivery::pace(MonoTime now) {
  const auto& spool = parts_.spool;
  const auto& puts = spool.put_seconds();
  if (pace_.due(now)) {
    const std::uint64_t bytes = spool.accepted_bytes() + spool.accepted_key_bytes();
    pace_.look({bytes, puts.count(), puts.sum()}, now);
  }
  yields_.set(pace_.yields() ? 1 : 0);
  return pace_;
}

nanoseconds Delivery::take_spare(std::size_t bytes) {
  const MonoTime now = parts_.loop.mono_now();
  return pace(now).take_spare(bytes, now);
}

void Delivery::set_catch_up(const CatchUp& catch_up) {
  const bool begins = catch_up.live_first && !catch_up_.live_first;
  catch_up_ = catch_up;
  if (!begins) return;
  for (const auto& [shard, sender] : senders_) sender->look_for_backlog();
}

void Delivery::start(UniqueFunction<void()> flows) {
  parts_.route.on_flow(std::move(flows));
  parts_.route.start([this] {
    for (const auto& [shard, sender] : senders_) sender->rerouted();
  });
  running_ = senders_.size() + backfills_.size();
  for (const auto& [shard, sender] : senders_) sender->start([this] { ended(); });
  for (const auto& [place, backfill] : backfills_) backfill->start([this] { ended(); });
}

void Delivery::wake(std::span<const stream::ShardId> shards) {
  parts_.loop.post([this, woken = std::vector(shards.begin(), shards.end())] {
    for (const auto shard : woken)
      if (const auto found = senders_.find(shard); found != senders_.end()) found->second->wake();
  });
}

void Delivery::drain(nanoseconds at_most, UniqueFunction<void()> done) {
  end(at_most, std::move(done), &ShardSender::drain);
}

void Delivery::leave(nanoseconds at_most, UniqueFunction<void()> done) {
  end(at_most, std::move(done), &ShardSender::leave);
}

void Delivery::end(nanoseconds at_most, UniqueFunction<void()> done, void (ShardSender::*how)()) {
  done_ = std::move(done);
  deadline_->start(at_most, [this] {
    parts_.route.close();
    for (const auto& [shard, sender] : senders_) sender->close();
  });
  for (const auto& [place, backfill] : backfills_) backfill->close();
  for (const auto& [shard, sender] : senders_) (*sender.*how)();
}

void Delivery::ended() {
  if (--running_ > 0) return;
  deadline_->cancel();
  parts_.route.close();
  parts_.cursors.settle([this](const Status&) { std::exchange(done_, nullptr)(); });
}

Undelivered Delivery::undelivered() const {
  Undelivered undelivered;
  for (const auto& [shard, sender] : senders_) undelivered[shard] = sender->undelivered();
  return undelivered;
}

void Delivery::give_up_before(const Delivered& next) {
  std::uint64_t records = 0;
  for (const auto& [shard, sender] : senders_) {
    const auto found = next.find(shard);
    if (found == next.end()) continue;
    records += sender->held_before(found->second);
    sender->give_up_before(found->second);
  }
  const MonoTime now = parts_.loop.mono_now();
  if (records == 0 || (drop_told_ && now - *drop_told_ < kToldEvery)) return;
  drop_told_ = now;
  parts_.log.error("the spool is full: accepted records are dropped, the oldest first",
                   {{"records", records}, {"dropped_before", dropped()}, {"held", held()}});
}

Delivered Delivery::given_up_before() const {
  Delivered next;
  for (const auto& [shard, sender] : senders_) next[shard] = sender->given_up_before();
  return next;
}

Delivered Delivery::delivered() const {
  Delivered delivered;
  for (const auto& [shard, sender] : senders_) delivered[shard] = this->delivered(shard);
  return delivered;
}

stream::Position Delivery::delivered(stream::ShardId shard) const {
  if (copies_ == 1) return parts_.cursors.kept(shard);
  std::vector<Cursors::Copy> targets;
  targets.reserve(parts_.route.size());
  for (std::size_t place = 0; place < parts_.route.size(); ++place) {
    const auto* const filled = backfill(place);
    targets.push_back({parts_.route.link(place).target().name(),
                       filled != nullptr ? filled->passed_over(shard) : PositionRanges()});
  }
  return parts_.cursors.kept_by(shard, targets, copies_);
}

std::vector<std::string> Delivery::held_streams() const {
  std::set<std::string> streams;
  for (const auto& [shard, sender] : senders_)
    if (sender->held() > 0) streams.insert(sender->stream());
  return {streams.begin(), streams.end()};
}

std::uint64_t Delivery::held() const {
  std::uint64_t records = 0;
  for (const auto& [shard, sender] : senders_) records += sender->held();
  return records;
}

std::uint64_t Delivery::left_behind() const {
  std::uint64_t records = 0;
  for (const auto& [shard, sender] : senders_) records += sender->left_behind();
  return records;
}

std::uint64_t Delivery::needed() const {
  std::uint64_t records = 0;
  for (const auto& [shard, range] : undelivered()) {
    const auto from = copies_ == 1 ? range.first : std::min(range.first, delivered(shard));
    records += range.second.value - from.value;
  }
  return records;
}

std::vector<ShardUnderWay> Delivery::under_way() const {
  std::vector<ShardUnderWay> shards;
  shards.reserve(senders_.size());
  for (const auto& stream : parts_.spool.streams()) {
    for (const auto& shard : parts_.spool.shards_of(stream)) {
      const auto sender = senders_.find(shard.id);
      if (sender == senders_.end()) continue;
      const auto& under_way = sender->second->under_way();
      const auto at = sender->second->next();
      const auto tip = parts_.spool.engine().tip(shard.id);
      shards.push_back({stream, shard.index, shard.id, at, tip.ok() ? tip->next : at,
                        under_way.sent > 0 ? under_way.end : at, under_way.sent,
                        under_way.acknowledged, sender->second->left_behind()});
    }
  }
  return shards;
}

const Backfill* Delivery::backfill(std::size_t place) const {
  const auto found = backfills_.find(place);
  return found != backfills_.end() ? found->second.get() : nullptr;
}

}  // namespace spillway::broker
