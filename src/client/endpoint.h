#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::client {

// Where a service is reached.
struct Endpoint {
  std::string url;        // "http://127.0.0.1:4566", for messages
  std::string address;    // "127.0.0.1:4566", to connect to
  std::string authority;  // the Host header: without the port where it is the scheme's own
};

// "http://HOST[:PORT][/]". kInvalid says how it is written; kUnsupported for https.
Result<Endpoint> parse_endpoint(std::string_view url);

}  // namespace spillway::client
