#include "server/routes.h"

#include <utility>

namespace spillway::server {
namespace {

class Reader final : public BodyReader {
 public:
  Reader(const Routes::Action& action, RoutedRequest request, Responder responder)
      : action_(action), request_(std::move(request)), responder_(std::move(responder)) {}

  void on_body(std::string_view bytes) override {
    if (!responder_) return;
    if (request_.body.size() + bytes.size() <= Routes::kMaxBody) {
      request_.body.append(bytes);
      return;
    }
    auto responder = std::move(*responder_);
    responder_.reset();
    responder.respond(wire::text_response(413, "The body is too large\n"));
  }
  void on_end() override {
    if (!responder_) return;
    auto responder = std::move(*responder_);
    responder_.reset();
    action_(std::move(request_), std::move(responder));
  }

 private:
  const Routes::Action& action_;
  RoutedRequest request_;
  std::optional<Responder> responder_;
};

bool method_matches(std::string_view route, std::string_view asked) {
  return route == asked || (route == "GET" && asked == "HEAD");
}

}  // namespace

void Routes::add(std::string method, std::string path, Action action) {
  routes_.push_back({std::move(method), std::move(path), std::move(action)});
}

std::unique_ptr<BodyReader> Routes::on_request(io::EventLoop&, Peer, wire::RequestHead head,
                                               Responder responder) {
  RoutedRequest request;
  const auto question = head.target.find('?');
  request.path = head.target.substr(0, question);
  if (question != std::string::npos) request.query = head.target.substr(question + 1);
  bool other_method = false;
  for (const auto& route : routes_) {
    const bool below = route.path.size() > 1 && route.path.ends_with('/');
    if (below ? !request.path.starts_with(route.path) : request.path != route.path) continue;
    if (!method_matches(route.method, head.method)) {
      other_method = true;
      continue;
    }
    request.head = std::move(head);
    return std::make_unique<Reader>(route.action, std::move(request), std::move(responder));
  }
  responder.respond(other_method ? wire::text_response(405, "This path takes another method\n")
                                 : wire::text_response(404, "There is nothing here\n"));
  return nullptr;
}

wire::Response Routes::refuse(Refusal why) {
  switch (why) {
    case Refusal::kBodyMemory:
    case Refusal::kAnswerMemory:
      break;
    case Refusal::kPlainHttp:
      return wire::text_response(403, "This port takes https alone\n");
  }
  return wire::text_response(503, "There is no memory for the request: try again\n");
}

}  // namespace spillway::server
