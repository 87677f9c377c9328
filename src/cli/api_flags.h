// What the subcommands that call the Kinesis API share: how to reach it, and what to say when it
// isn't there.
#pragma once

#include <string>

#include "client/kinesis_client.h"

namespace CLI {
class App;
}

namespace spillway::cli {

// Must stay where it is from add() to options().
struct ApiFlags {
  std::string endpoint;
  std::string region;
  std::string authority_file;  // empty: whom the system trusts
  bool http2 = false;

  // Declares --endpoint, --region, --ca and --http2; their defaults are the environment's.
  void add(CLI::App& app);
  // With the environment's keys. kInvalid: the endpoint, or what the file holds; kNotFound, kIo:
  // the file.
  Result<client::ClientOptions> options() const;
};

// A variable's value; `otherwise` where it is unset or empty.
std::string environment(const char* name, const char* otherwise);

// `error` of a call to `stream`, as a person is told it.
Error explain(const client::ClientOptions& options, const client::KinesisClient& client,
              const std::string& stream, Error error);

// A generator seeded by the system.
Random random_seed();

}  // namespace spillway::cli
