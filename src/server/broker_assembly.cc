#include "server/broker_assembly.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "broker/activity.h"
#include "broker/broker_status.h"
#include "broker/high_water.h"
#include "broker/make_room.h"
#include "broker/receipts.h"
#include "broker/runway.h"
#include "broker/set_backs.h"
#include "broker/spool_horizon.h"
#include "broker/spool_input.h"
#include "broker/spool_packing.h"
#include "broker/switch_approval.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "broker/switches.h"
#include "engine/embedded/embedded_engine.h"
#include "io/asio_loop.h"
#include "io/entropy.h"
#include "io/memory.h"
#include "io/posix_disk.h"
#include "io/process.h"
#include "server/admin.h"
#include "server/broker_access.h"
#include "server/broker_inputs.h"
#include "server/broker_options.h"
#include "server/broker_plan.h"
#include "server/broker_reload.h"
#include "server/delivery_path.h"
#include "server/http_server.h"
#include "server/process_metrics.h"
#include "server/receipt_routes.h"
#include "server/spool_salvage.h"
#include "server/stop_request.h"
#include "server/switch_route.h"
#include "server/tls_files.h"

namespace spillway::server {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
// What a request may put at once (10 MiB of data and keys) fits one frame, its aggregates grown.
constexpr std::uint64_t kSpoolJournalFileBytes = 16 * kMiB;
static_assert(10 * kMiB + broker::SpoolInput::kExpansionMax < kSpoolJournalFileBytes - kMiB / 2);

// A file that is damaged is set aside, and told; one that can't be read now stops the start.
Status load_switches(broker::SwitchState& state, io::EventLog& log) {
  auto loaded = state.load();
  if (loaded.ok()) return {};
  const auto& error = loaded.error();
  if (error.code != ErrorCode::kCorrupt && error.code != ErrorCode::kUnsupported) return loaded;
  log.error("what was switched is not known", {{"error", error.message}});
  return {};
}

// Nullopt: switches need no grants.
std::optional<broker::SwitchApproval::Options> approval_options(const BrokerConfig& config,
                                                                std::string holder,
                                                                std::vector<std::string> streams) {
  if (config.approval != "grant") return std::nullopt;
  broker::SwitchApproval::Options options;
  options.data = config.data;
  options.holder = std::move(holder);
  options.streams = std::move(streams);
  options.approvers.reserve(config.approvers.size());
  for (const auto& text : config.approvers)
    options.approvers.push_back(broker::parse_approver(text).value());  // as the configuration was
  return options;
}

engine::EmbeddedOptions spool_options(const BrokerConfig& config,
                                      const broker::SpoolPacking& packing) {
  engine::EmbeddedOptions options;
  options.directory = spool_directory(config.data);
  options.journal_file_bytes = kSpoolJournalFileBytes;
  options.journal_files = 3;  // what is in them and not yet in segments is in memory, too
  options.queue_bytes = 32 * kMiB;
  options.tail_bytes = 16 * kMiB;
  options.page_cache_bytes = 256 * kMiB;
  // Room comes back by whole segments.
  options.merge_bytes_max =
      std::min(128 * kMiB, static_cast<std::uint64_t>(config.spool_mib) * kMiB / 8);
  options.merges = [&packing] { return packing.packs(); };
  return options;
}

// A certificate of its own that can't be made, or read, keeps no spool from being delivered.
Result<ServerTls> broker_tls(const BrokerConfig& config, io::Disk& disk, io::Clock& clock,
                             io::EventLog& log) {
  auto tls = load_tls(
      disk, {.data = config.data, .certificate = config.tls_certificate, .key = config.tls_key},
      clock.wall_now());
  if (tls.ok() || !config.tls_certificate.empty()) return tls;
  log.error("there is no https until a restart", {{"reason", tls.error().message}});
  return ServerTls();
}

PortAccess port_access(const Result<KeyTableRef>& keys, bool https) {
  PortAccess access;
  access.https = https;
  if (keys.ok()) {
    access.keys = !(*keys)->accepts_any();
  } else {
    access.fault = keys.error().message;
  }
  return access;
}

KeyTableRef nobody() { return std::make_shared<auth::KeyTable>(auth::KeyTable::unreadable()); }

// Whether there may be anything to deliver: one that never ran is better not started than started
// in part.
bool has_spool(io::Disk& disk, const BrokerConfig& config) {
  return disk.list(spool_directory(config.data)).ok();
}

// A damaged spool gives way to a new one.
Result<std::unique_ptr<stream::Engine>> open_spool_engine(const BrokerConfig& config,
                                                          const broker::SpoolPacking& packing,
                                                          const engine::EmbeddedSeams& seams) {
  auto opened = engine::open_embedded_engine(spool_options(config, packing), seams);
  if (opened.ok() || opened.error().code != ErrorCode::kCorrupt) return opened;
  SPILLWAY_ASSIGN(const auto aside,
                  set_spool_aside(seams.disk, config.data, seams.clock.wall_now()));
  seams.log.error("the spool is damaged: it was set aside, and what can be read of it is delivered",
                  {{"path", aside}, {"damage", opened.error().message}});
  return engine::open_embedded_engine(spool_options(config, packing), seams);
}

// Runs the loop until the task has ended.
Status run_to_end(io::AsioLoop& loop, Task<Status> task) {
  Status ended;
  start(std::move(task), UniqueFunction<void(Status)>([&](Status status) {
          ended = std::move(status);
          loop.stop();
        }));
  loop.run();
  return ended;
}

// Makes the spool's streams and reads its cursors, on the loop, before anything else runs there.
Task<Status> open_spool(io::EventLoop& loop, broker::Spool& spool, broker::Cursors& cursors,
                        std::vector<std::string> streams) {
  auto opened = co_await spool.open(loop, std::move(streams));
  if (!opened.ok()) co_return opened;
  auto loaded = co_await cursors.load(spool.shards_of(broker::Spool::kCursorStream).front().id);
  co_return loaded;
}

std::vector<stream::ShardId> shards_of(const broker::Spool& spool) {
  std::vector<stream::ShardId> shards;
  const auto streams = spool.streams();
  shards.reserve(streams.size() * broker::Spool::kShards);
  for (const auto& stream : streams)
    for (const auto& shard : spool.shards_of(stream)) shards.push_back(shard.id);
  return shards;
}

// Before the broker's own loop runs, on which not everything is started yet.
Status open_inputs(BrokerInputs& inputs, const BrokerPlan& plan) {
  io::AsioLoop loop;
  SPILLWAY_TRY(run_to_end(loop, inputs.open(plan, &loop)));
  inputs.use(plan, seconds(0));
  return {};
}

// What a broker that runs consists of, made in this order.
struct Running {
  io::AsioLoop& loop;
  BrokerInputs& inputs;
  broker::Telemetry& telemetry;
  DeliveryPath& path;
  HttpServer& admin;
};

// Takes no more, spools what is held, delivers for as long as there is time, then ends the loop.
// `at_most` is for all of that, but that telemetry has a second whatever became of it.
void stop(Running& running, seconds at_most, Status& saved) {
  const MonoTime deadline = running.loop.mono_now() + at_most;
  const auto left = [&running, deadline](nanoseconds at_least) {
    return std::max(deadline - running.loop.mono_now(), at_least);
  };
  const auto deliver = [&running, left] {
    running.path.delivery().drain(left(nanoseconds(0)), [&running] {
      running.path.end();
      running.admin.drain(seconds(1), [&running] { running.loop.stop(); });
    });
  };
  const auto spool = [&running, &saved, left, deliver] {
    running.telemetry.stop(left(seconds(1)), [&saved, deliver](Status places) {
      saved = std::move(places);
      deliver();
    });
  };
  running.inputs.drain(at_most, [&running, spool] { running.loop.post(spool); });
}

// What is looked at once a second: the spool's room, what was resolved, who may put; and those who
// know of it.
struct Room {
  io::EventLoop& loop;
  io::Disk& disk;
  const std::string& directory;
  io::Timer& timer;
  broker::SpoolRoom& room;
  broker::Runway& runway;
  broker::SpoolPacking& packing;
  broker::OldestRecords& oldest;
  const broker::Spool& spool;
  DeliveryPath& path;
  const broker::Cursors& cursors;
  broker::SpoolHorizon& horizon;
  broker::Receipts& receipts;
  BrokerInputs& inputs;
  BrokerAccess& access;
  BrokerReload& changes;
  broker::Activity& activity;
};

// Those that are on.
std::vector<broker::InputNow> inputs_now(const BrokerInputs& ports, const BrokerReload& changes) {
  const auto& config = changes.running().broker;
  auto inputs = ports.now(config, changes.withheld());
  const std::size_t files = config.files.size();
  if (files > 0) {
    inputs.push_back(
        {"files", fmt::format("{} file{}", files, files == 1 ? "" : "s"), std::nullopt});
  }
  if (config.host_metrics) inputs.push_back({"host_metrics", "this machine", std::nullopt});
  return inputs;
}

// Once a second.
void keep_room(const Room& of) {
  auto& delivery = of.path.delivery();
  const auto free_bytes = of.disk.free_space(of.directory);
  broker::make_room(of.room, of.packing, of.oldest, delivery, of.cursors, of.loop.mono_now(),
                    free_bytes.ok() ? *free_bytes : UINT64_MAX);
  of.runway.look({.accepted_records = of.spool.accepted_records(),
                  .accepted_bytes = of.spool.accepted_bytes(),
                  .held_records = delivery.needed(),
                  .stored_bytes = of.spool.engine().stored_bytes(),
                  .limit_bytes = of.room.limit_bytes(),
                  .full = !of.room.takes().ok()},
                 of.loop.mono_now());
  of.horizon.add(shards_of(of.spool));  // streams come at SIGHUP
  of.horizon.look();
  of.receipts.look();
  of.activity.look(inputs_now(of.inputs, of.changes), delivery.route(), delivery.undelivered());
  of.path.look();
  if (const auto keys = of.access.look()) {
    of.inputs.set_keys(*keys, nullptr);
    of.changes.open_withheld();
  }
  // Records come and go by the gigabyte: what they leave behind would be twice what is used.
  io::give_back_memory();
  of.timer.start(seconds(1), [&of] { keep_room(of); });
}

Status outcome(const broker::Telemetry& telemetry, const broker::Delivery& delivery, Status saved) {
  std::printf("spillway broker stopped: %llu records acknowledged, %llu wait in the spool\n",
              static_cast<unsigned long long>(delivery.route().acknowledged()),
              static_cast<unsigned long long>(delivery.held()));
  std::fflush(stdout);
  SPILLWAY_TRY(std::move(saved));
  if (telemetry.held() == 0) return {};
  return Error{ErrorCode::kIo,
               fmt::format("{} records of telemetry were not spooled", telemetry.held())};
}

}  // namespace

Status run_broker(const Config& config, const ConfigSource& source) {
  const BrokerConfig& options = config.broker;
  const auto log = io::make_stderr_log(log_format(config.log), log_level(config.log));
  io::PosixDisk disk;
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::ThreadWorkers workers;
  metrics::Registry metrics;
  std::string host = options.host;
  if (host.empty()) {
    SPILLWAY_ASSIGN(host, io::host_name(disk));
  }

  io::AsioLoop loop;  // outlives the engine, whose workers post to it
  SPILLWAY_ASSIGN(auto targets, all_target_options({loop, disk, *log}, options));
  BrokerAccess access(options, disk, clock, entropy, *log);
  const auto keys = access.load();
  SPILLWAY_ASSIGN(auto plan, plan_start(config, port_access(keys, true)));
  if (!plan.withheld.empty() && !has_spool(disk, options))  // before anything is stored
    return Error{ErrorCode::kDenied, plan.withheld.front().why};
  SPILLWAY_ASSIGN(const ServerTls tls, broker_tls(options, disk, clock, *log));
  const bool https = tls.context != nullptr;
  if (!https) {
    SPILLWAY_ASSIGN(plan, plan_start(config, port_access(keys, false)));
  }
  for (const auto& [kind, why] : plan.withheld)
    log->error("an input stays closed", {{"input", port_of(kind).key}, {"reason", why}});
  access.set_exposed(exposed_address(plan));
  broker::SpoolPacking packing;
  SPILLWAY_ASSIGN(
      const auto engine,
      open_spool_engine(options, packing, {disk, clock, workers, entropy, *log, metrics}));
  SPILLWAY_ASSIGN(const auto salvage,
                  SpoolSalvage::make(options.data, {disk, workers, *log, metrics}));
  broker::SpoolRoom room({static_cast<std::uint64_t>(options.spool_mib) * kMiB,
                          seconds(options.keep_seconds), when_full(options)},
                         *engine, *log, metrics);
  broker::Runway runway(seconds(options.runway_alarm_seconds), *log, metrics);
  broker::Spool spool(*engine, room, clock, entropy, metrics);
  broker::Cursors cursors(loop, *engine, *log);
  auto spooled = plan.streams;
  for (const auto& stream : salvage->streams())
    if (std::ranges::find(spooled, stream) == spooled.end()) spooled.push_back(stream);
  SPILLWAY_TRY(run_to_end(loop, open_spool(loop, spool, cursors, spooled)));
  broker::SwitchState switch_state(disk, io::join_path(options.data, "switch-state"));
  SPILLWAY_TRY(load_switches(switch_state, *log));
  broker::SwitchLog switch_log(
      {io::join_path(options.data, "switch-log"), io::join_path(options.data, "switch-log-aside")},
      disk);
  if (const auto recorded = switch_log.open(clock.wall_now()); !recorded.fault.empty())
    log->error("the log of switches can't be written", {{"error", recorded.fault}});
  std::optional<broker::SwitchApproval> approval;
  if (auto guarded = approval_options(options, "broker:" + host, plan.streams))
    approval.emplace(*std::move(guarded), disk);
  broker::SpoolHorizon horizon(loop, *engine);
  broker::Receipts receipts({loop, disk, cursors, horizon, *log},
                            io::join_path(options.data, "switch-receipts"));
  receipts.load();
  broker::HighWaterFile high_water(disk, io::join_path(options.data, "high-water"));
  if (auto known = high_water.load(); !known.ok())
    log->error("what targets acknowledged is forgotten: that one was set back may go unnoticed",
               {{"error", known.error().message}});
  DeliveryPath path({loop, entropy, *log, metrics, spool, cursors, switch_state, switch_log,
                     receipts, horizon, high_water, approval ? &*approval : nullptr},
                    host, options, std::move(targets), plan.streams);
  spool.on_appended([&path](std::span<const stream::ShardId> shards) { path.wake(shards); });
  SPILLWAY_ASSIGN(const auto telemetry, broker::Telemetry::make(telemetry_options(options, host),
                                                                {loop, disk, clock, entropy,
                                                                 workers, *log, metrics, spool}));
  broker::Activity activity(loop, *engine, metrics);
  const ProcessMetrics process_metrics(metrics, disk, clock, *log, options.data);
  Routes routes;
  add_admin_routes(routes, {metrics,
                            [&]() -> Status {
                              SPILLWAY_TRY(room.takes());
                              auto able = broker::deliverable(path.route());
                              return able.ok() ? engine->writable() : able;
                            },
                            [&] {
                              return broker::status_json({*telemetry, path.delivery(), runway,
                                                          path.switches(), room, activity},
                                                         loop.mono_now());
                            }});
  broker::SwitchProofs proofs(host, entropy);
  add_switch_route(routes, path, proofs);
  add_receipt_routes(routes, receipts);
  SPILLWAY_ASSIGN(const auto inputs, BrokerInputs::make(options, host, keys.ok() ? *keys : nobody(),
                                                        {loop, disk, clock, entropy, workers, *log,
                                                         metrics, spool, tls.context}));
  BrokerReload changes(
      plan, host,
      {loop, disk, spool, room, runway, path, *telemetry, *inputs, access, *log, https});
  add_keys_route(routes, loop, loop, [&](KeysReloaded done) {
    const auto changed = access.load();
    if (!changed.ok()) return done(changed.error());
    const auto count = (*changed)->size();
    inputs->set_keys(*changed, [count, done = std::move(done)]() mutable { done(count); });
    changes.open_withheld();
  });
  HttpServerOptions admin_options;
  admin_options.name = "admin";
  admin_options.address = options.admin;
  io::EventLoop* const loops[] = {&loop};
  HttpServer admin(loops, admin_options, routes, metrics, *log);
  if (auto listening = admin.listen(); !listening.ok())
    return context("broker.admin", std::move(listening).error());
  SPILLWAY_TRY(open_inputs(*inputs, plan));
  Running running{loop, *inputs, *telemetry, path, admin};

  Status saved;
  StopRequest stopping;
  const auto stop_by = [&](int signal) {
    if (!stopping.take(signal, loop.mono_now())) return;
    const auto at_most = seconds(changes.running().broker.drain_seconds);
    log->info("stopping; a second signal ends the broker at once",
              {{"held_records", path.delivery().held()},
               {"at_most_seconds", static_cast<std::uint64_t>(at_most.count())}});
    changes.close([&, at_most] { stop(running, at_most, saved); });
  };
  loop.on_signal([&](int signal) {
    if (signal != SIGHUP) return stop_by(signal);
    if (stopping.made()) return;
    auto fresh = read_again(changes.running(), source, "broker");
    if (!fresh.ok())
      return log->error("configuration not reloaded", {{"reason", fresh.error().message}});
    changes.take(*std::move(fresh));
  });
  path.start([&] {
    std::printf(
        "spillway broker puts telemetry of %s into stream %s at %s (metrics: http://%s/metrics)\n",
        host.c_str(), options.stream.c_str(), path.route().current().target().address().c_str(),
        options.admin.c_str());
    std::fflush(stdout);
  });
  telemetry->start();
  inputs->read_lines([&] {
    loop.post([&] {
      if (!stopping.made()) stop_by(SIGTERM);
    });
  });
  salvage->start(spool);
  const auto timer = loop.make_timer();
  broker::OldestRecords oldest;
  const Room kept{loop, disk,    options.data, *timer,   room,    runway, packing, oldest,  spool,
                  path, cursors, horizon,      receipts, *inputs, access, changes, activity};
  keep_room(kept);
  for (const auto& taken : inputs->described(plan))
    std::printf("spillway broker takes %s\n", taken.c_str());
  if (!tls.authority_file.empty() && inputs->over_http())
    std::printf("and https on its ports for HTTP, from clients that trust %s\n",
                tls.authority_file.c_str());
  std::fflush(stdout);
  loop.run();
  salvage->stop();
  engine->stop();
  inputs->stop();
  return outcome(*telemetry, path.delivery(), std::move(saved));
}

}  // namespace spillway::server
