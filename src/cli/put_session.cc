#include "cli/put_session.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/text_output.h"

namespace spillway::cli {
namespace {

constexpr nanoseconds kActiveWithin = seconds(120);  // AWS takes up to half a minute
constexpr int kExitSignal = 128;                     // and the signal's number
// What every stream takes. A larger record goes in a request of its own, so that the server's
// refusal is of one line.
constexpr std::size_t kSurelyTaken = std::size_t{1} << 20;

}  // namespace

PutSession::PutSession(PutOptions options, Random random)
    : options_(std::move(options)),
      random_(random.fork()),
      client_(loop_, options_.client, random),
      lines_(options_.raw),
      started_(loop_.mono_now()) {}

PutSession::~PutSession() { client_.close(); }

int PutSession::run() {
  loop_.on_signal([this](int signal) { on_signal(signal); });
  start(prepare(),
        UniqueFunction<void(Status)>([this](Status prepared) { begin(std::move(prepared)); }));
  loop_.run();
  return report();
}

Task<Status> PutSession::prepare() {
  if (options_.create_shards == 0) co_return Status();
  auto there = co_await client_.describe_summary(options_.stream);
  if (!there.ok()) {
    if (there.error().code != ErrorCode::kNotFound) co_return std::move(there).error();
    auto created = co_await client_.create_stream(options_.stream, options_.create_shards);
    // kExists: another one made it meanwhile.
    if (!created.ok() && created.error().code != ErrorCode::kExists) co_return created;
  }
  auto active = co_await client_.wait_until_active(options_.stream, kActiveWithin);
  co_return active;
}

void PutSession::begin(Status prepared) {
  preparing_ = false;
  if (!prepared.ok() && signal_ == 0)
    stop(explain(options_.client, client_, options_.stream, std::move(prepared).error()).message);
  if (!problems_.empty() || signal_ != 0) return loop_.stop();
  if (options_.data) {
    input_ended_ = true;
    return send_more();
  }
  auto input = io::open_standard_input(loop_);
  if (!input.ok()) {
    stop(input.error().message);
    return loop_.stop();
  }
  input_ = *std::move(input);
  if (io::standard_input_is_terminal())
    std::fputs("spillway: reading records from the terminal; Ctrl-D ends\n", stderr);
  read_more();
}

void PutSession::read_more() {
  if (reading_ || input_ended_ || lines_.lines().size() >= client::kPutRecordsMax ||
      lines_.bytes() >= client::kPutRecordsBytesMax)
    return;
  reading_ = true;
  input_->read([this](Result<std::string> got) { on_input(std::move(got)); });
}

void PutSession::on_input(Result<std::string> got) {
  reading_ = false;
  if (input_ended_) return;
  Status added;
  if (!got.ok()) {
    added = std::move(got).error();
  } else if (got->empty()) {
    input_ended_ = true;
    lines_.end();
  } else {
    added = lines_.add(*got);
  }
  if (!added.ok()) {
    // What came before is put yet.
    problems_.push_back(added.error().message);
    input_ended_ = true;
  }
  send_more();
  read_more();
}

std::vector<client::PutEntry> PutSession::next_batch() {
  std::vector<client::PutEntry> batch;
  sent_lines_.clear();
  const auto add = [&](std::string data, std::uint64_t line) {
    auto key = options_.partition_key.value_or(
        fmt::format("{:016x}{:016x}", random_.next(), random_.next()));
    batch.push_back({std::move(key), std::move(data), std::nullopt});
    sent_lines_.push_back(line);
  };
  if (options_.data && put_ == 0) add(*options_.data, 1);
  constexpr std::size_t kKeyMax = 1024;  // 256 characters
  std::size_t bytes = 0;
  while (!lines_.lines().empty() && batch.size() < client::kPutRecordsMax) {
    const std::size_t size = lines_.lines().front().data.size() + kKeyMax;
    if (!batch.empty() && (bytes + size > client::kPutRecordsBytesMax || size > kSurelyTaken))
      break;
    bytes += size;
    auto line = lines_.take();
    add(std::move(line.data), line.number);
    if (size > kSurelyTaken) break;
  }
  return batch;
}

void PutSession::send_more() {
  if (in_flight_) return;
  auto batch = next_batch();
  if (batch.empty()) return end_if_over();
  in_flight_ = true;
  start(client_.put_records(options_.stream, std::move(batch)),
        UniqueFunction<void(Result<client::PutRecordsResult>)>(
            [this](const Result<client::PutRecordsResult>& result) { on_sent(result); }));
}

void PutSession::on_sent(const Result<client::PutRecordsResult>& result) {
  in_flight_ = false;
  if (result.ok()) {
    count_outcomes(*result);
  } else {
    const auto code = result.error().code;
    const auto why = explain(options_.client, client_, options_.stream, result.error()).message;
    const auto which = records_named(sent_lines_.front(), sent_lines_.back());
    const bool unknown =
        code == ErrorCode::kClosed ||
        (client_.ever_connected() && (code == ErrorCode::kIo || code == ErrorCode::kCorrupt));
    if (unknown) {
      stop(fmt::format("{} may or may not be stored: {}", which, why));
    } else if (code == ErrorCode::kNotFound) {
      stop(why + "; --create makes it");
    } else if (code == ErrorCode::kIo || code == ErrorCode::kDenied) {
      stop(why);
    } else {
      stop(fmt::format("{} not put: {}", which, why));
    }
  }
  if (signal_ != 0 || options_.data) return loop_.stop();
  send_more();
  read_more();
}

void PutSession::count_outcomes(const client::PutRecordsResult& result) {
  std::string out;
  std::size_t unknown = 0;
  const client::PutOutcome* failed = nullptr;
  std::uint64_t failed_line = 0;
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const auto& outcome = result.outcomes[i];
    if (outcome.ok()) {
      ++put_;
      if (options_.json || options_.data) out += printed(outcome, sent_lines_[i]);
      continue;
    }
    if (outcome.unknown) ++unknown;
    if (std::exchange(failed, failed == nullptr ? &outcome : failed) == nullptr)
      failed_line = sent_lines_[i];
  }
  if (!out.empty() && !write_out(out))
    stop(fmt::format("write standard output: {}", std::strerror(errno)));
  if (failed == nullptr) return;
  auto problem = fmt::format("{} of {} not put", result.failed,
                             records_named(sent_lines_.front(), sent_lines_.back()));
  if (unknown > 0) problem += fmt::format(" (of these, {} may be stored nevertheless)", unknown);
  stop(fmt::format("{}; the first is {}: {}: {}", problem, records_named(failed_line, failed_line),
                   printable(failed->error_code), printable(failed->error_message)));
}

std::string PutSession::printed(const client::PutOutcome& outcome, std::uint64_t line) const {
  if (!options_.json)
    return fmt::format("{} {}\n", printable(outcome.shard_id), printable(outcome.sequence_number));
  std::string json = "{";
  if (!options_.data && !options_.raw) json += fmt::format(R"("line":{})", line);
  append_json_member(json, "stream", options_.stream);
  append_json_member(json, "shard", outcome.shard_id);
  append_json_member(json, "sequence_number", outcome.sequence_number);
  return json + "}\n";
}

// The first one waits for the request under way, the second one doesn't.
void PutSession::on_signal(int signal) {
  const bool again = std::exchange(signal_, signal) != 0;
  input_ended_ = true;
  input_ = nullptr;
  if (!in_flight_ && !preparing_) return loop_.stop();
  if (again || preparing_) client_.close();
}

void PutSession::stop(std::string problem) {
  problems_.push_back(std::move(problem));
  input_ended_ = true;
  while (!lines_.lines().empty()) lines_.take();
}

void PutSession::end_if_over() {
  if (input_ended_) loop_.stop();
}

std::string PutSession::records_named(std::uint64_t first, std::uint64_t last) const {
  if (options_.data || options_.raw) return "the record";
  if (first == last) return fmt::format("line {}", first);
  return fmt::format("lines {} to {}", first, last);
}

int PutSession::report() {
  const auto took = std::chrono::duration<double>(loop_.mono_now() - started_).count();
  if (!options_.data || signal_ != 0) {
    std::fprintf(stderr, "%s", signal_ != 0 ? "interrupted: " : "");
    std::fprintf(stderr, "put %llu record%s to %s in %.1f s\n",
                 static_cast<unsigned long long>(put_), put_ == 1 ? "" : "s",
                 printable(options_.stream).c_str(), took);
  }
  for (const auto& problem : problems_) fail({ErrorCode::kIo, problem});
  if (signal_ != 0) return kExitSignal + signal_;
  return problems_.empty() ? kExitOk : kExitFailed;
}

}  // namespace spillway::cli
