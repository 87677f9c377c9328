// A RequestHandler for a handful of fixed paths: the admin port's.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_server.h"

namespace spillway::server {

struct RoutedRequest {
  wire::RequestHead head;
  std::string path;   // the target up to its '?'
  std::string query;  // behind it, still encoded
  std::string body;   // at most Routes::kMaxBody bytes; beyond, the request is answered 413
};

class Routes final : public RequestHandler {
 public:
  static constexpr std::size_t kMaxBody = std::size_t{1} << 20;
  // Called on the connection's loop; answers at once or later, there.
  using Action = std::function<void(RoutedRequest request, Responder responder)>;

  // Before the server listens. `path` is compared whole; one that ends in '/' takes everything
  // below it too. GET routes answer HEAD as well.
  void add(std::string method, std::string path, Action action);

  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

 private:
  struct Route {
    std::string method;
    std::string path;
    Action action;
  };
  std::vector<Route> routes_;
};

}  // namespace spillway::server
