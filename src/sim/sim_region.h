// A region as its clients may know it: it stores the entries of a lane of a request as a prefix,
// what it acknowledged it keeps, what it stored can be read at once. It crashes, hangs, fails
// requests and entries, has its shards split and merged, and is set back to what a backup of it
// holds. Amazon's stores any entries of a request, and knows no origins: whoever puts must not give
// it two of a lane.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/uint128.h"
#include "client/kinesis_client.h"
#include "sim/stage.h"

namespace spillway::sim {

// Of what a region does badly. Chances are in thousandths.
struct RegionConduct {
  std::uint32_t entry_fails = 0;  // of each entry
  std::uint32_t fails = 0;        // of each request: a 5xx
  std::uint32_t throttles = 0;    // of each request
  std::uint32_t unreadable = 0;   // of each read
  std::uint32_t expires = 0;      // of each iterator
  nanoseconds service_max = milliseconds(5);
};

enum class RegionKind { kSpillway, kAmazon };

class SimRegion {
 public:
  // Of the data of a record that no region takes, for what it is.
  static constexpr std::string_view kPoison = "poison";

  // Told of every record that becomes stored, or is lost, of those in aggregates one by one.
  // `passed`: it lies in front of where the shard was read to before the region was set back, so
  // whoever reads on from there doesn't come by it.
  using Told = std::function<void(const std::string& stream, const client::PutEntry&, bool passed)>;
  struct Watcher {
    Told stored;
    Told lost;
  };

  SimRegion(Stage& stage, RegionKind kind, Random random, Watcher watcher);

  RegionKind kind() const { return kind_; }

  // --- What goes wrong.

  void behave(const RegionConduct& conduct) { conduct_ = conduct; }
  // Of requests that were being served, some are done in part; nobody gets an answer.
  void crash();
  void start() { down_ = false; }
  // Requests are taken and wait, until it goes on.
  void hang() { hung_ = true; }
  void go_on();
  // An open shard that the seed picks is split, or merged with the one behind it.
  bool reshard();
  // How many records each shard has; a stream that isn't listed isn't there.
  using Backup = std::map<std::string, std::vector<std::size_t>>;
  Backup backup() const;
  // While it is down, and once: its disk is the backup's. It wasn't resharded since.
  void restore(const Backup& backup);

  // --- For region_link.h

  bool down() const { return down_; }
  // Serves a request after a while. `over`: whether it was, or the region crashed before.
  void ask(UniqueFunction<void(SimRegion&)> serve, UniqueFunction<void(bool)> over);

  // --- Requests, from within ask() alone

  Status create(const std::string& stream);
  Result<client::PutRecordsResult> put(const std::string& stream,
                                       const std::vector<client::PutEntry>& entries);
  Result<bool> holds(const std::string& stream, const client::PutOutcome& place);
  // kNotFound: there is no such stream.
  Result<bool> reaches(const std::string& stream, const client::PutOutcome& place) const;
  Result<std::vector<client::Shard>> list_shards(const std::string& stream);
  Result<std::string> get_shard_iterator(const std::string& stream, const std::string& shard_id,
                                         const client::IteratorStart& start);
  Result<client::GetRecordsResult> get_records(const std::string& iterator);

 private:
  struct Shard {
    client::Shard info;
    Uint128 first = 0;
    Uint128 last = kUint128Max;
    std::vector<client::Record> records;
    std::size_t read_to = 0;  // by anybody
    // What is stored there is passed by who had read the shard before it was set back.
    std::size_t passed_from = 0;
    std::size_t passed_to = 0;
    bool passed(std::size_t at) const { return passed_from <= at && at < passed_to; }
  };
  using Shards = std::vector<Shard>;  // a shard's id is its place
  struct Stream {
    Shards shards;  // as long as the region lives: a stream that is made again has them again
    bool there = false;
  };
  struct Request {
    UniqueFunction<void(SimRegion&)> serve;
    UniqueFunction<void(bool)> over;
  };

  bool chance(std::uint32_t thousandths) { return random_.below(1000) < thousandths; }
  Status refused();
  // nullptr: it isn't there.
  Shards* find(const std::string& stream);
  const Shards* find(const std::string& stream) const;
  void tell(const Told& told, const std::string& stream, const Shard& shard, std::size_t at) const;
  void set_back(const std::string& stream, Shard& shard, std::size_t records);
  Shard& child(Shards& shards, Uint128 first, Uint128 last, const std::string& parent);
  static void close(Shard& shard);
  static Shard& shard_of(Shards& shards, Uint128 hash_key);
  bool poisonous(const client::PutEntry& entry) const;
  void check_lanes(const std::vector<client::PutEntry>& entries) const;
  client::PutOutcome store(const std::string& stream, Shards& shards,
                           const client::PutEntry& entry);
  void serve(std::uint64_t request);
  void serve_hung();

  Stage& stage_;
  const RegionKind kind_;
  Random random_;
  const Watcher watcher_;
  const bool refuses_whole_;  // a request with poison, as the service's model has it
  RegionConduct conduct_;
  std::map<std::string, Stream> streams_;
  std::map<std::uint64_t, Request> being_served_;
  std::vector<std::uint64_t> waiting_;  // of those: their time came while it hung
  std::uint64_t next_request_ = 0;
  bool down_ = false;
  bool hung_ = false;
  bool dying_ = false;  // requests are done in part
};

}  // namespace spillway::sim
