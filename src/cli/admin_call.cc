#include "cli/admin_call.h"

#include <fmt/format.h>

#include "client/connection_pool.h"
#include "io/asio_loop.h"

namespace spillway::cli {

Result<wire::ClientResponse> call_admin(const std::string& address, std::string method,
                                        std::string target) {
  client::PoolOptions options;
  SPILLWAY_ASSIGN(options.endpoint, client::parse_endpoint("http://" + address));
  options.connections_max = 1;
  options.connect_timeout = seconds(2);
  options.request_timeout = seconds(10);
  wire::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.headers.push_back({"Host", options.endpoint.authority});
  io::AsioLoop loop;
  client::ConnectionPool pool(loop, options);
  Result<wire::ClientResponse> answer = Error{ErrorCode::kIo, ""};
  pool.request(std::move(head), "", [&](Result<wire::ClientResponse> result) {
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
