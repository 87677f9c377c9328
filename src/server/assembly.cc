#include "server/assembly.h"

#include <csignal>
#include <cstdio>

#include "engine/embedded/embedded_engine.h"
#include "io/entropy.h"
#include "io/loop_threads.h"
#include "io/posix_disk.h"
#include "kinesis/on_demand.h"
#include "kinesis/traffic_metrics.h"
#include "server/access_keys.h"
#include "server/admin.h"
#include "server/caller_store.h"
#include "server/callers_route.h"
#include "server/dispatch.h"
#include "server/process_metrics.h"
#include "server/stop_request.h"
#include "server/tls_files.h"

namespace spillway::server {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr auto kCommandsPolledEvery = milliseconds(20);

engine::EmbeddedOptions engine_options(const ServeConfig& config) {
  engine::EmbeddedOptions options;
  options.directory = config.data;
  options.journal_file_bytes = static_cast<std::uint64_t>(config.journal_file_mib) * kMiB;
  options.queue_bytes = static_cast<std::uint64_t>(config.queue_mib) * kMiB;
  options.tail_bytes = static_cast<std::uint64_t>(config.tail_mib) * kMiB;
  options.page_cache_bytes = static_cast<std::uint64_t>(config.page_cache_mib) * kMiB;
  return options;
}

auth::AuditOptions audit_options(const ServeConfig& config) {
  auth::AuditOptions options;
  options.directory = io::join_path(config.data, "audit");
  options.file_bytes = static_cast<std::uint64_t>(config.audit_mib) * kMiB;
  options.files = static_cast<std::size_t>(config.audit_files);
  return options;
}

kinesis::ServiceOptions service_options(const ServeConfig& config) {
  kinesis::ServiceOptions options;
  options.region = config.region;
  options.account = config.account;
  options.transition = milliseconds(config.transition_ms);
  options.subscription_life = seconds(config.subscription_seconds);
  options.token_life = seconds(config.token_seconds);
  options.limits = config.limits == "aws" ? kinesis::Limits::kAws : kinesis::Limits::kNone;
  return options;
}

// Whether anything that is stored is wrapped under DATA/master.key.
bool uses_directory_key(const stream::Catalog& catalog,
                        const Result<std::vector<auth::StoredKey>>& access_keys) {
  const auto is_under = [](const auth::StoredKey& key) {
    return auth::is_wrapped_under(key, auth::kDirectoryMasterKey);
  };
  if (!access_keys.ok() || std::ranges::any_of(*access_keys, is_under)) return true;
  return std::ranges::any_of(catalog.streams, [](const auto& entry) {
    return std::ranges::any_of(entry.second->encryption.keys, [](const stream::DataKey& key) {
      return auth::MasterKeys::key_of(key.wrapped) == auth::kDirectoryMasterKey;
    });
  });
}

// Access keys and master keys change at once; the log's level has changed already.
void apply_reloaded(const ServeConfig& fresh, AccessKeys& access_keys, Dispatch& dispatch,
                    auth::MasterKeys& master_keys, io::EventLog& log) {
  master_keys.configure(fresh.master_keys);
  const auto keys = access_keys.load(fresh.keys);
  if (!keys.ok()) {
    log.error("access keys not reloaded", {{"reason", keys.error().message}});
    return;
  }
  dispatch.set_keys(*keys);
  log.info("configuration reloaded", {{"access_keys", std::uint64_t{(*keys)->size()}},
                                      {"master_keys", std::uint64_t{fresh.master_keys.size()}}});
}

// Waits on the main thread's loop for the signal to stop, and for both servers to drain. Calls
// `serving` once signals are handled: who reads there that the region serves may send one at once.
// Calls `reloading` at SIGHUP, and `keeping_house` whenever the time that it gave is over.
void wait_and_drain(io::AsioLoop& main_loop, HttpServer& api, HttpServer& admin, seconds deadline,
                    const std::function<void()>& serving, const std::function<void()>& reloading,
                    const std::function<nanoseconds()>& keeping_house) {
  int open_servers = 2;
  StopRequest stopping;
  const auto drained = [&] {
    main_loop.post([&] {
      if (--open_servers == 0) main_loop.stop();
    });
  };
  const auto timer = main_loop.make_timer();
  const std::function<void()> tick = [&] { timer->start(keeping_house(), [&] { tick(); }); };
  main_loop.on_signal([&](int signal) {
    if (signal == SIGHUP && !stopping.made()) {
      reloading();
      tick();  // what was begun is looked after at once
    }
    if (signal == SIGHUP || !stopping.take(signal, main_loop.mono_now())) return;
    api.drain(deadline, drained);
    admin.drain(seconds(1), drained);
  });
  tick();
  serving();
  main_loop.run();
}

}  // namespace

Status run_region(const Config& config, const ConfigSource& source) {
  const ServeConfig& serve = config.serve;
  const auto log = io::make_stderr_log(log_format(config.log), log_level(config.log));
  io::PosixDisk disk;
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::ThreadWorkers workers;
  metrics::Registry metrics;
  SPILLWAY_ASSIGN(auto engine,
                  engine::open_embedded_engine(engine_options(serve),
                                               {disk, clock, workers, entropy, *log, metrics}));
  SPILLWAY_ASSIGN(const auto token_key,
                  stream::load_or_create_token_key(disk, serve.data, entropy));
  auth::MasterKeys master_keys(
      {serve.data, serve.region, serve.account,
       uses_directory_key(*engine->catalog(), auth::KeyFile(disk, serve.data).read())},
      disk, clock, entropy, *log);
  master_keys.configure(serve.master_keys);
  AccessKeys access_keys(disk, {serve.data, serve.listen}, serve.keys, master_keys, *log);
  SPILLWAY_ASSIGN(const auto first_keys, access_keys.load());
  auth::AuditLog audit_log(audit_options(serve), disk, clock, workers, metrics, *log);
  SPILLWAY_ASSIGN(
      const ServerTls tls,
      load_tls(disk,
               {.data = serve.data, .certificate = serve.tls_certificate, .key = serve.tls_key},
               clock.wall_now()));
  const ProcessMetrics process_metrics(metrics, disk, clock, *log, serve.data);
  kinesis::Service service(service_options(serve), *engine, clock, entropy, token_key, master_keys);
  kinesis::OnDemandScaling scaling(service, [&](const Error& error) {
    log->error("a stream on demand was not scaled", {{"reason", error.message}});
  });
  CallerStore caller_store(service.callers(), disk, *log, serve.data);
  const auto traffic_series = kinesis::show_traffic(service.traffic(), *engine, metrics);

  const auto threads =
      serve.threads > 0 ? static_cast<std::size_t>(serve.threads) : io::core_count();
  io::LoopThreads loops(threads);
  io::AsioLoop main_loop;
  Dispatch dispatch({serve.region, static_cast<std::size_t>(serve.requests_max)}, loops.loops(),
                    service, first_keys, audit_log, entropy, metrics, *log);
  HttpServerOptions api_options;
  api_options.address = serve.listen;
  api_options.connections = static_cast<std::size_t>(serve.connections_max);
  api_options.idle_timeout = seconds(serve.idle_seconds);
  api_options.tls = tls.context;
  HttpServer api(loops.loops(), api_options, dispatch, metrics, *log);
  Routes routes;
  add_admin_routes(routes, {metrics, [&] { return engine->writable(); },
                            [&] {
                              return fmt::format(R"({{"role":"serve","region":"{}","streams":{}}})",
                                                 serve.region, engine->catalog()->streams.size());
                            }});
  add_keys_route(routes, main_loop, *loops.loops().front(), [&](KeysReloaded done) {
    const auto keys = access_keys.load();
    if (!keys.ok()) return done(keys.error());
    dispatch.set_keys(*keys,
                      [count = (*keys)->size(), done = std::move(done)]() mutable { done(count); });
  });
  add_callers_route(routes, service.callers());
  HttpServerOptions admin_options;
  admin_options.name = "admin";
  admin_options.address = serve.admin;
  HttpServer admin(loops.loops().first(1), admin_options, routes, metrics, *log);
  if (auto listening = api.listen(); !listening.ok())
    return context("serve.listen", std::move(listening).error());
  if (auto listening = admin.listen(); !listening.ok())
    return context("serve.admin", std::move(listening).error());
  loops.start();
  bool served = false;
  const auto serving = [&] {
    served = true;
    std::printf("spillway serves Kinesis in %s on http://%s (metrics: http://%s/metrics)\n",
                serve.region.c_str(), serve.listen.c_str(), serve.admin.c_str());
    if (!tls.authority_file.empty()) {
      std::printf("and on https://%s, for clients that trust %s\n", serve.listen.c_str(),
                  tls.authority_file.c_str());
    }
    std::fflush(stdout);
  };
  const auto reloading = [&] {
    if (const auto fresh = reload(config, source, "serve", *log))
      apply_reloaded(fresh->serve, access_keys, dispatch, master_keys, *log);
  };
  const auto keeping_house = [&]() -> nanoseconds {
    service.remove_deleted([&](const Status& removed) {
      if (!removed.ok())
        log->error("deleted streams not removed", {{"reason", removed.error().message}});
    });
    service.forget_deleted();
    scaling.tick(clock.mono_now());
    if (served) caller_store.tick(clock.mono_now());
    const bool commands_run = master_keys.poll();
    if (const auto keys = access_keys.poll()) dispatch.set_keys(*keys);
    return commands_run ? nanoseconds(kCommandsPolledEvery) : nanoseconds(seconds(1));
  };
  wait_and_drain(main_loop, api, admin, seconds(serve.drain_seconds), serving, reloading,
                 keeping_house);
  caller_store.save();
  // Answers of the engine post to the loops: they go on until it has stopped.
  engine->stop();
  loops.stop_and_join();
  return {};
}

}  // namespace spillway::server
