// A machine with a broker: the disk, which stays, and the process, which comes and goes. The
// process is what server/broker_assembly.cc makes of the broker's parts, without inputs: its spool,
// cursors, senders, breakers, route and switches are the product's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/delivery.h"
#include "broker/position_ranges.h"
#include "sim/broker_model.h"
#include "sim/broker_seed.h"
#include "sim/region_link.h"
#include "sim/sim_disk.h"
#include "sim/stage.h"

namespace spillway::sim {

struct BrokerPath;

// On the stage, which outlives it, as the links and the model do.
class BrokerMachine {
 public:
  struct Parts {
    Stage& stage;
    std::vector<BrokerModel*> models;  // of the streams, in their order
    BrokerModel::Spool spool;
    std::vector<RegionLink*> links;  // to all regions
    io::EventLog& log;
  };

  BrokerMachine(Parts parts, BrokerSettings settings, Random random);
  ~BrokerMachine();  // not while the process runs

  SimDisk& disk() { return *disk_; }
  bool running() const { return running_ != nullptr; }
  // Whether a call to the disk has failed since the process began: its writes may have stopped.
  bool has_met_failures() const { return failures() != failures_before_; }

  // Starts the process; an error is none that a broker may have. It may have met a crash of the
  // disk: then it isn't running.
  Status start();
  // The process is gone, as by SIGKILL or a power cut, and the disk holds what `loss` leaves.
  void crash(Loss loss);
  // As by SIGTERM.
  void stop();
  // A copy of what the disk shows now, and its use, for this machine or another one. The process
  // doesn't run then.
  std::unique_ptr<SimDisk> backup();
  void restore(std::unique_ptr<SimDisk> backup);

  // While the process runs.

  // Into one of the streams.
  void put(std::size_t stream, std::span<const BrokerModel::Put> records);
  // A person's switch, and the end of one where there is no target.
  void switch_to(const std::string& target);
  // The name of the target in use; and of one that isn't.
  std::optional<std::string> used() const;
  std::string another() const;
  // A person accepts whatever is set back. Whether anything is.
  bool is_set_back() const;
  void accept();
  // As by SIGHUP: other regions are its targets, or in another order. False: not now, one that a
  // person holds would go.
  bool change_targets(std::vector<std::size_t> order);
  std::uint64_t undelivered() const;  // records
  // What backfill has yet to send.
  std::uint64_t lacking() const;  // records
  // What the cursors say of what each region has; that those with backfill have all that the spool
  // holds; and that no target lacks, unnoticed, what it acknowledged last.
  Status check() const;

  // At any time.

  // Regions, in the order in which they are preferred.
  const std::vector<std::size_t>& targets() const { return order_; }
  // The region's disk was replaced by a backup of it.
  void region_set_back(std::size_t region);

  // Of all processes.
  std::uint64_t switches() const { return switches_; }      // from one target to another
  std::uint64_t backfilled() const { return backfilled_; }  // records, sent afterwards
  // The most records that were left behind at a time.
  std::uint64_t left_behind_max() const { return left_behind_max_; }
  std::uint64_t set_backs_noticed() const { return set_backs_noticed_; }
  // What is wrong with the use of targets, at any time.
  const Status& wrong() const { return wrong_; }

 private:
  struct Running;

  // Of a region that was set back.
  struct SetBack {
    bool ever = false;
    bool may_be_found = false;  // as far as the broker may know
    bool promised = false;      // it was found, durably
  };

  Status open(Running& process);
  Status open_spool(Running& process);
  void open_path(Running& process);
  bool leave_path(Running& process);
  Status check_cursors(std::size_t region) const;
  Status check_backfilled(stream::ShardId shard, const broker::PositionRanges& missing) const;
  Status check_marks() const;
  // What the spool holds of the shard. Its files go as wholes, also from amid others.
  Result<broker::PositionRanges> held_of(stream::ShardId shard) const;
  void check_hold(const broker::Route& route);
  void check_set_backs(Running& process);
  void fault(std::string what);
  void count_backfilled(const BrokerPath& path);
  void keep_room(Running& process);
  void note_dropped(const Running& process, const broker::Undelivered& held,
                    const broker::Delivered& next);
  void end(nanoseconds drain);
  std::uint64_t failures() const;

  const Parts parts_;
  const BrokerSettings settings_;
  Random random_;
  std::unique_ptr<SimDisk> disk_;
  SeededEntropy entropy_;
  std::unique_ptr<Running> running_;
  std::uint64_t failures_before_ = 0;  // of the disk
  // What a person was told holds; none: nobody knows, something went wrong with it.
  std::optional<std::string> promised_hold_ = "";
  std::vector<std::size_t> order_;  // of its targets: regions
  std::map<std::size_t, SetBack> set_back_;
  std::uint64_t switches_ = 0;
  std::uint64_t backfilled_ = 0;
  std::uint64_t left_behind_max_ = 0;
  std::uint64_t set_backs_noticed_ = 0;
  Status wrong_;
};

}  // namespace spillway::sim
