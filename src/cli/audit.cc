// spillway audit: what the audit log of a region says, whether it runs or not (docs/access.md); and
// who uses its streams (audit_callers.cc). And whether a broker's log of switches is whole
// (audit_switches.cc).
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <CLI/CLI.hpp>

#include "auth/audit_log.h"
#include "base/rfc3339.h"
#include "cli/audit_callers.h"
#include "cli/audit_switches.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/data_directory.h"
#include "cli/text_output.h"
#include "cli/time_span.h"
#include "io/clock.h"
#include "io/posix_disk.h"

namespace spillway::cli {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 36;  // serve.audit_mib's most

struct Options {
  explicit Options(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  bool json = false;
  bool denied = false;
  std::string since;
};

std::string text_of(const auth::AuditEvent& event) {
  if (event.dropped > 0)
    return fmt::format("{}  {} lines are missing here\n", rfc3339_millis(event.time),
                       event.dropped);
  std::string text = fmt::format("{}  {:6}  {}  {}  {}  from {}{}  request {}",
                                 rfc3339_millis(event.time), to_string(event.outcome), event.action,
                                 event.resource.empty() ? "-" : event.resource,
                                 event.user.empty() ? event.access_key : event.user, event.peer,
                                 event.secure ? " (TLS)" : "", event.request_id);
  if (event.outcome != auth::AuditOutcome::kOk)
    text += fmt::format("  {}: {}", event.error, event.message);
  return printable(text) + "\n";
}

// Prints what is asked for of one file; how many of its lines could not be read.
Result<std::uint64_t> print_file(const std::string& bytes, const Options& options,
                                 std::optional<WallTime> since) {
  std::uint64_t unreadable = 0;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    const auto event = auth::parse_audit_line(line);
    if (!event) {
      ++unreadable;
      continue;
    }
    const bool told = event->dropped > 0 || event->outcome == auth::AuditOutcome::kDenied;
    if ((since && event->time < *since) || (options.denied && !told)) continue;
    if (!write_out(options.json ? std::string(line) + "\n" : text_of(*event)))
      return Error{errno == EPIPE ? ErrorCode::kClosed : ErrorCode::kIo,
                   fmt::format("write standard output: {}", std::strerror(errno))};
  }
  return unreadable;
}

Status print_log(const Options& options) {
  SPILLWAY_ASSIGN(const auto config, options.flags.load());
  io::PosixDisk disk;
  io::SystemClock clock;
  std::optional<WallTime> since;
  if (!options.since.empty()) {
    auto ago = parse_time_span(options.since);
    if (!ago.ok()) return context("--since", std::move(ago).error());
    since = clock.wall_now() - *ago;
  }
  SPILLWAY_TRY(check_data_directory(disk, config.serve.data));
  const std::string directory = io::join_path(config.serve.data, "audit");
  SPILLWAY_ASSIGN(const auto files, auth::audit_files(disk, directory));
  std::uint64_t unreadable = 0;
  for (const auto& file : files) {
    auto bytes = io::read_file(disk, file, kFileBytesMax);
    if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) continue;  // rotated away
    if (!bytes.ok()) return std::move(bytes).error();
    SPILLWAY_ASSIGN(const auto lost, print_file(*bytes, options, since));
    unreadable += lost;
  }
  if (unreadable > 0) {
    std::fprintf(stderr, "spillway: %llu lines could not be read: a crash cut them\n",
                 static_cast<unsigned long long>(unreadable));
  }
  return {};
}

int run_audit(const Options& options) {
  const auto printed = print_log(options);
  if (printed.ok() || printed.error().code == ErrorCode::kClosed) return kExitOk;
  return fail(printed.error());
}

}  // namespace

CommandRun declare_audit(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  options->flags.add(app, "--data", "serve.data",
                     "The data directory: a region's; of verify and head, a broker's");
  app.fallthrough();
  app.require_subcommand(1);
  auto* log = app.add_subcommand("log", "Requests that were denied, and those that changed things");
  log->add_flag("--denied", options->denied, "Only what was denied");
  log->add_option("--since", options->since, "How far back, as in 90s, 5m, 12h or 7d");
  log->add_flag("--json", options->json, "The lines as they are stored");
  auto* callers = app.add_subcommand("callers", "Who uses which stream, and has no other source");
  auto* verify = app.add_subcommand("verify", "Whether a broker's log of switches is whole");
  auto* head = app.add_subcommand("head", "Where it ends: to be kept elsewhere, for verify --head");
  return [options, callers, verify, head, run_callers = callers_command(*callers, options->flags),
          run_verify = switches_verify_command(*verify, options->flags),
          run_head = switches_head_command(*head, options->flags)] {
    if (callers->parsed()) return run_callers();
    if (verify->parsed()) return run_verify();
    return head->parsed() ? run_head() : run_audit(*options);
  };
}

}  // namespace spillway::cli
