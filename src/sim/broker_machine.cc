#include "sim/broker_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/assert.h"
#include "broker/cursors.h"
#include "broker/high_water.h"
#include "broker/make_room.h"
#include "broker/oldest_records.h"
#include "broker/spool.h"
#include "broker/spool_horizon.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "metrics/registry.h"
#include "sim/broker_path.h"

namespace spillway::sim {

namespace {

constexpr nanoseconds kOpenWithin = seconds(60);
constexpr nanoseconds kDrainOnStop = seconds(5);
constexpr nanoseconds kLeaveWithin = broker::HealthSettings().request_deadline;
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
  std::optional<broker::SwitchState> switch_state;
  std::optional<broker::SwitchLog> switch_log;
  std::optional<broker::HighWaterFile> high_water;
  std::unique_ptr<BrokerPath> path;
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
      entropy_(random_.fork()),
      order_(settings_.targets) {}

BrokerMachine::~BrokerMachine() { SPILLWAY_ASSERT(running_ == nullptr); }

// --- The process begins

Status BrokerMachine::start() {
  SPILLWAY_ASSERT(running_ == nullptr);
  running_ = std::make_unique<Running>();
  failures_before_ = failures();
  auto opened = open(*running_);
  if (opened.ok() && !disk_->crashed()) {
    running_->path->delivery.start([] {});
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
  process.high_water.emplace(*disk_, "broker/high-water");
  (void)process.high_water->load();
  open_path(process);
  process.spool->on_appended([&process](std::span<const stream::ShardId> shards) {
    if (process.path) process.path->delivery.wake(shards);
  });
  process.timer = stage.loop.make_timer();
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

void BrokerMachine::open_path(Running& process) {
  process.path = std::make_unique<BrokerPath>(
      BrokerPath::Parts{parts_.stage, parts_.log, process.metrics, settings_, *process.spool,
                        *process.cursors, *process.switch_state, *process.switch_log,
                        *process.horizon, *process.high_water},
      parts_.links, order_, random_.fork());
  check_hold(process.path->route);
  check_set_backs(process);
}

void BrokerMachine::fault(std::string what) {
  if (wrong_.ok()) wrong_ = Error{ErrorCode::kCorrupt, std::move(what)};
}

// What a person was told survives whatever the process and the machine go through.
void BrokerMachine::check_hold(const broker::Route& route) {
  const auto& kept = route.kept();
  const std::string found = kept.held ? route.link(*kept.used).target().name() : std::string();
  if (promised_hold_ && *promised_hold_ != found) {
    fault(fmt::format("a person was told that \"{}\" is held, and \"{}\" is after a start",
                      *promised_hold_, found));
  }
  promised_hold_ = found;
}

// One that lost what it had acknowledged is found, at most once, and isn't used before a person
// accepts it, over all crashes. Others never are.
void BrokerMachine::check_set_backs(Running& process) {
  const auto& path = *process.path;
  const auto recorded =
      process.switch_state->of(std::string(broker::kAllStreams), path.names).set_back;
  for (std::size_t place = 0; place < path.order.size(); ++place) {
    const auto& name = path.names[place];
    const auto& found = path.route.kept().set_back[place];
    auto& known = set_back_[path.order[place]];
    if (found.empty()) {
      if (known.promised) fault(name + " was set back, and is used as if it hadn't been");
      continue;
    }
    if (!known.may_be_found) fault(name + " is said to be set back: " + found);
    if (path.route.choice().target == place) fault(name + " is used, which was set back");
    if (!recorded.contains(name) || std::exchange(known.promised, true)) continue;
    ++set_backs_noticed_;
    for (auto* model : parts_.models) model->noticed(path.order[place], parts_.spool);
  }
}

// As server/broker_assembly.cc does, once a second.
void BrokerMachine::keep_room(Running& process) {
  auto& delivery = process.path->delivery;
  const auto held = delivery.undelivered();
  note_dropped(process, held,
               broker::make_room(*process.room, process.packing, process.oldest, delivery,
                                 *process.cursors, parts_.stage.clock.mono_now()));
  for (const auto& stream : settings_.streams)
    for (const auto& shard : process.spool->shards_of(stream))
      process.horizon->add(std::vector{shard.id});
  process.horizon->look();
  process.path->look();
  check_set_backs(process);
  left_behind_max_ = std::max(left_behind_max_, delivery.left_behind());
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
    if (disk_->crashed()) process.path->route.close();
    bool ended = false;
    process.path->delivery.drain(drain, [&ended] { ended = true; });
    const bool in_time = parts_.stage.run_until(kEndWithin, [&ended] { return ended; });
    SPILLWAY_ASSERT(in_time);
    (void)process.path->set_backs.store();
  }
  if (process.engine) process.engine->stop();
  parts_.stage.loop.run_posted();
  switches_ += process.metrics.counter("spillway_broker_switches_total", "").value();
  if (process.path) count_backfilled(*process.path);
  running_.reset();
}

std::uint64_t BrokerMachine::failures() const {
  return disk_->failures(Failing::kRead) + disk_->failures(Failing::kWrite) +
         disk_->failures(Failing::kSync);
}

void BrokerMachine::count_backfilled(const BrokerPath& path) {
  for (std::size_t place = 0; place < path.order.size(); ++place)
    if (const auto* backfill = path.delivery.backfill(place))
      backfilled_ += backfill->progress().sent;
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
  for (auto& [region, known] : set_back_) known = {known.ever, known.ever, false};
}

void BrokerMachine::region_set_back(std::size_t region) { set_back_[region] = {true, true, false}; }

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
  const auto done = running_->path->switches.make(wish);
  promised_hold_.reset();
  if (!disk_->crashed() && done.ok() && done->fault.empty()) promised_hold_ = target;
}

bool BrokerMachine::is_set_back() const {
  if (!running_) return false;
  const auto& set_back = running_->path->route.kept().set_back;
  return std::ranges::any_of(set_back, [](const auto& found) { return !found.empty(); });
}

// Whatever becomes of it, it may be set back no longer; once it is done, it never is again.
void BrokerMachine::accept() {
  if (!running_ || !running_->takes_records || disk_->crashed()) return;
  auto& path = *running_->path;
  for (std::size_t place = 0; place < path.order.size(); ++place) {
    if (path.route.kept().set_back[place].empty()) continue;
    broker::Switches::Wish wish;
    wish.accept = path.names[place];
    wish.reason = "it is as it is";
    wish.who = "somebody";
    auto& known = set_back_[path.order[place]];
    known.promised = false;
    const auto done = path.switches.make(wish);
    if (!disk_->crashed() && done.ok() && done->fault.empty()) known.may_be_found = false;
  }
}

// As server/delivery_path.cc does.
bool BrokerMachine::change_targets(std::vector<std::size_t> order) {
  if (!running_ || !running_->takes_records || disk_->crashed()) return false;
  Running& process = *running_;
  const auto goes = [&](std::size_t place) {
    return std::ranges::find(order, process.path->order[place]) == order.end();
  };
  const auto& kept = process.path->route.kept();
  if (kept.held && goes(*kept.used)) return false;
  if (!leave_path(process)) return true;
  const auto used = process.path->names[process.path->route.kept().used.value_or(0)];
  const auto dropped = process.path->delivery.given_up_before();
  count_backfilled(*process.path);
  // What goes may be remembered as set back, or not, when it comes again.
  for (std::size_t place = 0; place < process.path->order.size(); ++place)
    if (goes(place)) set_back_[process.path->order[place]].promised = false;
  process.path.reset();
  order_ = std::move(order);
  open_path(process);
  if (std::ranges::find(process.path->names, used) == process.path->names.end())
    process.path->switches.left(used);
  process.path->delivery.start([] {});
  process.delivers = true;
  process.path->delivery.give_up_before(dropped);
  return true;
}

// False: the machine went down meanwhile.
bool BrokerMachine::leave_path(Running& process) {
  process.delivers = false;
  bool left = false;
  process.path->delivery.leave(kLeaveWithin, [&left] { left = true; });
  const bool in_time = parts_.stage.run_until(kEndWithin, [&left] { return left; });
  SPILLWAY_ASSERT(in_time);
  // What they have posted refers to them.
  parts_.stage.loop.run_posted();
  if (disk_->crashed()) return false;
  process.path->switches.store_used();
  process.path->look();
  check_set_backs(process);
  (void)process.path->set_backs.store();
  return !disk_->crashed();
}

std::optional<std::string> BrokerMachine::used() const {
  if (!running_ || !running_->path->route.choice().target) return std::nullopt;
  return running_->path->names[*running_->path->route.choice().target];
}

std::string BrokerMachine::another() const {
  const auto& path = *running_->path;
  return path.names[(path.route.choice().target.value_or(0) + 1) % path.names.size()];
}

std::uint64_t BrokerMachine::undelivered() const {
  return running_ ? running_->path->delivery.held() : 0;
}

// Not by what it says itself, which is of its last look.
std::uint64_t BrokerMachine::lacking() const {
  std::uint64_t records = 0;
  for (std::size_t place = 0; running_ && place < running_->path->order.size(); ++place) {
    const auto* const backfill = running_->path->delivery.backfill(place);
    if (backfill == nullptr) continue;
    std::uint64_t missing = 0;
    for (const auto& stream : settings_.streams) {
      for (const auto& shard : running_->spool->shards_of(stream)) {
        missing +=
            broker::count_of(running_->cursors->missing(shard.id, running_->path->names[place]));
      }
    }
    records += missing - std::min(missing, backfill->progress().gone);
  }
  return records;
}

// --- What is found at the end

Status BrokerMachine::check() const {
  if (!running_) return {};
  for (std::size_t region = 0; region < parts_.links.size(); ++region)
    SPILLWAY_TRY(check_cursors(region));
  return check_marks();
}

Status BrokerMachine::check_cursors(std::size_t region) const {
  const auto name = name_of_region(region);
  const auto place = running_->path->place_of(region);
  const bool filled = running_->path->delivery.backfill(place) != nullptr;
  for (std::size_t stream = 0; stream < settings_.streams.size(); ++stream) {
    for (const auto& shard : running_->spool->shards_of(settings_.streams[stream])) {
      auto cursor = running_->cursors->at(shard.id, name);
      BrokerModel::Sent sent;
      sent.first_lane = stream::lane_of(shard.first_hash_key);
      sent.last_lane = stream::lane_of(shard.last_hash_key);
      sent.next = cursor.next;
      sent.unsent = std::move(cursor.unsent);
      sent.oldest = running_->horizon->oldest(shard.id);
      SPILLWAY_TRY(parts_.models[stream]->check_sent(region, parts_.spool, sent));
      if (filled)
        SPILLWAY_TRY(check_backfilled(shard.id, running_->cursors->missing(shard.id, name)));
    }
  }
  return {};
}

// Of the last record that a target acknowledged, a canary asks it.
Status BrokerMachine::check_marks() const {
  const auto& path = *running_->path;
  const auto& canaries = settings_.route.canary_stream;
  for (std::size_t place = 0; place < path.order.size(); ++place) {
    const auto last =
        path.marked_targets[place]->marks().last(canaries, canaries, parts_.stage.clock.wall_now());
    if (!last || !path.route.kept().set_back[place].empty()) continue;
    client::PutOutcome at;
    at.shard_id = last->shard;
    at.sequence_number = last->mark.sequence_number;
    const auto reached = parts_.links[path.order[place]]->region().reaches(last->stream, at);
    if (reached.ok() && *reached) continue;
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{} was set back, lacks record {} of shard {}, and nobody noticed",
                             path.names[place], at.sequence_number, at.shard_id)};
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
