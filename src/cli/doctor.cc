// spillway doctor: what is in the data directory of a region or a broker that doesn't run, whether
// it is whole, and whether a stream's records are encrypted in it.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>

#include <CLI/CLI.hpp>

#include "base/rfc3339.h"
#include "cli/command.h"
#include "cli/doctor_files.h"
#include "cli/doctor_search.h"
#include "cli/text_output.h"
#include "engine/embedded/encryption_check.h"
#include "engine/embedded/inspection.h"
#include "io/clock.h"
#include "io/posix_disk.h"
#include "server/spool_salvage.h"

namespace spillway::cli {
namespace {

constexpr std::size_t kHitsShown = 20;

struct DoctorOptions {
  std::string data = "spillway-data/serve";
  std::vector<std::string> encrypted;  // streams
  std::vector<std::string> texts;
  std::vector<std::string> files;  // with what to search for
  bool accept_loss = false;
};

// What was looked for and must not be there.
struct Search {
  std::vector<std::string> needles;
  std::uint64_t hits = 0;
  std::string shown;

  void hit(const std::string& where, std::size_t needle) {
    if (++hits <= kHitsShown) shown += fmt::format("  {}: search text {}\n", where, needle + 1);
  }
};

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string counts_line(std::string_view what, const engine::BatchCounts& counts) {
  return fmt::format("  {:34} {}, {}, {}\n", what, counted(counts.batches, "batch", "batches"),
                     counted(counts.records, "record", "records"),
                     counted(counts.bytes, "byte", "bytes"));
}

std::string holes_text(const engine::InspectionReport& report) {
  if (report.hole_count == 0) return "";
  std::map<stream::ShardId, std::string> names;
  for (const auto& [name, stream] : report.catalog->streams)
    for (const auto& shard : stream->shards)
      names[shard.id] = fmt::format("{}, shard {}", printable(name), shard.index);
  std::string text =
      fmt::format("  shards of which segments held records that are missing, at most these: {}\n",
                  report.hole_count);
  for (const auto& hole : report.holes) {
    const auto name = names.find(hole.shard);
    text += fmt::format("    {}: positions {} to {}\n",
                        name == names.end() ? "of a stream that is gone" : name->second, hole.first,
                        hole.end - 1);
  }
  return text;
}

std::string text_of(const std::string& directory, const engine::InspectionReport& report) {
  std::string text = fmt::format("{}: {}, as of journal frame {} (snapshot: {})\n", directory,
                                 counted(report.catalog->streams.size(), "stream", "streams"),
                                 report.last_frame, report.snapshot_frame);
  text +=
      counts_line("journal, " + counted(report.journal_files, "file", "files"), report.in_journal);
  text += counts_line("left over there from earlier uses", report.left_over);
  text += counts_line("segments, " + counted(report.segments, "file", "files"), report.in_segments);
  text += fmt::format("  damages: {}\n", report.damage_count);
  for (const auto& damage : report.damages) text += fmt::format("    {}\n", damage);
  text += holes_text(report);
  for (const auto& loss : report.losses) {
    text += fmt::format("  given up on {}: what journal frames {} to {} held\n",
                        rfc3339_millis(from_millis(loss.accepted_ms)), loss.range.first,
                        loss.range.last);
  }
  return text;
}

std::string text_of(const stream::StreamInfo& stream, const engine::EncryptionCheck& check) {
  if (!check.was_ever_on()) return fmt::format("{} was never encrypted\n", stream.name);
  const auto& encryption = stream.encryption;
  std::string text = fmt::format(
      "{}: encryption is {}\n", stream.name,
      encryption.on ? fmt::format("on, under {}", printable(encryption.key_id)) : "off");
  for (const auto& key : encryption.keys) {
    const auto used = check.by_key().find(key.number);
    text += fmt::format("  {} ", rfc3339_millis(key.since));
    text += key.wrapped.empty()
                ? "encryption ends\n"
                : fmt::format(
                      "data key {}, {}\n", key.number,
                      counted(used == check.by_key().end() ? 0 : used->second, "batch", "batches"));
  }
  text += counts_line("encrypted", check.encrypted());
  text += counts_line("plain while encryption was off", check.plain_allowed());
  text += counts_line("plain while encryption was on", check.violations());
  for (const auto& place : check.places()) text += fmt::format("    {}\n", place);
  return text;
}

Result<Search> make_search(io::Disk& disk, const DoctorOptions& options) {
  Search search;
  search.needles = options.texts;
  for (const auto& file : options.files) {
    SPILLWAY_ASSIGN(auto needle, io::read_file(disk, file, kNeedleBytesMax));
    search.needles.push_back(std::move(needle));
  }
  for (const auto& needle : search.needles) {
    if (needle.empty() || needle.size() > kNeedleBytesMax)
      return Error{ErrorCode::kInvalid, "a search text has 1 to 1048576 bytes"};
  }
  return search;
}

// Blocks of segments are packed: what is searched for must not be in what they hold either.
void search_batch(const engine::FoundBatch& found, Search& search) {
  for (std::size_t i = 0; i < search.needles.size(); ++i) {
    if (found.where != engine::FoundBatch::Where::kSegment ||
        found.batch.payload.find(search.needles[i]) == std::string_view::npos)
      continue;
    search.hit(
        fmt::format("{}: shard {}, position {}", found.file, found.batch.shard, found.batch.first),
        i);
  }
}

// What was found, and whether all of it is as it should be.
struct Findings {
  std::string text;
  bool fine = false;
};

Result<Findings> examine(const DoctorOptions& options) {
  io::PosixDisk disk;
  SPILLWAY_ASSIGN(auto search, make_search(disk, options));
  const auto owner = owner_of(disk, options.data);
  const std::string stored =
      owner == Owner::kBroker ? server::spool_directory(options.data) : options.data;
  SPILLWAY_ASSIGN(const auto inspection, engine::Inspection::open(disk, stored));
  std::string given_up;
  if (options.accept_loss) {
    for (const auto& missing : inspection->missing())
      given_up += fmt::format("given up: {}\n", missing);
    SPILLWAY_ASSIGN(const auto aside, inspection->accept_loss(io::SystemClock().wall_now()));
    for (const auto& file : aside)
      given_up += fmt::format("set aside, what was there instead: {}\n", file);
  }
  inspection->check_catalog();
  const auto& report = inspection->report();
  std::deque<engine::EncryptionCheck> checks;
  for (const auto& name : options.encrypted) {
    const auto stream = report.catalog->find(name);
    if (stream == nullptr)
      return Error{ErrorCode::kNotFound, fmt::format("{} has no stream {}", stored, name)};
    checks.emplace_back(*stream);
  }
  SPILLWAY_TRY(inspection->walk([&](const engine::FoundBatch& found) {
    for (auto& check : checks) check.visit(found);
    search_batch(found, search);
  }));
  if (!search.needles.empty()) {
    SPILLWAY_TRY(search_files(disk, options.data, search.needles, [&](const SearchHit& hit) {
      search.hit(fmt::format("{}, byte {}", hit.file, hit.offset), hit.needle);
    }));
  }
  auto wrong_files = check_files(disk, options.data);
  std::ranges::move(check_directory_key(disk, options.data, *report.catalog, owner),
                    std::back_inserter(wrong_files));
  Findings findings{given_up + text_of(stored, report),
                    report.damage_count == 0 && wrong_files.empty() && search.hits == 0};
  findings.text += fmt::format(
      "  {}: {}\n", owner == Owner::kBroker ? "keys, certificate" : "keys, certificate, callers",
      wrong_files.empty() ? "as they should be" : "not as they should be");
  for (const auto& wrong : wrong_files) findings.text += fmt::format("    {}\n", wrong);
  for (std::size_t i = 0; i < checks.size(); ++i) {
    findings.text += text_of(*report.catalog->find(options.encrypted[i]), checks[i]);
    findings.fine = findings.fine && checks[i].was_ever_on() && checks[i].violations().batches == 0;
  }
  if (!search.needles.empty())
    findings.text +=
        fmt::format("search: {}\n{}", counted(search.hits, "place", "places"), search.shown);
  return findings;
}

int run_doctor(const DoctorOptions& options) {
  const auto findings = examine(options);
  if (!findings.ok()) return fail(findings.error());
  if (!write_out(findings->text) && errno != EPIPE)
    return fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))});
  return findings->fine ? kExitOk : kExitFailed;
}

}  // namespace

CommandRun declare_doctor(CLI::App& app) {
  auto options = std::make_shared<DoctorOptions>();
  app.add_option("--data", options->data,
                 "The directory that `serve` or `broker` stores in, which must not run")
      ->capture_default_str();
  app.add_option("--prove-encrypted", options->encrypted,
                 "A stream that has no plain record from a time in which it was encrypted")
      ->allow_extra_args(false);
  app.add_option("--search", options->texts, "A text that must not be in any file, packed or not")
      ->allow_extra_args(false);
  app.add_option("--search-file", options->files, "Likewise, the content of a file")
      ->allow_extra_args(false);
  app.add_flag("--accept-loss", options->accept_loss,
               "Give up the records of segments that are missing, so that the region starts again");
  return [options] { return run_doctor(*options); };
}

}  // namespace spillway::cli
