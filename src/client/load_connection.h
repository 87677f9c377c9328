// A connection of the load generator: prepared bytes out, whole answers in, and as little work in
// between as can be, so that a benchmark measures the server.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_function.h"
#include "io/event_loop.h"
#include "wire/http.h"

namespace spillway::client {

// A request that is signed and ready to send, any number of times, while its signature is valid.
struct PreparedRequest {
  wire::RequestHead head;
  std::string body;
  std::string http1_bytes;  // head and body as HTTP/1.1 sends them
  std::uint32_t records = 0;
};

struct LoadResponse {
  int status = 0;
  std::string_view body;  // until the callback returns
};

using LoadDone = UniqueFunction<void(Result<LoadResponse>)>;

// One request at a time. On the loop's thread. After an error the connection is of no more use.
class LoadConnection {
 public:
  virtual ~LoadConnection() = default;
  // `request` must stay alive until `done`, which may destroy the connection or send the next.
  virtual void send(const PreparedRequest& request, LoadDone done) = 0;
};

// Over a connected stream.
std::unique_ptr<LoadConnection> make_http1_load_connection(std::unique_ptr<io::ByteStream> stream);
// `requests` (at most 100) at once over one, by prior knowledge.
std::vector<std::unique_ptr<LoadConnection>> make_http2_load_connections(
    io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream, std::size_t requests);

}  // namespace spillway::client
