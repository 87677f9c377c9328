#include "sim/broker_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.h"
#include "broker/cursors.h"
#include "broker/high_water.h"
#include "broker/make_room.h"
#include "broker/marked_target.h"
#include "broker/oldest_records.h"
#include "broker/route.h"
#include "broker/set_backs.h"
#include "broker/spool.h"
#include "broker/spool_horizon.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "metrics/registry.h"

namespace spillway::sim {

namespace {

constexpr nanoseconds kOpenWithin = seconds(60);
constexpr nanoseconds kDrainOnStop = seconds(5);
// Calls that a closed network or a dead disk has ended may need a step each.
constexpr nanoseconds kEndWithin = seconds(60);

Task<Status> open_spool_streams(io::EventLoop& loop, broker::Spool& spool, broker::Cursors& cursors,
                                std::vector<std::string> streams) {
  auto opened = co_await spool.open(loop, std::move(streams));
  if (!opened.ok()) co_return opened;
  auto loaded = co_await cursors.load(spool.shards_of(broker::Spool::kCursorStream).front().id);
  co_return loaded;
}

}  // namespace

// What a process consists of, in the order in which it is made.
struct BrokerMachine::Running {
  metrics::Registry metrics;
  std::unique_ptr<stream::Engine> engine;
  std::optional<broker::SpoolRoom> room;
  std::optional<broker::Spool> spool;
  std::optional<broker::Cursors> cursors;
  std::optional<broker::SpoolHorizon> horizon;
  std::vector<std::unique_ptr<SimTarget>> targets;
  std::vector<std::unique_ptr<broker::MarkedTarget>> marked_targets;
  std::optional<broker::SwitchState> switch_state;
  std::optional<broker::SwitchLog> switch_log;
  std::optional<broker::Route> route;
  std::optional<broker::Switches> switches;
  std::optional<broker::HighWaterFile> high_water;
  std::optional<broker::SetBacks> set_backs;
  std::optional<broker::Delivery> delivery;
  broker::SpoolPacking packing;
  broker::OldestRecords oldest;
  std::unique_ptr<io::Timer> timer;
  bool delivers = false;
  bool takes_records = false;
};

BrokerMachine::BrokerMachine(Parts parts, BrokerSettings settings, Random random)
    : parts_(std::move(parts)),
      settings_(std::move(settings)),
      random_(random),
      disk_(
          std::make_unique<SimDisk>(random_.fork(), parts_.stage.scheduler, parts_.stage.history)),
      entropy_(random_.fork()) {}

BrokerMachine::~BrokerMachine() { SPILLWAY_ASSERT(running_ == nullptr); }

// --- The process begins

Status BrokerMachine::start() {
  SPILLWAY_ASSERT(running_ == nullptr);
  running_ = std::make_unique<Running>();
  auto opened = open(*running_);
  if (opened.ok() && !disk_->crashed()) {
    running_->delivery->start([] {});
    running_->delivers = running_->takes_records = true;
    keep_room(*running_);
    return {};
  }
  end(nanoseconds(1));
  const bool excused = disk_->crashed() || opened.ok() || opened.error().code == ErrorCode::kIo ||
                       opened.error().code == ErrorCode::kNoSpace;
  return excused ? Status() : context("a broker starts", std::move(opened).error());
}

Status BrokerMachine::open(Running& process) {
  Stage& stage = parts_.stage;
  auto options = settings_.engine;
  options.merges = [&packing = process.packing] { return packing.packs(); };
  SPILLWAY_ASSIGN(process.engine,
                  engine::open_embedded_engine(options, {*disk_, stage.clock, stage.scheduler,
                                                         entropy_, parts_.log, process.metrics}));
  SPILLWAY_TRY(open_spool(process));
  process.switch_state.emplace(*disk_, "broker/switch-state");
  SPILLWAY_TRY(process.switch_state->load());
  broker::SwitchLogOptions log_options;
  log_options.directory = "broker/switch-log";
  log_options.aside = "broker/switch-log-aside";
  process.switch_log.emplace(std::move(log_options), *disk_);
  (void)process.switch_log->open(stage.clock.wall_now());
  open_route(process);
  return {};
}

Status BrokerMachine::open_spool(Running& process) {
  Stage& stage = parts_.stage;
  process.room.emplace(settings_.limits, *process.engine, parts_.log, process.metrics);
  process.spool.emplace(*process.engine, *process.room, stage.clock, entropy_, process.metrics);
  process.cursors.emplace(stage.loop, *process.engine, parts_.log);
  process.horizon.emplace(stage.loop, *process.engine);
  std::optional<Status> opened;
  spillway::start(
      open_spool_streams(stage.loop, *process.spool, *process.cursors, settings_.streams),
      UniqueFunction<void(Status)>([&opened](Status status) { opened = std::move(status); }));
  const bool answered = stage.run_until(kOpenWithin, [&opened] { return opened.has_value(); });
  SPILLWAY_ASSERT(answered);
  return *std::move(opened);
}

void BrokerMachine::open_route(Running& process) {
  Stage& stage = parts_.stage;
  std::vector<broker::Target*> targets;
  std::vector<std::string> names;
  targets.reserve(parts_.links.size());
  names.reserve(parts_.links.size());
  for (std::size_t place = 0; place < parts_.links.size(); ++place) {
    names.emplace_back(1, static_cast<char>('a' + place));
    process.targets.push_back(std::make_unique<SimTarget>(*parts_.links[place], names.back()));
    process.marked_targets.push_back(std::make_unique<broker::MarkedTarget>(
        stage.loop, *process.targets.back(), settings_.route.canary_stream));
    targets.push_back(process.marked_targets.back().get());
  }
  process.route.emplace(
      broker::Route::Parts{stage.loop, parts_.log, process.metrics}, targets, settings_.route,
      broker::kept_of(process.switch_state->of(std::string(broker::kAllStreams), names), names));
  check_hold(*process.route);
  process.switches.emplace(
      broker::Switches::Parts{stage.loop, *process.route, *process.switch_state,
                              *process.switch_log, parts_.log, process.metrics, settings_.streams},
      "sim");
  process.high_water.emplace(*disk_, "broker/high-water");
  (void)process.high_water->load();
  process.set_backs.emplace(
      broker::SetBacks::Parts{stage.loop, parts_.log, process.metrics, *process.spool,
                              *process.cursors, *process.horizon, *process.route, *process.switches,
                              *process.high_water, settings_.route.canary_stream},
      process.marked_targets);
  process.delivery.emplace(broker::Delivery::Parts{stage.loop, *process.spool, *process.cursors,
                                                   *process.route, parts_.log, process.metrics},
                           process.spool->streams(), random_.fork(), settings_.backfilled,
                           settings_.catch_up);
  process.spool->on_appended(
      [delivery = &*process.delivery](std::span<const stream::ShardId> shards) {
        delivery->wake(shards);
      });
  process.timer = stage.loop.make_timer();
}

// What a person was told survives whatever the process and the machine go through.
void BrokerMachine::check_hold(const broker::Route& route) {
  const auto& kept = route.kept();
  const std::string found = kept.held ? route.link(*kept.used).target().name() : std::string();
  if (promised_hold_ && *promised_hold_ != found && wrong_.ok()) {
    wrong_ = Error{ErrorCode::kCorrupt,
                   fmt::format("a person was told that \"{}\" is held, and \"{}\" is after a start",
                               *promised_hold_, found)};
  }
  promised_hold_ = found;
}

// No region ever loses what it acknowledged.
void BrokerMachine::check_set_backs(const broker::Route& route) {
  for (const auto& found : route.kept().set_back) {
    if (!found.empty() && wrong_.ok())
      wrong_ = Error{ErrorCode::kCorrupt, "a region is said to be set back: " + found};
  }
}

// As server/broker_assembly.cc does, once a second.
void BrokerMachine::keep_room(Running& process) {
  const auto held = process.delivery->undelivered();
  note_dropped(process, held,
               broker::make_room(*process.room, process.packing, process.oldest, *process.delivery,
                                 *process.cursors, parts_.stage.clock.mono_now()));
  process.set_backs->look();
  check_set_backs(*process.route);
  left_behind_max_ = std::max(left_behind_max_, process.delivery->left_behind());
  process.timer->start(seconds(1), [this, &process] { keep_room(process); });
}

void BrokerMachine::note_dropped(const Running& process, const broker::Undelivered& held,
                                 const broker::Delivered& next) {
  if (next.empty()) return;
  for (std::size_t stream = 0; stream < settings_.streams.size(); ++stream) {
    for (const auto& shard : process.spool->shards_of(settings_.streams[stream])) {
      parts_.models[stream]->dropped(parts_.spool, stream::lane_of(shard.first_hash_key),
                                     stream::lane_of(shard.last_hash_key), held.at(shard.id).first,
                                     next.at(shard.id));
    }
  }
}

// --- The process ends

// Coroutines end by themselves: with the network closed and the disk dead they change nothing.
void BrokerMachine::end(nanoseconds drain) {
  Running& process = *running_;
  process.takes_records = false;
  if (process.timer) process.timer->cancel();
  if (process.delivers) {
    if (disk_->crashed()) process.route->close();
    bool ended = false;
    process.delivery->drain(drain, [&ended] { ended = true; });
    const bool in_time = parts_.stage.run_until(kEndWithin, [&ended] { return ended; });
    SPILLWAY_ASSERT(in_time);
  }
  if (process.engine) process.engine->stop();
  parts_.stage.loop.run_posted();
  switches_ += process.metrics.counter("spillway_broker_switches_total", "").value();
  for (const auto place : settings_.backfilled)
    if (process.delivery) backfilled_ += process.delivery->backfill(place)->progress().sent;
  running_.reset();
}

void BrokerMachine::crash(Loss loss) {
  if (running_) {
    disk_->crash();
    end(nanoseconds(1));
  }
  disk_->restart(loss);
}

void BrokerMachine::stop() {
  if (running_) end(kDrainOnStop);
}

std::unique_ptr<SimDisk> BrokerMachine::backup() {
  return std::make_unique<SimDisk>(*disk_, random_.fork(), parts_.stage.scheduler,
                                   parts_.stage.history);
}

void BrokerMachine::restore(std::unique_ptr<SimDisk> backup) {
  SPILLWAY_ASSERT(running_ == nullptr);
  disk_ = std::move(backup);
  promised_hold_.reset();
}

// --- What is asked of it

void BrokerMachine::put(std::size_t stream, std::span<const BrokerModel::Put> records) {
  if (!running_ || !running_->takes_records || disk_->crashed()) return;
  std::vector<stream::RecordView> views;
  std::vector<BrokerModel::Number> numbers;
  views.reserve(records.size());
  numbers.reserve(records.size());
  for (const auto& record : records) {
    views.push_back({record.key, record.data, std::nullopt, std::nullopt});
    numbers.push_back(record.number);
  }
  running_->spool->put(settings_.streams[stream], views,
                       [this, model = parts_.models[stream],
                        numbers = std::move(numbers)](const broker::Spool::Outcomes& outcomes) {
                         if (disk_->crashed()) return;  // nobody hears it
                         for (std::size_t i = 0; i < numbers.size(); ++i) {
                           if (!outcomes[i].ok()) continue;
                           model->acknowledged(numbers[i], parts_.spool, outcomes[i]->first,
                                               parts_.stage.clock.mono_now());
                         }
                       });
}

void BrokerMachine::switch_to(const std::string& target) {
  if (!running_ || !running_->takes_records || disk_->crashed()) return;
  broker::Switches::Wish wish;
  wish.target = target;
  wish.reason = "a drill";
  wish.who = "somebody";
  const auto done = running_->switches->make(wish);
  promised_hold_.reset();
  if (!disk_->crashed() && done.ok() && done->fault.empty()) promised_hold_ = target;
}

std::optional<std::string> BrokerMachine::used() const {
  if (!running_ || !running_->route->choice().target) return std::nullopt;
  return running_->route->link(*running_->route->choice().target).target().name();
}

std::uint64_t BrokerMachine::undelivered() const {
  return running_ ? running_->delivery->held() : 0;
}

// Not by what it says itself, which is of its last look.
std::uint64_t BrokerMachine::lacking() const {
  std::uint64_t records = 0;
  for (const auto place : settings_.backfilled) {
    if (!running_) break;
    const auto& name = running_->targets[place]->name();
    std::uint64_t missing = 0;
    for (const auto& stream : settings_.streams)
      for (const auto& shard : running_->spool->shards_of(stream))
        missing += broker::count_of(running_->cursors->missing(shard.id, name));
    records += missing - std::min(missing, running_->delivery->backfill(place)->progress().gone);
  }
  return records;
}

Status BrokerMachine::check_cursors() const {
  if (!running_) return {};
  for (std::size_t stream = 0; stream < settings_.streams.size(); ++stream) {
    for (const auto& shard : running_->spool->shards_of(settings_.streams[stream])) {
      for (std::size_t place = 0; place < running_->targets.size(); ++place) {
        const auto& name = running_->targets[place]->name();
        const auto cursor = running_->cursors->at(shard.id, name);
        SPILLWAY_TRY(parts_.models[stream]->check_sent(
            place, parts_.spool, stream::lane_of(shard.first_hash_key),
            stream::lane_of(shard.last_hash_key), cursor.next, cursor.unsent));
        if (std::ranges::find(settings_.backfilled, place) == settings_.backfilled.end()) continue;
        SPILLWAY_TRY(check_backfilled(shard.id, running_->cursors->missing(shard.id, name)));
      }
    }
  }
  return {};
}

Status BrokerMachine::check_backfilled(stream::ShardId shard,
                                       const broker::PositionRanges& missing) const {
  SPILLWAY_ASSIGN(const auto held, held_of(shard));
  const auto kept = broker::difference(missing, broker::difference(missing, held));
  if (kept.empty()) return {};
  return Error{ErrorCode::kCorrupt,
               fmt::format("a region with backfill lacks {} records that the spool holds, from "
                           "position {} of shard {}",
                           broker::count_of(kept), kept.front().first.value, shard)};
}

Result<broker::PositionRanges> BrokerMachine::held_of(stream::ShardId shard) const {
  broker::PositionRanges held;
  stream::Position from;
  while (true) {
    std::optional<Result<stream::ReadResult>> read;
    running_->engine->read({shard, from}, [&read](auto result) { read = std::move(result); });
    const bool answered = parts_.stage.run_until(kOpenWithin, [&read] { return read.has_value(); });
    SPILLWAY_ASSERT(answered);
    if (!read->ok()) return std::move(*read).error();
    for (const auto& batch : (*read)->batches)
      held.emplace_back(std::max(batch.first, from), batch.first.plus(batch.count));
    if ((*read)->next == from || (*read)->next == (*read)->tip) return held;
    from = (*read)->next;
  }
}

}  // namespace spillway::sim
