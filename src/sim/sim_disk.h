// A disk in memory that does what real ones do at their worst: what was not synced is lost, torn,
// reordered or garbled by a power cut, calls fail, space runs out, bits flip. Every choice is the
// seed's.
//
// What is promised and what isn't (POSIX, and what ext4, XFS and disks do with it):
// - sync_data() makes a file's content and size durable, sync_directory() its names; nothing else
//   does, and unsynced changes may reach the disk in any order, in sectors of 512 bytes.
// - After a failed sync of a file its changes are still seen, and will never reach the disk: a
// later
//   sync finds nothing to write. (File systems don't lose names so: they shut down instead.)
// - A file stays readable through an open File when its name is gone.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "io/disk.h"
#include "sim/history.h"
#include "sim/scheduler.h"

namespace spillway::sim {

// What a crash leaves of the changes that were not synced.
enum class Loss {
  kNothing,    // the process alone died: they are still seen, and still not durable
  kAll,        // none of them reached the disk
  kSuffix,     // those up to one of them did, in order; that one in part
  kScattered,  // each sector and each name on its own
  kGarbled,    // likewise, and a sector may hold anything
};
inline constexpr std::array kLosses = {Loss::kNothing, Loss::kAll, Loss::kSuffix, Loss::kScattered,
                                       Loss::kGarbled};

// What a call was for, by its path: what the counts of crash points are kept by.
enum class Activity {
  kJournalAppend,
  kJournalRecycle,  // making, renaming and heading a journal file
  kSegmentWrite,
  kMerge,
  kTrim,  // removing a segment whose records have expired
  kSnapshot,
  kOther,
};
std::string_view name_of(Activity activity);

enum class Failing { kWrite, kSync, kRead };

class SimDisk final : public io::Disk {
 public:
  SimDisk(Random random, Scheduler& scheduler, History& history)
      : random_(random), scheduler_(&scheduler), history_(&history) {}
  // What `other` holds, synced or not, in another simulation. No File of it may be open.
  SimDisk(const SimDisk& other, Random random, Scheduler& scheduler, History& history);

  // Called with each call that changes something, for people to read.
  void set_trace(std::function<void(std::string_view)> trace) { trace_ = std::move(trace); }

  // --- What goes wrong.

  // The `calls`th call from now that changes something is the last: it takes effect in part, in
  // whole or not at all; it and all later ones fail.
  void crash_after(std::uint64_t calls) { crash_in_ = calls; }
  void never_crash() { crash_in_.reset(); }
  // Between two calls: none takes effect any more.
  void crash() { crashed_ = true; }
  bool crashed() const { return crashed_; }
  Activity crashed_at() const { return crashed_at_; }
  // Comes back with what `loss` leaves. Every File must be closed.
  void restart(Loss loss);

  // The `calls`th call of the kind from now fails with kIo.
  void fail_after(Failing kind, std::uint64_t calls) { fail_in_[index(kind)] = calls; }
  // Failures that happened since the start.
  std::uint64_t failures(Failing kind) const { return failures_[index(kind)]; }
  void never_fail() { fail_in_ = {}; }

  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  std::uint64_t used() const;
  std::uint64_t refusals() const { return refusals_; }  // for want of space

  // Flips one bit of what is durable and seen, in a file that the seed picks; its path, or empty
  // where there is no file with content.
  std::string flip_bit();

  // A segment's file that the seed picks is there no more; its path, or empty where there is none.
  std::string lose_segment();
  // A file of the journal, in most cases the newest, is there no more, or lacks its end; its path,
  // or empty where there is none. `random` picks.
  std::string damage_journal(Random& random);
  // The newest snapshot's file, or its copy, is there no more; likewise.
  std::string lose_snapshot(Random& random);

  // Calls that change something, since the start.
  std::uint64_t changes() const { return changes_; }
  std::uint64_t journal_syncs() const { return journal_syncs_; }

  // --- io::Disk

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  // Directories are implied by the paths of files.
  Status make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override;
  Result<std::uint64_t> free_space(const std::string& directory) override;

 private:
  class OpenFile;
  class Lock;

  // A write, or a change of size (without bytes).
  struct Change {
    std::uint64_t order = 0;
    std::uint64_t offset = 0;
    std::string bytes;
    bool resizes = false;  // to `offset`
  };
  struct Inode {
    std::string seen;
    std::string durable;
    std::vector<Change> unsynced;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // A creation (no `from`), a rename, or a removal (no `to`).
  struct NameChange {
    std::uint64_t order = 0;
    std::string from;
    std::string to;
    std::shared_ptr<Inode> inode;
  };
  enum class Call { kProceed, kInPart, kNotAtAll };

  static constexpr std::size_t index(Failing kind) { return static_cast<std::size_t>(kind); }
  static void apply(const Change& change, std::string& to);
  static void apply(const NameChange& change, Names& names);

  Activity activity_of(const std::string& path, std::uint64_t offset, bool removes) const;
  // Of a call that changes something: whether it proceeds, or the crash has come.
  Call begin(std::string_view name, const std::string& path, std::uint64_t offset, bool removes);
  bool fails(Failing kind);
  Error dead(std::string_view call, const std::string& path) const;
  void change_name(NameChange change);
  void write(Inode& inode, std::uint64_t offset, std::string bytes);
  void resize(Inode& inode, std::uint64_t size);
  void settle(Inode& inode, Loss loss, std::uint64_t order_max);
  void scatter(const Change& change, bool garbled, std::string& to);

  Random random_;
  Scheduler* scheduler_;
  History* history_;
  std::function<void(std::string_view)> trace_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::uint64_t order_ = 0;
  bool replaced_segment_ = false;  // the last rename of a segment took another one's name
  bool locked_ = false;

  std::optional<std::uint64_t> crash_in_;
  bool crashed_ = false;
  Activity crashed_at_ = Activity::kOther;
  std::array<std::optional<std::uint64_t>, 3> fail_in_;
  std::array<std::uint64_t, 3> failures_{};
  std::uint64_t capacity_ = UINT64_MAX;
  std::uint64_t refusals_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t journal_syncs_ = 0;
};

}  // namespace spillway::sim
