#include "server/switch_route.h"

#include <simdjson.h>

#include "broker/json_object.h"

namespace spillway::server {
namespace {

Error malformed() {
  return {
      ErrorCode::kInvalid,
      R"(The body must be a JSON object with "reason", "who" or who is proven to ask, and, but to release, "to" or "accept")"};
}

struct Asked {
  broker::Switches::Wish wish;
  std::string holder;  // empty: nothing is proven
  std::string broker;
  std::string challenge;
  std::string signature;
};

std::string* text_member(Asked& asked, std::string_view name) {
  const std::pair<std::string_view, std::string*> members[] = {
      {"stream", &asked.wish.stream}, {"to", &asked.wish.target},   {"reason", &asked.wish.reason},
      {"who", &asked.wish.who},       {"grant", &asked.wish.grant}, {"accept", &asked.wish.accept},
      {"holder", &asked.holder},      {"broker", &asked.broker},    {"challenge", &asked.challenge},
      {"signature", &asked.signature}};
  for (const auto& [known, member] : members)
    if (known == name) return member;
  return nullptr;
}

Result<Asked> parse(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body).get(object) != simdjson::SUCCESS) return malformed();
  Asked asked;
  for (const auto& [name, value] : object) {
    if (name == "break_glass") {
      if (value.get(asked.wish.break_glass) != simdjson::SUCCESS) return malformed();
      continue;
    }
    std::string_view text;
    std::string* const member = text_member(asked, name);
    if (member == nullptr || value.get(text) != simdjson::SUCCESS || text.empty())
      return malformed();
    *member = text;
  }
  return asked;
}

// What is said without a proof must not look like one.
bool looks_proven(std::string_view who) {
  return who.starts_with("ed25519:") || who.starts_with("broker:");
}

Result<broker::Switches::Wish> wish_of(const std::string& body, broker::SwitchProofs& proofs) {
  SPILLWAY_ASSIGN(auto asked, parse(body));
  auto& wish = asked.wish;
  if (!wish.target.empty() && !wish.accept.empty()) return malformed();
  if (asked.holder.empty()) {
    if (wish.who.empty() || looks_proven(wish.who)) return malformed();
    return std::move(wish);
  }
  SPILLWAY_TRY(proofs.take({asked.broker, asked.challenge, wish.target, wish.reason, wish.accept},
                           asked.holder, asked.signature));
  wish.who = asked.holder;
  wish.proven = true;
  return std::move(wish);
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kExpired:
      return 412;
    default:
      return 409;
  }
}

wire::Response refused(const Error& error) {
  return wire::text_response(status_of(error.code), error.message + "\n");
}

wire::Response json_response(const broker::JsonObject& json) {
  wire::Response answer;
  answer.headers.push_back({"Content-Type", "application/json"});
  answer.body.push_back(SharedBytes::copy_of(json.text() + "\n"));
  return answer;
}

wire::Response answer_to(const RoutedRequest& request, DeliveryPath& path,
                         broker::SwitchProofs& proofs) {
  const auto* type = request.head.find("content-type");
  if (type == nullptr || *type != "application/json")
    return wire::text_response(400, "Content-Type must be application/json\n");
  const auto wish = wish_of(request.body, proofs);
  if (!wish.ok()) return refused(wish.error());
  const auto done = path.make_switch(*wish);
  if (!done.ok()) return refused(done.error());
  broker::JsonArray streams;
  for (const auto& stream : path.switches().streams()) {
    std::string text;
    broker::append_json_text(text, stream);
    streams.add_raw(text);
  }
  broker::JsonObject json;
  json.add("broker", proofs.broker()).add_raw("streams", streams.text());
  json.add("target", done->target).add("held", done->held).add("changed", done->changed);
  json.add("because", done->because).add("fault", done->fault);
  if (done->receipt > 0) json.add("receipt", done->receipt);
  return json_response(json);
}

}  // namespace

void add_switch_route(Routes& routes, DeliveryPath& path, broker::SwitchProofs& proofs) {
  routes.add("GET", "/v1/switch", [&proofs](const RoutedRequest&, Responder responder) {
    broker::JsonObject json;
    json.add("broker", proofs.broker()).add("challenge", proofs.challenge());
    responder.respond(json_response(json));
  });
  routes.add("POST", "/v1/switch",
             [&path, &proofs](const RoutedRequest& request, Responder responder) {
               responder.respond(answer_to(request, path, proofs));
             });
}

}  // namespace spillway::server
