#include "client/record_aggregate.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "base/uint128.h"
#include "stream/hash_key.h"
#include "wire/aggregate.h"
#include "wire/shapes.h"

namespace spillway::client {
namespace {

class TagCalls final : public StreamCalls {
 public:
  explicit TagCalls(std::unique_ptr<StreamCalls> calls) : calls_(std::move(calls)) {}

  Task<Result<std::vector<Shard>>> list_shards() override { return calls_->list_shards(); }
  Task<Result<std::string>> get_shard_iterator(std::string shard_id, IteratorStart start) override {
    return calls_->get_shard_iterator(std::move(shard_id), std::move(start));
  }
  Task<Result<GetRecordsResult>> get_records(std::string iterator) override {
    auto answer = co_await calls_->get_records(std::move(iterator));
    if (!answer.ok()) co_return answer;
    std::vector<Record> records;
    records.reserve(answer->records.size());
    for (auto& record : answer->records) {
      if (record.origin) {
        records.push_back(std::move(record));
        continue;
      }
      auto parts = take_apart(std::move(record));
      std::ranges::move(parts, std::back_inserter(records));
    }
    answer->records = std::move(records);
    co_return answer;
  }

 private:
  const std::unique_ptr<StreamCalls> calls_;
};

// A key is in an aggregate once, and in each of its records that are taken from it: no longer ones
// than the API takes, 256 characters.
constexpr int kKeyLengthMax = 256;

bool can_be_taken(const wire::UserRecord& user) {
  return user.partition_key.size() <= 4 * kKeyLengthMax &&
         wire::utf16_length(user.partition_key) <= kKeyLengthMax;
}

}  // namespace

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
  const auto users = wire::split_aggregate(record.data).value_or(std::vector<wire::UserRecord>());
  taken.reserve(users.size() + 1);
  for (const auto& user : users) {
    const auto origin = user.origin ? stream::parse_origin(*user.origin) : std::nullopt;
    if (!origin || !can_be_taken(user)) {
      taken.clear();
      break;
    }
    taken.push_back({record.sequence_number, std::string(user.partition_key),
                     std::string(user.data), record.arrival, origin});
  }
  if (taken.empty()) taken.push_back(std::move(record));
  return taken;
}

std::unique_ptr<StreamCalls> calls_with_tags(std::unique_ptr<StreamCalls> calls) {
  return std::make_unique<TagCalls>(std::move(calls));
}

}  // namespace spillway::client
