// What is taken of a shard of the spool at a time, and what an answer leaves of it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "broker/lane_packing.h"
#include "client/kinesis_client.h"
#include "stream/engine.h"

namespace spillway::broker {

struct SpoolBatch {
  std::vector<client::PutEntry> entries;  // their origins name no previous sequence yet
  stream::Position first;                 // of the first entry; the others follow without a gap
  stream::Position next;                  // behind the last
  std::size_t bytes = 0;                  // of their data and keys
  WallTime arrival{};                     // of the first
};

// The first records of what was read, from `from` on and before `until`, that are within `bounds`,
// and those of each lane within `of_lane`. Where there is none, `first` and `next` are `from`.
SpoolBatch take_batch(const stream::ReadResult& read, stream::Position from, stream::Position until,
                      const RequestBounds& bounds, const RequestBounds& of_lane);

struct Refused {
  std::size_t number = 0;
  std::string why;
};
struct Judged {
  Pending left;                  // to be sent again
  std::vector<Refused> refused;  // for what they are, for good
};

// Of the entries of a request that was answered so. Behind an entry that fails, others of its lane
// may have failed for its reason only: they are sent again.
Judged judged(const std::vector<client::PutEntry>& entries, const Pending& sent,
              const std::vector<client::PutOutcome>& outcomes);

// What is pending when a request with `sent` of it has left some of those. All are ascending.
Pending pending_after(const Pending& pending, const Pending& sent, const Pending& left);

}  // namespace spillway::broker
