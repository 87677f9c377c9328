// spillway streams: what streams there are; makes and deletes them.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>

#include "base/rfc3339.h"
#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/text_output.h"
#include "io/asio_loop.h"

namespace spillway::cli {
namespace {

constexpr nanoseconds kActiveWithin = seconds(120);  // AWS takes up to half a minute

struct StreamsOptions {
  ApiFlags api;
  bool json = false;
  std::string name;  // to create or delete
  std::uint32_t shards = 1;
  bool on_demand = false;
  CLI::App* create = nullptr;
  CLI::App* remove = nullptr;
};

using Summaries = std::vector<client::StreamSummary>;

Task<Result<Summaries>> describe_all(client::KinesisClient& client) {
  auto names = co_await client.list_streams();
  if (!names.ok()) co_return std::move(names).error();
  Summaries all;
  for (const auto& name : *names) {
    auto summary = co_await client.describe_summary(name);
    if (summary.ok()) {
      all.push_back(*std::move(summary));
    } else if (summary.error().code != ErrorCode::kNotFound) {  // deleted meanwhile
      co_return std::move(summary).error();
    }
  }
  co_return all;
}

Task<Status> create(client::KinesisClient& client, std::string name, std::uint32_t shards) {
  auto created = co_await client.create_stream(name, shards);
  if (!created.ok()) co_return created;
  auto active = co_await client.wait_until_active(name, kActiveWithin);
  co_return active;
}

std::string json_of(const client::StreamSummary& stream) {
  std::string json = "{";
  append_json_member(json, "name", stream.name);
  append_json_member(json, "arn", stream.arn);
  append_json_member(json, "status", stream.status);
  append_json_member(json, "mode", stream.mode);
  json += fmt::format(R"(,"open_shards":{},"retention_hours":{})", stream.open_shards,
                      stream.retention_hours);
  append_json_member(json, "created", rfc3339_seconds(stream.created));
  return json + "}\n";
}

std::string table_of(const Summaries& streams) {
  std::size_t width = 4;
  std::vector<std::string> names;
  for (const auto& stream : streams) {
    names.push_back(printable(stream.name));
    width = std::max(width, names.back().size());
  }
  constexpr std::string_view kRow = "{:{}}  {:8}  {:11}  {:>6}  {:>9}  {}\n";
  std::string table =
      fmt::format(kRow, "NAME", width, "STATUS", "MODE", "SHARDS", "RETENTION", "CREATED");
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto& stream = streams[i];
    table += fmt::format(kRow, names[i], width, printable(stream.status), printable(stream.mode),
                         stream.open_shards, fmt::format("{} h", stream.retention_hours),
                         rfc3339_seconds(stream.created));
  }
  return table;
}

// What there is to print.
Task<Result<std::string>> run_call(client::KinesisClient& client, StreamsOptions& options) {
  if (options.create->parsed()) {
    auto created = co_await create(client, options.name, options.on_demand ? 0 : options.shards);
    if (!created.ok()) co_return std::move(created).error();
    co_return std::string();
  }
  if (options.remove->parsed()) {
    auto deleted = co_await client.delete_stream(options.name);
    if (!deleted.ok()) co_return std::move(deleted).error();
    co_return std::string();
  }
  auto streams = co_await describe_all(client);
  if (!streams.ok()) co_return std::move(streams).error();
  if (!options.json) co_return table_of(*streams);
  std::string lines;
  for (const auto& stream : *streams) lines += json_of(stream);
  co_return lines;
}

int run_streams(StreamsOptions& options) {
  auto client_options = options.api.options();
  if (!client_options.ok()) return fail(client_options.error());
  io::AsioLoop loop;
  client::KinesisClient client(loop, *client_options, random_seed());
  Result<std::string> text = std::string();
  start(run_call(client, options),
        UniqueFunction<void(Result<std::string>)>([&](Result<std::string> result) {
          text = std::move(result);
          loop.stop();
        }));
  loop.run();
  if (!text.ok()) return fail(explain(*client_options, client, options.name, text.error()));
  if (!write_out(*text) && errno != EPIPE)
    return fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))});
  return kExitOk;
}

}  // namespace

CommandRun declare_streams(CLI::App& app) {
  auto options = std::make_shared<StreamsOptions>();
  options->api.add(app);
  app.add_flag("--json", options->json, "One JSON object for each stream");
  // `streams create NAME --endpoint …` too.
  app.fallthrough();
  app.require_subcommand(0, 1);
  options->create = app.add_subcommand("create", "Make a stream, and wait until it is ACTIVE");
  options->create->add_option("name", options->name)->required();
  auto* shards = options->create->add_option("--shards", options->shards, "How many")
                     ->capture_default_str()
                     ->check(CLI::Range(1, 100'000));
  options->create->add_flag("--on-demand", options->on_demand, "Let the service choose how many")
      ->excludes(shards);
  options->remove = app.add_subcommand("delete", "Delete a stream with its records");
  options->remove->add_option("name", options->name)->required();
  return [options] { return run_streams(*options); };
}

}  // namespace spillway::cli
