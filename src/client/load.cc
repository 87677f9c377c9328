#include "client/load.h"

#include <fmt/format.h>

#include <ctime>
#include <span>

#include "base/task.h"
#include "client/connection.h"
#include "client/dial.h"
#include "client/load_answers.h"
#include "client/load_connection.h"
#include "client/load_requests.h"
#include "client/load_subscription.h"
#include "client/otlp_load.h"
#include "io/asio_loop.h"

namespace spillway::client {

namespace {

constexpr auto kResignAfter = seconds(120);  // signatures are good for 5 minutes either way
// Between the looks of a reader at the tip: the API has no call that waits for records, and looking
// more often costs the server more than the records do.
constexpr auto kPollInterval = milliseconds(2);
constexpr auto kConnectTimeout = seconds(10);

// One run: everything happens on `loop_`, in one coroutine per connection.
class LoadRun {
 public:
  explicit LoadRun(const LoadOptions& options)
      : options_(options),
        put_options_(for_puts(options)),
        requests_(options_),
        puts_(put_options_) {
    report_.latency = std::make_unique<metrics::Histogram>();
  }

  Result<LoadReport> run();

 private:
  Task<void> main();
  static LoadOptions for_puts(LoadOptions options);
  Task<Result<std::unique_ptr<io::ByteStream>>> dial(const LoadOptions& to);
  // Adds a connection to connections_: over HTTP/2 one for each request at once.
  Task<Status> connect(const LoadOptions& to);
  // The answer's body; an answer other than 200 is an error. For setting up.
  Task<Result<std::string>> call(LoadConnection& connection, PreparedRequest request);
  Task<Status> find_shards();
  // For kSubscribe: every consumer to every shard, with as few connections as a consumer needs.
  Task<Status> subscribe_all();
  Task<Result<std::string>> consumer_arn(std::string_view stream_arn, std::string name);
  Task<Status> subscribe(std::string consumer_arn, std::string shard);
  Task<Status> connect_subscriber();
  Task<void> wait_for_last();
  Task<void> put_loop(std::size_t connection);
  Task<void> stamped_loop(std::size_t connection);
  Task<void> read_loop(std::size_t reader, std::string iterator);
  Task<void> pause_until(MonoTime time);

  void start_clock();
  bool over() { return loop_.mono_now() >= end_; }
  bool measured(MonoTime due) const { return due >= begin_ && due < end_; }
  // The moment at which the next request falls due (closed loop: now).
  MonoTime next_due();
  void make_requests();
  // How many records an answer with 200 says have failed.
  std::size_t failed_in(std::string_view answer) const;
  // Counts an answer; false when the connection can't go on.
  bool note(const Result<LoadResponse>& response, MonoTime due, std::uint32_t records);
  void note_read(std::string_view body, MonoTime due);
  // Records that are stamped with the moment at which they were due.
  void note_stamped(std::span<const SeenRecord> records);
  void spawn(Task<void> task);
  void on_ended();

  const LoadOptions& options_;
  const LoadOptions put_options_;  // its endpoint is that of the puts
  io::AsioLoop loop_;
  RequestMaker requests_;
  RequestMaker puts_;
  LoadReport report_;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::vector<std::string> shards_;
  std::vector<std::string> iterators_;  // of kGetRecords and kPutToRead, one for each shard
  std::vector<std::unique_ptr<LoadSubscription>> subscriptions_;
  std::vector<std::shared_ptr<Connection>> subscribers_;  // of subscriptions_
  // The signed requests, and those that a resigning replaced while they may still be in use.
  std::shared_ptr<std::vector<PreparedRequest>> prepared_;
  MonoTime signed_at_{};
  std::size_t next_request_ = 0;
  MonoTime start_{};
  MonoTime begin_{};
  MonoTime end_{};
  MonoTime last_delivery_{};  // of a stamped record that is measured
  std::uint64_t tickets_ = 0;
  double cpu_at_begin_ = 0;
  std::size_t running_ = 0;
  std::optional<Error> failed_;
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Result<LoadReport> LoadRun::run() {
  loop_.post([this] {
    start(main(), [this] {
      if (failed_ || running_ == 0) loop_.stop();
    });
  });
  loop_.run();
  connections_.clear();
  subscribers_.clear();
  if (failed_) return *failed_;
  report_.cpu_seconds = cpu_seconds() - cpu_at_begin_;
  // What came late counts, and so does the time that it took.
  report_.elapsed = std::max<nanoseconds>(options_.duration, last_delivery_ - begin_);
  return std::move(report_);
}

void LoadRun::spawn(Task<void> task) {
  ++running_;
  start(std::move(task), [this] { on_ended(); });
}

void LoadRun::on_ended() {
  // Posted, since a coroutine that ended is still on the stack of its connection's callback.
  if (--running_ == 0) loop_.post([this] { loop_.stop(); });
}

LoadOptions LoadRun::for_puts(LoadOptions options) {
  if (!options.put_endpoint) return options;
  options.endpoint = *options.put_endpoint;
  options.tls = options.put_tls;
  return options;
}

Task<Result<std::unique_ptr<io::ByteStream>>> LoadRun::dial(const LoadOptions& to) {
  std::optional<Dial> under_way;
  auto dialled = callback<Result<std::unique_ptr<io::ByteStream>>>([&](DialDone done) {
    under_way.emplace(loop_, to.endpoint, to.tls, to.http2_requests > 0, kConnectTimeout,
                      std::move(done));
  });
  auto stream = co_await dialled;
  co_return stream;
}

Task<Status> LoadRun::connect(const LoadOptions& to) {
  auto stream = co_await dial(to);
  if (!stream.ok()) co_return std::move(stream).error();
  if (options_.http2_requests == 0) {
    connections_.push_back(make_http1_load_connection(*std::move(stream)));
  } else {
    for (auto& each :
         make_http2_load_connections(loop_, *std::move(stream), options_.http2_requests))
      connections_.push_back(std::move(each));
  }
  co_return Status();
}

Task<Result<std::string>> LoadRun::call(LoadConnection& connection, PreparedRequest request) {
  auto response = co_await callback<Result<LoadResponse>>(
      [&](LoadDone done) { connection.send(request, std::move(done)); });
  if (!response.ok()) co_return std::move(response).error();
  if (response->status != 200)
    co_return Error{ErrorCode::kInvalid,
                    fmt::format("HTTP {}: {}", response->status, response->body)};
  co_return std::string(response->body);
}

Task<Status> LoadRun::find_shards() {
  auto connected = co_await connect(options_);
  if (!connected.ok()) co_return std::move(connected).error();
  LoadConnection& connection = *connections_.front();
  auto body = co_await call(connection, requests_.list_shards(loop_.wall_now()));
  if (!body.ok()) co_return std::move(body).error();
  for (const auto shard : find_strings(*body, "ShardId")) shards_.emplace_back(shard);
  if (shards_.empty()) co_return Error{ErrorCode::kNotFound, "the stream has no shard"};
  if (options_.kind == LoadKind::kSubscribe) co_return Status();
  const bool from_trim = options_.kind == LoadKind::kGetRecords && options_.from_trim_horizon;
  for (const auto& shard : shards_) {
    auto request = requests_.get_iterator(shard, from_trim, loop_.wall_now());
    auto iterator = co_await call(connection, std::move(request));
    if (!iterator.ok()) co_return std::move(iterator).error();
    for (const auto value : find_strings(*iterator, "ShardIterator"))
      iterators_.emplace_back(value);
  }
  co_return Status();
}

Task<Result<std::string>> LoadRun::consumer_arn(std::string_view stream_arn, std::string name) {
  LoadConnection& connection = *connections_.front();
  auto made =
      co_await call(connection, requests_.register_consumer(stream_arn, name, loop_.wall_now()));
  if (!made.ok()) {  // an earlier run may have registered it
    made =
        co_await call(connection, requests_.describe_consumer(stream_arn, name, loop_.wall_now()));
  }
  if (!made.ok()) co_return std::move(made).error();
  const auto found = find_strings(*made, "ConsumerARN");
  if (found.empty()) co_return Error{ErrorCode::kCorrupt, "the consumer has no ARN"};
  co_return std::string(found.front());
}

Task<Status> LoadRun::connect_subscriber() {
  auto stream = co_await dial(options_);
  if (!stream.ok()) co_return std::move(stream).error();
  subscribers_.push_back(std::make_shared<Connection>(
      loop_, *std::move(stream), options_.http2_requests > 0, UniqueFunction<void()>()));
  subscribers_.back()->start();
  co_return Status();
}

Task<Status> LoadRun::subscribe(std::string consumer_arn, std::string shard) {
  if (subscribers_.back()->capacity() == 0) {
    auto connected = co_await connect_subscriber();
    if (!connected.ok()) co_return connected;
  }
  subscriptions_.push_back(std::make_unique<LoadSubscription>(
      options_.format, [this](std::span<const SeenRecord> event) { note_stamped(event); },
      [this](const Error& why) {
        ++report_.errors;
        if (report_.first_error.empty()) report_.first_error = why.message;
      }));
  const auto request = requests_.subscribe(consumer_arn, shard, loop_.wall_now());
  auto begun = callback<Status>([&](UniqueFunction<void(Status)> done) {
    subscriptions_.back()->begin(loop_, *subscribers_.back(), request, std::move(done));
  });
  auto status = co_await begun;
  co_return status;
}

Task<Status> LoadRun::subscribe_all() {
  auto summary = co_await call(*connections_.front(), requests_.describe_summary(loop_.wall_now()));
  if (!summary.ok()) co_return std::move(summary).error();
  const auto arns = find_strings(*summary, "StreamARN");
  if (arns.empty()) co_return Error{ErrorCode::kCorrupt, "the stream has no ARN"};
  for (std::uint32_t i = 0; i < options_.consumers; ++i) {
    auto arn = co_await consumer_arn(arns.front(), fmt::format("bench-{}", i));
    if (!arn.ok()) co_return std::move(arn).error();
    auto connected = co_await connect_subscriber();
    if (!connected.ok()) co_return connected;
    for (const auto& shard : shards_) {
      auto subscribed = co_await subscribe(*arn, shard);
      if (!subscribed.ok()) co_return subscribed;
    }
  }
  co_return Status();
}

// Stays for the records that were put last.
Task<void> LoadRun::wait_for_last() { co_await pause_until(end_ + seconds(1)); }

Task<void> LoadRun::main() {
  const bool subscribes = options_.kind == LoadKind::kSubscribe;
  if (subscribes || options_.kind == LoadKind::kGetRecords ||
      options_.kind == LoadKind::kPutToRead) {
    auto found = co_await find_shards();
    if (!found.ok()) failed_ = std::move(found).error();
  }
  if (subscribes && !failed_) {
    auto subscribed = co_await subscribe_all();
    if (!subscribed.ok()) failed_ = std::move(subscribed).error();
  }
  const std::size_t at_once =
      std::size_t{options_.connections} * std::max(1u, options_.http2_requests);
  const std::size_t readers = options_.kind == LoadKind::kGetRecords  ? at_once
                              : options_.kind == LoadKind::kPutToRead ? iterators_.size()
                                                                      : 0;
  const std::size_t writers = options_.kind == LoadKind::kGetRecords ? 0 : at_once;
  while (connections_.size() < readers && !failed_) {
    auto connected = co_await connect(options_);
    if (!connected.ok()) failed_ = std::move(connected).error();
  }
  // Those of the preparation, and of HTTP/2 what a reader leaves: puts may go elsewhere.
  if (connections_.size() > readers) {
    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(readers),
                       connections_.end());
  }
  while (connections_.size() < readers + writers && !failed_) {
    auto connected = co_await connect(put_options_);
    if (!connected.ok()) failed_ = std::move(connected).error();
  }
  if (failed_) co_return;
  const bool stamped = subscribes || options_.kind == LoadKind::kPutToRead;
  if (writers > 0 && !stamped) make_requests();
  start_clock();
  for (std::size_t i = 0; i < readers; ++i) spawn(read_loop(i, iterators_[i % iterators_.size()]));
  for (std::size_t i = readers; i < readers + writers; ++i)
    spawn(stamped ? stamped_loop(i) : put_loop(i));
  if (subscribes) spawn(wait_for_last());
}

void LoadRun::start_clock() {
  start_ = loop_.mono_now();
  begin_ = start_ + options_.warm_up;
  end_ = begin_ + options_.duration;
  cpu_at_begin_ = cpu_seconds();
}

MonoTime LoadRun::next_due() {
  if (options_.requests_per_second <= 0) return loop_.mono_now();
  const auto after =
      std::chrono::duration<double>(static_cast<double>(tickets_++) / options_.requests_per_second);
  return start_ + std::chrono::duration_cast<nanoseconds>(after);
}

void LoadRun::make_requests() {
  // Enough that keys spread over the shards, and at most about 16 MB.
  const std::size_t one =
      std::size_t{options_.record_bytes} * 4 / 3 *
      (options_.kind == LoadKind::kPutRecord ? 1 : options_.records_per_request);
  const std::size_t count = std::clamp<std::size_t>((std::size_t{16} << 20) / (one + 1), 8, 512);
  auto made = std::make_shared<std::vector<PreparedRequest>>();
  for (std::size_t i = 0; i < count; ++i) made->push_back(puts_.put(loop_.wall_now()));
  prepared_ = std::move(made);
  signed_at_ = loop_.mono_now();
}

Task<void> LoadRun::pause_until(MonoTime time) {
  const nanoseconds delay = time - loop_.mono_now();
  if (delay <= nanoseconds(0)) co_return;
  auto timer = loop_.make_timer();
  co_await callback<bool>(
      [&](auto done) { timer->start(delay, [done = std::move(done)]() mutable { done(true); }); });
}

std::size_t LoadRun::failed_in(std::string_view answer) const {
  if (options_.kind == LoadKind::kOtlpLogs) return otlp_rejected_in(answer);
  return options_.kind == LoadKind::kPutRecords ? failed_records_in(answer, options_.format) : 0;
}

bool LoadRun::note(const Result<LoadResponse>& response, MonoTime due, std::uint32_t records) {
  const bool counts = measured(due);
  if (response.ok() && response->status == 200) {
    if (!counts) return true;
    ++report_.requests;
    report_.records += records;
    report_.payload_bytes += std::uint64_t{records} * options_.record_bytes;
    if (const std::size_t failed = failed_in(response->body); failed > 0) {
      report_.failed_records += failed;
      report_.records -= failed;
      report_.payload_bytes -= failed * options_.record_bytes;
      if (report_.first_error.empty()) report_.first_error = response->body.substr(0, 500);
    }
    report_.latency->record(loop_.mono_now() - due);
    return true;
  }
  ++report_.errors;
  if (report_.first_error.empty()) {
    report_.first_error = response.ok()
                              ? fmt::format("HTTP {}: {}", response->status, response->body)
                              : response.error().message;
  }
  return response.ok();
}

Task<void> LoadRun::put_loop(std::size_t connection) {
  while (true) {
    const MonoTime due = next_due();
    if (due >= end_) co_return;
    co_await pause_until(due);
    if (over()) co_return;
    if (loop_.mono_now() - signed_at_ > kResignAfter) make_requests();
    const auto prepared = prepared_;
    const PreparedRequest& request = (*prepared)[next_request_++ % prepared->size()];
    auto response = co_await callback<Result<LoadResponse>>(
        [&](LoadDone done) { connections_[connection]->send(request, std::move(done)); });
    if (!note(response, due, request.records)) co_return;
  }
}

Task<void> LoadRun::stamped_loop(std::size_t connection) {
  while (true) {
    const MonoTime due = next_due();
    if (due >= end_) co_return;
    co_await pause_until(due);
    const PreparedRequest request = puts_.put_stamped(
        static_cast<std::uint64_t>(due.time_since_epoch().count()), loop_.wall_now());
    auto response = co_await callback<Result<LoadResponse>>(
        [&](LoadDone done) { connections_[connection]->send(request, std::move(done)); });
    if (!response.ok() || response->status != 200) {
      if (!note(response, due, 0)) co_return;
    } else if (options_.kind == LoadKind::kSubscribe) {
      report_.failed_records += failed_records_in(response->body, options_.format);
    }
  }
}

void LoadRun::note_read(std::string_view body, MonoTime due) {
  const auto records = find_records(body, wire::Format::kJson);
  if (options_.kind != LoadKind::kGetRecords) return note_stamped(records);
  if (!measured(due)) return;
  ++report_.requests;
  for (const auto& record : records) {
    ++report_.records;
    report_.payload_bytes += record.data_bytes;
  }
  report_.latency->record(loop_.mono_now() - due);
}

void LoadRun::note_stamped(std::span<const SeenRecord> records) {
  const MonoTime now = loop_.mono_now();
  for (const auto& record : records) {
    const MonoTime due{nanoseconds(static_cast<std::int64_t>(record.stamp))};
    if (!measured(due)) continue;
    ++report_.requests;
    ++report_.records;
    report_.payload_bytes += record.data_bytes;
    last_delivery_ = now;
    report_.latency->record(now - due);
  }
}

Task<void> LoadRun::read_loop(std::size_t reader, std::string iterator) {
  const std::string first = iterator;
  // A reader of stamped records stays for those that were put last.
  const MonoTime until = options_.kind == LoadKind::kPutToRead ? end_ + seconds(1) : end_;
  while (loop_.mono_now() < until) {
    const MonoTime due = loop_.mono_now();
    const PreparedRequest request = requests_.get_records(iterator, loop_.wall_now());
    auto response = co_await callback<Result<LoadResponse>>(
        [&](LoadDone done) { connections_[reader]->send(request, std::move(done)); });
    if (!response.ok() || response->status != 200) {
      if (!note(response, due, 0)) co_return;
      co_await pause_until(loop_.mono_now() + milliseconds(10));
      continue;
    }
    note_read(response->body, due);
    const auto next = find_strings(response->body, "NextShardIterator");
    const bool at_tip = response->body.find(R"("Data":)") == std::string_view::npos;
    if (at_tip && options_.kind == LoadKind::kGetRecords && options_.from_trim_horizon) {
      iterator = first;  // read to the tip: once more from the start
    } else {
      if (next.empty()) co_return;
      iterator = std::string(next.front());
    }
    if (at_tip || options_.kind == LoadKind::kPutToRead) co_await pause_until(due + kPollInterval);
  }
}

}  // namespace

Result<LoadReport> run_load(const LoadOptions& options) {
  LoadRun run(options);
  return run.run();
}

}  // namespace spillway::client
