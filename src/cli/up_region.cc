#include "cli/up_region.h"

#include <csignal>
#include <utility>

namespace spillway::cli {
namespace {

constexpr std::string_view kServesLine = "spillway serves";

}  // namespace

std::string reachable(const std::string& listen) {
  for (const std::string_view any : {"0.0.0.0:", "[::]:"})
    if (listen.starts_with(any)) return "127.0.0.1:" + listen.substr(any.size());
  return listen;
}

Result<std::unique_ptr<UpRegion>> UpRegion::make(io::EventLoop& loop, UpRegionOptions options,
                                                 Random random) {
  auto client = options.client;
  SPILLWAY_ASSIGN(client.endpoint,
                  client::parse_endpoint("http://" + reachable(options.serve.listen)));
  return std::unique_ptr<UpRegion>(
      new UpRegion(loop, std::move(options), std::move(client), random));
}

UpRegion::UpRegion(io::EventLoop& loop, UpRegionOptions options, client::ClientOptions client,
                   Random random)
    : options_(std::move(options)),
      address_(reachable(options_.serve.listen)),
      child_("region " + options_.name),
      client_(loop, std::move(client), random) {}

Status UpRegion::start() {
  serves_ = killed_ = false;
  const auto& serve = options_.serve;
  std::vector<std::string> arguments{"serve",   "--data",    serve.data, "--listen",  serve.listen,
                                     "--admin", serve.admin, "--region", serve.region};
  if (!options_.config_file.empty())
    arguments.insert(arguments.end(), {"--config", options_.config_file});
  return child_.start(options_.program, std::move(arguments));
}

void UpRegion::kill() {
  killed_ = true;
  child_.send(SIGKILL);
}

std::vector<std::string> UpRegion::take_lines() {
  auto lines = child_.take_lines();
  for (auto& line : lines) {
    if (line.starts_with(kServesLine)) serves_ = true;
    line.insert(0, child_.name() + ": ");
  }
  return lines;
}

RegionSeen UpRegion::seen() {
  RegionSeen seen{.name = options_.name, .address = address_};
  if (running()) {
    seen.state = serves_ ? "serves" : "starts";
  } else {
    seen.state = killed_ ? "killed" : child_.started() ? "ended" : "not started";
  }
  return seen;
}

}  // namespace spillway::cli
