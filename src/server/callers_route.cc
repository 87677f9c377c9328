#include "server/callers_route.h"

#include <fmt/format.h>

#include "wire/shapes.h"

namespace spillway::server {

namespace {

void append_text(std::string& to, std::string_view name, std::string_view text) {
  fmt::format_to(std::back_inserter(to), R"("{}":)", name);
  wire::append_json_bytes(to, text);
  to += ',';
}

void append_caller(std::string& to, const kinesis::Caller& caller) {
  to += '{';
  append_text(to, "stream", caller.stream);
  append_text(to, "access_key", caller.name.access_key);
  append_text(to, "agent", caller.name.agent);
  append_text(to, "peer", caller.name.peer);
  fmt::format_to(std::back_inserter(to), R"("first_seen_ms":{},"last_seen_ms":{},"lag_ms":{})",
                 to_millis(caller.first_at), to_millis(caller.last_at), caller.lag_ms);
  for (std::size_t i = 0; i < kinesis::kUses; ++i) {
    const auto& usage = caller.uses[i];
    if (usage.requests == 0) continue;
    fmt::format_to(std::back_inserter(to),
                   R"(,"{}":{{"requests":{},"records":{},"bytes":{},"last_seen_ms":{}}})",
                   kinesis::to_string(static_cast<kinesis::Use>(i)), usage.requests, usage.records,
                   usage.bytes, to_millis(usage.last_at));
  }
  to += '}';
}

}  // namespace

std::string callers_json(const kinesis::Callers& callers, std::string_view stream) {
  std::string json = R"({"callers":[)";
  bool first = true;
  for (const auto& caller : callers.list(stream)) {
    if (!std::exchange(first, false)) json += ',';
    append_caller(json, caller);
  }
  return json + fmt::format(R"(],"forgotten":{}}})", callers.forgotten());
}

void add_callers_route(Routes& routes, const kinesis::Callers& callers) {
  routes.add("GET", "/v1/callers", [&callers](const RoutedRequest& request, Responder responder) {
    constexpr std::string_view kStream = "stream=";
    std::string_view stream = request.query;
    if (stream.starts_with(kStream)) {
      stream.remove_prefix(kStream.size());
    } else if (!stream.empty()) {
      return responder.respond(wire::text_response(400, "The query may be stream=NAME\n"));
    }
    wire::Response answer;
    answer.headers.push_back({"Content-Type", "application/json"});
    answer.body.push_back(SharedBytes::copy_of(callers_json(callers, stream) + "\n"));
    responder.respond(std::move(answer));
  });
}

}  // namespace spillway::server
