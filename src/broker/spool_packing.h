// Whether the spool is worth packing: its files are merged, and what is in them compressed, for an
// outage that lasts. What is delivered within a minute would be read, packed and written once more
// for nothing, and by the cores that accept and deliver.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "broker/oldest_records.h"

namespace spillway::broker {

class SpoolPacking {
 public:
  // Older than that, a record that isn't delivered is likely to stay for long.
  static constexpr nanoseconds kAfter = seconds(60);
  // Beyond that there are too many files, each of which is open: they are merged at any time.
  static constexpr std::uint64_t kUnpackedBytesMax = std::uint64_t{8} << 30;

  // Every second or so, on one thread. `stored_bytes`: of the spool.
  void look(const Undelivered& held, std::uint64_t stored_bytes, MonoTime now);
  bool packs() const { return packs_; }  // any thread

 private:
  struct Mark {
    MonoTime at;
    Delivered ends;  // of the shards, then
  };

  std::optional<Mark> mark_;  // of what isn't delivered yet
  std::atomic<bool> packs_ = false;
};

}  // namespace spillway::broker
