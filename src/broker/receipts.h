// The receipts of a broker's switches: one file each (receipt.h), written before the switch takes
// effect, and again when something is resolved.
//
// What can't be written stops no switch: it is told, kept in memory, and written as soon as it can
// be.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/cursors.h"
#include "broker/receipt.h"
#include "broker/spool_horizon.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread; calls block on the disk. What it is handed outlives it.
class Receipts {
 public:
  // The latest ones; older ones go. At least the last one stays.
  static constexpr std::size_t kKept = 100;
  static constexpr std::size_t kShardsKept = 20'000;  // of all of them
  // Shards of receipts that a look looks at, beside those of the last receipt.
  static constexpr std::size_t kShardsLookedAt = 2'000;
  // Receipts that a look stores: it waits for the disk with each.
  static constexpr std::size_t kStoredPerLook = 4;

  struct Parts {
    io::EventLoop& loop;
    io::Disk& disk;
    const Cursors& cursors;  // loaded
    const SpoolHorizon& horizon;
    io::EventLog& log;
  };

  Receipts(Parts parts, std::string directory) : parts_(parts), directory_(std::move(directory)) {}

  // Reads what is there. One that can't be read, is damaged, or of a newer version, is renamed to
  // NAME.damaged, and told. Once, before all else.
  void load();
  // Of a switch that is about to take effect. Its id.
  std::uint64_t begin(const SwitchEvent& event, std::span<const ShardUnderWay> shards);
  // Notes what was resolved. Every second or so.
  void look();

  // {"receipts":[…]}, the latest first.
  std::string list_json() const;
  // Of one, with all of its shards in which there is something. kNotFound.
  Result<std::string> json(std::uint64_t id) const;

 private:
  ShardPlaces places_of(const Receipt& receipt, stream::ShardId shard) const;
  ReceiptFigures figures(const Receipt& receipt) const;
  bool look_at(Receipt& receipt);
  void load_one(std::uint64_t id, const std::string& path);
  void forget_oldest();
  void store(std::uint64_t id);
  std::string path_of(std::uint64_t id) const;

  const Parts parts_;
  const std::string directory_;
  std::map<std::uint64_t, Receipt> receipts_;
  std::uint64_t last_id_ = 0;  // be it there or not
  std::set<std::uint64_t> unwritten_;
  std::uint64_t looked_at_ = 0;  // the last one, of those in turn
  bool failing_ = false;
};

}  // namespace spillway::broker
