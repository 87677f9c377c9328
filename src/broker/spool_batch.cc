#include "broker/spool_batch.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <iterator>
#include <utility>

#include "broker/target.h"
#include "stream/hash_key.h"
#include "stream/record_batch.h"

namespace spillway::broker {
namespace {

// Of bounds, what is left.
class Room {
 public:
  Room() = default;
  explicit Room(const RequestBounds& bounds) : left_(bounds) {}
  bool take(std::size_t bytes) {
    if (left_.records == 0 || (bytes > left_.bytes && !empty_)) return false;
    --left_.records;
    left_.bytes -= std::min(bytes, left_.bytes);
    empty_ = false;
    return true;
  }

 private:
  RequestBounds left_;
  bool empty_ = true;
};

}  // namespace

SpoolBatch take_batch(const stream::ReadResult& read, stream::Position from, stream::Position until,
                      const RequestBounds& bounds, const RequestBounds& of_lane) {
  SpoolBatch batch;
  batch.first = batch.next = from;
  Room all(bounds);
  std::array<Room, stream::kLanes> lanes;
  lanes.fill(Room(of_lane));
  for (const auto& stored : read.batches) {
    stream::RecordBatchReader records(stored.payload);
    stream::Position position = stored.first;
    for (auto record = records.next(); record;
         record = records.next(), position = position.plus(1)) {
      if (position < from) continue;
      const std::size_t bytes = record->data.size() + record->partition_key.size();
      const bool first = batch.entries.empty();
      const bool follows = first || position == batch.next;
      if (!follows || position >= until || !all.take(bytes)) return batch;
      auto entry = entry_of(*record);
      if (!lanes[lane_of(entry)].take(bytes)) return batch;
      if (first) {
        batch.first = position;
        batch.arrival = stored.arrival;
      }
      batch.bytes += bytes;
      batch.entries.push_back(std::move(entry));
      batch.next = position.plus(1);
    }
  }
  return batch;
}

Judged judged(const std::vector<client::PutEntry>& entries, const Pending& sent,
              const std::vector<client::PutOutcome>& outcomes) {
  Judged judged;
  judged.left.reserve(sent.size());
  judged.refused.reserve(sent.size());
  std::bitset<stream::kLanes> failed;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (i < outcomes.size() && outcomes[i].ok()) continue;
    const auto& origin = entries[sent[i]].origin;
    const bool first = !origin || !failed[origin->lane];
    if (origin) failed.set(origin->lane);
    if (i < outcomes.size() && first && refused_for_good(outcomes[i])) {
      judged.refused.push_back(
          {sent[i], outcomes[i].error_code + ": " + outcomes[i].error_message});
    } else {
      judged.left.push_back(sent[i]);
    }
  }
  return judged;
}

Pending pending_after(const Pending& pending, const Pending& sent, const Pending& left) {
  Pending unsent;
  unsent.reserve(pending.size());
  std::ranges::set_difference(pending, sent, std::back_inserter(unsent));
  Pending after;
  after.reserve(unsent.size() + left.size());
  std::ranges::merge(unsent, left, std::back_inserter(after));
  return after;
}

}  // namespace spillway::broker
