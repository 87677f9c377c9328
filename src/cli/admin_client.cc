#include "cli/admin_client.h"

#include <fmt/format.h>

#include "cli/admin_call.h"
#include "client/connection_pool.h"
#include "io/asio_loop.h"

namespace spillway::cli {

Result<std::string> ask_admin(std::string_view address, std::string target) {
  client::PoolOptions options;
  SPILLWAY_ASSIGN(options.endpoint, admin_endpoint(address));
  options.connections_max = 1;
  options.connect_timeout = seconds(5);
  options.request_timeout = seconds(30);
  io::AsioLoop loop;
  client::ConnectionPool pool(loop, options);
  wire::RequestHead head;
  head.method = "GET";
  head.target = std::move(target);
  head.headers = {{"Host", std::string(address)}};
  Result<wire::ClientResponse> answer = Error{ErrorCode::kIo, "there is no answer"};
  pool.request(std::move(head), "", [&](Result<wire::ClientResponse> response) {
    answer = std::move(response);
    loop.stop();
  });
  loop.run();
  if (!answer.ok() && !pool.ever_connected()) {
    return Error{ErrorCode::kIo, fmt::format("nothing answers at {} ({}); is the region running? "
                                             "--admin names its admin port",
                                             address, answer.error().message)};
  }
  if (!answer.ok())
    return context(fmt::format("ask the admin port at {}", address), std::move(answer).error());
  if (answer->status != 200) {
    return Error{ErrorCode::kInvalid, fmt::format("the admin port at {} answers {}: {}", address,
                                                  answer->status, answer->body)};
  }
  return std::move(answer->body);
}

}  // namespace spillway::cli
