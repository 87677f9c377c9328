#include "io/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace spillway::io {

namespace {

constexpr std::size_t kZeroChunk = std::size_t{1} << 20;
constexpr std::size_t kPartsPerCall = 64;

// What the system refused, in words that name the file.
Error failure(std::string_view call, const std::string& path, int number) {
  ErrorCode code = ErrorCode::kIo;
  if (number == ENOSPC || number == EDQUOT) code = ErrorCode::kNoSpace;
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EEXIST) code = ErrorCode::kExists;
  return {code, fmt::format("{} {}: {}", call, path, std::strerror(number))};
}

Error failure_at(std::string_view call, const std::string& path, std::uint64_t offset, int number) {
  Error error = failure(call, path, number);
  error.message += fmt::format(" (at byte {})", offset);
  return error;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// What is stored is its owner's: records, and the key that seals tokens.
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return failure("open", path, errno);
  return Descriptor(fd);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    std::size_t read = 0;
    while (read < out.size()) {
      const ssize_t got = ::pread(descriptor_.get(), out.data() + read, out.size() - read,
                                  static_cast<off_t>(offset + read));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure_at("read", path_, offset + read, errno);
      if (got == 0) break;
      read += static_cast<std::size_t>(got);
    }
    return read;
  }

  using File::write_at;
  Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    std::size_t next = 0;
    std::size_t skip = 0;  // bytes of parts[next] that are written
    while (next < parts.size()) {
      iovec vectors[kPartsPerCall];
      int count = 0;
      for (std::size_t i = next; i < parts.size() && count < int{kPartsPerCall}; ++i, ++count) {
        const std::string_view part = i == next ? parts[i].substr(skip) : parts[i];
        vectors[count] = {const_cast<char*>(part.data()), part.size()};
      }
      const ssize_t put = ::pwritev(descriptor_.get(), vectors, count, static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failure_at("write", path_, offset, errno);
      offset += static_cast<std::uint64_t>(put);
      skip += static_cast<std::size_t>(put);
      while (next < parts.size() && skip >= parts[next].size()) skip -= parts[next++].size();
    }
    return {};
  }

  // fdatasync is not repeated after EINTR either: what is unknown stays unknown.
  Status sync_data() override {
    if (::fdatasync(descriptor_.get()) != 0) return failure("fdatasync", path_, errno);
    return {};
  }

  // Of the two flags only waiting tells of a failed write, and it does so once: no later sync
  // would.
  Status write_behind(std::uint64_t offset, std::uint64_t size) override {
    SPILLWAY_TRY(
        write_range(behind_offset_, std::exchange(behind_size_, 0), SYNC_FILE_RANGE_WAIT_BEFORE));
    behind_offset_ = offset;
    behind_size_ = size;
    return write_range(offset, size, SYNC_FILE_RANGE_WRITE);
  }

  void drop_cache() override { ::posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  Result<std::uint64_t> size() override {
    struct stat status;
    if (::fstat(descriptor_.get(), &status) != 0) return failure("stat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Status fill_with_zeros(std::uint64_t size) override {
    SPILLWAY_TRY(truncate(size));
    // Written, not only allocated: an extent that was never written costs a metadata change, and so
    // a journal commit of the file system, at its first sync.
    const std::string zeros(std::min<std::uint64_t>(size, kZeroChunk), '\0');
    for (std::uint64_t offset = 0; offset < size; offset += zeros.size()) {
      const auto length = std::min<std::uint64_t>(zeros.size(), size - offset);
      SPILLWAY_TRY(write_at(offset, std::string_view(zeros).substr(0, length)));
    }
    return {};
  }

  Status truncate(std::uint64_t size) override {
    int result;
    do {
      result = ::ftruncate(descriptor_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return failure("truncate", path_, errno);
    return {};
  }

 private:
  // Of no bytes nothing: to the system that is all up to the file's end.
  Status write_range(std::uint64_t offset, std::uint64_t size, unsigned flags) {
    if (size > 0 &&
        ::sync_file_range(descriptor_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                          flags) != 0 &&
        errno != ENOSYS)  // some sandboxes lack it: then the last sync does all of it
      return failure("sync_file_range", path_, errno);
    return {};
  }

  Descriptor descriptor_;
  std::string path_;
  std::uint64_t behind_offset_ = 0;  // of the last write_behind()
  std::uint64_t behind_size_ = 0;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

}  // namespace

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode) {
  const int flags = mode == OpenMode::kRead        ? O_RDONLY
                    : mode == OpenMode::kReadWrite ? O_RDWR
                                                   : O_RDWR | O_CREAT | O_EXCL;
  SPILLWAY_ASSIGN(auto descriptor, open_descriptor(path, flags));
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(descriptor), path));
}

Status PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    Error error = failure("rename", from, errno);
    error.message += fmt::format(" (to {})", to);
    return error;
  }
  return {};
}

Status PosixDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failure("remove", path, errno);
  return {};
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return failure("list", directory, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int number = errno;
  ::closedir(stream);
  if (number != 0) return failure("list", directory, number);
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixDisk::make_directory(const std::string& path) {
  const std::string above = parent_directory(path);
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) return sync_directory(above);
  if (errno == ENOENT && !above.empty() && above != path) {
    SPILLWAY_TRY(make_directory(above));
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) return sync_directory(above);
  }
  const int number = errno;
  struct stat status;
  if (number == EEXIST && ::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return failure("make directory", path, ENOTDIR);
  }
  return failure("make directory", path, number);
}

Status PosixDisk::sync_directory(const std::string& path) {
  SPILLWAY_ASSIGN(auto descriptor, open_descriptor(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(descriptor.get()) != 0) return failure("fsync", path, errno);
  return {};
}

Result<std::unique_ptr<FileLock>> PosixDisk::lock(const std::string& path) {
  SPILLWAY_ASSIGN(auto descriptor, open_descriptor(path, O_RDWR | O_CREAT));
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failure("lock", path, errno);
    char holder[32] = {};
    const ssize_t got = ::pread(descriptor.get(), holder, sizeof holder - 1, 0);
    std::string_view pid(holder, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    while (pid.ends_with('\n')) pid.remove_suffix(1);
    return Error{ErrorCode::kBusy,
                 fmt::format("{} is locked by another process{}", path,
                             pid.empty() ? std::string() : fmt::format(" (pid {})", pid))};
  }
  // The pid is for the other's error message alone: no harm where it can't be written.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor.get(), 0) == 0)
    static_cast<void>(::pwrite(descriptor.get(), pid.data(), pid.size(), 0) < 0);
  return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(descriptor)));
}

Result<std::uint64_t> PosixDisk::file_id(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return failure("stat", path, errno);
  // Devices of a machine differ in their low bits; inodes hardly ever reach the top 16.
  return static_cast<std::uint64_t>(status.st_ino) ^ static_cast<std::uint64_t>(status.st_dev)
                                                         << 48;
}

Result<std::uint64_t> PosixDisk::free_space(const std::string& directory) {
  struct statvfs status;
  if (::statvfs(directory.c_str(), &status) != 0) return failure("statvfs", directory, errno);
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

Result<bool> PosixDisk::open_to_others(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return failure("stat", path, errno);
  return (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

}  // namespace spillway::io
