#include "cli/up_session.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <csignal>
#include <cstdio>
#include <utility>

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

constexpr std::string_view kServesLine = "spillway serves";

// Where a client on this machine reaches what listens on `listen`.
std::string reachable(const std::string& listen) {
  for (const std::string_view any : {"0.0.0.0:", "[::]:"})
    if (listen.starts_with(any)) return "127.0.0.1:" + listen.substr(any.size());
  return listen;
}

}  // namespace

Result<std::unique_ptr<UpSession>> UpSession::make(UpOptions options, Random random) {
  const auto& config = options.config;
  const auto api = "http://" + reachable(config.serve.listen);
  client::ClientOptions client_options;
  SPILLWAY_ASSIGN(client_options.endpoint, client::parse_endpoint(api));
  client_options.region = config.serve.region;
  client_options.credentials = {config.broker.access_key, config.broker.secret_key, ""};
  client_options.connections_max = 8;
  client_options.attempts_max = 2;
  client_options.request_timeout = seconds(5);
  client_options.user_agent = "spillway-up";
  client::PoolOptions status;
  SPILLWAY_ASSIGN(status.endpoint,
                  client::parse_endpoint("http://" + reachable(config.broker.admin)));
  status.connections_max = 1;
  status.connect_timeout = seconds(1);
  status.request_timeout = seconds(2);
  std::unique_ptr<UpSession> session(
      new UpSession(std::move(options), std::move(client_options), std::move(status), random));
  SPILLWAY_TRY(session->start_serve());
  return session;
}

UpSession::UpSession(UpOptions options, client::ClientOptions client_options,
                     client::PoolOptions status, Random random)
    : options_(std::move(options)),
      client_(loop_, std::move(client_options), random),
      status_pool_(loop_, std::move(status)),
      look_timer_(loop_.make_timer()),
      show_timer_(loop_.make_timer()),
      started_(loop_.mono_now()),
      started_at_(loop_.wall_now()) {
  state_.phase = "starting";
  state_.data = options_.data;
  state_.api = reachable(options_.config.serve.listen);
  state_.stream = options_.config.broker.stream;
}

UpSession::~UpSession() { stop_reading(); }

Status UpSession::start_serve() {
  const auto& serve = options_.config.serve;
  std::vector<std::string> arguments{"--data",  serve.data,  "--listen", serve.listen,
                                     "--admin", serve.admin, "--region", serve.region};
  if (!options_.config_file.empty())
    arguments.insert(arguments.end(), {"--config", options_.config_file});
  return serve_.start(options_.program, std::move(arguments));
}

Status UpSession::start_broker() {
  const auto& broker = options_.config.broker;
  std::vector<std::string> arguments{"--target", "http://" + state_.api,
                                     "--stream", broker.stream,
                                     "--state",  broker.data,
                                     "--admin",  broker.admin};
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
  take_output(serve_);
  take_output(broker_);
  if (phase_ == Phase::kStarting || phase_ == Phase::kFlowing) {
    look_while_running();
  } else {
    look_while_stopping();
  }
  look_timer_->start(kLookInterval, [this] { look(); });
}

void UpSession::take_output(UpChild& child) {
  for (const auto& line : child.take_lines()) {
    if (&child == &serve_ && line.starts_with(kServesLine)) serves_ = true;
    state_.log.push_back(child.name() + ": " + line);
    if (state_.log.size() > kLogLines) state_.log.pop_front();
    if (!screen_) {
      std::fprintf(stderr, "%s\n", state_.log.back().c_str());
      std::fflush(stderr);
    }
  }
}

void UpSession::look_while_running() {
  for (UpChild* child : {&serve_, &broker_}) {
    if (!child->started() || child->running()) continue;
    take_output(*child);
    fail(child->report(screen_ != nullptr));
    return begin_stop();
  }
  if (phase_ == Phase::kStarting && serves_) {
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

void UpSession::ask_to_stop() {
  if (!stop_at_latest_) stop_at_latest_ = loop_.mono_now() + kMeetBrokerWithin;
}

// Once the stream is there: what it says of its retention tells which records may have expired.
void UpSession::begin_reading() {
  if (reader_ || std::exchange(describing_, true)) return;
  start(client_.describe_summary(state_.stream),
        UniqueFunction<void(Result<client::StreamSummary>)>(
            [this](Result<client::StreamSummary> summary) {
              describing_ = false;
              if (closed_ || !summary.ok() || summary->status != "ACTIVE") return;
              const auto horizon = loop_.wall_now() - std::chrono::hours(summary->retention_hours);
              seen_ = std::make_unique<UpSeen>(started_at_, horizon, loop_.mono_now());
              reader_ = std::make_unique<client::StreamReader>(
                  loop_, client::stream_calls(client_, state_.stream), client::ReaderOptions{},
                  *this);
              reader_->start();
            }));
}

void UpSession::on_records(const std::string&, std::vector<client::Record> records) {
  seen_->add(records, state_.broker ? state_.broker->source : std::string());
}

void UpSession::ask_broker() {
  if (closed_ || !broker_.running() || std::exchange(asking_, true)) return;
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/v1/status";
  head.headers = {{"Host", options_.config.broker.admin}};
  status_pool_.request(std::move(head), "", [this](Result<wire::ClientResponse> answer) {
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
    seen.held = static_cast<std::uint64_t>(number);
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
  const bool served = serve_.running() && serves_;
  const auto drain = seconds(options_.config.broker.drain_seconds) + kKillAfter;
  enter(Phase::kStoppingBroker, served ? drain : kBrokerAlone);
  broker_.send(SIGTERM);
}

void UpSession::enter(Phase phase, nanoseconds at_most) {
  constexpr const char* kNames[] = {"starting", "flowing", "stopping the broker",
                                    "reading the rest", "stopping serve"};
  phase_ = phase;
  state_.phase = kNames[static_cast<int>(phase)];
  phase_deadline_ = loop_.mono_now() + at_most;
}

void UpSession::look_while_stopping() {
  switch (phase_) {
    case Phase::kStoppingBroker:
      if (broker_.running()) return kill_late(broker_);
      take_output(broker_);
      // One that died before was reported then.
      if (broker_.started() && !broker_.ended_well() && failures_.empty())
        fail(broker_.report(screen_ != nullptr));
      enter(Phase::kReadingRest, kReadRestWithin);
      if (reader_) reader_->read_to_tip([this] { at_tip_ = true; });
      return;
    case Phase::kReadingRest:
      if (reader_ && !at_tip_ && serve_.running()) {
        if (loop_.mono_now() < *phase_deadline_) return;
        fail("the reader has not read everything within its time");
      }
      stop_reading();
      enter(Phase::kStoppingServe, seconds(options_.config.serve.drain_seconds) + kKillAfter);
      return serve_.send(SIGTERM);
    case Phase::kStoppingServe:
      if (serve_.running()) return kill_late(serve_);
      take_output(serve_);
      if (!serve_.ended_well() && failures_.empty()) fail(serve_.report(screen_ != nullptr));
      return loop_.stop();
    case Phase::kStarting:
    case Phase::kFlowing:
      return;
  }
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
  client_.close();
  status_pool_.close();
}

void UpSession::fail(std::string problem) { failures_.push_back(std::move(problem)); }

void UpSession::show() {
  show_timer_->start(kShowInterval, [this] { show(); });
  state_.running = loop_.mono_now() - started_;
  const std::string source = state_.broker ? state_.broker->source : std::string();
  if (seen_) seen_->show(loop_.mono_now(), source, state_);
  if (reader_) {
    state_.behind = reader_->behind();
    state_.shards = reader_->shards();
    if (state_.problem.empty() && !reader_->status().ok() && phase_ == Phase::kFlowing)
      state_.problem = reader_->status().error().message;
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
  if (serves_) {
    const std::vector<std::string> none;
    std::printf("%s\n", summary(state_, seen_ ? seen_->checker().problems() : none).c_str());
    std::fflush(stdout);
  }
  for (const auto& failure : failures_) std::fprintf(stderr, "spillway: %s\n", failure.c_str());
  std::fflush(stderr);
}

}  // namespace spillway::cli
