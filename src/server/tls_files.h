// The certificate of a region or a broker: the one that is configured, or one that its data
// directory has for it.
#pragma once

#include <memory>
#include <string>

#include "io/disk.h"
#include "io/tls.h"

namespace spillway::server {

struct TlsFiles {
  std::string data;         // a directory; made where one of its own is issued
  std::string certificate;  // in PEM; empty: that of DATA/tls
  std::string key;
};

struct ServerTls {
  std::shared_ptr<io::TlsContext> context;
  std::string authority_file;  // for clients to trust; empty where the certificate is configured
};

// That of DATA/tls is issued at the first start, for localhost and this machine's name. Errors name
// the file.
Result<ServerTls> load_tls(io::Disk& disk, const TlsFiles& files, WallTime now);

}  // namespace spillway::server
