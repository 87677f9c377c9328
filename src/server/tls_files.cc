#include "server/tls_files.h"

#include "io/certificate.h"
#include "io/process.h"

namespace spillway::server {

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

Result<std::shared_ptr<io::TlsContext>> load(io::Disk& disk, const std::string& certificate_file,
                                             const std::string& key_file) {
  SPILLWAY_ASSIGN(const auto certificate, io::read_file(disk, certificate_file, kFileBytesMax));
  SPILLWAY_ASSIGN(const auto key, io::read_file(disk, key_file, kFileBytesMax));
  auto context = io::TlsContext::make(certificate, key);
  if (context.ok()) return context;
  return spillway::context(fmt::format("{} and {}", certificate_file, key_file),
                           std::move(context).error());
}

// The authority's file comes last: where it is, the others are.
Status issue(io::Disk& disk, const std::string& directory, WallTime now) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  SPILLWAY_ASSIGN(auto name, io::host_name(disk));
  if (!name.empty() && name != "localhost") names.push_back(std::move(name));
  SPILLWAY_ASSIGN(const auto issued, io::issue_certificate(names, now));
  SPILLWAY_TRY(disk.make_directory(directory));
  SPILLWAY_TRY(io::replace_file(disk, io::join_path(directory, "key.pem"), issued.key));
  SPILLWAY_TRY(
      io::replace_file(disk, io::join_path(directory, "certificate.pem"), issued.certificate));
  return io::replace_file(disk, io::join_path(directory, "ca.pem"), issued.authority);
}

}  // namespace

Result<ServerTls> load_tls(io::Disk& disk, const TlsFiles& files, WallTime now) {
  if (!files.certificate.empty()) {
    SPILLWAY_ASSIGN(auto context, load(disk, files.certificate, files.key));
    return ServerTls{std::move(context), ""};
  }
  const std::string directory = io::join_path(files.data, "tls");
  const std::string authority = io::join_path(directory, "ca.pem");
  const auto there = disk.open(authority, io::OpenMode::kRead);
  if (!there.ok() && there.error().code == ErrorCode::kNotFound) {
    SPILLWAY_TRY(issue(disk, directory, now));
  } else if (!there.ok()) {
    return there.error();
  }
  SPILLWAY_ASSIGN(auto context, load(disk, io::join_path(directory, "certificate.pem"),
                                     io::join_path(directory, "key.pem")));
  return ServerTls{std::move(context), authority};
}

}  // namespace spillway::server
