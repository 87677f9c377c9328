#include "cli/tail_session.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/text_output.h"
#include "io/standard_input.h"

namespace spillway::cli {
namespace {

constexpr auto kGiveUpAfter = seconds(30);  // with --until-tip
constexpr nanoseconds kLookInterval = milliseconds(200);
constexpr std::size_t kWriteBytes = 64 << 10;
constexpr int kExitSignal = 128;  // and the signal's number, as shells have it

void tell(const std::string& text) {
  std::fprintf(stderr, "spillway: %s\n", text.c_str());
  std::fflush(stderr);
}

}  // namespace

TailSession::TailSession(TailOptions options, Random random)
    : options_(std::move(options)),
      client_(loop_, options_.client, random),
      look_timer_(loop_.make_timer()) {}

TailSession::~TailSession() {
  // All their calls end within this.
  if (reader_) reader_->stop([] {});
  client_.close();
}

int TailSession::run() {
  loop_.on_signal([this](int signal) { end(kExitSignal + signal); });
  spillway::start(check(),
                  UniqueFunction<void(Status)>([this](const Status& checked) { begin(checked); }));
  look();
  loop_.run();
  return exit_code_.value_or(kExitFailed);
}

Task<Status> TailSession::check() {
  auto shards = co_await client_.list_shards(options_.format.stream);
  if (!shards.ok()) co_return std::move(shards).error();
  const auto& wanted = options_.start.shard_id;
  if (wanted.empty()) co_return Status();
  for (const auto& shard : *shards)
    if (shard.id == wanted) co_return Status();
  co_return Error{ErrorCode::kInvalid,
                  fmt::format("--from: the stream {} has no {}, which that sequence number names",
                              options_.format.stream, wanted)};
}

void TailSession::begin(const Status& checked) {
  if (exit_code_) return;
  const auto& stream = options_.format.stream;
  if (!checked.ok()) {
    const auto code = checked.error().code;
    // kExists: the stream is being made.
    if (code == ErrorCode::kNotFound && options_.wait) {
      tell(fmt::format("waiting for the stream {}", printable(stream)));
    } else if (code != ErrorCode::kExists) {
      return end(fail(explain(options_.client, client_, stream, checked.error())));
    }
  }
  reader_ = std::make_unique<client::StreamReader>(
      loop_, client::stream_calls(client_, stream),
      client::ReaderOptions{.from = options_.start.from, .from_shard = options_.start.shard_id},
      *this);
  reader_->start();
  if (options_.until_tip) reader_->read_to_tip([this] { finish(); });
}

void TailSession::on_shard(const std::string& shard_id) { merge_.add(shard_id); }

void TailSession::on_records(const std::string& shard_id, std::vector<client::Record> records) {
  if (exit_code_) return;
  merge_.give(shard_id, std::move(records), loop_.mono_now());
  reader_->hold(shard_id);
  print_ready();
}

void TailSession::on_tip(const std::string& shard_id, MonoTime began) {
  merge_.at_tip(shard_id, began);
  print_ready();
}

void TailSession::on_end(const std::string& shard_id) {
  merge_.remove(shard_id);
  print_ready();
}

void TailSession::look() {
  look_timer_->start(kLookInterval, [this] { look(); });
  if (exit_code_) return;
  if (io::standard_output_is_closed()) return end(kExitOk);
  if (!reader_) return;
  print_ready();
  if (!exit_code_) tell_status();
}

// What goes away by itself is told once, and when it has gone; the rest ends us.
void TailSession::tell_status() {
  const Status& status = reader_->status();
  if (status.ok()) {
    if (std::exchange(retrying_since_, std::nullopt)) tell("it answers again; reading on");
    return;
  }
  const auto& error = status.error();
  switch (error.code) {
    case ErrorCode::kIo:
      if (retrying_since_) {
        // A script waits for the end.
        if (options_.until_tip && loop_.mono_now() - *retrying_since_ > kGiveUpAfter)
          end(fail(explain(options_.client, client_, options_.format.stream, error)));
        return;
      }
      retrying_since_ = loop_.mono_now();
      return tell(fmt::format("{}; trying again", printable(error.message)));
    case ErrorCode::kThrottled:  // others read, too; no news
    case ErrorCode::kExists:
      return;
    case ErrorCode::kNotFound:
      if (options_.wait && reader_->shards() == 0) return;
      [[fallthrough]];
    default:
      end(fail(explain(options_.client, client_, options_.format.stream, error)));
  }
}

void TailSession::print_ready() {
  while (!exit_code_) {
    auto next = merge_.take(loop_.mono_now());
    if (!next) break;
    print(*next);
    if (!merge_.waiting(next->shard_id)) reader_->release(next->shard_id);
  }
  write();
}

void TailSession::print(const TailMerge::Next& next) {
  constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();
  const auto most = options_.limit == 0 ? kNoLimit : options_.limit - printed_;
  std::uint64_t lines = 0;
  out_ += tail_text(options_.format, next.shard_id, next.record, most, lines);
  printed_ += lines;
  const bool enough = options_.limit != 0 && printed_ >= options_.limit;
  if (enough || out_.size() >= kWriteBytes) write();
  if (enough) end(kExitOk);
}

void TailSession::write() {
  if (exit_code_ || out_.empty() || write_out(std::exchange(out_, ""))) return;
  if (errno == EPIPE) return end(kExitOk);  // the reader has enough
  end(fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))}));
}

void TailSession::finish() {
  while (!exit_code_) {
    const auto next = merge_.take_anyway();
    if (!next) break;
    print(*next);
  }
  write();
  end(kExitOk);
}

void TailSession::end(int exit_code) {
  if (exit_code_) return;
  exit_code_ = exit_code;
  loop_.stop();
}

}  // namespace spillway::cli
