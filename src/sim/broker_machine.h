// A machine with a broker: the disk, which stays, and the process, which comes and goes. The
// process is what server/broker_assembly.cc makes of the broker's parts, without inputs: its spool,
// cursors, senders, breakers, route and switches are the product's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/delivery.h"
#include "broker/spool_room.h"
#include "broker/switches.h"
#include "engine/embedded/embedded_engine.h"
#include "sim/broker_model.h"
#include "sim/region_link.h"
#include "sim/sim_disk.h"
#include "sim/stage.h"

namespace spillway::sim {

struct BrokerSettings {
  std::vector<std::string> streams;
  engine::EmbeddedOptions engine;
  broker::SpoolLimits limits;
  broker::RouteSettings route;
  std::vector<std::size_t> backfilled;  // places of targets
  broker::CatchUp catch_up;
};

// On the stage, which outlives it, as the links and the model do.
class BrokerMachine {
 public:
  struct Parts {
    Stage& stage;
    std::vector<BrokerModel*> models;  // of the streams, in their order
    BrokerModel::Spool spool;
    std::vector<RegionLink*> links;  // to its targets, in their order
    io::EventLog& log;
  };

  BrokerMachine(Parts parts, BrokerSettings settings, Random random);
  ~BrokerMachine();  // not while the process runs

  SimDisk& disk() { return *disk_; }
  bool running() const { return running_ != nullptr; }

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
  // The name of the target in use.
  std::optional<std::string> used() const;
  std::uint64_t undelivered() const;  // records
  // What backfill has yet to send.
  std::uint64_t lacking() const;  // records
  // What the cursors say of what each region has; and that those with backfill have all that the
  // spool holds.
  Status check_cursors() const;

  // Of all processes.
  std::uint64_t switches() const { return switches_; }      // from one target to another
  std::uint64_t backfilled() const { return backfilled_; }  // records, sent afterwards
  // The most records that were left behind at a time.
  std::uint64_t left_behind_max() const { return left_behind_max_; }
  // What is wrong with switches of people, at any time.
  const Status& wrong() const { return wrong_; }

 private:
  struct Running;

  Status open(Running& process);
  Status open_spool(Running& process);
  void open_route(Running& process);
  Status check_backfilled(stream::ShardId shard, const broker::PositionRanges& missing) const;
  // What the spool holds of the shard. Its files go as wholes, also from amid others.
  Result<broker::PositionRanges> held_of(stream::ShardId shard) const;
  void check_hold(const broker::Route& route);
  void check_set_backs(const broker::Route& route);
  void keep_room(Running& process);
  void note_dropped(const Running& process, const broker::Undelivered& held,
                    const broker::Delivered& next);
  void end(nanoseconds drain);

  const Parts parts_;
  const BrokerSettings settings_;
  Random random_;
  std::unique_ptr<SimDisk> disk_;
  SeededEntropy entropy_;
  std::unique_ptr<Running> running_;
  // What a person was told holds; none: nobody knows, something went wrong with it.
  std::optional<std::string> promised_hold_ = "";
  std::uint64_t switches_ = 0;
  std::uint64_t backfilled_ = 0;
  std::uint64_t left_behind_max_ = 0;
  Status wrong_;
};

}  // namespace spillway::sim
