#include "auth/audit_log.h"

#include <simdjson.h>

#include "base/rfc3339.h"
#include "wire/shapes.h"

namespace spillway::auth {

namespace {

namespace dom = simdjson::dom;

constexpr int kVersion = 1;
constexpr auto kStepEvery = milliseconds(250);
constexpr int kStepsPerSync = 4;
constexpr std::string_view kName = "audit.log";

// Whoever sent it: a signature that doesn't hold says nothing of the key.
bool is_of_unknown(const AuditEvent& event) {
  return !event.authenticated && event.outcome == AuditOutcome::kDenied;
}

void append_text(std::string& to, std::string_view name, std::string_view text,
                 std::size_t size_max = kAuditTextMax) {
  if (text.size() > size_max) {
    std::size_t end = size_max;  // not within a character
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  to += fmt::format(R"(,"{}":)", name);
  wire::append_json_bytes(to, text);
}

bool take_text(const dom::element& from, const char* name, std::string& to) {
  std::string_view text;
  if (from[name].get_string().get(text) != simdjson::SUCCESS) return false;
  to = text;
  return true;
}

// The number at the end of "audit.log.3"; 0 for "audit.log".
std::optional<std::size_t> number_of(std::string_view name) {
  if (!name.starts_with(kName)) return std::nullopt;
  name.remove_prefix(kName.size());
  if (name.empty()) return 0;
  if (name.size() < 2 || name.size() > 6 || !name.starts_with('.')) return std::nullopt;
  std::size_t number = 0;
  for (const char c : name.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

}  // namespace

std::string_view to_string(AuditOutcome outcome) {
  switch (outcome) {
    case AuditOutcome::kOk:
      return "ok";
    case AuditOutcome::kDenied:
      return "denied";
    case AuditOutcome::kFailed:
      return "failed";
  }
  return "";
}

std::string audit_line(const AuditEvent& event) {
  std::string line = fmt::format(R"({{"v":{},"time":"{}")", kVersion, rfc3339_millis(event.time));
  if (event.dropped > 0) return line + fmt::format(R"(,"dropped":{}}})", event.dropped);
  const std::size_t claims_max = is_of_unknown(event) ? kAuditUnknownTextMax : kAuditTextMax;
  append_text(line, "request_id", event.request_id);
  append_text(line, "key", event.access_key, claims_max);
  append_text(line, "user", event.user);
  line += fmt::format(R"(,"authenticated":{})", event.authenticated);
  append_text(line, "peer", event.peer);
  line += fmt::format(R"(,"secure":{})", event.secure);
  append_text(line, "action", event.action);
  append_text(line, "resource", event.resource);
  append_text(line, "outcome", to_string(event.outcome));
  if (event.outcome != AuditOutcome::kOk) {
    append_text(line, "error", event.error);
    append_text(line, "message", event.message);
  }
  append_text(line, "user_agent", event.user_agent, claims_max);
  return line + "}";
}

std::optional<AuditEvent> parse_audit_line(std::string_view line) {
  thread_local dom::parser parser;
  dom::element root;
  std::int64_t version = 0;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS || !root.is_object() ||
      root["v"].get_int64().get(version) != simdjson::SUCCESS || version != kVersion)
    return std::nullopt;
  AuditEvent event;
  std::string text;
  const auto time = take_text(root, "time", text) ? parse_rfc3339(text) : std::optional<WallTime>();
  if (!time) return std::nullopt;
  event.time = *time;
  if (root["dropped"].get_uint64().get(event.dropped) == simdjson::SUCCESS) return event;
  const bool whole =
      take_text(root, "request_id", event.request_id) && take_text(root, "key", event.access_key) &&
      take_text(root, "user", event.user) &&
      root["authenticated"].get_bool().get(event.authenticated) == simdjson::SUCCESS &&
      take_text(root, "peer", event.peer) &&
      root["secure"].get_bool().get(event.secure) == simdjson::SUCCESS &&
      take_text(root, "action", event.action) && take_text(root, "resource", event.resource) &&
      take_text(root, "outcome", text) && take_text(root, "user_agent", event.user_agent);
  if (!whole) return std::nullopt;
  for (const auto outcome : {AuditOutcome::kOk, AuditOutcome::kDenied, AuditOutcome::kFailed})
    if (to_string(outcome) == text) event.outcome = outcome;
  if (to_string(event.outcome) != text) return std::nullopt;
  if (event.outcome != AuditOutcome::kOk &&
      !(take_text(root, "error", event.error) && take_text(root, "message", event.message)))
    return std::nullopt;
  return event;
}

Result<std::vector<std::string>> audit_files(io::Disk& disk, const std::string& directory) {
  auto names = disk.list(directory);
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!names.ok()) return std::move(names).error();
  std::vector<std::pair<std::size_t, std::string>> numbered;
  for (const auto& name : *names)
    if (const auto number = number_of(name))
      numbered.emplace_back(*number, io::join_path(directory, name));
  std::ranges::sort(numbered, std::greater{});
  std::vector<std::string> files;
  files.reserve(numbered.size());
  for (auto& [number, path] : numbered) files.push_back(std::move(path));
  return files;
}

AuditLog::AuditLog(AuditOptions options, io::Disk& disk, io::Clock& clock, io::Workers& workers,
                   metrics::Registry& metrics, io::EventLog& log)
    : options_(std::move(options)),
      disk_(disk),
      clock_(clock),
      log_(log),
      written_(metrics.counter("spillway_audit_lines_total", "Lines written to the audit log")),
      dropped_(metrics.counter("spillway_audit_dropped_total",
                               "Lines that the audit log lacks: its queue was full, its file could "
                               "not be written, or too many came from nobody that is known")),
      worker_(workers.start({.name = "audit", .interval = kStepEvery}, [this] { return step(); })) {
}

AuditLog::~AuditLog() {
  worker_.reset();
  step();
  if (const auto synced = sync(); !synced.ok())
    log_.error("audit log not synced", {{"reason", synced.error().message}});
}

void AuditLog::write(const AuditEvent& event) {
  const bool told = !is_of_unknown(event) || unknown_.take_request(clock_.mono_now());
  std::string line = told ? audit_line(event) + "\n" : "";
  bool half_full = false;
  {
    const std::lock_guard lock(mutex_);
    if (!told || queued_bytes_ + line.size() > options_.queue_bytes) {
      ++missing_;
      dropped_.add();
      return;
    }
    queued_bytes_ += line.size();
    half_full = queued_bytes_ > options_.queue_bytes / 2;
    queue_.push_back(std::move(line));
  }
  if (half_full) worker_->wake();
}

io::Step AuditLog::step() {
  std::vector<std::string> lines;
  std::uint64_t missing = 0;
  {
    const std::lock_guard lock(mutex_);
    lines.swap(queue_);
    queued_bytes_ = 0;
    missing = std::exchange(missing_, 0);
  }
  const std::size_t events = lines.size();
  if (missing > 0) {
    AuditEvent told;
    told.time = clock_.wall_now();
    told.dropped = missing;
    lines.push_back(audit_line(told) + "\n");
  }
  Status flushed = lines.empty() ? Status() : flush(lines);
  if (flushed.ok()) {
    written_.add(events);
    if (++steps_since_sync_ >= kStepsPerSync) flushed = sync();
  } else {
    dropped_.add(events);
    const std::lock_guard lock(mutex_);
    missing_ += missing + events;
  }
  if (!flushed.ok()) {
    file_.reset();  // a fresh one may fare better
    if (!failing_) log_.error("audit log not written", {{"reason", flushed.error().message}});
  }
  failing_ = !flushed.ok();
  return io::Step::kWait;
}

Status AuditLog::flush(const std::vector<std::string>& lines) {
  if (file_ != nullptr && end_ >= options_.file_bytes) SPILLWAY_TRY(rotate());
  if (file_ == nullptr) SPILLWAY_TRY(open());
  const std::vector<std::string_view> parts(lines.begin(), lines.end());
  SPILLWAY_TRY(file_->write_at(end_, parts));
  for (const auto& part : parts) end_ += part.size();
  unsynced_ = true;
  return {};
}

Status AuditLog::open() {
  const std::string name = path(0);
  auto opened = disk_.open(name, io::OpenMode::kReadWrite);
  if (!opened.ok() && opened.error().code == ErrorCode::kNotFound) {
    SPILLWAY_TRY(disk_.make_directory(options_.directory));
    SPILLWAY_ASSIGN(file_, disk_.open(name, io::OpenMode::kCreate));
    end_ = 0;
    return disk_.sync_directory(options_.directory);
  }
  if (!opened.ok()) return std::move(opened).error();
  SPILLWAY_ASSIGN(end_, (*opened)->size());
  file_ = *std::move(opened);
  char last = '\n';
  if (end_ > 0) SPILLWAY_TRY(file_->read_at(end_ - 1, std::span(&last, 1)));
  if (last == '\n') return {};
  SPILLWAY_TRY(file_->write_at(end_, "\n"));  // behind what a crash cut
  ++end_;
  return {};
}

Status AuditLog::rotate() {
  SPILLWAY_TRY(sync());
  file_.reset();
  for (std::size_t number = options_.files; number-- > 0;) {
    const bool oldest = number + 1 >= options_.files;
    auto moved = oldest ? disk_.remove(path(number)) : disk_.rename(path(number), path(number + 1));
    if (!moved.ok() && moved.error().code != ErrorCode::kNotFound) return moved;
  }
  return disk_.sync_directory(options_.directory);
}

Status AuditLog::sync() {
  steps_since_sync_ = 0;
  if (file_ == nullptr || !std::exchange(unsynced_, false)) return {};
  return file_->sync_data();
}

std::string AuditLog::path(std::size_t number) const {
  const auto name = number == 0 ? std::string(kName) : fmt::format("{}.{}", kName, number);
  return io::join_path(options_.directory, name);
}

}  // namespace spillway::auth
