// A certificate for a server that has none from anybody else.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace spillway::io {

// All in PEM. Clients are given the authority's certificate; its key was used once and is gone.
struct IssuedCertificate {
  std::string authority;
  std::string certificate;
  std::string key;
};

// A new authority, and a certificate of it for these host names and addresses, valid from a day
// before `now` for ten years. Keys are on P-256.
Result<IssuedCertificate> issue_certificate(std::span<const std::string> names, WallTime now);

}  // namespace spillway::io
