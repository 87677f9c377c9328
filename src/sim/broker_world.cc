#include "sim/broker_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sim/broker_machine.h"
#include "sim/broker_model.h"
#include "sim/reader_machine.h"
#include "sim/region_link.h"
#include "sim/sim_region.h"
#include "sim/stage.h"
#include "sim/trace_log.h"

namespace spillway::sim {

namespace {

constexpr std::size_t kRegions = 2;
constexpr std::string_view kStream = "s";
constexpr std::string_view kUnread = "t";
constexpr std::uint64_t kMore = 0x73747265616d73;  // another seed, of what came later
constexpr std::uint64_t kLiveFirst = 0x6c697665;   // likewise
// A breaker leaves its target alone for ten minutes at most.
constexpr nanoseconds kDrainWithin = std::chrono::minutes(30);
constexpr nanoseconds kForEver = std::chrono::hours(100'000);
constexpr nanoseconds kTillAllCame = std::chrono::minutes(15);

// Of some seeds, one region or both.
std::vector<std::size_t> backfilled(std::uint64_t seed) {
  Random random(~seed);
  std::vector<std::size_t> places;
  places.reserve(kRegions);
  for (std::size_t place = 0; place < kRegions; ++place)
    if (random.one_in(4)) places.push_back(place);
  return places;
}

// Likewise. Backlogs are of tens of records here.
broker::CatchUp catch_up(std::uint64_t seed) {
  Random random(seed ^ kLiveFirst);
  broker::CatchUp catch_up;
  catch_up.live_first = random.one_in(3);
  catch_up.backlog_min = 1 + random.below(20);
  return catch_up;
}

BrokerSettings broker_settings(std::uint64_t seed, Random& random, Random& more) {
  BrokerSettings settings;
  settings.streams = {std::string(kStream)};
  if (more.one_in(3)) settings.streams.emplace_back(kUnread);
  settings.backfilled = backfilled(seed);
  settings.catch_up = catch_up(seed);
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
  options.stream = kStream;
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

ModelRules model_rules(Random& random) {
  ModelRules rules;
  rules.regions = kRegions;
  rules.ordered = !random.one_in(3);
  rules.gaps = rules.ordered && random.one_in(3);
  return rules;
}

// In every third seed, b is Amazon's.
RegionKind kind_of(std::uint64_t seed, std::size_t region) {
  return seed % 3 == 0 && region == 1 ? RegionKind::kAmazon : RegionKind::kSpillway;
}

ModelRules unread_rules() {
  ModelRules rules;
  rules.regions = kRegions;
  rules.read = false;
  return rules;
}

class BrokerWorld {
 public:
  explicit BrokerWorld(const BrokerWorldOptions& options);

  BrokerWorldResult run();

 private:
  struct Place {
    std::unique_ptr<SimRegion> region;
    std::unique_ptr<RegionLink> from_broker;
    std::unique_ptr<RegionLink> from_reader;
  };

  // --- What goes wrong, each for a while
  void kill_broker();
  void cut_power();
  void restart_broker();
  void crash_region();
  void hang_region();
  void cut_broker_off();
  void cut_broker_off_from_all();
  void cut_reader_off();
  void spoil_weather_of_broker();
  void spoil_weather_of_reader();
  void spoil_conduct();
  void jump_clock();
  void switch_by_hand();
  void crash_reader();
  void fill_disk();
  void fail_disk();
  void restore_backup();
  void clone_broker();
  void reshard();

  struct Fault {
    std::string_view name;
    void (BrokerWorld::*begin)();
  };
  static const std::array<Fault, 18> kFaults;

  void plan();
  void begin(const Fault& fault);
  void heal();
  Place& any_place() { return places_[random_.below(places_.size())]; }
  nanoseconds a_while();
  LinkWeather bad_weather();
  RegionConduct bad_conduct();
  // At the top, from where processes may be started and ended.
  void after(nanoseconds delay, UniqueFunction<void()> act);
  void run_for(nanoseconds time);
  void settle();
  void start_broker();
  void start_reader();
  void crash_broker(Loss loss);
  void produce();
  void note(Status found) {
    if (!found.ok() && wrong_.ok()) wrong_ = std::move(found);
  }
  bool drained() const;
  Status verdict();

  const BrokerWorldOptions options_;
  Random random_;
  Random more_{options_.seed ^ kMore};
  Stage stage_{random_.fork()};
  TraceLog log_;
  const ModelRules rules_;
  BrokerModel model_;
  BrokerModel unread_{unread_rules()};
  std::vector<Place> places_;
  const BrokerSettings settings_;
  std::unique_ptr<BrokerMachine> broker_;
  std::vector<std::unique_ptr<RegionLink>> from_clone_;
  std::unique_ptr<BrokerMachine> clone_;  // null, where there is none
  std::unique_ptr<ReaderMachine> reader_;
  std::deque<UniqueFunction<void()>> due_;
  Loss next_loss_ = Loss::kNothing;
  bool healed_ = false;

  std::uint64_t keys_ = 1;
  std::uint64_t batch_max_ = 1;
  std::int64_t pause_max_ns_ = 1;
  bool poison_ = false;
  bool produces_ = true;

  BrokerCoverage coverage_;
  Status wrong_;
};

const std::array<BrokerWorld::Fault, 18> BrokerWorld::kFaults = {{
    {"a person switches", &BrokerWorld::switch_by_hand},
    {"broker killed", &BrokerWorld::kill_broker},
    {"broker's power cut", &BrokerWorld::cut_power},
    {"broker restarted", &BrokerWorld::restart_broker},
    {"broker's disk full", &BrokerWorld::fill_disk},
    {"broker's disk failing", &BrokerWorld::fail_disk},
    {"broker's backup restored", &BrokerWorld::restore_backup},
    {"broker cloned", &BrokerWorld::clone_broker},
    {"broker cut off", &BrokerWorld::cut_broker_off},
    {"broker's network bad", &BrokerWorld::spoil_weather_of_broker},
    {"region crashed", &BrokerWorld::crash_region},
    {"region hanging", &BrokerWorld::hang_region},
    {"region failing", &BrokerWorld::spoil_conduct},
    {"region resharded", &BrokerWorld::reshard},
    {"reader crashed", &BrokerWorld::crash_reader},
    {"reader cut off", &BrokerWorld::cut_reader_off},
    {"reader's network bad", &BrokerWorld::spoil_weather_of_reader},
    {"clock jumping", &BrokerWorld::jump_clock},
}};

BrokerWorld::BrokerWorld(const BrokerWorldOptions& options)
    : options_(options),
      random_(options.seed),
      log_(stage_.clock, options.trace),
      rules_(model_rules(random_)),
      model_(rules_),
      settings_(broker_settings(options.seed, random_, more_)) {
  for (std::size_t i = 0; i < kRegions; ++i) {
    Place place;
    place.region = std::make_unique<SimRegion>(stage_, kind_of(options_.seed, i), random_.fork(),
                                               [this, i](const auto& stream, const auto& entry) {
                                                 if (stream == kStream) model_.stored(i, entry);
                                                 if (stream == kUnread) unread_.stored(i, entry);
                                               });
    place.from_broker = std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                     broker::HealthSettings().request_deadline);
    place.from_reader = std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                     seconds(random_.between(1, 15)));
    places_.push_back(std::move(place));
  }
  std::vector<RegionLink*> from_broker;
  std::vector<RegionLink*> from_reader;
  for (const auto& place : places_) {
    from_broker.push_back(place.from_broker.get());
    from_reader.push_back(place.from_reader.get());
  }
  broker_ = std::make_unique<BrokerMachine>(
      BrokerMachine::Parts{stage_, {&model_, &unread_}, 0, std::move(from_broker), log_}, settings_,
      random_.fork());
  reader_ = std::make_unique<ReaderMachine>(
      ReaderMachine::Parts{stage_, model_, std::move(from_reader)},
      reader_options(rules_, settings_.catch_up.live_first, random_), random_.fork());
  // Poison alone would never be given up: a target takes something first.
  poison_ = random_.one_in(3);
  keys_ = (poison_ ? 20 : 1) + random_.below(40);
  batch_max_ = 1 + random_.below(20);
  pause_max_ns_ = random_.between(200'000'000, 3'000'000'000);
}

// --- Faults

// From moments to minutes.
nanoseconds BrokerWorld::a_while() {
  static constexpr std::array<std::int64_t, 4> kMaxMs = {300, 3'000, 30'000, 180'000};
  return milliseconds(random_.between(10, kMaxMs[random_.below(kMaxMs.size())]));
}

LinkWeather BrokerWorld::bad_weather() {
  LinkWeather weather;
  const auto some = [this](std::uint64_t most) {
    return random_.one_in(2) ? static_cast<std::uint32_t>(random_.below(most + 1)) : 0;
  };
  weather.loses_request = some(400);
  weather.loses_answer = some(600);
  weather.resets = some(600);
  weather.slow = some(1000);
  weather.slow_max = milliseconds(random_.between(50, 5000));
  return weather;
}

RegionConduct BrokerWorld::bad_conduct() {
  RegionConduct conduct;
  const auto some = [this](std::uint64_t most) {
    return random_.one_in(2) ? static_cast<std::uint32_t>(random_.below(most + 1)) : 0;
  };
  conduct.entry_fails = some(random_.one_in(3) ? 1000 : 300);
  conduct.fails = some(400);
  conduct.throttles = some(600);
  conduct.unreadable = some(1000);
  conduct.expires = some(300);
  if (random_.one_in(2)) conduct.service_max = milliseconds(random_.between(10, 2000));
  return conduct;
}

void BrokerWorld::crash_broker(Loss loss) {
  log_.say(fmt::format("the broker is gone, loss {}", static_cast<int>(loss)));
  broker_->crash(loss);
  after(a_while(), [this] { start_broker(); });
}

// At some call to its disk, or now.
void BrokerWorld::kill_broker() {
  next_loss_ = Loss::kNothing;
  if (random_.one_in(2)) return broker_->disk().crash_after(random_.below(40));
  crash_broker(next_loss_);
}

void BrokerWorld::cut_power() {
  next_loss_ = kLosses[1 + random_.below(kLosses.size() - 1)];
  if (!random_.one_in(4)) return broker_->disk().crash_after(random_.below(40));
  crash_broker(next_loss_);
}

void BrokerWorld::restart_broker() {
  broker_->stop();
  after(a_while(), [this] { start_broker(); });
}

void BrokerWorld::fill_disk() {
  broker_->disk().set_capacity(broker_->disk().used() + random_.below(100'000));
  after(a_while(), [this] { broker_->disk().set_capacity(UINT64_MAX); });
}

// Writes stop until somebody restarts it.
void BrokerWorld::fail_disk() {
  constexpr std::array kKinds = {Failing::kRead, Failing::kWrite, Failing::kSync};
  broker_->disk().fail_after(kKinds[random_.below(kKinds.size())], random_.below(20));
  after(a_while(), [this] { restart_broker(); });
}

void BrokerWorld::restore_backup() {
  const MonoTime made = stage_.clock.mono_now();
  after(a_while(), [this, made, backup = broker_->backup()]() mutable {
    log_.say("the backup takes the place of the broker's disk");
    broker_->crash(Loss::kNothing);
    broker_->restore(std::move(backup));
    model_.restored(0, made);
    unread_.restored(0, made);
    start_broker();
  });
}

// Both take records, and deliver what both have.
void BrokerWorld::clone_broker() {
  if (clone_) return;
  std::vector<RegionLink*> links;
  links.reserve(places_.size());
  for (const auto& place : places_) {
    from_clone_.push_back(std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                       broker::HealthSettings().request_deadline));
    links.push_back(from_clone_.back().get());
  }
  clone_ = std::make_unique<BrokerMachine>(
      BrokerMachine::Parts{stage_, {&model_, &unread_}, 1, std::move(links), log_}, settings_,
      random_.fork());
  clone_->restore(broker_->backup());
  note(clone_->start());
}

void BrokerWorld::cut_broker_off() {
  Place& place = any_place();
  LinkWeather weather;
  weather.cut = true;
  place.from_broker->set_weather(weather);
  after(a_while(), [&place] { place.from_broker->set_weather({}); });
}

// For as long as a small spool needs to be full of what is not delivered.
void BrokerWorld::cut_broker_off_from_all() {
  LinkWeather weather;
  weather.cut = true;
  for (const auto& place : places_) place.from_broker->set_weather(weather);
  const auto all = options_.faults_for.count();
  after(nanoseconds(more_.between(all / 9, all / 3)), [this] {
    for (const auto& place : places_) place.from_broker->set_weather({});
  });
}

void BrokerWorld::cut_reader_off() {
  Place& place = any_place();
  LinkWeather weather;
  weather.cut = true;
  place.from_reader->set_weather(weather);
  after(a_while(), [&place] { place.from_reader->set_weather({}); });
}

void BrokerWorld::spoil_weather_of_broker() {
  Place& place = any_place();
  place.from_broker->set_weather(bad_weather());
  after(a_while(), [&place] { place.from_broker->set_weather({}); });
}

void BrokerWorld::spoil_weather_of_reader() {
  Place& place = any_place();
  place.from_reader->set_weather(bad_weather());
  after(a_while(), [&place] { place.from_reader->set_weather({}); });
}

void BrokerWorld::crash_region() {
  SimRegion& region = *any_place().region;
  region.crash();
  after(a_while(), [&region] { region.start(); });
}

void BrokerWorld::hang_region() {
  SimRegion& region = *any_place().region;
  region.hang();
  after(a_while(), [&region] { region.go_on(); });
}

void BrokerWorld::spoil_conduct() {
  SimRegion& region = *any_place().region;
  region.behave(bad_conduct());
  after(a_while(), [&region] { region.behave({}); });
}

void BrokerWorld::reshard() { any_place().region->reshard(); }

void BrokerWorld::crash_reader() {
  reader_->crash();
  after(a_while(), [this] { start_reader(); });
}

void BrokerWorld::jump_clock() {
  stage_.clock.step_wall(milliseconds(random_.between(-7'200'000, 7'200'000)));
}

// Somebody sees to it that another region is used, and releases it later, or forgets to. Or holds
// the one that is used at first.
void BrokerWorld::switch_by_hand() {
  const auto used = broker_->used();
  if (!used || random_.one_in(4)) {
    if (used) broker_->switch_to(*used);
    return after(seconds(1), [this] { switch_by_hand(); });
  }
  broker_->switch_to(used == "a" ? "b" : "a");
  if (!random_.one_in(4)) after(a_while(), [this] { broker_->switch_to(""); });
}

void BrokerWorld::plan() {
  const std::uint64_t count = 6 + random_.below(12);
  coverage_.faults_min = count;
  for (std::uint64_t i = 0; i < count; ++i) {
    // A person's switch is among them, and has time to come about.
    const bool first = i == 0;
    const Fault& fault = kFaults[first ? 0 : random_.below(kFaults.size())];
    after(nanoseconds(random_.between(0, options_.faults_for.count() / (first ? 3 : 1))),
          [this, &fault] { begin(fault); });
  }
  if (settings_.limits.when_full != broker::WhenFull::kDropOldest) return;
  static constexpr Fault kOutage{"broker cut off from both", &BrokerWorld::cut_broker_off_from_all};
  const auto all = options_.faults_for.count();
  after(nanoseconds(more_.between(all / 3, all * 2 / 3)), [this] { begin(kOutage); });
}

void BrokerWorld::begin(const Fault& fault) {
  log_.say(fmt::format("--- {}", fault.name));
  ++coverage_.faults[std::string(fault.name)];
  (this->*fault.begin)();
}

void BrokerWorld::heal() {
  log_.say("--- all is well from now on");
  healed_ = true;
  for (const auto& place : places_) {
    place.from_broker->set_weather({});
    place.from_reader->set_weather({});
    place.region->behave({});
    place.region->go_on();
    place.region->start();
  }
  broker_->disk().set_capacity(UINT64_MAX);
  broker_->disk().never_fail();
  broker_->disk().never_crash();
  // Its disk may have failed, and a person may hold a region.
  broker_->stop();
  start_broker();
  broker_->switch_to("");
  if (clone_) clone_->switch_to("");
  start_reader();
}

// --- What goes on

void BrokerWorld::after(nanoseconds delay, UniqueFunction<void()> act) {
  stage_.loop.after(delay, [this, act = std::move(act)]() mutable {
    due_.push_back([this, act = std::move(act)]() mutable {
      if (!healed_) act();
    });
  });
}

// A start may fail as the disk does.
void BrokerWorld::start_broker() {
  if (broker_->running()) return;
  note(broker_->start());
  log_.say(broker_->running() ? "the broker runs" : "the broker can't start");
  if (!broker_->running() && !broker_->disk().crashed())
    after(seconds(1), [this] { start_broker(); });
}

void BrokerWorld::start_reader() {
  if (!reader_->running()) note(reader_->start());
}

void BrokerWorld::produce() {
  if (!produces_) return;
  std::vector<BrokerModel::Put> records;
  const std::uint64_t count = 1 + random_.below(batch_max_);
  records.reserve(count);
  const std::size_t stream = more_.below(settings_.streams.size());
  auto& model = stream == 0 ? model_ : unread_;
  for (std::uint64_t i = 0; i < count; ++i) {
    records.push_back(model.put(fmt::format("key-{}", random_.below(keys_)), random_.below(200),
                                poison_ && !healed_ && random_.one_in(100)));
  }
  (clone_ && random_.one_in(2) ? clone_ : broker_)->put(stream, records);
  stage_.loop.after(nanoseconds(random_.between(1'000'000, pause_max_ns_)), [this] { produce(); });
}

void BrokerWorld::settle() {
  if (broker_->disk().crashed()) crash_broker(next_loss_);
  while (!due_.empty()) {
    auto act = std::move(due_.front());
    due_.pop_front();
    act();
  }
  note(model_.wrong());
  note(unread_.wrong());
  note(broker_->wrong());
  if (clone_) note(clone_->wrong());
}

void BrokerWorld::run_for(nanoseconds time) {
  const MonoTime end = stage_.clock.mono_now() + time;
  while (stage_.clock.mono_now() < end && wrong_.ok()) {
    stage_.step();
    settle();
  }
}

bool BrokerWorld::drained() const {
  const auto left = [](const BrokerMachine& of) { return of.undelivered() + of.lacking(); };
  return left(*broker_) + (clone_ ? left(*clone_) : 0) == 0 && model_.complete() &&
         unread_.complete();
}

Status BrokerWorld::verdict() {
  SPILLWAY_TRY(std::move(wrong_));
  SPILLWAY_TRY(model_.missing());
  SPILLWAY_TRY(unread_.missing());
  if (broker_->undelivered() > 0) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{} records of the spool are not delivered", broker_->undelivered())};
  }
  if (clone_) SPILLWAY_TRY(clone_->check_cursors());
  return broker_->check_cursors();
}

BrokerWorldResult BrokerWorld::run() {
  const MonoTime began = stage_.clock.mono_now();
  start_broker();
  start_reader();
  plan();
  produce();
  run_for(options_.faults_for);
  if (wrong_.ok()) heal();
  run_for(seconds(20));
  produces_ = false;
  const MonoTime end = stage_.clock.mono_now() + kDrainWithin;
  while (wrong_.ok() && !drained() && stage_.clock.mono_now() < end) run_for(seconds(5));
  auto status = verdict();
  reader_->crash();
  broker_->stop();
  if (clone_) clone_->stop();
  coverage_.seeds = 1;
  coverage_.switches = coverage_.switches_min = broker_->switches();
  coverage_.backfilled = broker_->backfilled();
  coverage_.left_behind = broker_->left_behind_max();
  coverage_.put = model_.puts();
  coverage_.acknowledged = model_.acknowledged();
  coverage_.copies = model_.copies();
  coverage_.handed_over = model_.handed_over();
  coverage_.handed_over_again = model_.handed_over_again();
  coverage_.gaps = reader_->gaps();
  coverage_.dropped = model_.dropped() + unread_.dropped();
  coverage_.unread = unread_.acknowledged();
  coverage_.simulated_seconds =
      static_cast<std::uint64_t>((stage_.clock.mono_now() - began) / seconds(1));
  return {std::move(status), coverage_, stage_.history.digest(), stage_.history.events()};
}

}  // namespace

void BrokerCoverage::add(const BrokerCoverage& other) {
  seeds += other.seeds;
  for (const auto& [name, count] : other.faults) faults[name] += count;
  faults_min = std::min(faults_min, other.faults_min);
  switches_min = std::min(switches_min, other.switches_min);
  switches += other.switches;
  backfilled += other.backfilled;
  left_behind += other.left_behind;
  put += other.put;
  acknowledged += other.acknowledged;
  copies += other.copies;
  handed_over += other.handed_over;
  handed_over_again += other.handed_over_again;
  gaps += other.gaps;
  dropped += other.dropped;
  unread += other.unread;
  simulated_seconds += other.simulated_seconds;
}

BrokerWorldResult run_broker_world(const BrokerWorldOptions& options) {
  return BrokerWorld(options).run();
}

}  // namespace spillway::sim
