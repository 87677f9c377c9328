#include "client/endpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace spillway::client {

Result<Endpoint> parse_endpoint(std::string_view url) {
  const bool secure = url.starts_with("https://");
  const std::string_view scheme = secure ? "https://" : "http://";
  const std::uint16_t default_port = secure ? 443 : 80;
  const auto invalid = [url] {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("'{}' is not an endpoint: write http://HOST:PORT, as in http://127.0.0.1:4566",
                    url)};
  };
  if (!url.starts_with(scheme)) return invalid();
  std::string_view authority = url.substr(scheme.size());
  while (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find_first_of("/?#@ ") != std::string_view::npos) return invalid();

  // A colon within brackets is of an IPv6 address.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  const std::string_view host = authority.substr(0, has_port ? colon : authority.size());
  if (host.empty()) return invalid();
  std::uint16_t port = default_port;
  if (has_port) {
    const char* const end = authority.data() + authority.size();
    const auto parsed = std::from_chars(authority.data() + colon + 1, end, port);
    if (parsed.ec != std::errc() || parsed.ptr != end || port == 0) return invalid();
  }
  Endpoint endpoint;
  endpoint.url = fmt::format("{}{}", scheme, authority);
  endpoint.secure = secure;
  endpoint.host = host;
  if (host.starts_with('[') && host.ends_with(']')) endpoint.host = host.substr(1, host.size() - 2);
  endpoint.address = fmt::format("{}:{}", host, port);
  endpoint.authority = port == default_port ? std::string(host) : endpoint.address;
  return endpoint;
}

}  // namespace spillway::client
