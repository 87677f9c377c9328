#include "cli/doctor_files.h"

#include <fmt/format.h>

#include "auth/key_file.h"
#include "auth/key_source.h"
#include "auth/master_key.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "io/tls.h"
#include "kinesis/callers.h"
#include "kinesis/data_keys.h"
#include "server/spool_salvage.h"
#include "stream/token.h"

namespace spillway::cli {

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;

struct File {
  std::string directory;  // DATA
  std::string path;
  std::string bytes;
};

Status check_access_keys(io::Disk&, const File& file) {
  const auto keys = auth::decode_keys(file.bytes, file.path);
  return keys.ok() ? Status() : keys.error();
}

Status check_master_key(io::Disk&, const File& file) {
  const auto key = auth::parse_key_material(file.bytes);
  return key.ok() ? Status() : context(file.path, key.error());
}

Status check_token_key(io::Disk& disk, const File& file) {
  io::SystemEntropy entropy;
  const auto key = stream::load_or_create_token_key(disk, file.directory, entropy);
  return key.ok() ? Status() : key.error();
}

// With the key that belongs to it.
Status check_certificate(io::Disk& disk, const File& file) {
  const std::string key_path = io::join_path(file.directory, "tls/key.pem");
  SPILLWAY_ASSIGN(const auto key, io::read_file(disk, key_path, kFileBytesMax));
  const auto tls = io::TlsContext::make(file.bytes, key);
  return tls.ok() ? Status() : context(fmt::format("{} and {}", file.path, key_path), tls.error());
}

Status check_authority(io::Disk&, const File& file) {
  const auto tls = io::TlsContext::make_client(file.bytes);
  return tls.ok() ? Status() : context(file.path, tls.error());
}

Status check_callers(io::Disk&, const File& file) {
  auto loaded = kinesis::Callers().load(file.bytes);
  return loaded.ok() ? Status() : context(file.path, std::move(loaded).error());
}

struct FileCheck {
  const char* name;
  bool secret;
  Status (*check)(io::Disk& disk, const File& file);  // nullptr: its partner's check is enough
};

constexpr FileCheck kFileChecks[] = {
    {"access-keys.json", true, check_access_keys},
    {"master.key", true, check_master_key},
    {"token.key", true, check_token_key},
    {"tls/certificate.pem", false, check_certificate},
    {"tls/key.pem", true, nullptr},
    {"tls/ca.pem", false, check_authority},
    {"callers", false, check_callers},
};

}  // namespace

Owner owner_of(io::Disk& disk, const std::string& directory) {
  return disk.list(server::spool_directory(directory)).ok() ? Owner::kBroker : Owner::kRegion;
}

std::vector<std::string> check_files(io::PosixDisk& disk, const std::string& directory) {
  std::vector<std::string> wrong;
  for (const auto& [name, secret, check] : kFileChecks) {
    const std::string path = io::join_path(directory, name);
    auto bytes = io::read_file(disk, path, kFileBytesMax);
    if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) continue;
    if (!bytes.ok()) {
      wrong.push_back(bytes.error().message);
      continue;
    }
    if (check != nullptr) {
      if (auto checked = check(disk, {directory, path, *std::move(bytes)}); !checked.ok())
        wrong.push_back(std::move(checked).error().message);
    }
    if (!secret) continue;
    const auto open_to_others = disk.open_to_others(path);
    if (!open_to_others.ok()) wrong.push_back(open_to_others.error().message);
    if (open_to_others.ok() && *open_to_others)
      wrong.push_back(fmt::format("{} is open to others than its owner: chmod 600 {}", path, path));
  }
  return wrong;
}

std::vector<std::string> check_directory_key(io::PosixDisk& disk, const std::string& directory,
                                             const stream::Catalog& catalog, Owner owner) {
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::SilentLog log;
  // Said to be used: it is not made where it is missing.
  auth::MasterKeys master_keys({directory, "", "", true}, disk, clock, entropy, log);
  master_keys.configure({});
  kinesis::DataKeys data_keys(master_keys, entropy);
  const std::string path = io::join_path(directory, "master.key");
  std::vector<std::string> wrong;
  for (const auto& [name, stream] : catalog.streams) {
    for (const auto& key : stream->encryption.keys) {
      if (auth::MasterKeys::key_of(key.wrapped) != auth::kDirectoryMasterKey) continue;
      const auto opened = data_keys.find(*stream, key.number);
      if (opened.ok()) continue;
      wrong.push_back(fmt::format("{} doesn't open data key {} of stream {}: {}", path, key.number,
                                  name, opened.error().message));
    }
  }
  const auto access_keys = auth::KeyFile(disk, directory).read();
  if (!access_keys.ok()) return wrong;  // check_files() tells that
  for (const auto& stored : *access_keys) {
    if (owner == Owner::kRegion && !auth::is_wrapped_under(stored, auth::kDirectoryMasterKey))
      continue;
    const auto opened = auth::open_key(stored, master_keys);
    if (opened.ok() && !opened->fault.empty())
      wrong.push_back(
          fmt::format("{} doesn't open access key {}: {}", path, stored.id, opened->fault));
  }
  return wrong;
}

}  // namespace spillway::cli
