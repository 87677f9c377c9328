// spillway audit callers: who depends on what (docs/callers.md).
#include "cli/audit_callers.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>

#include "cli/admin_client.h"
#include "cli/api_flags.h"
#include "cli/callers_table.h"
#include "cli/command.h"
#include "cli/text_output.h"
#include "io/clock.h"

namespace spillway::cli {
namespace {

struct CallersOptions {
  std::string admin = environment("SPILLWAY_SERVE_ADMIN", "127.0.0.1:4600");
  std::string stream;
  bool json = false;
};

int run_callers(const CallersOptions& options) {
  // Of all streams: who has another source is seen from them all.
  const auto answer = ask_admin(options.admin, "/v1/callers");
  if (!answer.ok()) return fail(answer.error());
  const auto text = options.json
                        ? callers_lines(*answer, options.stream)
                        : callers_table(*answer, options.stream, io::SystemClock().wall_now());
  if (!text.ok()) return fail(text.error());
  if (!write_out(*text) && errno != EPIPE)
    return fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))});
  return kExitOk;
}

}  // namespace

CommandRun callers_command(CLI::App& app) {
  auto options = std::make_shared<CallersOptions>();
  app.add_option("--admin", options->admin, "The region's admin port")->capture_default_str();
  app.add_option("--stream", options->stream, "Only the callers of this stream");
  app.add_flag("--json", options->json, "One JSON object for each caller");
  return [options] { return run_callers(*options); };
}

}  // namespace spillway::cli
