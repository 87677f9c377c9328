#include "sim/sim_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/assert.h"

namespace spillway::sim {

namespace {

constexpr std::size_t kSector = 512;
// Sectors that a garbled loss spoils, one in so many. Writes of one sector are headers, of which
// few are under way when the power goes: so that they are met at all, half of them are spoilt.
constexpr std::uint64_t kGarbledOneIn = 8;
constexpr std::uint64_t kSmallGarbledOneIn = 2;
constexpr std::string_view kJournalSuffix = ".journal";
constexpr std::string_view kSegmentSuffix = ".segment";
constexpr std::string_view kMarkSuffix = ".removed";
constexpr std::string_view kSnapshotSuffix = ".snapshot";
constexpr std::string_view kSnapshotCopySuffix = ".copy";

bool is_journal(std::string_view path) { return path.ends_with(kJournalSuffix); }

}  // namespace

std::string_view name_of(Activity activity) {
  switch (activity) {
    case Activity::kJournalAppend:
      return "journal append";
    case Activity::kJournalRecycle:
      return "journal recycling";
    case Activity::kSegmentWrite:
      return "segment writing";
    case Activity::kMerge:
      return "segment merging";
    case Activity::kTrim:
      return "trimming";
    case Activity::kSnapshot:
      return "snapshot";
    case Activity::kOther:
      break;
  }
  return "other";
}

class SimDisk::Lock final : public io::FileLock {
 public:
  explicit Lock(SimDisk& disk) : disk_(disk) { disk_.locked_ = true; }
  ~Lock() override { disk_.locked_ = false; }

 private:
  SimDisk& disk_;
};

class SimDisk::OpenFile final : public io::File {
 public:
  OpenFile(SimDisk& disk, std::shared_ptr<Inode> inode, std::string path)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) override {
    disk_.scheduler_->pause();
    if (disk_.crashed_) return disk_.dead("read", path_);
    if (disk_.fails(Failing::kRead))
      return Error{ErrorCode::kIo, fmt::format("read {}: planted failure", path_)};
    const std::size_t begin = std::min<std::uint64_t>(offset, inode_->seen.size());
    return inode_->seen.copy(out.data(), out.size(), begin);
  }
  using File::write_at;
  Status write_at(std::uint64_t offset, std::span<const std::string_view> parts) override {
    std::string bytes;
    for (const auto part : parts) bytes += part;
    return write("write", offset, std::move(bytes));
  }
  Status sync_data() override {
    const auto call = disk_.begin("sync", path_, kSector, false);
    // A sync that the crash met may have reached any of the changes; restart() decides which.
    if (call != Call::kProceed) return disk_.dead("sync", path_);
    if (disk_.fails(Failing::kSync)) {
      // Some may have reached the disk before the failure; none will from now on.
      for (const auto& change : std::exchange(inode_->unsynced, {}))
        if (disk_.random_.one_in(2)) disk_.scatter(change, false, inode_->durable);
      return Error{ErrorCode::kIo, fmt::format("sync {}: planted failure", path_)};
    }
    for (const auto& change : std::exchange(inode_->unsynced, {})) apply(change, inode_->durable);
    if (is_journal(path_)) ++disk_.journal_syncs_;
    disk_.scheduler_->pause();
    return {};
  }
  Result<std::uint64_t> size() override {
    if (disk_.crashed_) return disk_.dead("size", path_);
    return std::uint64_t{inode_->seen.size()};
  }
  Status fill_with_zeros(std::uint64_t size) override {
    SPILLWAY_TRY(truncate(0));
    return write("fill", 0, std::string(size, '\0'));
  }
  Status truncate(std::uint64_t size) override {
    const auto call = disk_.begin("truncate", path_, 0, false);
    if (call != Call::kNotAtAll) disk_.resize(*inode_, size);
    if (call != Call::kProceed) return disk_.dead("truncate", path_);
    return {};
  }

 private:
  Status write(std::string_view name, std::uint64_t offset, std::string bytes) {
    const auto call = disk_.begin(name, path_, offset, false);
    if (call == Call::kNotAtAll) return disk_.dead(name, path_);
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t grows = end - std::min<std::uint64_t>(end, inode_->seen.size());
    if (call == Call::kProceed && grows > 0 && disk_.used() + grows > disk_.capacity_) {
      ++disk_.refusals_;
      return Error{ErrorCode::kNoSpace, fmt::format("{} {}: no space left", name, path_)};
    }
    const bool failed = call == Call::kProceed && disk_.fails(Failing::kWrite);
    if (failed || call == Call::kInPart) bytes.resize(disk_.random_.below(bytes.size() + 1));
    disk_.write(*inode_, offset, std::move(bytes));
    if (failed) return Error{ErrorCode::kIo, fmt::format("{} {}: planted failure", name, path_)};
    if (call == Call::kInPart) return disk_.dead(name, path_);
    return {};
  }

  SimDisk& disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
};

SimDisk::SimDisk(const SimDisk& other, Random random, Scheduler& scheduler, History& history)
    : random_(random), scheduler_(&scheduler), history_(&history) {
  for (const auto& [name, inode] : other.names_) {
    auto copy = std::make_shared<Inode>(*inode);
    copy->durable = copy->seen;
    copy->unsynced.clear();
    names_[name] = std::move(copy);
  }
  durable_names_ = names_;
}

// --- What goes wrong

void SimDisk::restart(Loss loss) {
  SPILLWAY_ASSERT(!locked_);
  never_crash();
  never_fail();
  crashed_ = false;
  if (loss == Loss::kNothing) return;
  const std::uint64_t order_max = random_.below(order_ + 1);
  // File systems keep the order of changes to one name or one file, whatever they do with others.
  std::set<std::string> lost_names;
  std::set<const Inode*> lost_inodes;
  for (const auto& change : unsynced_names_) {
    const bool after_lost = lost_names.contains(change.from) || lost_names.contains(change.to) ||
                            lost_inodes.contains(change.inode.get());
    const bool reached = loss == Loss::kAll      ? false
                         : loss == Loss::kSuffix ? change.order <= order_max
                                                 : !after_lost && random_.one_in(2);
    if (reached) {
      apply(change, durable_names_);
      continue;
    }
    if (!change.from.empty()) lost_names.insert(change.from);
    if (!change.to.empty()) lost_names.insert(change.to);
    if (change.inode != nullptr) lost_inodes.insert(change.inode.get());
  }
  unsynced_names_.clear();
  names_ = durable_names_;
  for (auto& [name, inode] : names_) settle(*inode, loss, order_max);
}

void SimDisk::settle(Inode& inode, Loss loss, std::uint64_t order_max) {
  for (const auto& change : std::exchange(inode.unsynced, {})) {
    switch (loss) {
      case Loss::kNothing:
      case Loss::kAll:
        break;
      case Loss::kSuffix:
        if (change.order < order_max) apply(change, inode.durable);
        if (change.order == order_max) scatter(change, false, inode.durable);
        break;
      case Loss::kScattered:
      case Loss::kGarbled:
        scatter(change, loss == Loss::kGarbled, inode.durable);
        break;
    }
  }
  inode.seen = inode.durable;
}

void SimDisk::scatter(const Change& change, bool garbled, std::string& to) {
  if (change.resizes) {
    if (random_.one_in(2)) apply(change, to);
    return;
  }
  std::uint64_t at = change.offset;
  const std::uint64_t end = change.offset + change.bytes.size();
  const auto garbled_one_in = change.bytes.size() <= kSector ? kSmallGarbledOneIn : kGarbledOneIn;
  while (at < end) {
    const std::uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    if (random_.one_in(2)) {
      Change piece{0, at, change.bytes.substr(at - change.offset, next - at), false};
      if (garbled && random_.one_in(garbled_one_in))
        for (auto& byte : piece.bytes) byte = static_cast<char>(random_.next());
      apply(piece, to);
    }
    at = next;
  }
}

std::string SimDisk::flip_bit() {
  std::vector<std::string> paths;
  for (const auto& [name, inode] : names_)
    if (!inode->seen.empty()) paths.push_back(name);
  if (paths.empty()) return {};
  const auto& path = paths[random_.below(paths.size())];
  Inode& inode = *names_[path];
  const std::size_t at = random_.below(inode.seen.size());
  const auto flipped = static_cast<char>(inode.seen[at] ^ (1 << random_.below(8)));
  inode.seen[at] = flipped;
  if (at < inode.durable.size()) inode.durable[at] = flipped;
  return fmt::format("{} byte {}", path, at);
}

std::string SimDisk::lose_segment() {
  std::vector<std::string> paths;
  for (const auto& [name, inode] : names_)
    if (name.ends_with(kSegmentSuffix)) paths.push_back(name);
  if (paths.empty()) return {};
  auto& path = paths[random_.below(paths.size())];
  names_.erase(path);
  durable_names_.erase(path);
  return std::move(path);
}

std::string SimDisk::damage_journal(Random& random) {
  std::vector<std::string> paths;
  for (const auto& [name, inode] : names_)
    if (is_journal(name)) paths.push_back(name);
  if (paths.empty()) return {};
  auto& path = random.one_in(4) ? paths[random.below(paths.size())] : paths.back();
  if (random.one_in(2)) {
    names_.erase(path);
    durable_names_.erase(path);
  } else {
    Inode& inode = *names_[path];
    inode.seen.resize(random.one_in(3) ? 0 : random.below(inode.seen.size() + 1));
    inode.durable.resize(std::min(inode.durable.size(), inode.seen.size()));
    inode.unsynced.clear();
  }
  return std::move(path);
}

std::string SimDisk::lose_snapshot(Random& random) {
  const std::string_view suffix = random.one_in(3) ? kSnapshotCopySuffix : kSnapshotSuffix;
  std::string newest;
  for (const auto& [name, inode] : names_)
    if (name.ends_with(suffix)) newest = name;
  names_.erase(newest);
  durable_names_.erase(newest);
  return newest;
}

std::uint64_t SimDisk::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, inode] : names_) bytes += inode->seen.size();
  return bytes;
}

Activity SimDisk::activity_of(const std::string& path, std::uint64_t offset, bool removes) const {
  if (is_journal(path))
    return offset >= kSector ? Activity::kJournalAppend : Activity::kJournalRecycle;
  if (path.find("snapshot") != std::string::npos) return Activity::kSnapshot;
  if (path.find("journal") != std::string::npos) return Activity::kJournalRecycle;
  if (path.find("segment") == std::string::npos) return Activity::kOther;
  if (path.ends_with(kMarkSuffix)) return Activity::kTrim;
  if (removes && path.ends_with(kSegmentSuffix))
    return replaced_segment_ ? Activity::kMerge : Activity::kTrim;
  const std::size_t made = path.rfind(".new");
  const bool replaces =
      made != std::string::npos ? names_.contains(path.substr(0, made)) : replaced_segment_;
  return replaces ? Activity::kMerge : Activity::kSegmentWrite;
}

SimDisk::Call SimDisk::begin(std::string_view name, const std::string& path, std::uint64_t offset,
                             bool removes) {
  scheduler_->pause();
  history_->add(name);
  history_->add(path);
  history_->add(offset);
  if (trace_) trace_(fmt::format("{}: {} {} at {}", scheduler_->running(), name, path, offset));
  if (crashed_) return Call::kNotAtAll;
  ++changes_;
  if (!crash_in_ || (*crash_in_)-- > 0) return Call::kProceed;
  crashed_ = true;
  crashed_at_ = activity_of(path, offset, removes);
  return random_.one_in(2) ? Call::kInPart : Call::kNotAtAll;
}

bool SimDisk::fails(Failing kind) {
  auto& left = fail_in_[index(kind)];
  if (!left || (*left)-- > 0) return false;
  left.reset();
  ++failures_[index(kind)];
  return true;
}

Error SimDisk::dead(std::string_view call, const std::string& path) const {
  return Error{ErrorCode::kIo, fmt::format("{} {}: the machine is down", call, path)};
}

// --- Content and names

void SimDisk::apply(const Change& change, std::string& to) {
  if (change.resizes) return to.resize(change.offset);
  to.resize(std::max<std::size_t>(to.size(), change.offset + change.bytes.size()));
  change.bytes.copy(to.data() + change.offset, change.bytes.size());
}

void SimDisk::apply(const NameChange& change, Names& names) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.inode;
}

void SimDisk::write(Inode& inode, std::uint64_t offset, std::string bytes) {
  Change change{++order_, offset, std::move(bytes), false};
  apply(change, inode.seen);
  inode.unsynced.push_back(std::move(change));
}

void SimDisk::resize(Inode& inode, std::uint64_t size) {
  Change change{++order_, size, {}, true};
  apply(change, inode.seen);
  inode.unsynced.push_back(std::move(change));
}

void SimDisk::change_name(NameChange change) {
  change.order = ++order_;
  if (change.to.ends_with(kSegmentSuffix)) replaced_segment_ = names_.contains(change.to);
  apply(change, names_);
  unsynced_names_.push_back(std::move(change));
}

Result<std::unique_ptr<io::File>> SimDisk::open(const std::string& path, io::OpenMode mode) {
  if (mode != io::OpenMode::kCreate) {
    scheduler_->pause();
    if (crashed_) return dead("open", path);
    const auto found = names_.find(path);
    if (found == names_.end()) return Error{ErrorCode::kNotFound, "open " + path};
    return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, found->second, path));
  }
  const auto call = begin("create", path, 0, false);
  if (call == Call::kNotAtAll) return dead("create", path);
  if (names_.contains(path)) return Error{ErrorCode::kExists, "create " + path};
  auto inode = std::make_shared<Inode>();
  change_name({0, "", path, inode});
  if (call == Call::kInPart) return dead("create", path);
  return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, inode, path));
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  const auto call = begin("rename", from, 0, false);
  if (call == Call::kNotAtAll) return dead("rename", from);
  const auto found = names_.find(from);
  if (found == names_.end()) return Error{ErrorCode::kNotFound, "rename " + from};
  change_name({0, from, to, found->second});
  if (call == Call::kInPart) return dead("rename", from);
  return {};
}

Status SimDisk::remove(const std::string& path) {
  if (!crashed_ && !names_.contains(path)) return Error{ErrorCode::kNotFound, "remove " + path};
  const auto call = begin("remove", path, 0, true);
  if (call == Call::kNotAtAll) return dead("remove", path);
  if (!names_.contains(path)) return Error{ErrorCode::kNotFound, "remove " + path};
  change_name({0, path, "", nullptr});
  if (call == Call::kInPart) return dead("remove", path);
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
  scheduler_->pause();
  if (crashed_) return dead("list", directory);
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_)
    if (io::parent_directory(name) == directory) names.push_back(name.substr(directory.size() + 1));
  return names;
}

Status SimDisk::make_directory(const std::string& path) {
  if (crashed_) return dead("make", path);
  return {};
}

Status SimDisk::sync_directory(const std::string& path) {
  const auto call = begin("sync", path, 0, false);
  if (call != Call::kProceed) return dead("sync", path);
  if (fails(Failing::kSync))
    return Error{ErrorCode::kIo, fmt::format("sync {}: planted failure", path)};
  std::vector<NameChange> others;
  for (auto& change : unsynced_names_) {
    const std::string& named = change.to.empty() ? change.from : change.to;
    if (io::parent_directory(named) == path) {
      apply(change, durable_names_);
    } else {
      others.push_back(std::move(change));
    }
  }
  unsynced_names_ = std::move(others);
  scheduler_->pause();
  return {};
}

Result<std::unique_ptr<io::FileLock>> SimDisk::lock(const std::string& path) {
  if (crashed_) return dead("lock", path);
  if (locked_) return Error{ErrorCode::kBusy, "lock " + path};
  return std::unique_ptr<io::FileLock>(std::make_unique<Lock>(*this));
}

Result<std::uint64_t> SimDisk::free_space(const std::string& directory) {
  if (crashed_) return dead("free space of", directory);
  return capacity_ - std::min(capacity_, used());
}

}  // namespace spillway::sim
