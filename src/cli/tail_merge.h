// Records of several shards in one order: by (arrival, shard, sequence number).
//
// Each shard gives its records in that order. The first record of all that wait may go once no
// shard without waiting records can still give one that belongs before it:
//   - its last record was behind that one, or
//   - it was at its tip, as an answer said that was asked for after that record had come: whatever
//     it gives later arrived later. (That needs no common clock.)
// A shard that does neither for kWaitMax is not waited for; neither is any while more than
// kBytesMax wait. Their records then come out of order, as soon as they can.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/kinesis_client.h"

namespace spillway::cli {

class TailMerge {
 public:
  static constexpr nanoseconds kWaitMax = seconds(5);
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;  // of data and keys

  struct Next {
    std::string shard_id;
    client::Record record;
  };

  // The shard is being read from now on, until remove().
  void add(const std::string& shard_id);
  void give(const std::string& shard_id, std::vector<client::Record> records, MonoTime now);
  // Everything has been given that was in the shard at `began`.
  void at_tip(const std::string& shard_id, MonoTime began);
  // Read to its end; what waits still goes in its place.
  void remove(const std::string& shard_id);

  // The next record, if one may go at `now`.
  std::optional<Next> take(MonoTime now);
  // The next one in any case, while there are any.
  std::optional<Next> take_anyway();

  bool waiting(const std::string& shard_id) const;  // whether records of the shard do
  std::size_t waiting() const { return records_; }

 private:
  struct Waiting {
    client::Record record;
    MonoTime came;
  };
  struct Shard {
    std::deque<Waiting> records;
    WallTime last_arrival{};
    MonoTime tip{};  // the latest began of at_tip()
    bool ended = false;
  };
  using Shards = std::map<std::string, Shard>;

  Shards::iterator first();  // the shard of the first record; end(): none
  // Whether the shard, which has no records waiting, may give one before the first of `head`.
  static bool may_precede(const Shards::value_type& shard, const Shards::value_type& head);
  Next pop(Shards::iterator shard);

  Shards shards_;
  std::size_t records_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace spillway::cli
