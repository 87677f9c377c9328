// The only way to files. The real one is PosixDisk; the simulation has one that loses, tears and
// reorders what was not synced, fills up and fails.
//
// Paths are as the process would open them. Every call blocks the calling thread; all are safe from
// any thread (calls on one File from several threads too, where they don't overlap). No lock that a
// request needs may be held across a call. Errors name the file and the failed call; kNoSpace is
// ENOSPC and EDQUOT, everything else that the system refuses is kIo unless named below.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spillway::io {

class File {
 public:
  virtual ~File() = default;

  // Fills `out` from `offset`; fewer bytes only where the file ends.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) = 0;
  // Writes all parts one after the other from `offset`, or fails; what a failed write left is
  // undefined. Nothing is durable before sync_data().
  virtual Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) = 0;
  Status write_at(std::uint64_t offset, std::string_view bytes) {
    return write_at(offset, std::span(&bytes, 1));
  }
  // fdatasync(2). After a failure nothing is known about what was written since the last success,
  // and a later success says nothing about it: the caller must stop writing for good.
  virtual Status sync_data() = 0;
  // Has the device begin with these bytes, which were written, and waits for those of the call
  // before: so a later sync finds little to do, and others' syncs don't wait behind much. Nothing
  // is durable by it. Fails as sync_data() does.
  virtual Status write_behind(std::uint64_t /*offset*/, std::uint64_t /*size*/) { return {}; }
  virtual Result<std::uint64_t> size() = 0;
  // Gives the file `size` bytes of allocated, written zeros (a larger file is cut), so that later
  // writes inside it need no new blocks. Durable after sync_data().
  virtual Status fill_with_zeros(std::uint64_t size) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // A hint: what was synced need not be kept in the system's page cache any longer.
  virtual void drop_cache() {}
};

// Held until destroyed; the system drops it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,       // kNotFound where there is none
  kReadWrite,  // likewise
  kCreate,     // read and write; kExists where there is one
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Replaces `to`. Durable after sync_directory().
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // kNotFound where there is none.
  virtual Status remove(const std::string& path) = 0;
  // Names of the files and directories in it, sorted; kNotFound where there is none.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Makes it and its missing parents, durably; nothing to do where it is there.
  virtual Status make_directory(const std::string& path) = 0;
  // Makes creations, renames and removals in it durable. Fails as sync_data() does.
  virtual Status sync_directory(const std::string& path) = 0;
  // Creates `path` if need be and locks it against every other process and File; kBusy, naming the
  // holder's process id where it can be had, if it is locked.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  // Names the file at `path` for as long as it exists, whatever it is renamed to; a file that takes
  // its place has another name. kNotFound; kUnsupported where the disk can't tell.
  virtual Result<std::uint64_t> file_id(const std::string& path);
  // Bytes that may still be written in the file system of `directory`.
  virtual Result<std::uint64_t> free_space(const std::string& directory) = 0;
};

// The whole file, at most `limit` bytes (kInvalid if it is larger). Works for /proc too.
Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t limit);
// Writes `path`.new, syncs it, renames it over `path` and syncs the directory.
Status replace_file(Disk& disk, const std::string& path, std::string_view bytes);
std::string join_path(std::string_view directory, std::string_view name);
std::string parent_directory(std::string_view path);

}  // namespace spillway::io
