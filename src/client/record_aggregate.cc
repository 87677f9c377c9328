#include "client/record_aggregate.h"

#include <utility>

#include "base/assert.h"
#include "base/uint128.h"
#include "stream/hash_key.h"
#include "wire/aggregate.h"

namespace spillway::client {

PutEntry aggregate(std::span<const PutEntry> entries) {
  SPILLWAY_ASSERT(!entries.empty());
  std::vector<std::string> origins(entries.size());
  std::vector<wire::UserRecord> records;
  records.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[i];
    auto& record = records.emplace_back(wire::UserRecord{entry.partition_key, entry.data});
    record.explicit_hash_key = entry.explicit_hash_key;
    if (!entry.origin) continue;
    origins[i] = stream::to_string(*entry.origin);
    record.origin = origins[i];
  }
  const auto& first = entries.front();
  return {first.partition_key, wire::make_aggregate(records),
          first.explicit_hash_key ? *first.explicit_hash_key
                                  : to_string(stream::hash_key_of(first.partition_key))};
}

std::vector<Record> take_apart(Record record) {
  std::vector<Record> taken;
  const auto users = wire::split_aggregate(record.data);
  if (!users || users->empty()) {
    taken.push_back(std::move(record));
    return taken;
  }
  taken.reserve(users->size());
  for (const auto& user : *users) {
    auto& one = taken.emplace_back();
    one.sequence_number = record.sequence_number;
    one.partition_key = user.partition_key;
    one.data = user.data;
    one.arrival = record.arrival;
    if (user.origin) one.origin = stream::parse_origin(*user.origin);
  }
  return taken;
}

}  // namespace spillway::client
