#include "sim/engine_world.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "base/assert.h"
#include "base/bytes.h"
#include "engine/embedded/inspection.h"
#include "log/journal.h"
#include "metrics/registry.h"
#include "sim/engine_reader.h"

namespace spillway::sim {

namespace {

constexpr std::string_view kDirectory = "data";
constexpr std::size_t kStreamsMax = 4;
constexpr std::size_t kItemsMax = 4;

engine::EmbeddedOptions small_options(Random& random) {
  engine::EmbeddedOptions options;
  options.directory = kDirectory;
  options.journal_file_bytes = std::uint64_t{4096} << random.below(4);
  options.journal_files = static_cast<std::uint32_t>(random.between(2, 4));
  options.journal_starts = static_cast<std::uint32_t>(random.below(3));
  options.queue_bytes = std::uint64_t{4096} << random.below(4);
  options.shard_frame_bytes = options.queue_bytes / 8;
  options.tail_bytes = random.one_in(2) ? random.below(2048) : random.below(32'768);
  options.merge_fan_in = static_cast<std::uint32_t>(random.between(2, 4));
  return options;
}

class EngineWorld {
 public:
  explicit EngineWorld(const WorldOptions& options)
      : options_(options),
        random_(options.seed),
        file_damage_(~options.seed),
        disk_(random_.fork(), scheduler_, history_),
        entropy_(random_.fork()),
        engine_options_(small_options(random_)) {
    if (options.trace) disk_.set_trace([this](std::string_view call) { trace("    {}", call); });
  }

  WorldResult run();

 private:
  Status life();
  Result<bool> open();
  Status verify();
  Status work();
  Status act();
  Status check_damage();
  Status check_loss();
  Status check_lost_file();
  std::string examine(const SimDisk& disk);
  Status survive_full_disk();
  void count_crash(bool recovering, Loss loss);

  void append();
  void change_catalog();
  void change_catalogs();
  void read();
  void find();
  void pass_time();
  std::optional<stream::ShardId> any_shard();
  std::string payload(std::uint64_t operation, std::size_t item);

  engine::EmbeddedSeams seams() { return {disk_, clock_, scheduler_, entropy_, log_, registry_}; }
  void note(Status found) {
    if (!found.ok() && wrong_.ok()) wrong_ = std::move(found);
  }
  template <typename... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (!options_.trace) return;
    std::fputs(fmt::format(format, std::forward<Args>(args)...).append("\n").c_str(), stderr);
  }

  const WorldOptions options_;
  Random random_;
  Random file_damage_;
  History history_;
  SimClock clock_;
  Scheduler scheduler_{random_.fork(), clock_, history_};
  SimDisk disk_;
  SeededEntropy entropy_;
  io::SilentLog log_;
  metrics::Registry registry_;
  engine::EmbeddedOptions engine_options_;
  std::unique_ptr<stream::Engine> engine_;
  EngineModel model_;
  Coverage coverage_;
  Status wrong_;  // the first thing that an answer got wrong
  std::uint64_t next_stream_ = 0;
  std::string last_split_;   // a stream
  int deaths_in_a_row_ = 0;  // still to come
  std::uint64_t written_ = 0;
};

// --- The workload

std::string EngineWorld::payload(std::uint64_t operation, std::size_t item) {
  std::string bytes;
  append_le(bytes, std::uint32_t{1});  // a plain batch's header: by it the engine tells them apart
  append_le(bytes, operation);
  append_le(bytes, static_cast<std::uint32_t>(item));
  // So that an append always fits into a journal file.
  const std::size_t largest =
      log::frame_body_max(engine_options_.journal_file_bytes) / kItemsMax - 64;
  const std::size_t size = random_.below(random_.one_in(4) ? largest : 120);
  const char fill = static_cast<char>(random_.next());
  bytes.append(size, fill);
  return bytes;
}

std::optional<stream::ShardId> EngineWorld::any_shard() {
  std::vector<stream::ShardId> ids;
  for (const auto& [name, stream] : model_.catalog()->streams)
    for (const auto& shard : stream->shards) ids.push_back(shard.id);
  if (ids.empty()) return std::nullopt;
  return ids[random_.below(ids.size())];
}

void EngineWorld::append() {
  std::vector<ModelItem> items;
  std::vector<stream::AppendItem> call;
  std::set<stream::ShardId> taken;
  const std::uint64_t wanted = 1 + random_.below(kItemsMax);
  ++written_;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const auto shard = any_shard();
    if (!shard || !taken.insert(*shard).second) continue;
    const auto count = static_cast<std::uint32_t>(random_.between(1, 5));
    items.push_back({*shard, count, payload(written_, i)});
    call.push_back({*shard, count, SharedBytes::copy_of(items.back().payload)});
  }
  if (items.empty()) return;
  const auto id = model_.begin_append(std::move(items));
  trace("  append {} of {} items", id, call.size());
  auto& throttled = registry_.counter("spillway_engine_share_throttled_total", "");
  const auto throttled_before = throttled.value();
  engine_->append(std::move(call), [this, id](std::vector<Result<stream::Appended>> outcomes) {
    if (disk_.crashed()) return;  // nobody hears it
    for (const auto& outcome : outcomes)
      history_.add(outcome.ok() ? outcome->first.value : static_cast<std::uint64_t>(-1));
    trace("  append {} answered: {}", id,
          outcomes.front().ok() ? "durable" : outcomes.front().error().message);
    note(model_.appended(id, outcomes, disk_.journal_syncs()));
  });
  if (throttled.value() != throttled_before) model_.refused_in_part(id);
}

stream::StreamInfo new_stream(const stream::Catalog& catalog, std::string name, Random& random) {
  stream::StreamInfo stream;
  stream.id = catalog.next_id;
  stream.name = std::move(name);
  stream.retention_hours = static_cast<std::uint32_t>(random.between(24, 40));
  const auto shards = static_cast<std::uint32_t>(random.between(1, 3));
  for (std::uint32_t i = 0; i < shards; ++i) {
    stream::ShardInfo shard;
    shard.id = catalog.next_id + 1 + i;
    shard.index = i;
    stream.shards.push_back(shard);
  }
  return stream;
}

// Makes a stream, deletes one, or closes a shard and gives it a child.
void EngineWorld::change_catalog() {
  const auto& streams = model_.catalog()->streams;
  const bool make = streams.empty() || (streams.size() < kStreamsMax && random_.one_in(2));
  std::string name = make ? fmt::format("s{}", next_stream_++)
                     : streams.contains(last_split_) && !random_.one_in(3)
                         ? last_split_
                         : std::next(streams.begin(), random_.below(streams.size()))->first;
  const bool remove = !make && random_.one_in(3);
  if (!make && !remove) last_split_ = name;
  const auto id =
      model_.begin_catalog_change(make ? EngineModel::Names{name} : EngineModel::Names{},
                                  remove ? EngineModel::Names{name} : EngineModel::Names{});
  trace("  catalog change {}: {} {}", id, make ? "make" : remove ? "delete" : "split", name);
  auto decide = [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
    stream::CatalogChange change;
    const auto found = catalog.find(name);
    if (make) {
      change.put.push_back(new_stream(catalog, name, random_));
      change.ids_used = 1 + change.put[0].shards.size();
      return change;
    }
    if (found == nullptr) return Error{ErrorCode::kNotFound, "deleted meanwhile"};
    if (remove) {
      change.remove.push_back(name);
      return change;
    }
    change.put.push_back(*found);
    auto& shards = change.put[0].shards;
    const auto open = std::ranges::find_if(shards, [](const auto& shard) { return shard.open(); });
    change.close.push_back(open->id);
    stream::ShardInfo child;
    child.id = catalog.next_id;
    child.index = shards.back().index + 1;
    child.parent = open->index;
    shards.push_back(child);
    change.ids_used = 1;
    return change;
  };
  engine_->update_catalog(std::move(decide), [this, id](Result<stream::CatalogRef> outcome) {
    if (disk_.crashed()) return;
    history_.add(outcome.ok() ? (*outcome)->version : 0);
    trace("  catalog change {} answered: {}", id,
          outcome.ok() ? "durable" : outcome.error().message);
    note(model_.catalog_changed(id, outcome, disk_.journal_syncs()));
  });
}

void EngineWorld::read() {
  const auto shard = any_shard();
  if (!shard) return;
  const auto tip = engine_->tip(*shard);
  if (!tip.ok()) return;
  stream::ReadRequest request{.shard = *shard, .from = {random_.below(tip->next.value + 2)}};
  request.max_records = static_cast<std::uint32_t>(random_.between(1, 40));
  request.max_bytes = 1 + random_.below(4000);
  const bool beyond = request.from > tip->next;
  engine_->read(request, [this, request, beyond](Result<stream::ReadResult> result) {
    if (disk_.crashed() || !result.ok()) return;
    history_.add(result->next.value);
    if (beyond && result->tip < request.from)
      return note(Error{ErrorCode::kCorrupt, "a read beyond the tip was answered"});
    note(model_.check_read(request.shard, request.from, *result, clock_.latest_wall()));
  });
}

void EngineWorld::find() {
  const auto shard = any_shard();
  if (!shard) return;
  const WallTime before = clock_.wall_now();
  const WallTime time = before - milliseconds(random_.between(-1000, 80LL * 3'600'000));
  // What becomes visible meanwhile can't be told from what was: only quiet shards are asked.
  if (model_.in_flight()) return;
  bool answered = false;
  engine_->find_by_time(*shard, time, [&](Result<stream::Position> found) {
    answered = true;
    if (disk_.crashed() || !found.ok()) return;
    history_.add(found->value);
    note(model_.check_found(*shard, time, before, clock_.latest_wall(), *found));
  });
  while (!answered && scheduler_.run_one()) {
  }
  SPILLWAY_ASSERT(answered);
}

void EngineWorld::pass_time() {
  if (random_.one_in(3)) clock_.step_wall(milliseconds(random_.between(-5000, 5000)));
  if (random_.one_in(3)) scheduler_.run_until_idle();
  // What is unanswered must not expire: whether it survives a crash is to be seen then.
  if (!model_.in_flight()) {
    clock_.advance(seconds(random_.between(1, 40LL * 3600)));
  } else {
    scheduler_.sleep_until_next_interval();
  }
}

// One, or some at once, which build on those that aren't durable yet.
void EngineWorld::change_catalogs() {
  do {
    change_catalog();
    while (random_.one_in(2) && scheduler_.run_one()) {
    }
  } while (random_.one_in(2));
}

Status EngineWorld::act() {
  switch (random_.below(18)) {
    case 0:
      change_catalogs();
      break;
    case 1:
      pass_time();
      break;
    case 2:
    case 3:
    case 7:
    case 8:
      read();
      break;
    case 4:
      find();
      break;
    case 5:
      if (random_.one_in(12)) {
        disk_.fail_after(random_.one_in(3)   ? Failing::kRead
                         : random_.one_in(2) ? Failing::kWrite
                                             : Failing::kSync,
                         random_.below(20));
      }
      break;
    case 6:
      if (random_.one_in(16)) SPILLWAY_TRY(survive_full_disk());
      break;
    default:
      append();
      break;
  }
  for (std::uint64_t steps = random_.below(12); steps > 0 && scheduler_.run_one(); --steps) {
  }
  return wrong_;
}

// --- What goes wrong, and what must be there afterwards

// Space runs out, and comes back: then appends succeed again, without a restart.
Status EngineWorld::survive_full_disk() {
  const auto refused = disk_.refusals();
  disk_.set_capacity(disk_.used() + random_.below(4096));
  for (int i = 0; i < 60 && !disk_.crashed() && wrong_.ok(); ++i) {
    append();
    scheduler_.run_until_idle();
    if (random_.one_in(4)) scheduler_.sleep_until_next_interval();
  }
  disk_.set_capacity(UINT64_MAX);
  coverage_.faults["refused for want of space"] += disk_.refusals() - refused;
  for (int tries = 0; tries < 20 && !disk_.crashed(); ++tries) {
    scheduler_.sleep_until_next_interval();
    scheduler_.run_until_idle();
    if (engine_->writable().ok()) break;
  }
  const auto writable = engine_->writable();
  if (disk_.crashed() || writable.ok() || writable.error().code == ErrorCode::kIo) return wrong_;
  return Error{ErrorCode::kCorrupt,
               "space came back, and writes did not: " + writable.error().message};
}

Result<bool> EngineWorld::open() {
  auto opened = engine::open_embedded_engine(engine_options_, seams());
  // A call may have met the crash whose failure changes nothing for a start.
  if (disk_.crashed()) return false;
  if (opened.ok()) {
    engine_ = std::move(opened).value();
    ++coverage_.recoveries;
    return true;
  }
  return context("recovery", std::move(opened).error());
}

Status EngineWorld::verify() {
  SPILLWAY_ASSIGN(const auto seen, read_everything(*engine_, scheduler_, clock_, random_));
  return model_.check_recovered(engine_->catalog(), seen);
}

// The first damage that `spillway doctor` tells of the disk; "" where there is none. It draws
// nothing from the seed, and leaves the disk as it is.
std::string EngineWorld::examine(const SimDisk& disk) {
  History history;
  SimClock clock = clock_;
  Scheduler scheduler(Random(1), clock, history);
  SimDisk copy(disk, Random(1), scheduler, history);
  const auto inspection = engine::Inspection::open(copy, engine_options_.directory);
  if (!inspection.ok())
    return inspection.error().code == ErrorCode::kNotFound ? "" : inspection.error().message;
  if (auto walked = (*inspection)->walk([](const engine::FoundBatch&) {}); !walked.ok())
    return walked.error().message;
  const auto& report = (*inspection)->report();
  return report.damage_count == 0 ? "" : report.damages.front();
}

// A bit flips in a copy of the disk: whatever the engine makes of it, it serves nothing false.
Status EngineWorld::check_damage() {
  History history;
  SimClock clock = clock_;
  Scheduler scheduler(random_.fork(), clock, history);
  SimDisk disk(disk_, random_.fork(), scheduler, history);
  SeededEntropy entropy(random_.fork());
  metrics::Registry registry;
  const std::string where = disk.flip_bit();
  if (where.empty()) return {};
  ++coverage_.faults["flipped bit"];
  const bool examined_whole = examine(disk).empty();
  const Error missed{ErrorCode::kCorrupt,
                     "spillway doctor tells no damage, after a flipped bit in " + where};
  auto opened = engine::open_embedded_engine(engine_options_,
                                             {disk, clock, scheduler, entropy, log_, registry});
  history_.add(history.digest());
  if (!opened.ok()) {
    ++coverage_.damage_reported;
    return examined_whole ? missed : Status();
  }
  const auto seen = read_everything(**opened, scheduler, clock, random_);
  if (!seen.ok()) {
    ++coverage_.damage_reported;
    return examined_whole ? missed : Status();
  }
  auto checked = model_.check_damaged((*opened)->catalog(), *seen);
  if (!checked.ok()) return context("after a flipped bit in " + where, std::move(checked).error());
  return {};
}

// A segment's file is gone from a copy of the disk: the engine refuses to start, unless everything
// is there without it, and starts once the loss is accepted.
Status EngineWorld::check_loss() {
  History history;
  SimClock clock = clock_;
  Scheduler scheduler(random_.fork(), clock, history);
  SimDisk disk(disk_, random_.fork(), scheduler, history);
  SeededEntropy entropy(random_.fork());
  metrics::Registry registry;
  const engine::EmbeddedSeams seams{disk, clock, scheduler, entropy, log_, registry};
  const std::string where = disk.lose_segment();
  if (where.empty()) return {};
  ++coverage_.faults["lost segment"];
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kCorrupt, fmt::format("without {}: {}", where, what)};
  };
  const std::string told = examine(disk);
  auto opened = engine::open_embedded_engine(engine_options_, seams);
  history_.add(history.digest());
  if (opened.ok() != told.empty())
    return wrong(told.empty() ? "spillway doctor tells no damage" : told);
  if (!opened.ok()) {
    ++coverage_.damage_reported;
    SPILLWAY_ASSIGN(auto inspection, engine::Inspection::open(disk, engine_options_.directory));
    SPILLWAY_TRY(inspection->accept_loss(clock.wall_now()));
    inspection.reset();
    if (auto left = examine(disk); !left.empty()) return wrong(left);
    opened = engine::open_embedded_engine(engine_options_, seams);
    return opened.ok() ? Status() : wrong(opened.error().message);
  }
  SPILLWAY_ASSIGN(const auto seen, read_everything(**opened, scheduler, clock, random_));
  auto checked = model_.check_damaged((*opened)->catalog(), seen);
  return checked.ok() ? Status() : wrong(checked.error().message);
}

// A file of the journal is gone from a copy of the disk, or lacks its end, or a snapshot is gone:
// the engine refuses to start, unless everything is there without it.
Status EngineWorld::check_lost_file() {
  History history;
  SimClock clock = clock_;
  Scheduler scheduler(file_damage_.fork(), clock, history);
  SimDisk disk(disk_, file_damage_.fork(), scheduler, history);
  SeededEntropy entropy(file_damage_.fork());
  metrics::Registry registry;
  const bool snapshot = file_damage_.one_in(4);
  const std::string where =
      snapshot ? disk.lose_snapshot(file_damage_) : disk.damage_journal(file_damage_);
  if (where.empty()) return {};
  ++coverage_.faults[snapshot ? "lost snapshot" : "lost or cut journal file"];
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kCorrupt, fmt::format("without {}: {}", where, what)};
  };
  const std::string told = examine(disk);
  auto opened = engine::open_embedded_engine(engine_options_,
                                             {disk, clock, scheduler, entropy, log_, registry});
  history_.add(history.digest());
  if (opened.ok() != told.empty())
    return wrong(told.empty() ? "spillway doctor tells no damage" : told);
  if (!opened.ok()) {
    ++coverage_.damage_reported;
    return {};
  }
  SPILLWAY_ASSIGN(const auto seen, read_everything(**opened, scheduler, clock, file_damage_));
  auto checked = model_.check_damaged((*opened)->catalog(), seen);
  return checked.ok() ? Status() : wrong(checked.error().message);
}

void EngineWorld::count_crash(bool recovering, Loss loss) {
  static constexpr std::array<std::string_view, kLosses.size()> kNames = {
      "process killed", "all lost", "suffix lost", "scattered", "garbled"};
  ++coverage_.crash_points_in_all;
  History point = history_;
  point.add(static_cast<std::uint64_t>(loss));
  coverage_.distinct_crash_points.insert(point.digest());
  ++coverage_.crash_points[recovering ? "recovery" : std::string(name_of(disk_.crashed_at()))];
  if (!recovering && model_.catalog_change_in_flight()) ++coverage_.crash_points["catalog change"];
  ++coverage_.losses[std::string(kNames[static_cast<std::size_t>(loss)])];
}

Status EngineWorld::work() {
  const std::uint64_t actions = 1 + random_.below(60);
  for (std::uint64_t i = 0; i < actions && !disk_.crashed(); ++i) SPILLWAY_TRY(act());
  return wrong_;
}

// From an open to a crash or a clean stop.
Status EngineWorld::life() {
  // Now and then the process dies several times in a row, before the power is cut: what a start
  // relies on may then not be durable, although it was seen by every start before.
  if (deaths_in_a_row_ == 0 && random_.one_in(8))
    deaths_in_a_row_ = static_cast<int>(random_.between(2, 4));
  const bool crash_early = deaths_in_a_row_ > 0 || random_.one_in(3);
  if (crash_early) disk_.crash_after(random_.below(24));
  SPILLWAY_ASSIGN(const bool opened, open());
  const bool recovering = !opened;
  if (opened) {
    disk_.never_crash();
    SPILLWAY_TRY(verify());
    disk_.crash_after(random_.below(random_.one_in(4) ? 400 : 60));
    SPILLWAY_TRY(work());
    const std::array failed = {disk_.failures(Failing::kWrite), disk_.failures(Failing::kSync),
                               disk_.failures(Failing::kRead)};
    if (!disk_.crashed() && random_.one_in(2)) scheduler_.run_until_idle();
    engine_.reset();
    coverage_.faults["failed write"] = failed[0];
    coverage_.faults["failed sync"] = failed[1];
    coverage_.faults["failed read"] = failed[2];
    SPILLWAY_TRY(std::exchange(wrong_, Status()));
  }
  const bool killed = deaths_in_a_row_ > 0 && --deaths_in_a_row_ > 0;
  const Loss loss = killed ? Loss::kNothing : kLosses[random_.below(kLosses.size())];
  trace("{} at {} after {} changes, loss {}", disk_.crashed() ? "crash" : "stop",
        name_of(disk_.crashed_at()), disk_.changes(), static_cast<int>(loss));
  if (disk_.crashed()) count_crash(recovering, loss);
  disk_.restart(loss);
  // What a crash leaves is no damage. Reading everything each time would double the run.
  if (coverage_.crash_points_in_all % 4 == 0) {
    if (auto damage = examine(disk_); !damage.empty())
      return Error{ErrorCode::kCorrupt, "spillway doctor, after a crash: " + damage};
  }
  if (random_.one_in(6)) SPILLWAY_TRY(check_damage());
  if (random_.one_in(6)) SPILLWAY_TRY(check_loss());
  if (file_damage_.one_in(6)) SPILLWAY_TRY(check_lost_file());
  return {};
}

WorldResult EngineWorld::run() {
  Status status;
  while (status.ok() && coverage_.crash_points_in_all < options_.crashes) status = life();
  engine_.reset();
  coverage_.seeds = 1;
  coverage_.acknowledged = model_.acknowledged();
  coverage_.checked = model_.checked();
  history_.add(disk_.changes());
  return {std::move(status), coverage_, history_.digest(), history_.events()};
}

}  // namespace

void Coverage::add(const Coverage& other) {
  seeds += other.seeds;
  for (const auto& [name, count] : other.crash_points) crash_points[name] += count;
  for (const auto& [name, count] : other.faults) faults[name] += count;
  for (const auto& [name, count] : other.losses) losses[name] += count;
  crash_points_in_all += other.crash_points_in_all;
  distinct_crash_points.insert(other.distinct_crash_points.begin(),
                               other.distinct_crash_points.end());
  recoveries += other.recoveries;
  acknowledged += other.acknowledged;
  checked += other.checked;
  damage_reported += other.damage_reported;
}

WorldResult run_world(const WorldOptions& options) { return EngineWorld(options).run(); }

}  // namespace spillway::sim
