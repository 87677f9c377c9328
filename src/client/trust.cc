#include "client/trust.h"

namespace spillway::client {
namespace {

constexpr std::size_t kAuthorityFileMax = std::size_t{4} << 20;  // a whole system's have 300 KB

}  // namespace

Result<std::shared_ptr<io::TlsContext>> trust_for(io::Disk& disk, const Endpoint& endpoint,
                                                  const std::string& authority_file) {
  if (!endpoint.secure) return std::shared_ptr<io::TlsContext>();
  std::string authorities;
  if (!authority_file.empty()) {
    SPILLWAY_ASSIGN(authorities, io::read_file(disk, authority_file, kAuthorityFileMax));
    if (authorities.empty())
      return Error{ErrorCode::kInvalid, authority_file + ": no certificate in PEM"};
  }
  auto trust = io::TlsContext::make_client(authorities);
  if (!trust.ok() && !authority_file.empty())
    return context(authority_file, std::move(trust).error());
  return trust;
}

}  // namespace spillway::client
