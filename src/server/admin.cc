#include "server/admin.h"

#include <memory>
#include <utility>

namespace spillway::server {
namespace {

wire::Response response(std::string_view type, std::string_view body) {
  wire::Response answer;
  answer.headers.push_back({"Content-Type", std::string(type)});
  answer.body.push_back(SharedBytes::copy_of(body));
  return answer;
}

}  // namespace

void add_admin_routes(Routes& routes, AdminSource source) {
  const auto shared = std::make_shared<AdminSource>(std::move(source));
  routes.add("GET", "/metrics", [shared](RoutedRequest, Responder responder) {
    responder.respond(
        response("text/plain; version=0.0.4; charset=utf-8", shared->metrics.prometheus_text()));
  });
  routes.add("GET", "/health/live", [](RoutedRequest, Responder responder) {
    responder.respond(wire::text_response(200, "live\n"));
  });
  routes.add("GET", "/health/ready", [shared](RoutedRequest, Responder responder) {
    const auto ready = shared->ready();
    responder.respond(ready.ok() ? wire::text_response(200, "ready\n")
                                 : wire::text_response(503, ready.error().message + "\n"));
  });
  routes.add("GET", "/v1/status", [shared](RoutedRequest, Responder responder) {
    responder.respond(response("application/json", shared->status_json() + "\n"));
  });
}

}  // namespace spillway::server
