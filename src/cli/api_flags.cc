#include "cli/api_flags.h"

#include <fmt/format.h>

#include <bit>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "cli/text_output.h"
#include "client/trust.h"
#include "io/entropy.h"
#include "io/posix_disk.h"

namespace spillway::cli {
namespace {

constexpr const char* kDefaultEndpoint = "http://127.0.0.1:4566";
constexpr const char* kAnyKey = "spillway";  // of 3 characters at least

}  // namespace

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

void ApiFlags::add(CLI::App& app) {
  endpoint = environment("SPILLWAY_ENDPOINT", kDefaultEndpoint);
  region = environment("AWS_REGION", environment("AWS_DEFAULT_REGION", "us-east-1").c_str());
  app.add_option("--endpoint", endpoint, "Any Kinesis endpoint")->capture_default_str();
  app.add_option("--region", region, "Of the signatures")->capture_default_str();
  authority_file = environment("AWS_CA_BUNDLE", "");
  app.add_option("--ca", authority_file, "https: certificates to trust, instead of the system's");
  app.add_flag("--http2", http2, "HTTP/2");
}

Result<client::ClientOptions> ApiFlags::options() const {
  client::ClientOptions options;
  SPILLWAY_ASSIGN(options.endpoint, client::parse_endpoint(endpoint));
  io::PosixDisk disk;
  SPILLWAY_ASSIGN(options.tls, client::trust_for(disk, options.endpoint, authority_file));
  options.region = region;
  options.credentials = {environment("AWS_ACCESS_KEY_ID", kAnyKey),
                         environment("AWS_SECRET_ACCESS_KEY", kAnyKey),
                         environment("AWS_SESSION_TOKEN", "")};
  options.http2 = http2;
  return options;
}

Error explain(const client::ClientOptions& options, const client::KinesisClient& client,
              const std::string& stream, Error error) {
  if (error.code == ErrorCode::kIo && !client.ever_connected()) {
    error.message = fmt::format(
        "nothing answers at {}; start one with `spillway serve` or give --endpoint ({})",
        options.endpoint.url, error.message);
  } else if (error.code == ErrorCode::kNotFound) {
    error.message = fmt::format("there is no stream {} at {}", stream, options.endpoint.url);
  } else if (error.code == ErrorCode::kDenied && !client.ever_connected()) {
    error.message += "; give --ca FILE (or AWS_CA_BUNDLE) to say whom to trust";
  } else if (error.code == ErrorCode::kInvalid && options.endpoint.secure &&
             !client.ever_connected()) {
    error.message += "; what speaks plain http is called with http://";
  } else if (error.code == ErrorCode::kDenied && options.credentials.access_key == kAnyKey) {
    error.message += "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  }
  error.message = printable(error.message);
  return error;
}

Random random_seed() {
  io::SystemEntropy entropy;
  std::array<unsigned char, sizeof(std::uint64_t)> seed{};
  entropy.fill(seed);
  return Random(std::bit_cast<std::uint64_t>(seed));
}

}  // namespace spillway::cli
