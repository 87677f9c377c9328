#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::client {

// Where a service is reached.
struct Endpoint {
  std::string url;        // "http://127.0.0.1:4566", for messages
  bool secure = false;    // https
  std::string host;       // "127.0.0.1", "::1", for the server's certificate
  std::string address;    // "127.0.0.1:4566", to connect to
  std::string authority;  // the Host header: without the port where it is the scheme's own
};

// "http://HOST[:PORT][/]", or https. kInvalid says how it is written.
Result<Endpoint> parse_endpoint(std::string_view url);

}  // namespace spillway::client
