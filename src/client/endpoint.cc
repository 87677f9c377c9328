#include "client/endpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace spillway::client {

Result<Endpoint> parse_endpoint(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  constexpr std::uint16_t kDefaultPort = 80;
  const auto invalid = [url] {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("'{}' is not an endpoint: write http://HOST:PORT, as in http://127.0.0.1:4566",
                    url)};
  };
  if (url.starts_with("https://")) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("'{}': this build has no TLS yet; write http://HOST:PORT", url)};
  }
  if (!url.starts_with(kScheme)) return invalid();
  std::string_view authority = url.substr(kScheme.size());
  while (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find_first_of("/?#@ ") != std::string_view::npos) return invalid();

  // A colon within brackets is of an IPv6 address.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  const std::string_view host = authority.substr(0, has_port ? colon : authority.size());
  if (host.empty()) return invalid();
  std::uint16_t port = kDefaultPort;
  if (has_port) {
    const char* const end = authority.data() + authority.size();
    const auto parsed = std::from_chars(authority.data() + colon + 1, end, port);
    if (parsed.ec != std::errc() || parsed.ptr != end || port == 0) return invalid();
  }
  Endpoint endpoint;
  endpoint.url = fmt::format("http://{}", authority);
  endpoint.address = fmt::format("{}:{}", host, port);
  endpoint.authority = port == kDefaultPort ? std::string(host) : endpoint.address;
  return endpoint;
}

}  // namespace spillway::client
