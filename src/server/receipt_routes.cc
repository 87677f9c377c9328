#include "server/receipt_routes.h"

#include <charconv>

namespace spillway::server {
namespace {

constexpr std::string_view kPath = "/v1/switches";

wire::Response json_response(std::string_view json) {
  wire::Response answer;
  answer.headers.push_back({"Content-Type", "application/json"});
  answer.body.push_back(SharedBytes::copy_of(std::string(json) + "\n"));
  return answer;
}

wire::Response one_of(const broker::Receipts& receipts, std::string_view number) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
  if (error != std::errc() || end != number.data() + number.size())
    return wire::text_response(404, "A receipt has a number\n");
  const auto json = receipts.json(id);
  return json.ok() ? json_response(*json) : wire::text_response(404, json.error().message + "\n");
}

}  // namespace

void add_receipt_routes(Routes& routes, const broker::Receipts& receipts) {
  routes.add("GET", std::string(kPath), [&receipts](const RoutedRequest&, Responder responder) {
    responder.respond(json_response(receipts.list_json()));
  });
  routes.add("GET", std::string(kPath) + "/",
             [&receipts](const RoutedRequest& request, Responder responder) {
               const std::string_view path = request.path;
               responder.respond(one_of(receipts, path.substr(kPath.size() + 1)));
             });
}

}  // namespace spillway::server
