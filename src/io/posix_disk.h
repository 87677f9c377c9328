#pragma once

#include "io/disk.h"

namespace spillway::io {

// The machine's own file systems, through pread, pwritev, fdatasync and flock.
class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Status make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  // The inode and its device.
  Result<std::uint64_t> file_id(const std::string& path) override;
  Result<std::uint64_t> free_space(const std::string& directory) override;
  // Whether its mode lets anybody but its owner read or change it. kNotFound.
  Result<bool> open_to_others(const std::string& path);
};

}  // namespace spillway::io
