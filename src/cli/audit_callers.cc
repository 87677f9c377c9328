// spillway audit callers: who depends on what (docs/callers.md).
#include "cli/audit_callers.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>

#include "cli/admin_client.h"
#include "cli/callers_table.h"
#include "cli/command.h"
#include "cli/text_output.h"
#include "io/clock.h"

namespace spillway::cli {
namespace {

struct CallersOptions {
  std::string stream;
  bool json = false;
};

int run_callers(const CallersOptions& options, const ConfigFlags& flags) {
  const auto config = flags.load();
  if (!config.ok()) return fail(config.error());
  // Of all streams: who has another source is seen from them all.
  const auto answer = ask_admin(config->serve.admin, "/v1/callers");
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

CommandRun callers_command(CLI::App& app, ConfigFlags& flags) {
  auto options = std::make_shared<CallersOptions>();
  flags.add(app, "--admin", "serve.admin", "The region's admin address");
  app.add_option("--stream", options->stream, "Only the callers of this stream");
  app.add_flag("--json", options->json, "One JSON object for each caller");
  return [options, &flags] { return run_callers(*options, flags); };
}

}  // namespace spillway::cli
