#include "sim/broker_world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "sim/broker_machine.h"
#include "sim/broker_model.h"
#include "sim/broker_seed.h"
#include "sim/reader_machine.h"
#include "sim/region_link.h"
#include "sim/sim_region.h"
#include "sim/stage.h"
#include "sim/trace_log.h"

namespace spillway::sim {

namespace {

constexpr std::uint64_t kMore = 0x73747265616d73;  // another seed, of what came later
constexpr std::uint64_t kSome = 0x66617774;        // likewise, of what comes in some seeds alone
// A breaker leaves its target alone for ten minutes at most.
constexpr nanoseconds kDrainWithin = std::chrono::minutes(30);

// So long at least: canaries find that a region is away, and it is looked at when it is back.
constexpr nanoseconds kRestoredIn = seconds(6);

ModelRules unread_rules(ModelRules rules) {
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
  void back_up_region();
  void set_region_back();
  void change_targets();

  struct Fault {
    std::string_view name;
    void (BrokerWorld::*begin)();
  };
  static const std::array<Fault, 18> kFaults;

  SimRegion::Watcher watcher_of(std::size_t region);
  void plan();
  void plan_set_back();
  void plan_target_changes();
  void accept_what_is_set_back();
  void begin(const Fault& fault);
  void heal();
  Place& any_place() { return places_[random_.below(places_.size())]; }
  nanoseconds a_while();
  nanoseconds some_time(nanoseconds least, nanoseconds most) {
    return nanoseconds(some_.between(least.count(), most.count()));
  }
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
  Random some_{options_.seed ^ kSome};
  Stage stage_{random_.fork()};
  TraceLog log_;
  const SeedFaults seed_faults_;
  const ModelRules rules_;
  BrokerModel model_;
  BrokerModel unread_{unread_rules(rules_)};
  std::vector<Place> places_;
  const BrokerSettings settings_;
  std::unique_ptr<BrokerMachine> broker_;
  std::vector<std::unique_ptr<RegionLink>> from_clone_;
  std::uint64_t faults_ = 0;              // begun
  std::unique_ptr<BrokerMachine> clone_;  // null, where there is none
  std::unique_ptr<ReaderMachine> reader_;
  std::deque<UniqueFunction<void()>> due_;
  std::optional<SimRegion::Backup> region_backup_;  // that it will be set back to
  bool was_set_back_ = false;
  const SimRegion* being_restored_ = nullptr;
  std::array<bool, 2> accepting_{};  // the broker's, the clone's
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
      seed_faults_(seed_faults(options.seed)),
      rules_(model_rules(options.seed, seed_faults_, random_)),
      model_(rules_),
      settings_(broker_settings(options.seed, seed_faults_, random_, more_)) {
  for (std::size_t i = 0; i < rules_.regions; ++i) {
    Place place;
    place.region = std::make_unique<SimRegion>(stage_, kind_of_region(options_.seed, i),
                                               random_.fork(), watcher_of(i));
    place.from_broker = std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                     broker::HealthSettings().request_deadline);
    place.from_reader = std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                     seconds(random_.between(1, 15)));
    // One that hasn't got the stream counts as away with readers: they wait for what it may have.
    if (rules_.regions > 2) note(place.region->create(std::string(kReadStream)));
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

SimRegion::Watcher BrokerWorld::watcher_of(std::size_t region) {
  const auto model_of = [this](const std::string& stream) -> BrokerModel* {
    if (stream == kReadStream) return &model_;
    return stream == kUnreadStream ? &unread_ : nullptr;
  };
  return {[region, model_of](const auto& stream, const auto& entry, bool passed) {
            if (auto* model = model_of(stream)) model->stored(region, entry, passed);
          },
          [region, model_of](const auto& stream, const auto& entry, bool passed) {
            if (auto* model = model_of(stream)) model->lost(region, entry, passed);
          }};
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
  std::vector<RegionLink*> links;
  links.reserve(places_.size());
  for (const auto& place : places_) {
    from_clone_.push_back(std::make_unique<RegionLink>(stage_, *place.region, random_.fork(),
                                                       broker::HealthSettings().request_deadline));
    links.push_back(from_clone_.back().get());
  }
  BrokerSettings settings = settings_;
  settings.targets = broker_->targets();
  clone_ = std::make_unique<BrokerMachine>(
      BrokerMachine::Parts{stage_, {&model_, &unread_}, 1, std::move(links), log_},
      std::move(settings), random_.fork());
  if (was_set_back_) clone_->region_set_back(*seed_faults_.set_back);
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
  after(a_while(), [this, &region] {
    if (&region != being_restored_) region.start();
  });
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

// Readers know no shard that ends, and goes on, nor one that ends before where they were: no backup
// is of before that, and none comes after that.
void BrokerWorld::reshard() {
  std::size_t place = random_.below(places_.size());
  const bool is_set_back = place == seed_faults_.set_back && was_set_back_;
  if (is_set_back) place = (place + 1) % places_.size();
  const bool resharded = places_[place].region->reshard();
  if (resharded && place == seed_faults_.set_back && region_backup_) back_up_region();
}

void BrokerWorld::back_up_region() {
  region_backup_ = places_[*seed_faults_.set_back].region->backup();
}

void BrokerWorld::set_region_back() {
  const auto place = *seed_faults_.set_back;
  SimRegion& region = *places_[place].region;
  region.crash();
  region.restore(*std::exchange(region_backup_, std::nullopt));
  was_set_back_ = true;
  broker_->region_set_back(place);
  if (clone_) clone_->region_set_back(place);
  being_restored_ = &region;
  after(some_time(kRestoredIn, 10 * kRestoredIn), [this, &region] {
    being_restored_ = nullptr;
    region.start();
  });
}

// Two or three of the regions, in any order.
void BrokerWorld::change_targets() {
  std::vector<std::size_t> order(places_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[some_.below(left)]);
  if (some_.one_in(2)) order.pop_back();
  log_.say(fmt::format("targets from now on: {}", fmt::join(order, ", ")));
  if (!broker_->change_targets(std::move(order))) after(seconds(1), [this] { change_targets(); });
}

// A person does, when they have looked at it.
void BrokerWorld::accept_what_is_set_back() {
  for (std::size_t i = 0; i < accepting_.size(); ++i) {
    const auto machine = [this, i] { return i == 0 ? broker_.get() : clone_.get(); };
    if (machine() == nullptr || !machine()->is_set_back() || accepting_[i]) continue;
    if (healed_) {
      machine()->accept();
      continue;
    }
    accepting_[i] = true;
    const nanoseconds within = some_.one_in(3) ? milliseconds(100) : seconds(120);
    after(some_time(nanoseconds(0), within), [this, i, machine] {
      accepting_[i] = false;
      machine()->accept();
    });
  }
}

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
  broker_->switch_to(broker_->another());
  if (!random_.one_in(4)) after(a_while(), [this] { broker_->switch_to(""); });
}

void BrokerWorld::plan() {
  const std::uint64_t count = 6 + random_.below(12);
  for (std::uint64_t i = 0; i < count; ++i) {
    // A person's switch is among them, and has time to come about.
    const bool first = i == 0;
    const Fault& fault = kFaults[first ? 0 : random_.below(kFaults.size())];
    after(nanoseconds(random_.between(0, options_.faults_for.count() / (first ? 3 : 1))),
          [this, &fault] { begin(fault); });
  }
  plan_set_back();
  plan_target_changes();
  if (settings_.limits.when_full != broker::WhenFull::kDropOldest) return;
  static constexpr Fault kOutage{"broker cut off from both", &BrokerWorld::cut_broker_off_from_all};
  const auto all = options_.faults_for.count();
  after(nanoseconds(more_.between(all / 3, all * 2 / 3)), [this] { begin(kOutage); });
}

void BrokerWorld::plan_set_back() {
  if (!seed_faults_.set_back) return;
  static constexpr Fault kSetBack{"region set back", &BrokerWorld::set_region_back};
  const auto at = some_time(options_.faults_for / 4, options_.faults_for);
  // Of long before, or of a moment ago.
  const auto made = some_time(some_.one_in(2) ? nanoseconds(0) : at - seconds(20), at);
  after(made, [this] { back_up_region(); });
  after(at, [this] { begin(kSetBack); });
}

void BrokerWorld::plan_target_changes() {
  static constexpr Fault kChange{"broker's targets changed", &BrokerWorld::change_targets};
  for (std::size_t i = 0; i < seed_faults_.target_changes; ++i)
    after(some_time(nanoseconds(0), options_.faults_for), [this] { begin(kChange); });
}

void BrokerWorld::begin(const Fault& fault) {
  // There is one at most.
  if (clone_ && fault.begin == &BrokerWorld::clone_broker) return;
  log_.say(fmt::format("--- {}", fault.name));
  ++coverage_.faults[std::string(fault.name)];
  ++faults_;
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
  // Else what the process has in memory is held to its promises, too.
  const bool stops = broker_->has_met_failures() || being_restored_ != nullptr || some_.one_in(2);
  if (stops) broker_->stop();
  start_broker();
  // A person may hold a region.
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
  accept_what_is_set_back();
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
  if (clone_) SPILLWAY_TRY(clone_->check());
  return broker_->check();
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
  coverage_.faults_min = faults_;
  coverage_.switches = coverage_.switches_min = broker_->switches();
  coverage_.backfilled = broker_->backfilled();
  coverage_.lost = model_.lost() + unread_.lost();
  coverage_.set_backs_noticed = broker_->set_backs_noticed();
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
  coverage_.seconds_min = coverage_.simulated_seconds;
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
  lost += other.lost;
  set_backs_noticed += other.set_backs_noticed;
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
  seconds_min = std::min(seconds_min, other.seconds_min);
}

BrokerWorldResult run_broker_world(const BrokerWorldOptions& options) {
  return BrokerWorld(options).run();
}

}  // namespace spillway::sim
