#include "server/switch_route.h"

#include <simdjson.h>

#include "broker/json_object.h"

namespace spillway::server {
namespace {

Error malformed() {
  return {ErrorCode::kInvalid,
          R"(The body must be a JSON object with "reason", "who" and, but to release, "to")"};
}

Result<broker::Switches::Wish> wish_of(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body).get(object) != simdjson::SUCCESS) return malformed();
  broker::Switches::Wish wish;
  for (const auto& [name, value] : object) {
    std::string_view text;
    std::string* const field = name == "to"       ? &wish.target
                               : name == "reason" ? &wish.reason
                               : name == "who"    ? &wish.who
                                                  : nullptr;
    if (field == nullptr || value.get(text) != simdjson::SUCCESS || text.empty())
      return malformed();
    *field = text;
  }
  if (wish.who.empty()) return malformed();
  return wish;
}

int status_of(ErrorCode code) {
  if (code == ErrorCode::kInvalid) return 400;
  return code == ErrorCode::kNotFound ? 404 : 409;
}

wire::Response answer_to(const RoutedRequest& request, broker::Switches& switches) {
  const auto* type = request.head.find("content-type");
  if (type == nullptr || *type != "application/json")
    return wire::text_response(400, "Content-Type must be application/json\n");
  const auto wish = wish_of(request.body);
  if (!wish.ok()) return wire::text_response(400, wish.error().message + "\n");
  const auto done = switches.make(*wish);
  if (!done.ok())
    return wire::text_response(status_of(done.error().code), done.error().message + "\n");
  broker::JsonObject json;
  json.add("target", done->target).add("held", done->held).add("changed", done->changed);
  json.add("because", done->because).add("fault", done->fault);
  wire::Response answer;
  answer.headers.push_back({"Content-Type", "application/json"});
  answer.body.push_back(SharedBytes::copy_of(json.text() + "\n"));
  return answer;
}

}  // namespace

void add_switch_route(Routes& routes, broker::Switches& switches) {
  routes.add("POST", "/v1/switch", [&switches](const RoutedRequest& request, Responder responder) {
    responder.respond(answer_to(request, switches));
  });
}

}  // namespace spillway::server
