#include "server/caller_store.h"

namespace spillway::server {

namespace {

constexpr auto kSaveEvery = seconds(60);
constexpr std::size_t kFileMax = std::size_t{64} << 20;

}  // namespace

CallerStore::CallerStore(kinesis::Callers& callers, io::Disk& disk, io::EventLog& log,
                         std::string_view directory)
    : callers_(callers), disk_(disk), log_(log), path_(io::join_path(directory, "callers")) {}

void CallerStore::tick(MonoTime now) {
  if (!loaded_) {
    load();
    saved_at_ = now;
  } else if (now - saved_at_ >= kSaveEvery) {
    saved_at_ = now;
    save();
  }
}

// They are worth less than that the region serves: a damaged file is told, and replaced.
void CallerStore::load() {
  loaded_ = true;
  const auto bytes = io::read_file(disk_, path_, kFileMax);
  if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) return;
  const Status loaded = bytes.ok() ? callers_.load(*bytes) : Status(bytes.error());
  if (!loaded.ok())
    log_.warning("callers not loaded", {{"file", path_}, {"reason", loaded.error().message}});
}

void CallerStore::save() {
  if (!loaded_) load();
  auto bytes = callers_.encode();
  if (bytes == saved_) return;
  if (const auto saved = io::replace_file(disk_, path_, bytes); !saved.ok()) {
    log_.warning("callers not saved", {{"file", path_}, {"reason", saved.error().message}});
    return;
  }
  saved_ = std::move(bytes);
}

}  // namespace spillway::server
