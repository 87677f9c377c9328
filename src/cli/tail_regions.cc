#include "cli/tail_regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/text_output.h"
#include "client/record_aggregate.h"
#include "client/regions_state.h"
#include "io/standard_input.h"

namespace spillway::cli {
namespace {

constexpr auto kGiveUpAfter = seconds(30);  // with --until-tip
constexpr nanoseconds kLookInterval = milliseconds(200);
// The reader tries again for ever: that a region is away is to be known soon, a hung one within
// twice the time of a request.
constexpr std::uint32_t kAttempts = 2;
constexpr std::size_t kBatchRecords = 1000;
constexpr std::size_t kBatchBytes = std::size_t{1} << 20;
constexpr std::size_t kStateBytesMax = std::size_t{1} << 30;
constexpr int kExitSignal = 128;  // and the signal's number, as shells have it

void tell(const std::string& text) {
  std::fprintf(stderr, "spillway: %s\n", text.c_str());
  std::fflush(stderr);
}

}  // namespace

TailRegions::TailRegions(TailRegionsOptions options, Random random)
    : options_(std::move(options)), look_timer_(loop_.make_timer()) {
  std::vector<client::RegionSource> sources;
  sources.reserve(options_.regions.size());
  for (const auto& each : options_.regions) {
    auto& region = regions_[each.name];
    region.options = each.client;
    region.options.origins = true;
    region.options.attempts_max = kAttempts;
    if (!each.credentials.empty()) {
      region.options.source = std::make_shared<client::CredentialsSource>(
          loop_, disk_, log_, client::parse_credentials_place(each.credentials).value(),
          each.name);  // as the configuration was checked
    }
    region.client = std::make_unique<client::KinesisClient>(loop_, region.options, random.fork());
    auto calls = client::stream_calls(*region.client, options_.format.stream);
    if (each.amazon) calls = client::calls_with_tags(std::move(calls));
    sources.push_back({each.name, std::move(calls)});
  }
  reader_ = std::make_unique<client::RegionsReader>(
      loop_, std::move(sources),
      client::RegionsReaderOptions{.stream = options_.format.stream,
                                   .from = options_.from,
                                   .merge = {.mode = options_.mode, .gap_wait = options_.gap_wait}},
      *this);
}

TailRegions::~TailRegions() {
  // All their calls end within this.
  reader_->stop([] {});
  for (const auto& [name, region] : regions_) region.client->close();
}

int TailRegions::run() {
  if (auto opened = open_state(); !opened.ok()) return fail(opened.error());
  loop_.on_signal([this](int signal) { end(kExitSignal + signal); });
  reader_->start();
  // Where it began is known to the next run even if nothing came.
  if (auto committed = commit(); !committed.ok()) return fail(committed.error());
  if (options_.until_tip) reader_->read_to_tip([this] { finish(); });
  look();
  loop_.run();
  return exit_code_.value_or(kExitFailed);
}

Status TailRegions::open_state() {
  const auto& directory = options_.state_directory;
  const auto& stream = options_.format.stream;
  if (directory.empty()) return {};
  if (stream.find('/') != std::string::npos)
    return Error{ErrorCode::kInvalid, "with --state the stream is given by its name"};
  SPILLWAY_TRY(disk_.make_directory(directory));
  auto lock = disk_.lock(io::join_path(directory, stream + ".lock"));
  if (!lock.ok()) return context("another tail has these places", std::move(lock).error());
  state_lock_ = *std::move(lock);
  const auto path = io::join_path(directory, stream + ".reader");
  const auto bytes = io::read_file(disk_, path, kStateBytesMax);
  if (!bytes.ok())
    return bytes.error().code == ErrorCode::kNotFound ? Status() : Status(bytes.error());
  auto state = client::decode_regions_state(*bytes);
  auto resumed = state.ok() ? reader_->resume(*std::move(state)) : Status(state.error());
  if (!resumed.ok()) {
    return context(fmt::format("{}, without which tail begins anew", path),
                   std::move(resumed).error());
  }
  return {};
}

Status TailRegions::commit() {
  if (options_.state_directory.empty()) return {};
  return io::replace_file(
      disk_, io::join_path(options_.state_directory, options_.format.stream + ".reader"),
      client::encode(reader_->state()));
}

void TailRegions::on_ready() {
  while (!exit_code_) {
    if (print_some() == 0) return;
    write();
    if (exit_code_) return;  // it isn't committed
    if (const auto committed = commit(); !committed.ok()) return end(fail(committed.error()));
    if (enough()) end(kExitOk);
  }
}

std::size_t TailRegions::print_some() {
  // An aggregate is one record of many lines: under a limit each is taken by itself, so that
  // nothing is handled that the limit leaves unprinted.
  const auto records_max = options_.limit == 0 ? kBatchRecords : 1;
  std::size_t records = 0;
  while (records < kBatchRecords && out_.size() < kBatchBytes && !enough()) {
    const auto batch = reader_->take(std::min(records_max, kBatchRecords - records), kBatchBytes);
    if (batch.empty()) break;
    for (const auto& each : batch) print(each);
    reader_->handled();
    records += batch.size();
  }
  return records;
}

void TailRegions::print(const client::RegionRecord& record) {
  // A state has no place within an aggregate, which is therefore printed to its end.
  const bool whole = options_.limit == 0 || !options_.state_directory.empty();
  const auto most = whole ? std::numeric_limits<std::uint64_t>::max() : options_.limit - printed_;
  const TailRegion region{.name = reader_->name(record.region), .late = record.late};
  std::uint64_t lines = 0;
  out_ += tail_text(options_.format, record.shard_id, record.record, most, lines, &region);
  printed_ += lines;
}

bool TailRegions::enough() const { return options_.limit != 0 && printed_ >= options_.limit; }

void TailRegions::write() {
  if (out_.empty() || write_out(std::exchange(out_, ""))) return;
  if (errno == EPIPE) return end(kExitOk);  // the reader has enough
  end(fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))}));
}

bool TailRegions::hopeless(const Region& region, const Error& error) const {
  if (region.answered) return false;
  switch (error.code) {
    case ErrorCode::kIo:
      // One that answers is enough, be it that it has no such stream yet.
      return std::ranges::all_of(regions_, [](const auto& each) {
        return !each.second.answered && each.second.away_since && !each.second.missing;
      });
    case ErrorCode::kNotFound:
      return !options_.wait;
    case ErrorCode::kDenied:
    case ErrorCode::kInvalid:
      return true;
    default:
      return false;
  }
}

void TailRegions::on_region(const std::string& name, const Status& status) {
  if (exit_code_) return;
  auto& region = regions_.at(name);
  if (status.ok()) {
    region.answered = true;
    if (std::exchange(region.away_since, std::nullopt))
      tell(fmt::format("{} answers; reading on", name));
    return;
  }
  region.away_since = loop_.mono_now();
  const auto& error = status.error();
  const auto& stream = options_.format.stream;
  if (hopeless(region, error)) {
    auto told = explain(region.options, *region.client, stream, error);
    // A reserve is sent a stream's first records when it is switched to.
    if (error.code == ErrorCode::kNotFound)
      told.message += "; --wait waits for it, and reads the other regions meanwhile";
    return end(fail(told));
  }
  region.missing = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kExists;
  if (region.missing)
    return tell(fmt::format("waiting for the stream {} in {}", printable(stream), name));
  tell(fmt::format("{}: {}; trying again", name, printable(error.message)));
}

void TailRegions::on_gaps(std::uint64_t gaps) {
  tell(fmt::format("the order has {} more gap{}: what is missing comes late, if it comes", gaps,
                   gaps == 1 ? "" : "s"));
}

void TailRegions::look() {
  look_timer_->start(kLookInterval, [this] { look(); });
  if (exit_code_) return;
  if (io::standard_output_is_closed()) return end(kExitOk);
  if (!options_.until_tip) return;
  // A script waits for the end.
  for (const auto& [name, region] : regions_) {
    if (!region.away_since || region.missing ||
        loop_.mono_now() - *region.away_since < kGiveUpAfter)
      continue;
    return end(fail({ErrorCode::kIo,
                     fmt::format("{} doesn't answer: what is stored there is not known", name)}));
  }
}

void TailRegions::finish() {
  if (exit_code_) return;
  reader_->release_all();
  on_ready();
  end(kExitOk);
}

void TailRegions::end(int exit_code) {
  if (exit_code_) return;
  exit_code_ = exit_code;
  loop_.stop();
}

}  // namespace spillway::cli
