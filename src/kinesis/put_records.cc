// PutRecord and PutRecords: the same path, for one record or up to 500.
#include "base/assert.h"
#include "kinesis/handlers.h"
#include "kinesis/put_groups.h"
#include "kinesis/record_origin.h"
#include "kinesis/service.h"
#include "stream/encrypted_batch.h"
#include "stream/hash_key.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kRequestBytesMax = std::size_t{10} << 20;
// How often a record follows its key to a child of a shard that was closed meanwhile. An
// UpdateShardCount takes up to 17 rounds, and each may come before the record.
constexpr int kRoutesMax = 32;

struct Prepared {
  stream::StreamRef stream;
  std::vector<PutEntry> entries;
  std::optional<Reply> refusal;
};

std::optional<Reply> prepare_origin(const wire::Value& value, const stream::StreamInfo& stream,
                                    PutEntry& entry) {
  if (!value.present) return std::nullopt;
  const auto origin = read_origin(value);
  if (!origin.ok()) return error_reply(ApiError::kInvalidArgument, origin.error().message);
  entry.origin = *origin;
  // A stream that chooses the shards of its records has hash keys of its own.
  const bool chooses = stream.distribution == stream::RecordDistribution::kAuto;
  if (chooses || origin->lane == stream::lane_of(entry.hash_key)) return std::nullopt;
  return error_reply(
      ApiError::kInvalidArgument,
      fmt::format("Invalid Origin. Lane must be the top 8 bits of the record's hash key, {}. "
                  "Specified value was {}",
                  stream::lane_of(entry.hash_key), origin->lane));
}

std::optional<Reply> prepare_entry(Service& service, const wire::Value& value, Prepared& prepared) {
  const stream::StreamInfo& stream = *prepared.stream;
  PutEntry& entry = prepared.entries.emplace_back();
  entry.key = value["PartitionKey"].text;
  entry.data = &value["Data"];
  entry.size = wire::blob_size(*entry.data) + entry.key.size();
  if (entry.size > std::size_t{stream.max_record_kib} * 1024) {
    return error_reply(
        ApiError::kInvalidArgument,
        fmt::format("A record of {} bytes (data and partition key) is larger than the "
                    "stream's maximum of {} KiB.",
                    entry.size, stream.max_record_kib));
  }
  if (const auto text = value["ExplicitHashKey"].string()) {
    entry.explicit_hash_key = parse_uint128(*text);
    if (!entry.explicit_hash_key) {
      return error_reply(
          ApiError::kInvalidArgument,
          fmt::format("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: "
                      "[0, 2^128-1]. Specified value was {}",
                      *text));
    }
  }
  if (stream.distribution == stream::RecordDistribution::kAuto) {
    entry.explicit_hash_key.reset();
    entry.hash_key = service.next_spread_key();
  } else {
    entry.hash_key =
        entry.explicit_hash_key ? *entry.explicit_hash_key : stream::hash_key_of(entry.key);
  }
  return prepare_origin(value["Origin"], stream, entry);
}

std::span<const wire::Value> records_in(const wire::Value& input) {
  const auto* records = input.find("Records");
  return records != nullptr ? std::span<const wire::Value>(records->children)
                            : std::span(&input, 1);
}

// The records without a partition key, as violations: only a stream that chooses the shards of its
// records takes such ones.
std::vector<std::string> without_key(const wire::Value& input) {
  const bool several = input.find("Records") != nullptr;
  std::vector<std::string> violations;
  const auto records = records_in(input);
  for (std::size_t i = 0; i < records.size() && violations.size() < 10; ++i) {
    if (records[i]["PartitionKey"].present) continue;
    violations.push_back(fmt::format(
        "Value null at '{}partitionKey' failed to satisfy constraint: Member must not be null",
        several ? fmt::format("records.{}.member.", i + 1) : ""));
  }
  return violations;
}

// The stream and the records; or the answer to give instead.
Prepared prepare(Service& service, const wire::Value& input) {
  auto found = find_usable_stream(service, input);
  Prepared prepared{found.stream, {}, std::nullopt};
  const bool chooses =
      found.stream != nullptr && found.stream->distribution == stream::RecordDistribution::kAuto;
  if (const auto missing = without_key(input); !missing.empty() && !chooses)
    prepared.refusal = validation_reply(missing);
  else if (found.refusal)
    prepared.refusal = std::move(found.refusal);
  const auto* ordering = input.find("SequenceNumberForOrdering");
  if (!prepared.refusal && chooses && ordering != nullptr && ordering->present) {
    prepared.refusal = error_reply(
        ApiError::kInvalidArgument,
        fmt::format("SequenceNumberForOrdering cannot be used: the record distribution strategy of "
                    "stream {} is AUTO.",
                    found.stream->name));
  }
  if (prepared.refusal) return prepared;
  const auto records = records_in(input);
  prepared.entries.reserve(records.size());
  std::size_t request_bytes = 0;
  for (const auto& record : records) {
    prepared.refusal = prepare_entry(service, record, prepared);
    if (prepared.refusal) return prepared;
    request_bytes += prepared.entries.back().size;
  }
  if (request_bytes > kRequestBytesMax)
    prepared.refusal = error_reply(ApiError::kInvalidArgument, "Records size exceeds 10 MB limit");
  return prepared;
}

// Decodes each record's data straight into its shard's batch, which is encrypted there where `key`
// is not nullptr. Nullopt where data is not base64.
std::optional<std::vector<stream::AppendItem>> fill(const stream::StreamInfo& stream,
                                                    const std::vector<PutGroup>& groups,
                                                    OpenDataKey* key) {
  std::vector<stream::AppendItem> items;
  items.reserve(groups.size());
  for (const auto& group : groups) {
    stream::RecordBatchBuilder builder(group.bytes +
                                       (key != nullptr ? stream::kEncryptedBatchExtra : 0));
    for (const auto* entry : group.entries) {
      char* to = builder.open_record(entry->key, entry->explicit_hash_key, entry->origin,
                                     wire::blob_room(*entry->data));
      const auto size = wire::decode_blob(*entry->data, to);
      if (!size) return std::nullopt;
      builder.close_record(*size);
    }
    items.push_back({group.shard->id, builder.count(), {}, group.fate});
    auto& batch = items.back().batch;
    batch = std::move(builder).finish();
    if (key == nullptr) continue;
    batch =
        stream::encrypt_batch(std::move(batch), {stream.id, group.shard->id, items.back().count},
                              key->number(), key->key(), key->next_nonce());
  }
  return items;
}

// The batches of the groups; or the answer to give instead, where data is not base64, or where the
// stream is encrypted and its key can't be had.
struct Filled {
  std::vector<stream::AppendItem> items;
  std::optional<Reply> refusal;
};

Filled fill(Service& service, const stream::StreamInfo& stream,
            const std::vector<PutGroup>& groups) {
  std::shared_ptr<OpenDataKey> key;
  if (stream.encryption.on) {
    auto opened = service.data_keys().current(stream);
    if (!opened.ok()) return {{}, data_key_reply(opened.error())};
    key = *std::move(opened);
  }
  auto items = fill(stream, groups, key.get());
  if (!items) return {{}, error_reply(ApiError::kSerialization, "Data is not base64")};
  return {*std::move(items), std::nullopt};
}

using Outcomes = std::vector<Result<stream::Appended>>;

Task<Outcomes> append(Service& service, io::EventLoop* loop,
                      std::vector<stream::AppendItem> items) {
  auto awaiter = on_loop<Outcomes>(loop, [&service, &items](auto done) {
    service.engine().append(std::move(items), std::move(done));
  });
  auto outcomes = co_await awaiter;
  co_return outcomes;
}

// Counts what went into the shards, and what the engine throttled.
void count(Service& service, const std::vector<PutGroup>& groups, const Outcomes& outcomes) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Flow flow;
    if (outcomes[i].ok()) {
      flow.incoming_records = groups[i].entries.size();
      for (const auto* entry : groups[i].entries) flow.incoming_bytes += entry->size;
    } else if (outcomes[i].error().code == ErrorCode::kThrottled) {
      flow.write_exceeded = groups[i].entries.size();
    }
    service.traffic().add(groups[i].shard->id, flow);
  }
}

// Counts what became of the whole request, of its stream and of who made it.
void count(Service& service, const Call& call, const Prepared& prepared) {
  Flow all;
  for (const auto& entry : prepared.entries) {
    if (entry.outcome.ok()) {
      ++all.incoming_records;
      all.incoming_bytes += entry.size;
    } else if (entry.outcome.error().code == ErrorCode::kThrottled && !entry.held_back) {
      ++all.write_exceeded;
    }
  }
  service.traffic().add(prepared.stream->id, all);
  service.callers().saw(caller_of(call), *prepared.stream, Use::kPut, service.now(),
                        all.incoming_records, all.incoming_bytes);
}

// The stream with the change that closed a shard of it, which is durable when that is answered; so
// are the children.
stream::StreamRef newest(Service& service, const stream::StreamInfo& stream) {
  auto found = service.engine().catalog()->find(stream.name);
  return found != nullptr && found->id == stream.id ? found : nullptr;
}

std::string where(Service& service, const stream::StreamInfo& stream, const PutEntry& entry) {
  return fmt::format("shard {} in stream {} under account {}",
                     stream::shard_name(entry.shard_index), stream.name, service.options().account);
}

const PutEntry* first_throttled(std::span<const PutEntry> entries) {
  const auto at = std::ranges::find_if(entries, [](const PutEntry& entry) {
    return !entry.outcome.ok() && entry.outcome.error().code == ErrorCode::kThrottled;
  });
  return at != entries.end() ? &*at : nullptr;
}

// What a request with DryRun gets: all that can be said without appending.
Reply dry_put(Service& service, Prepared& prepared) {
  auto groups = group(*prepared.stream, prepared.entries);
  if (auto filled = fill(service, *prepared.stream, groups); filled.refusal)
    return *std::move(filled.refusal);
  limit(service, groups, prepared.entries, true);
  const auto* throttled = first_throttled(prepared.entries);
  return throttled != nullptr ? engine_reply(throttled->outcome.error(),
                                             where(service, *prepared.stream, *throttled))
                              : dry_run_reply();
}

struct PutResult {
  std::optional<Reply> refusal;  // of the whole request
  bool encrypted = false;        // at rest
};

// Appends every record of `entries`. Refused where one's data is not base64, or where the stream is
// encrypted and its key can't be had.
Task<PutResult> put(Service& service, Call& call, const wire::Shape& shape,
                    stream::StreamRef stream, std::span<PutEntry> entries) {
  PutResult result;
  wire::Value again;
  for (int route = 0; route < kRoutesMax && stream != nullptr; ++route) {
    if (route > 0) {
      // What was decoded lived only until another request of this thread was. The caller may have
      // lost the right to put meanwhile: what was allowed once goes on.
      auto decoded = decode_input(call, shape);
      SPILLWAY_ASSERT(decoded.ok());  // as the same bytes were before
      again = *std::move(decoded);
      const auto records = records_in(again);
      for (std::size_t i = 0; i < entries.size(); ++i) {
        entries[i].key = records[i]["PartitionKey"].text;
        entries[i].data = &records[i]["Data"];
      }
    }
    result.encrypted = stream->encryption.on;
    auto groups = group(*stream, entries);
    limit(service, groups, entries);
    if (groups.empty()) break;
    auto filled = fill(service, *stream, groups);
    if (filled.refusal) co_return PutResult{std::move(filled.refusal)};
    const auto outcomes = co_await append(service, call.loop, std::move(filled.items));
    count(service, groups, outcomes);
    bool closed = false;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      std::uint32_t number = 0;
      for (auto* entry : groups[i].entries) {
        if (outcomes[i].ok()) {
          entry->outcome = stream::sequence_number_of(
              *groups[i].shard, outcomes[i]->first.plus(number++), outcomes[i]->arrival);
        } else {
          entry->outcome = outcomes[i].error();
          closed = closed || outcomes[i].error().code == ErrorCode::kClosed;
        }
      }
    }
    if (!closed) break;
    stream = newest(service, *stream);
  }
  co_return result;
}

void write_result(wire::DocumentWriter& to, const PutEntry& entry) {
  to.key("SequenceNumber");
  write_digits(*entry.outcome, to.plain_text(stream::kSequenceNumberDigits));
  to.text("ShardId", stream::shard_name(entry.shard_index));
}

// An earlier record's error makes one of those behind it, so that clients wait as long before they
// try again.
void write_failure(wire::DocumentWriter& to, Service& service, const stream::StreamInfo& stream,
                   const PutEntry& entry) {
  const auto& error = entry.outcome.error();
  const bool throttled = error.code == ErrorCode::kThrottled;
  to.text("ErrorCode", throttled ? "ProvisionedThroughputExceededException" : "InternalFailure");
  to.text("ErrorMessage", throttled && !entry.held_back
                              ? fmt::format("Rate exceeded for {}.", where(service, stream, entry))
                              : error.message);
}

}  // namespace

Task<Reply> put_record(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kPutRecordInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto prepared = prepare(service, input.value);
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  if (dry_run(input.value)) co_return dry_put(service, prepared);
  auto result = co_await put(service, call, wire::kinesis::kPutRecordInput, prepared.stream,
                             prepared.entries);
  if (result.refusal) co_return *std::move(result.refusal);
  count(service, call, prepared);
  const PutEntry& entry = prepared.entries.front();
  if (!entry.outcome.ok())
    co_return engine_reply(entry.outcome.error(), where(service, *prepared.stream, entry));
  wire::DocumentWriter document(call.format);
  document.open_map();
  write_result(document, entry);
  if (result.encrypted) document.text("EncryptionType", "KMS");
  document.close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> put_records(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kPutRecordsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto prepared = prepare(service, input.value);
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  if (dry_run(input.value)) co_return dry_put(service, prepared);
  auto result = co_await put(service, call, wire::kinesis::kPutRecordsInput, prepared.stream,
                             prepared.entries);
  if (result.refusal) co_return *std::move(result.refusal);
  count(service, call, prepared);

  const auto failed = std::ranges::count_if(
      prepared.entries, [](const PutEntry& entry) { return !entry.outcome.ok(); });
  wire::DocumentWriter document(call.format, 256 + prepared.entries.size() * 130);
  document.open_map().number("FailedRecordCount", failed).key("Records").open_list();
  for (const auto& entry : prepared.entries) {
    document.open_map();
    if (entry.outcome.ok())
      write_result(document, entry);
    else
      write_failure(document, service, *prepared.stream, entry);
    document.close_map();
  }
  document.close_list();
  if (result.encrypted) document.text("EncryptionType", "KMS");
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
