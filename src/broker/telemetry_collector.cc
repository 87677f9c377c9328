#include "broker/telemetry_collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kPlacesBytesMax = std::size_t{1} << 20;
constexpr std::size_t kPathBytesMax =
    250;  // with "file" a partition key, of at most 256 characters
constexpr std::size_t kLinesPerPoll = 500;

std::string places_file(const std::string& directory) { return io::join_path(directory, "places"); }

// Escaping leaves valid UTF-8 alone.
bool is_plain_text(std::string_view path) {
  std::string escaped;
  append_json_text(escaped, path);
  return escaped.size() == path.size() + 2 && escaped.substr(1, path.size()) == path;
}

Status check_path(const std::string& path) {
  if (path.starts_with('/') && path.size() <= kPathBytesMax && is_plain_text(path)) return {};
  return Error{ErrorCode::kInvalid,
               fmt::format("{} can't be followed: a path must be absolute, of at most {} bytes of "
                           "UTF-8, without quotes, backslashes and control characters",
                           path, kPathBytesMax)};
}

// What of `entry`, one of files_multiline, is the example for `path`; none: it is another file's.
std::optional<std::string> example_in(std::string_view entry, std::string_view path) {
  if (!entry.starts_with(path)) return std::nullopt;
  entry.remove_prefix(path.size());
  if (entry.empty()) return "";
  if (!entry.starts_with('=')) return std::nullopt;
  return std::string(entry.substr(1));
}

std::optional<std::string> example_of(const std::string& path,
                                      const std::vector<std::string>& files_multiline) {
  for (const auto& entry : files_multiline)
    if (auto example = example_in(entry, path)) return example;
  return std::nullopt;
}

}  // namespace

Status check_files(const std::vector<std::string>& files) {
  for (const auto& path : files) SPILLWAY_TRY(check_path(path));
  return {};
}

Status check_files_multiline(const std::vector<std::string>& files,
                             const std::vector<std::string>& files_multiline) {
  for (const auto& entry : files_multiline) {
    const auto is_of = [&entry](const auto& path) { return example_in(entry, path).has_value(); };
    if (std::ranges::none_of(files, is_of))
      return Error{ErrorCode::kInvalid,
                   fmt::format("{} names none of the files that are followed", entry)};
  }
  return {};
}

std::string subject_of_file(const std::string& path) { return "file" + path; }

Result<std::unique_ptr<TelemetryCollector>> TelemetryCollector::make(CollectorOptions options,
                                                                     Parts parts) {
  SPILLWAY_TRY(check_files(options.files));
  SPILLWAY_TRY(check_files_multiline(options.files, options.files_multiline));
  const auto file = places_file(options.directory);
  FilePlaces places;
  auto text = io::read_file(parts.disk, file, kPlacesBytesMax);
  if (text.ok()) {
    auto decoded = decode_file_places(*text);
    if (!decoded.ok()) return context(file, std::move(decoded).error());
    places = *std::move(decoded);
  } else if (text.error().code != ErrorCode::kNotFound) {
    return std::move(text).error();
  }
  return std::unique_ptr<TelemetryCollector>(
      new TelemetryCollector(std::move(options), parts, std::move(places)));
}

TelemetryCollector::TelemetryCollector(CollectorOptions options, Parts parts, FilePlaces places)
    : options_(std::move(options)),
      parts_(parts),
      host_(parts_.disk, options_.host),
      metrics_due_(parts_.clock.mono_now()),
      places_due_(metrics_due_),
      rotations_(parts_.metrics.gauge("spillway_broker_file_rotations",
                                      "Rotations of followed files since the start")),
      truncations_(parts_.metrics.gauge("spillway_broker_file_truncations",
                                        "Truncations of followed files since the start")),
      skipped_bytes_(
          parts_.metrics.gauge("spillway_broker_file_skipped_bytes",
                               "Bytes of followed files that became no record, since the start")) {
  left_at_ = places;
  follow_files(options_);
  // Those of files that aren't followed this time stay.
  parts_.buffer.set_places(std::move(places));
}

void TelemetryCollector::change(CollectorOptions options) {
  const std::lock_guard lock(mutex_);
  change_ = std::move(options);
}

void TelemetryCollector::take_change(MonoTime now) {
  std::optional<CollectorOptions> change;
  {
    const std::lock_guard lock(mutex_);
    change.swap(change_);
  }
  if (!change) return;
  options_.host_metrics = change->host_metrics;
  options_.interval = change->interval;
  metrics_due_ = std::min(metrics_due_, now + options_.interval);
  host_.set_top_processes(change->host.top_processes);
  follow_files(*change);
}

void TelemetryCollector::follow_files(const CollectorOptions& options) {
  std::map<std::string, Followed> before;
  for (auto& followed : files_) before.emplace(followed.follower->path(), std::move(followed));
  files_.clear();
  std::set<std::string> seen;
  for (const auto& path : options.files) {
    if (!seen.insert(path).second) continue;
    if (auto same = before.extract(path)) {
      files_.push_back(std::move(same.mapped()));
      continue;
    }
    const auto place = left_at_.find(path);
    const auto resume =
        place != left_at_.end() ? std::optional<FilePlace>(place->second) : std::nullopt;
    files_.push_back({std::make_unique<FileFollower>(parts_.disk, path, resume),
                      subject_of_file(path), resume, false, LineJoiner()});
  }
  for (auto& followed : files_)
    followed.joiner.set_example(example_of(followed.follower->path(), options.files_multiline));
  // Lines that were read may still be on their way to the spool: what was spooled isn't the place.
  for (const auto& [path, followed] : before) {
    if (followed.behind) left_at_[path] = *followed.behind;
    add(before_, *followed.follower);
  }
}

io::Step TelemetryCollector::step(bool& pushed) {
  const MonoTime now = parts_.clock.mono_now();
  take_change(now);
  pushed = options_.host_metrics && now >= metrics_due_ && collect_metrics(now);
  bool more = false;
  for (auto& followed : files_) {
    const auto room = std::min(parts_.buffer.room_for_lines(), kLinesPerPoll);
    if (room == 0) break;
    const auto progress = follow(followed, room);
    pushed = pushed || progress.pushed > 0;
    more = more || progress.read >= room;
  }
  count_file_events();
  save_places_when_due(now);
  // With no room there is nothing to be had by trying again at once.
  return more && parts_.buffer.room_for_lines() > 0 ? io::Step::kAgain : io::Step::kWait;
}

bool TelemetryCollector::collect_metrics(MonoTime now) {
  const WallTime time = parts_.clock.wall_now();
  auto samples = host_.collect(now);
  for (auto& sample : samples)
    parts_.buffer.push_metrics(sample.subject, std::move(sample.members), time);
  const auto missed = (now - metrics_due_) / options_.interval;
  metrics_due_ += (missed + 1) * options_.interval;
  return !samples.empty();
}

std::vector<FollowedLine> TelemetryCollector::poll(Followed& followed, std::size_t lines_max) {
  auto& follower = *followed.follower;
  auto lines = follower.poll(lines_max);
  if (!lines.ok()) {
    // Files that aren't there yet are nothing to speak of.
    const bool failing = lines.error().code != ErrorCode::kNotFound;
    if (failing && !followed.failing)
      parts_.log.warning("followed file can't be read, trying again",
                         {{"file", follower.path()}, {"error", lines.error().message}});
    followed.failing = failing;
    return {};
  }
  if (std::exchange(followed.failing, false))
    parts_.log.info("followed file is read again", {{"file", follower.path()}});
  return *std::move(lines);
}

TelemetryCollector::Progress TelemetryCollector::follow(Followed& followed, std::size_t lines_max) {
  auto lines = poll(followed, lines_max);
  const auto read = lines.size();
  if (!followed.behind) meet(followed, lines);
  const auto records = followed.joiner.join(std::move(lines), parts_.clock.mono_now());
  const WallTime time = parts_.clock.wall_now();
  for (const auto& line : records) {
    JsonObject fields;
    fields.add("line", line.text);
    if (line.cut) fields.add("cut", true);
    parts_.buffer.push_line(followed.subject, fields.members(), time,
                            {followed.follower->path(), line.behind});
  }
  if (!records.empty()) followed.behind = records.back().behind;
  return {read, records.size()};
}

// From now on it is known which file has that name: were it rotated while the broker is away, its
// lines would be those of a file that nobody has met.
void TelemetryCollector::meet(Followed& followed, const std::vector<FollowedLine>& lines) {
  followed.behind = lines.empty() ? followed.follower->next_line() : lines.front().begin;
  if (!followed.behind) return;
  parts_.buffer.begin_file(followed.follower->path(), *followed.behind);
  met_files_ = true;
}

void TelemetryCollector::add(FileEvents& events, const FileFollower& follower) {
  events.rotations += follower.rotations();
  events.truncations += follower.truncations();
  events.skipped_bytes += follower.skipped_bytes();
}

void TelemetryCollector::count_file_events() {
  FileEvents events = before_;
  for (const auto& followed : files_) add(events, *followed.follower);
  rotations_.set(static_cast<std::int64_t>(events.rotations));
  truncations_.set(static_cast<std::int64_t>(events.truncations));
  skipped_bytes_.set(static_cast<std::int64_t>(events.skipped_bytes));
}

void TelemetryCollector::save_places_when_due(MonoTime now) {
  if (now < places_due_ && !met_files_) return;
  met_files_ = false;
  places_due_ = now + kPlacesInterval;
  const auto saved = save_places();
  if (!saved.ok() && !places_failing_)
    parts_.log.error("file places can't be kept: after a restart lines are put again",
                     {{"error", saved.error().message}});
  places_failing_ = !saved.ok();
}

Status TelemetryCollector::save_places() {
  if (auto changed = parts_.buffer.changed_places()) unsaved_places_ = *std::move(changed);
  if (!unsaved_places_) return {};
  SPILLWAY_TRY(
      io::replace_file(parts_.disk, places_file(options_.directory), encode(*unsaved_places_)));
  unsaved_places_.reset();
  return {};
}

}  // namespace spillway::broker
