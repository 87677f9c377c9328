// Whether a switch may be made by a broker whose switches need grants (docs/failover.md): the
// grants at hand (grant_files.h) judged by who approves and by what is remembered of them
// (grant_ledger.h).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/grant_files.h"
#include "broker/grant_ledger.h"
#include "broker/switch_event.h"

namespace spillway::broker {

struct Approver {
  std::string name;
  Ed25519Public key{};
};
// Of "NAME=ed25519:KEY", as broker.approvers has it.
Result<Approver> parse_approver(std::string_view text);

// One thread; calls block on the disk.
class SwitchApproval {
 public:
  struct Options {
    std::vector<Approver> approvers;
    std::string data;                  // the broker's directory
    std::string holder;                // "broker:NAME", of switches that it makes by itself
    std::vector<std::string> streams;  // that it switches, all together
  };
  struct News {
    std::vector<SwitchEvent> events;  // for the log of switches
    std::vector<std::string> faults;  // that weren't told before
  };

  SwitchApproval(Options options, io::Disk& disk);

  // Those that are switched from now on.
  void set_streams(std::vector<std::string> streams) { options_.streams = std::move(streams); }

  // Takes in what was put into the directory: grants, and revocations, which count from now on.
  // Once a second or so.
  News look(WallTime clock);
  // To be called when the news of look() are in the log: they are none after a restart then.
  Status told();

  // A person's, whose key is proven; `handed`: a grant that they give besides those at hand,
  // and are told of where none is good. One for one switch is used when this returns.
  Decision decide(const std::string& target, const std::string& holder,
                  const std::optional<Grant>& handed, WallTime clock);
  // The broker's own.
  Decision decide(const std::string& target, WallTime clock);
  // Whether decide() would allow the broker's own, as far as look() knows.
  bool permits(const std::string& target, WallTime clock) const;
  // Until when it would without a break, by grants for more than one switch; nullopt: not now.
  std::optional<WallTime> covered_until(const std::string& target, WallTime clock) const;

  // The time by which grants are judged.
  WallTime now(WallTime clock) const { return ledger_.now(clock); }

  // A grant that was handed and allowed a switch is kept with the others.
  Status keep(std::string_view text);

  // What a grant has to say to allow the switch, and how to make it: for people.
  std::string needed(const std::string& target, std::string_view holder) const;

 private:
  Approval approval() const;
  SwitchRequest request(const std::string& target, const std::string& holder) const;
  SwitchEvent event_of(const Grant& grant, WallTime clock) const;
  SwitchEvent event_of(const Revocation& revocation, WallTime clock) const;
  std::string name_of(const Ed25519Public& approver) const;
  void take_in_revocations(News& news, WallTime clock);
  void note_fault(News& news, Status status);

  Options options_;
  io::Disk& disk_;
  const std::string directory_;
  std::vector<Ed25519Public> keys_;
  GrantFolder folder_;
  GrantLedger ledger_;
  std::set<std::string> at_hand_;
  std::set<std::string> faults_;  // of the last look
  std::set<std::string> faults_now_;
};

}  // namespace spillway::broker
