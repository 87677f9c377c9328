#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "client/endpoint.h"
#include "io/disk.h"
#include "io/tls.h"

namespace spillway::client {

// Whom to trust at `endpoint`: those of the file (PEM), or the system's where none is named;
// nothing where it isn't https. kInvalid: the file holds no certificate; else the disk's errors.
Result<std::shared_ptr<io::TlsContext>> trust_for(io::Disk& disk, const Endpoint& endpoint,
                                                  const std::string& authority_file);

}  // namespace spillway::client
