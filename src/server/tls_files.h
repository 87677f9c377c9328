// A region's certificate: the one that is configured, or one that its data directory has for it.
#pragma once

#include <memory>
#include <string>

#include "io/disk.h"
#include "io/tls.h"
#include "server/config.h"

namespace spillway::server {

struct RegionTls {
  std::shared_ptr<io::TlsContext> context;
  std::string authority_file;  // for clients to trust; empty where the certificate is configured
};

// Without serve.tls_certificate: that of DATA/tls, issued at the first start for localhost and this
// machine's name. Errors name the file.
Result<RegionTls> load_tls(io::Disk& disk, const ServeConfig& config, WallTime now);

}  // namespace spillway::server
