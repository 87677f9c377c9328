// For tests and fuzzers: a disk in memory that stops at a chosen call, as a process that was
// killed, and then comes back with what a power cut would have left. Header only, so that it is
// part of no library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "io/disk.h"

namespace spillway::log {

// Directories are implied by the paths of files. Calls from any thread, one after the other.
class CrashDisk final : public io::Disk {
 public:
  // Every call beyond the next `calls` that changes something fails, and changes nothing. Where the
  // reason is kNoSpace, removals still succeed.
  void fail_after(std::uint64_t calls, ErrorCode code = ErrorCode::kIo) {
    calls_left_ = calls;
    failure_ = code;
  }
  void never_fail() { calls_left_.reset(); }
  // Whether a call has failed since fail_after().
  bool failed() const { return failed_; }
  // Calls so far that change something.
  std::uint64_t changes() const { return changes_; }
  // Of all files, so far.
  std::uint64_t file_syncs() const { return file_syncs_; }
  const std::vector<std::pair<std::uint64_t, std::uint64_t>>& written_behind() const {
    return written_behind_;  // offset and size
  }
  // Paths of the files whose cache was dropped, in that order.
  const std::vector<std::string>& dropped() const { return dropped_; }
  void set_free_space(std::uint64_t bytes) { free_space_ = bytes; }
  std::string& content(const std::string& path) { return names_.at(path)->seen; }
  void put(const std::string& path, std::string bytes) {
    names_[path] = std::make_shared<Inode>(Inode{bytes, bytes});
    durable_names_[path] = names_[path];
  }

  // What was not synced is lost, or is there, or is there in part: names each on their own,
  // contents by sectors. Files that are open stay as they were seen.
  void cut_power(Random& random) {
    for (const auto& change : unsynced_names_)
      if (random.one_in(2)) change.apply(durable_names_);
    names_.clear();
    for (const auto& [name, inode] : durable_names_) {
      auto after = std::make_shared<Inode>();
      after->seen = inode->synced;
      if (inode->seen != inode->synced && !random.one_in(3))
        mix_sectors(random, inode->seen, after->seen);
      after->synced = after->seen;
      names_[name] = std::move(after);
    }
    durable_names_ = names_;
    unsynced_names_.clear();
    never_fail();
    failed_ = false;
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    if (mode != io::OpenMode::kCreate) {
      if (found == names_.end()) return Error{ErrorCode::kNotFound, "open " + path};
      return std::unique_ptr<io::File>(std::make_unique<CrashFile>(*this, found->second, path));
    }
    if (found != names_.end()) return Error{ErrorCode::kExists, "create " + path};
    SPILLWAY_TRY(change("create " + path));
    auto inode = std::make_shared<Inode>();
    rename_now({"", path, inode});
    return std::unique_ptr<io::File>(std::make_unique<CrashFile>(*this, inode, path));
  }
  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(from);
    if (found == names_.end()) return Error{ErrorCode::kNotFound, "rename " + from};
    SPILLWAY_TRY(change("rename " + from));
    rename_now({from, to, found->second});
    return {};
  }
  Status remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!names_.contains(path)) return Error{ErrorCode::kNotFound, "remove " + path};
    if (failure_ != ErrorCode::kNoSpace) SPILLWAY_TRY(change("remove " + path));
    rename_now({path, "", nullptr});
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, inode] : names_)
      if (io::parent_directory(name) == directory)
        names.push_back(name.substr(directory.size() + 1));
    return names;
  }
  Status make_directory(const std::string&) override { return {}; }
  Status sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    SPILLWAY_TRY(change("sync " + path));
    for (const auto& each : unsynced_names_) each.apply(durable_names_);
    unsynced_names_.clear();
    return {};
  }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string&) override {
    return std::make_unique<io::FileLock>();
  }
  Result<std::uint64_t> free_space(const std::string&) override { return free_space_; }

 private:
  static constexpr std::size_t kSector = 512;

  struct Inode {
    std::string seen;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // A creation (no `from`), a rename, or a removal (no `to`).
  struct NameChange {
    std::string from;
    std::string to;
    std::shared_ptr<Inode> inode;
    void apply(Names& names) const {
      if (!from.empty()) names.erase(from);
      if (!to.empty()) names[to] = inode;
    }
  };

  class CrashFile final : public io::File {
   public:
    CrashFile(CrashDisk& disk, std::shared_ptr<Inode> inode, std::string path)
        : disk_(disk), inode_(std::move(inode)), path_(std::move(path)) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
      const std::lock_guard lock(disk_.mutex_);
      const std::string& bytes = inode_->seen;
      const std::size_t begin = std::min<std::uint64_t>(offset, bytes.size());
      return bytes.copy(out.data(), out.size(), begin);
    }
    using File::write_at;
    Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
      const std::lock_guard lock(disk_.mutex_);
      SPILLWAY_TRY(disk_.change("write " + path_));
      for (const auto part : parts) {
        inode_->seen.resize(std::max<std::size_t>(inode_->seen.size(), offset + part.size()));
        part.copy(inode_->seen.data() + offset, part.size());
        offset += part.size();
      }
      return {};
    }
    Status sync_data() override {
      const std::lock_guard lock(disk_.mutex_);
      SPILLWAY_TRY(disk_.change("sync " + path_));
      inode_->synced = inode_->seen;
      ++disk_.file_syncs_;
      return {};
    }
    Status write_behind(std::uint64_t offset, std::uint64_t size) override {
      const std::lock_guard lock(disk_.mutex_);
      SPILLWAY_TRY(disk_.change("write behind " + path_));
      disk_.written_behind_.emplace_back(offset, size);
      return {};
    }
    Result<std::uint64_t> size() override {
      const std::lock_guard lock(disk_.mutex_);
      return std::uint64_t{inode_->seen.size()};
    }
    Status fill_with_zeros(std::uint64_t size) override {
      return write_at(0, std::string(size, '\0'));
    }
    void drop_cache() override {
      const std::lock_guard lock(disk_.mutex_);
      disk_.dropped_.push_back(path_);
    }
    Status truncate(std::uint64_t size) override {
      const std::lock_guard lock(disk_.mutex_);
      SPILLWAY_TRY(disk_.change("truncate " + path_));
      inode_->seen.resize(size);
      return {};
    }

   private:
    CrashDisk& disk_;
    std::shared_ptr<Inode> inode_;
    std::string path_;
  };

  static void mix_sectors(Random& random, const std::string& seen, std::string& to) {
    // A sync made the size durable too: what was appended since is cut anywhere, no more than that.
    const std::size_t size_min = std::min(to.size(), seen.size());
    to.resize(random.one_in(2) ? seen.size() : random.between(size_min, seen.size()));
    for (std::size_t at = 0; at < std::min(to.size(), seen.size()); at += kSector)
      if (random.one_in(2)) seen.copy(to.data() + at, std::min(kSector, to.size() - at), at);
  }
  Status change(const std::string& what) {
    if (calls_left_ && *calls_left_ == 0) {
      failed_ = true;
      return Error{failure_, what + ": the disk was told to fail"};
    }
    if (calls_left_) --*calls_left_;
    ++changes_;
    return {};
  }
  void rename_now(NameChange change) {
    change.apply(names_);
    unsynced_names_.push_back(std::move(change));
  }

  std::mutex mutex_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::optional<std::uint64_t> calls_left_;
  ErrorCode failure_ = ErrorCode::kIo;
  bool failed_ = false;
  std::uint64_t changes_ = 0;
  std::uint64_t file_syncs_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> written_behind_;
  std::vector<std::string> dropped_;
  std::uint64_t free_space_ = std::uint64_t{1} << 40;
};

}  // namespace spillway::log
