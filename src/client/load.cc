#include "client/load.h"

#include <fmt/format.h>

#include <ctime>
#include <map>

#include "base/base64.h"
#include "base/task.h"
#include "client/load_connection.h"
#include "client/load_requests.h"
#include "io/asio_loop.h"
#include "wire/shapes.h"

namespace spillway::client {

namespace {

constexpr auto kResignAfter = seconds(120);  // signatures are good for 5 minutes either way
// Between the looks of a reader at the tip: the API has no call that waits for records, and looking
// more often costs the server more than the records do.
constexpr auto kPollInterval = milliseconds(2);

// One run: everything happens on `loop_`, in one coroutine per connection.
class LoadRun {
 public:
  explicit LoadRun(const LoadOptions& options) : options_(options), requests_(options) {
    report_.latency = std::make_unique<metrics::Histogram>();
  }

  Result<LoadReport> run();

 private:
  Task<void> main();
  // Adds a connection to connections_: over HTTP/2 one for each request at once.
  Task<Status> connect();
  // The answer's body; an answer other than 200 is an error. For setting up.
  Task<Result<std::string>> call(LoadConnection& connection, PreparedRequest request);
  Task<Status> find_shards();
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
  // Counts an answer; false when the connection can't go on.
  bool note(const Result<LoadResponse>& response, MonoTime due, std::uint32_t records);
  void note_read(std::string_view body, MonoTime due);
  void spawn(Task<void> task);
  void on_ended();

  const LoadOptions& options_;
  io::AsioLoop loop_;
  RequestMaker requests_;
  LoadReport report_;
  std::vector<std::unique_ptr<LoadConnection>> connections_;
  std::vector<std::string> iterators_;
  // The signed requests, and those that a resigning replaced while they may still be in use.
  std::shared_ptr<std::vector<PreparedRequest>> prepared_;
  MonoTime signed_at_{};
  std::size_t next_request_ = 0;
  MonoTime start_{};
  MonoTime begin_{};
  MonoTime end_{};
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
  if (failed_) return *failed_;
  report_.cpu_seconds = cpu_seconds() - cpu_at_begin_;
  report_.elapsed = options_.duration;
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

Task<Status> LoadRun::connect() {
  using Stream = Result<std::unique_ptr<io::ByteStream>>;
  auto stream = co_await callback<Stream>(
      [this](auto done) { loop_.connect(options_.address, std::move(done)); });
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
  auto connected = co_await connect();
  if (!connected.ok()) co_return std::move(connected).error();
  LoadConnection& connection = *connections_.front();
  auto body = co_await call(connection, requests_.list_shards(loop_.wall_now()));
  if (!body.ok()) co_return std::move(body).error();
  const bool from_trim = options_.kind == LoadKind::kGetRecords && options_.from_trim_horizon;
  for (const auto shard : find_strings(*body, "ShardId")) {
    auto request = requests_.get_iterator(shard, from_trim, loop_.wall_now());
    auto iterator = co_await call(connection, std::move(request));
    if (!iterator.ok()) co_return std::move(iterator).error();
    for (const auto value : find_strings(*iterator, "ShardIterator"))
      iterators_.emplace_back(value);
  }
  if (iterators_.empty()) co_return Error{ErrorCode::kNotFound, "the stream has no shard"};
  co_return Status();
}

Task<void> LoadRun::main() {
  const bool reads =
      options_.kind == LoadKind::kGetRecords || options_.kind == LoadKind::kPutToRead;
  if (reads) {
    auto found = co_await find_shards();
    if (!found.ok()) failed_ = std::move(found).error();
  }
  const std::size_t at_once =
      std::size_t{options_.connections} * std::max(1u, options_.http2_requests);
  const std::size_t readers = options_.kind == LoadKind::kGetRecords  ? at_once
                              : options_.kind == LoadKind::kPutToRead ? iterators_.size()
                                                                      : 0;
  const std::size_t writers = options_.kind == LoadKind::kGetRecords ? 0 : at_once;
  while (connections_.size() < readers + writers && !failed_) {
    auto connected = co_await connect();
    if (!connected.ok()) failed_ = std::move(connected).error();
  }
  if (failed_) co_return;
  if (writers > 0 && options_.kind != LoadKind::kPutToRead) make_requests();
  start_clock();
  for (std::size_t i = 0; i < readers; ++i) spawn(read_loop(i, iterators_[i % iterators_.size()]));
  for (std::size_t i = readers; i < readers + writers; ++i)
    spawn(options_.kind == LoadKind::kPutToRead ? stamped_loop(i) : put_loop(i));
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
  for (std::size_t i = 0; i < count; ++i) made->push_back(requests_.put(loop_.wall_now()));
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

bool LoadRun::note(const Result<LoadResponse>& response, MonoTime due, std::uint32_t records) {
  const bool counts = measured(due);
  if (response.ok() && response->status == 200) {
    if (!counts) return true;
    ++report_.requests;
    report_.records += records;
    report_.payload_bytes += std::uint64_t{records} * options_.record_bytes;
    if (options_.kind == LoadKind::kPutRecords &&
        response->body.find(R"("FailedRecordCount":0)") == std::string_view::npos) {
      const std::size_t failed = find_strings(response->body, "ErrorCode").size();
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
    const PreparedRequest request = requests_.put_stamped(
        static_cast<std::uint64_t>(due.time_since_epoch().count()), loop_.wall_now());
    auto response = co_await callback<Result<LoadResponse>>(
        [&](LoadDone done) { connections_[connection]->send(request, std::move(done)); });
    if (!response.ok() || response->status != 200) {
      if (!note(response, due, 0)) co_return;
    }
  }
}

void LoadRun::note_read(std::string_view body, MonoTime due) {
  const auto data = find_strings(body, "Data");
  if (options_.kind == LoadKind::kGetRecords) {
    if (!measured(due)) return;
    ++report_.requests;
    report_.records += data.size();
    for (const auto text : data) report_.payload_bytes += text.size() / 4 * 3;
    report_.latency->record(loop_.mono_now() - due);
    return;
  }
  for (const auto text : data) {
    char stamp[kStampDigits + 4];
    if (text.size() < 28 || !base64_decode(text.substr(0, 28), stamp)) continue;
    std::uint64_t put_at = 0;
    for (std::size_t i = 0; i < kStampDigits; ++i)
      put_at = put_at * 10 + static_cast<std::uint64_t>(stamp[i] - '0');
    const MonoTime put_due{nanoseconds(static_cast<std::int64_t>(put_at))};
    if (!measured(put_due)) continue;
    ++report_.requests;
    ++report_.records;
    report_.payload_bytes += options_.record_bytes;
    report_.latency->record(loop_.mono_now() - put_due);
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

std::string_view name_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::kPutRecords:
      return "put-records";
    case LoadKind::kPutRecord:
      return "put-record";
    case LoadKind::kGetRecords:
      return "get-records";
    case LoadKind::kPutToRead:
      return "put-to-read";
  }
  return "";
}

double per_second(double amount, const LoadReport& report) {
  return amount / std::chrono::duration<double>(report.elapsed).count();
}

double quantile_ms(const LoadReport& report, double q) {
  return std::chrono::duration<double, std::milli>(report.latency->quantile(q)).count();
}

std::string quoted(std::string_view text) {
  std::string json;
  wire::append_json_string(json, text.substr(0, 500));
  return json;
}

}  // namespace

Result<LoadReport> run_load(const LoadOptions& options) {
  LoadRun run(options);
  return run.run();
}

std::string to_json(const LoadOptions& options, const LoadReport& report) {
  return fmt::format(
      R"({{"kind":"{}","connections":{},"http2_requests":{},"seconds":{:.3f},"requests":{},)"
      R"("records":{},"payload_bytes":{},"failed_records":{},"errors":{},"first_error":{},)"
      R"("requests_per_s":{:.1f},"records_per_s":{:.1f},"payload_mb_per_s":{:.2f},)"
      R"("p50_ms":{:.3f},"p90_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f},)"
      R"("client_cpu_seconds":{:.2f}}})",
      name_of(options.kind), options.connections, options.http2_requests,
      std::chrono::duration<double>(report.elapsed).count(), report.requests, report.records,
      report.payload_bytes, report.failed_records, report.errors, quoted(report.first_error),
      per_second(static_cast<double>(report.requests), report),
      per_second(static_cast<double>(report.records), report),
      per_second(static_cast<double>(report.payload_bytes), report) / 1e6, quantile_ms(report, 0.5),
      quantile_ms(report, 0.9), quantile_ms(report, 0.99), quantile_ms(report, 0.999),
      std::chrono::duration<double, std::milli>(report.latency->max()).count(), report.cpu_seconds);
}

std::string to_text(const LoadOptions& options, const LoadReport& report) {
  std::string text = fmt::format(
      "{}, {} connections{}, {:.1f} s\n"
      "  {:>12.0f} requests/s   {:>12.0f} records/s   {:>10.1f} MB/s of payload\n"
      "  latency: p50 {:.2f} ms, p90 {:.2f} ms, p99 {:.2f} ms, p99.9 {:.2f} ms\n",
      name_of(options.kind), options.connections,
      options.http2_requests == 0
          ? ""
          : fmt::format(" (HTTP/2, {} requests at once on each)", options.http2_requests),
      std::chrono::duration<double>(report.elapsed).count(),
      per_second(static_cast<double>(report.requests), report),
      per_second(static_cast<double>(report.records), report),
      per_second(static_cast<double>(report.payload_bytes), report) / 1e6, quantile_ms(report, 0.5),
      quantile_ms(report, 0.9), quantile_ms(report, 0.99), quantile_ms(report, 0.999));
  if (report.errors + report.failed_records > 0) {
    text += fmt::format("  {} requests and {} records failed; the first: {}\n", report.errors,
                        report.failed_records, report.first_error);
  }
  return text;
}

}  // namespace spillway::client
