#include "server/caller_identity.h"

#include <fmt/format.h>

namespace spillway::server {

namespace {

constexpr std::string_view kNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

wire::Response xml(int status, std::string_view text, const std::string& request_id) {
  wire::Response response;
  response.status = status;
  response.headers = {{"x-amzn-RequestId", request_id}, {"Content-Type", "text/xml"}};
  response.body.push_back(SharedBytes::copy_of(text));
  return response;
}

bool has_action(std::string_view form, std::string_view action) {
  while (!form.empty()) {
    const std::size_t end = std::min(form.find('&'), form.size());
    const std::string_view pair = form.substr(0, end);
    if (pair.starts_with("Action=") && pair.substr(pair.find('=') + 1) == action) return true;
    form.remove_prefix(std::min(end + 1, form.size()));
  }
  return false;
}

}  // namespace

wire::Response caller_identity(std::string_view form, std::string_view account,
                               std::string_view user, std::string_view access_key,
                               const std::string& request_id) {
  if (!has_action(form, "GetCallerIdentity")) {
    return caller_identity_error(400, "InvalidAction",
                                 "Of the Security Token Service, this endpoint has only "
                                 "GetCallerIdentity.",
                                 request_id);
  }
  return xml(
      200,
      fmt::format("<GetCallerIdentityResponse xmlns=\"{}\"><GetCallerIdentityResult>"
                  "<Arn>arn:aws:iam::{}:user/{}</Arn><UserId>{}</UserId><Account>{}</Account>"
                  "</GetCallerIdentityResult><ResponseMetadata><RequestId>{}</RequestId>"
                  "</ResponseMetadata></GetCallerIdentityResponse>\n",
                  kNamespace, account, escaped(user), escaped(access_key), account, request_id),
      request_id);
}

wire::Response caller_identity_error(int status, std::string_view code, std::string_view message,
                                     const std::string& request_id) {
  return xml(status,
             fmt::format("<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type><Code>{}</Code>"
                         "<Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>\n",
                         kNamespace, code, escaped(message), request_id),
             request_id);
}

}  // namespace spillway::server
