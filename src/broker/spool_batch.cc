#include "broker/spool_batch.h"

#include <algorithm>
#include <bitset>
#include <iterator>

#include "broker/target.h"
#include "stream/hash_key.h"
#include "stream/record_batch.h"

namespace spillway::broker {

SpoolBatch take_batch(const stream::ReadResult& read, stream::Position from, stream::Position until,
                      std::size_t bytes_max) {
  SpoolBatch batch;
  batch.first = batch.next = from;
  for (const auto& stored : read.batches) {
    stream::RecordBatchReader records(stored.payload);
    stream::Position position = stored.first;
    for (auto record = records.next(); record;
         record = records.next(), position = position.plus(1)) {
      if (position < from) continue;
      const std::size_t bytes = batch.bytes + record->data.size() + record->partition_key.size();
      const bool first = batch.entries.empty();
      const bool fits =
          first || (batch.entries.size() < client::kPutRecordsMax && bytes <= bytes_max);
      const bool follows = first || position == batch.next;
      if (!fits || !follows || position >= until) return batch;
      if (first) batch.first = position;
      batch.bytes = bytes;
      batch.entries.push_back(entry_of(*record));
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
