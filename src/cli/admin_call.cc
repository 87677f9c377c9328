#include "cli/admin_call.h"

#include <fmt/format.h>

#include "client/connection_pool.h"
#include "io/asio_loop.h"

namespace spillway::cli {

Result<client::Endpoint> admin_endpoint(std::string_view address) {
  auto endpoint = client::parse_endpoint(fmt::format("http://{}", address));
  if (endpoint.ok()) return endpoint;
  return Error{ErrorCode::kInvalid,
               fmt::format("\"{}\" is no address of an admin port: write HOST:PORT, as in "
                           "127.0.0.1:4600",
                           address)};
}

Result<wire::ClientResponse> call_admin(const std::string& address, std::string method,
                                        std::string target, std::string body) {
  client::PoolOptions options;
  SPILLWAY_ASSIGN(options.endpoint, admin_endpoint(address));
  options.connections_max = 1;
  options.connect_timeout = seconds(2);
  options.request_timeout = seconds(10);
  wire::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.headers.push_back({"Host", options.endpoint.authority});
  if (!body.empty()) head.headers.push_back({"Content-Type", "application/json"});
  io::AsioLoop loop;
  client::ConnectionPool pool(loop, options);
  Result<wire::ClientResponse> answer = Error{ErrorCode::kIo, ""};
  pool.request(std::move(head), SharedBytes::copy_of(body),
               [&](Result<wire::ClientResponse> result) {
                 answer = std::move(result);
                 loop.stop();
               });
  loop.run();
  if (!answer.ok() && !pool.ever_connected()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("nothing answers at {}: {}", address, answer.error().message)};
  }
  return answer;
}

}  // namespace spillway::cli
