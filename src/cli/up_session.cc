#include "cli/up_session.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <utility>

#include "broker/switching.h"
#include "cli/command.h"

namespace spillway::cli {
namespace {

constexpr nanoseconds kLookInterval = milliseconds(100);
constexpr nanoseconds kShowInterval = seconds(1);
// Beyond what a child is given to drain.
constexpr nanoseconds kKillAfter = seconds(5);
// For the broker, when there is nothing left that it could put to.
constexpr nanoseconds kBrokerAlone = seconds(1);
constexpr nanoseconds kReadRestWithin = seconds(60);
// To learn which records are the broker's, before a run that ends just after its start may end.
constexpr nanoseconds kMeetBrokerWithin = seconds(10);
constexpr std::size_t kLogLines = 50;

// Of a region that had ended, before the rest can be read.
constexpr nanoseconds kServesWithin = seconds(30);
constexpr std::size_t kBatchRecords = 1000;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;

}  // namespace

Result<std::unique_ptr<UpSession>> UpSession::make(UpOptions options, Random random) {
  const auto& config = options.config;
  client::PoolOptions status;
  SPILLWAY_ASSIGN(status.endpoint,
                  client::parse_endpoint("http://" + reachable(config.broker.admin)));
  status.connections_max = 1;
  status.connect_timeout = seconds(1);
  status.request_timeout = seconds(2);
  std::unique_ptr<UpSession> session(new UpSession(std::move(options), std::move(status)));
  for (std::size_t i = 0; i < session->options_.regions.size(); ++i) {
    UpRegionOptions region{.name = std::string(kUpRegions[i]),
                           .program = session->options_.program,
                           .config_file = session->options_.config_file,
                           .serve = session->options_.regions[i],
                           .client = {}};
    auto& client = region.client;
    const auto& broker = session->options_.config.broker;
    client.region = region.serve.region;
    client.credentials = {broker.access_key, broker.secret_key, ""};
    client.connections_max = 8;
    client.attempts_max = 2;
    client.request_timeout = seconds(5);
    client.user_agent = "spillway-up";
    client.origins = true;
    SPILLWAY_ASSIGN(auto made, UpRegion::make(session->loop_, std::move(region), random.fork()));
    session->regions_.push_back(std::move(made));
    SPILLWAY_TRY(session->regions_.back()->start());
  }
  session->ended_.resize(session->regions_.size());
  return session;
}

UpSession::UpSession(UpOptions options, client::PoolOptions status)
    : options_(std::move(options)),
      status_pool_(loop_, std::move(status)),
      look_timer_(loop_.make_timer()),
      show_timer_(loop_.make_timer()),
      started_(loop_.mono_now()),
      started_at_(loop_.wall_now()) {
  state_.phase = "starting";
  state_.data = options_.data;
  state_.stream = options_.config.broker.stream;
}

UpSession::~UpSession() { stop_reading(); }

Status UpSession::start_broker() {
  const auto& broker = options_.config.broker;
  std::string targets;
  for (const auto& region : regions_)
    targets += fmt::format("{}{}=http://{}", targets.empty() ? "" : ",", region->name(),
                           region->address());
  std::vector<std::string> arguments{"broker",  "--target",  targets,   "--stream",  broker.stream,
                                     "--state", broker.data, "--admin", broker.admin};
  if (!options_.config_file.empty())
    arguments.insert(arguments.end(), {"--config", options_.config_file});
  for (const auto& path : options_.follow) arguments.insert(arguments.end(), {"--follow", path});
  return broker_.start(options_.program, std::move(arguments));
}

int UpSession::run() {
  if (io::terminal_size()) {
    screen_ = std::make_unique<UpScreen>();
  } else {
    std::printf("spillway up: data in %s\n", state_.data.c_str());
    std::fflush(stdout);
  }
  loop_.on_signal([this](int signal) { on_signal(signal); });
  look();
  show();
  loop_.run();
  stop_reading();
  screen_.reset();
  judge();
  print_end();
  return failures_.empty() ? kExitOk : kExitFailed;
}

// The first signal stops everything in order, the second one at once.
void UpSession::on_signal(int) {
  if (std::exchange(interrupted_, true)) {
    fail("stopped at once by a second signal");
    loop_.stop();
    return;
  }
  ask_to_stop();
}

void UpSession::look() {
  take_output();
  act();
  if (phase_ == Phase::kStarting || phase_ == Phase::kFlowing) {
    look_while_running();
  } else {
    look_while_stopping();
  }
  look_timer_->start(kLookInterval, [this] { look(); });
}

void UpSession::take_output() {
  for (const auto& region : regions_)
    for (auto& line : region->take_lines()) tell(std::move(line));
  for (const auto& line : broker_.take_lines()) tell(broker_.name() + ": " + line);
}

void UpSession::tell(std::string line) {
  state_.log.push_back(std::move(line));
  if (state_.log.size() > kLogLines) state_.log.pop_front();
  if (!screen_) {
    std::fprintf(stderr, "%s\n", state_.log.back().c_str());
    std::fflush(stderr);
  }
}

void UpSession::look_while_running() {
  if (broker_.started() && !broker_.running()) {
    take_output();
    fail(broker_.report(screen_ != nullptr));
    return begin_stop();
  }
  look_at_regions();
  if (phase_ > Phase::kFlowing) return;
  if (phase_ == Phase::kStarting && std::ranges::all_of(regions_, &UpRegion::serves)) {
    served_ = true;
    phase_ = Phase::kFlowing;
    state_.phase = "flowing";
    if (auto started = start_broker(); !started.ok()) {
      fail(started.error().message);
      return begin_stop();
    }
  }
  if (phase_ == Phase::kFlowing) {
    begin_reading();
    ask_broker();
  }
  if (options_.run_for > nanoseconds(0) && loop_.mono_now() - started_ >= options_.run_for)
    ask_to_stop();
  const bool met = phase_ == Phase::kStarting || (reader_ && state_.broker);
  if (stop_at_latest_ && (met || loop_.mono_now() >= *stop_at_latest_)) begin_stop();
}

// Before it flows, one that ends is the end; then the others go on.
void UpSession::look_at_regions() {
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    auto& region = *regions_[i];
    if (region.running() || ended_[i]) continue;
    take_output();
    ended_[i] = true;
    if (region.killed()) continue;
    fail(region.report(screen_ != nullptr));
    if (phase_ == Phase::kStarting) return begin_stop();
    tell(failures_.back());
  }
}

void UpSession::act() {
  const auto& script = options_.script;
  const auto running = loop_.mono_now() - started_;
  if (phase_ == Phase::kFlowing && state_.broker) {
    for (; acted_ < script.size() && script[acted_].at <= running; ++acted_) {
      const auto& action = script[acted_];
      if (action.verb == UpVerb::kRestart && regions_[*action.region]->ending()) break;
      act(action);
    }
  }
  if (!screen_) return;
  for (const char key : screen_->typed()) on_key(key);
}

void UpSession::act(const UpAction& action) {
  switch (action.verb) {
    case UpVerb::kKill:
      return kill_region(*action.region);
    case UpVerb::kRestart:
      return restart_region(*action.region);
    case UpVerb::kSwitch:
      return ask_switch(action.region ? *action.region : region_to_switch_to(state_));
    case UpVerb::kRelease:
      return ask_switch(std::nullopt);
  }
}

void UpSession::on_key(char key) {
  if (key == 'q') return ask_to_stop();
  if (phase_ != Phase::kFlowing) return;
  if (key == 'k') kill_region(0);
  if (key == 'r') restart_region(0);
  if (key != 's' || !state_.broker) return;
  ask_switch(state_.broker->held ? std::nullopt : std::optional(region_to_switch_to(state_)));
}

void UpSession::kill_region(std::size_t region) {
  if (!regions_[region]->running()) return;
  regions_[region]->kill();
  tell(fmt::format("up: killed region {}", regions_[region]->name()));
}

void UpSession::restart_region(std::size_t region) {
  if (regions_[region]->running()) return;
  take_output();
  tell(fmt::format("up: starts region {} again", regions_[region]->name()));
  ended_[region] = false;
  if (auto started = regions_[region]->start(); !started.ok()) fail(started.error().message);
}

void UpSession::ask_switch(std::optional<std::size_t> region) {
  std::string body = R"({"who":"spillway up","reason":"asked for in spillway up")";
  if (region) body += fmt::format(R"(,"to":"{}")", kUpRegions[*region]);
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/v1/switch";
  head.headers = {{"Host", options_.config.broker.admin}, {"Content-Type", "application/json"}};
  const std::string what = region ? fmt::format("a switch to region {}", kUpRegions[*region])
                                  : std::string("the end of the switch");
  status_pool_.request(std::move(head), SharedBytes::copy_of(body + "}"),
                       [this, what](Result<wire::ClientResponse> answer) {
                         if (closed_) return;
                         if (answer.ok() && answer->status == 200) return tell("up: " + what);
                         fail(fmt::format("{} failed: {}", what,
                                          answer.ok() ? answer->body : answer.error().message));
                         tell("up: " + failures_.back());
                       });
}

void UpSession::ask_to_stop() {
  if (!stop_at_latest_) stop_at_latest_ = loop_.mono_now() + kMeetBrokerWithin;
}

// Once the stream is there: what it says of its retention tells which records may have expired.
void UpSession::begin_reading() {
  if (reader_ || std::exchange(describing_, true)) return;
  const auto described = [this](Result<client::StreamSummary> summary) {
    describing_ = false;
    if (closed_ || !summary.ok() || summary->status != "ACTIVE") return;
    const auto horizon = loop_.wall_now() - std::chrono::hours(summary->retention_hours);
    seen_ = std::make_unique<UpSeen>(started_at_, horizon, loop_.mono_now());
    std::vector<client::RegionSource> sources;
    sources.reserve(regions_.size());
    for (const auto& region : regions_)
      sources.push_back({region->name(), client::stream_calls(region->client(), state_.stream)});
    reader_ = std::make_unique<client::RegionsReader>(
        loop_, std::move(sources),
        client::RegionsReaderOptions{.stream = state_.stream, .missing_is_empty = true}, *this);
    reader_->start();
  };
  // Of the one that records go to; the first one until that is known.
  const std::size_t region = state_.broker && state_.broker->used == kUpRegions[1] ? 1 : 0;
  start(regions_[region]->client().describe_summary(state_.stream),
        UniqueFunction<void(Result<client::StreamSummary>)>(described));
}

void UpSession::on_ready() {
  const std::string source = state_.broker ? state_.broker->source : std::string();
  std::vector<client::Record> records;
  for (auto batch = reader_->take(kBatchRecords, kBatchBytes); !batch.empty();
       batch = reader_->take(kBatchRecords, kBatchBytes)) {
    records.clear();
    records.reserve(batch.size());
    for (auto& each : batch) records.push_back(std::move(each.record));
    seen_->add(records, source);
    reader_->handled();
  }
}

void UpSession::on_region(const std::string& name, const Status& status) {
  if (status.ok()) {
    away_.erase(name);
  } else {
    const bool missing = status.error().code == ErrorCode::kNotFound;
    away_[name] = missing ? "no such stream yet" : status.error().message;
  }
}

void UpSession::ask_broker() {
  if (closed_ || !broker_.running() || std::exchange(asking_, true)) return;
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/v1/status";
  head.headers = {{"Host", options_.config.broker.admin}};
  status_pool_.request(std::move(head), {}, [this](Result<wire::ClientResponse> answer) {
    asking_ = false;
    if (answer.ok() && answer->status == 200) take_status(answer->body);
  });
}

void UpSession::take_status(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json).get(object) != simdjson::SUCCESS) return;
  BrokerSeen seen;
  std::string_view text;
  std::int64_t number = 0;
  if (object["source"].get(text) == simdjson::SUCCESS) seen.source = text;
  if (object["target_up"].get(seen.target_up) != simdjson::SUCCESS) return;
  if (object["held_records"].get(number) == simdjson::SUCCESS)
    seen.spooled = static_cast<std::uint64_t>(number);
  if (object["used"].get(text) == simdjson::SUCCESS) seen.used = text;
  if (object["because"].get(text) == simdjson::SUCCESS) seen.because = text;
  if (object["used_ms"].get(number) == simdjson::SUCCESS) seen.used_for = milliseconds(number);
  if (object["footing"].get(text) == simdjson::SUCCESS)
    seen.held = text == broker::to_string(broker::Footing::kHeld);
  if (object["put_p50_us"].get(number) == simdjson::SUCCESS)
    seen.put_p50 = std::chrono::microseconds(number);
  if (object["put_p99_us"].get(number) == simdjson::SUCCESS)
    seen.put_p99 = std::chrono::microseconds(number);
  // Before anything was put it is no problem that the target wasn't reached.
  state_.problem.clear();
  if (!seen.target_up && seen.put_p99 > nanoseconds(0) &&
      object["problem"].get(text) == simdjson::SUCCESS)
    state_.problem = text;
  state_.broker = std::move(seen);
}

void UpSession::begin_stop() {
  if (phase_ > Phase::kFlowing) return;
  const bool served = std::ranges::any_of(regions_, &UpRegion::serves);
  const auto drain = seconds(options_.config.broker.drain_seconds) + kKillAfter;
  enter(Phase::kStoppingBroker, served ? drain : kBrokerAlone);
  broker_.send(SIGTERM);
}

void UpSession::enter(Phase phase, nanoseconds at_most) {
  constexpr const char* kNames[] = {"starting", "flowing", "stopping the broker",
                                    "reading the rest", "stopping the regions"};
  phase_ = phase;
  state_.phase = kNames[static_cast<int>(phase)];
  phase_deadline_ = loop_.mono_now() + at_most;
}

void UpSession::look_while_stopping() {
  switch (phase_) {
    case Phase::kStoppingBroker:
      if (broker_.running()) return kill_late(broker_);
      take_output();
      // One that died before was reported then.
      if (broker_.started() && !broker_.ended_well() && failures_.empty())
        fail(broker_.report(screen_ != nullptr));
      return read_rest();
    case Phase::kReadingRest:
      return look_while_reading_rest();
    case Phase::kStoppingRegions:
      for (const auto& region : regions_)
        if (region->running()) return kill_late(region->child());
      take_output();
      for (std::size_t i = 0; i < regions_.size(); ++i)
        if (!ended_[i] && !regions_[i]->ended_well() && failures_.empty())
          fail(regions_[i]->report(screen_ != nullptr));
      return loop_.stop();
    case Phase::kStarting:
    case Phase::kFlowing:
      return;
  }
}

// What one that has ended holds alone can't be told from what is lost: it is started again.
void UpSession::read_rest() {
  enter(Phase::kReadingRest, kServesWithin);
  if (!reader_) return;
  for (std::size_t i = 0; i < regions_.size(); ++i) restart_region(i);
}

void UpSession::look_while_reading_rest() {
  const bool running = std::ranges::all_of(regions_, &UpRegion::running);
  const bool serving = std::ranges::all_of(regions_, &UpRegion::serves);
  if (reader_ && running && serving && !std::exchange(reading_rest_, true)) {
    phase_deadline_ = loop_.mono_now() + kReadRestWithin;
    reader_->read_to_tip([this] { at_tip_ = true; });
  }
  if (reader_ && running && !at_tip_) {
    if (loop_.mono_now() < *phase_deadline_) return;
    fail("the reader has not read everything within its time");
  } else if (reader_ && !running) {
    fail("a region did not start again, so that what it holds was not read");
  }
  if (reader_) on_ready();
  stop_reading();
  enter(Phase::kStoppingRegions, seconds(options_.config.serve.drain_seconds) + kKillAfter);
  for (const auto& region : regions_) region->stop();
}

void UpSession::kill_late(UpChild& child) {
  if (loop_.mono_now() < *phase_deadline_) return;
  if (failures_.empty()) fail(child.name() + " did not stop in time, and was killed");
  child.send(SIGKILL);
}

// Every call of the reader and of ours ends within this.
void UpSession::stop_reading() {
  if (std::exchange(closed_, true)) return;
  if (reader_) reader_->stop([] {});
  for (const auto& region : regions_) region->client().close();
  status_pool_.close();
}

void UpSession::fail(std::string problem) { failures_.push_back(std::move(problem)); }

void UpSession::show() {
  show_timer_->start(kShowInterval, [this] { show(); });
  state_.running = loop_.mono_now() - started_;
  const std::string source = state_.broker ? state_.broker->source : std::string();
  if (seen_) seen_->show(loop_.mono_now(), source, state_);
  state_.regions.clear();
  state_.regions.reserve(regions_.size());
  for (const auto& region : regions_) state_.regions.push_back(region->seen());
  state_.reader = "-";
  if (reader_) {
    state_.copies = reader_->counts().copies;
    state_.reader.clear();
    for (const auto& region : regions_) {
      const auto away = away_.find(region->name());
      state_.reader += fmt::format("{}{}{}", state_.reader.empty() ? "" : ", ", region->name(),
                                   away == away_.end() ? " is read" : ": " + away->second);
    }
  }
  if (screen_) {
    screen_->draw(render(state_, io::terminal_size().value_or(io::TerminalSize{})));
  } else {
    std::printf("%s\n", plain_line(state_).c_str());
    // Nobody watches any more: the reader of a pipe has gone.
    if (std::fflush(stdout) != 0) begin_stop();
  }
}

// What the records themselves say, at the end.
void UpSession::judge() {
  state_.running = loop_.mono_now() - started_;
  const std::string source = state_.broker ? state_.broker->source : std::string();
  if (seen_) seen_->show_final(source, state_);
  const auto& totals = state_.totals;
  if (totals.lost > 0 || state_.lost_before > 0) fail("records were lost");
  if (totals.doubled > 0) fail("records are there twice");
  if (totals.dropped > 0) fail("the broker dropped records, since its buffer was full");
  if (totals.telemetry == 0 && failures_.empty()) fail("no telemetry flowed");
  if (broker_.ended_well() && seen_ && totals.records > 0 && !seen_->checker().has_end(source))
    fail("the broker's last record was not read");
}

void UpSession::print_end() {
  if (served_) {
    // Some were missing for as long as their region was away.
    const bool wrong = state_.totals.lost + state_.totals.doubled + state_.lost_before > 0;
    const std::vector<std::string> none;
    std::printf("%s\n", summary(state_, wrong ? seen_->checker().problems() : none).c_str());
    std::fflush(stdout);
  }
  for (const auto& failure : failures_) std::fprintf(stderr, "spillway: %s\n", failure.c_str());
  std::fflush(stderr);
}

}  // namespace spillway::cli
