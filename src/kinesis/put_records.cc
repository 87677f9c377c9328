// PutRecord and PutRecords: the same path, for one record or up to 500.
#include "base/digest.h"
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/encrypted_batch.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kRequestBytesMax = std::size_t{10} << 20;
// How often a record follows its key to a child of a shard that was closed meanwhile.
constexpr int kRoutesMax = 8;

// One record of the request, and what became of it.
struct PutEntry {
  std::string_view key;
  const wire::Value* data = nullptr;
  std::optional<Uint128> explicit_hash_key;
  Uint128 hash_key = 0;
  std::uint32_t shard_index = 0;  // of the shard that it was last sent to
  Result<stream::SequenceNumber> outcome = Error{ErrorCode::kClosed, ""};
};

// The records of one shard.
struct Group {
  const stream::ShardInfo* shard = nullptr;
  std::size_t bytes = stream::kBatchHeaderSize;
  std::vector<PutEntry*> entries;
};

struct Prepared {
  std::vector<PutEntry> entries;
  std::optional<Reply> refusal;
};

Uint128 hash_key_of(std::string_view partition_key) {
  Uint128 key = 0;
  for (const unsigned char byte : md5(partition_key)) key = key << 8 | byte;
  return key;
}

std::optional<Reply> prepare_entry(const stream::StreamInfo& stream, const wire::Value& value,
                                   Prepared& prepared, std::size_t& request_bytes) {
  PutEntry& entry = prepared.entries.emplace_back();
  entry.key = value["PartitionKey"].text;
  entry.data = &value["Data"];
  const std::size_t size = wire::blob_size(*entry.data) + entry.key.size();
  request_bytes += size;
  if (size > std::size_t{stream.max_record_kib} * 1024) {
    return error_reply(
        ApiError::kInvalidArgument,
        fmt::format("A record of {} bytes (data and partition key) is larger than the "
                    "stream's maximum of {} KiB.",
                    size, stream.max_record_kib));
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
  entry.hash_key = entry.explicit_hash_key ? *entry.explicit_hash_key : hash_key_of(entry.key);
  return std::nullopt;
}

Prepared prepare(const stream::StreamInfo& stream, std::span<const wire::Value> records) {
  Prepared prepared;
  prepared.entries.reserve(records.size());
  std::size_t request_bytes = 0;
  for (const auto& record : records) {
    prepared.refusal = prepare_entry(stream, record, prepared, request_bytes);
    if (prepared.refusal) return prepared;
  }
  if (request_bytes > kRequestBytesMax)
    prepared.refusal = error_reply(ApiError::kInvalidArgument, "Records size exceeds 10 MB limit");
  return prepared;
}

// Finds the shard of each record that has none yet, and sizes the batches.
std::vector<Group> group(const stream::StreamInfo& stream, std::span<PutEntry> entries) {
  std::vector<Group> groups;
  std::unordered_map<const stream::ShardInfo*, std::size_t> group_of;
  for (auto& entry : entries) {
    if (entry.outcome.ok() || entry.outcome.error().code != ErrorCode::kClosed) continue;
    const auto* shard = stream.open_shard_for(entry.hash_key);
    if (shard == nullptr) {
      entry.outcome = Error{ErrorCode::kIo, "no open shard for the key"};
      continue;
    }
    const auto [at, fresh] = group_of.try_emplace(shard, groups.size());
    if (fresh) groups.push_back({shard});
    Group& group = groups[at->second];
    entry.shard_index = shard->index;
    group.entries.push_back(&entry);
    group.bytes += stream::RecordBatchBuilder::size_of(
        wire::blob_room(*entry.data), entry.key.size(), entry.explicit_hash_key.has_value(), false);
  }
  return groups;
}

// Decodes each record's data straight into its shard's batch, which is encrypted there where `key`
// is not nullptr. Nullopt where data is not base64.
std::optional<std::vector<stream::AppendItem>> fill(const stream::StreamInfo& stream,
                                                    const std::vector<Group>& groups,
                                                    OpenDataKey* key) {
  std::vector<stream::AppendItem> items;
  items.reserve(groups.size());
  for (const auto& group : groups) {
    stream::RecordBatchBuilder builder(group.bytes +
                                       (key != nullptr ? stream::kEncryptedBatchExtra : 0));
    for (const auto* entry : group.entries) {
      char* to = builder.open_record(entry->key, entry->explicit_hash_key, std::nullopt,
                                     wire::blob_room(*entry->data));
      const auto size = wire::decode_blob(*entry->data, to);
      if (!size) return std::nullopt;
      builder.close_record(*size);
    }
    items.push_back({group.shard->id, builder.count(), {}});
    auto& batch = items.back().batch;
    batch = std::move(builder).finish();
    if (key == nullptr) continue;
    batch =
        stream::encrypt_batch(std::move(batch), {stream.id, group.shard->id, items.back().count},
                              key->number(), key->key(), key->next_nonce());
  }
  return items;
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

// The stream with changes that are not durable yet: a shard takes no records from the moment that
// its closing is written, and its children do, behind that.
stream::StreamRef newest(Service& service, const stream::StreamInfo& stream) {
  stream::StreamRef found;
  service.engine().update_catalog(
      [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
        found = catalog.find(stream.name);
        return Error{ErrorCode::kExists, "only looked at"};
      },
      [](const Result<stream::CatalogRef>&) {});
  return found != nullptr && found->id == stream.id ? found : nullptr;
}

std::span<const wire::Value> records_in(const wire::Value& input) {
  const auto* records = input.find("Records");
  return records != nullptr ? std::span<const wire::Value>(records->children)
                            : std::span(&input, 1);
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
  Input again;
  for (int route = 0; route < kRoutesMax && stream != nullptr; ++route) {
    if (route > 0) {
      // What was decoded lived only until another request of this thread was.
      again = read_input(service, call, shape);
      const auto records = records_in(again.value);
      for (std::size_t i = 0; i < entries.size(); ++i) {
        entries[i].key = records[i]["PartitionKey"].text;
        entries[i].data = &records[i]["Data"];
      }
    }
    auto groups = group(*stream, entries);
    if (groups.empty()) break;
    std::shared_ptr<OpenDataKey> key;
    result.encrypted = stream->encryption.on;
    if (result.encrypted) {
      auto opened = service.data_keys().current(*stream);
      if (!opened.ok()) co_return PutResult{data_key_reply(opened.error())};
      key = *std::move(opened);
    }
    auto items = fill(*stream, groups, key.get());
    if (!items) co_return PutResult{error_reply(ApiError::kSerialization, "Data is not base64")};
    const auto outcomes = co_await append(service, call.loop, std::move(*items));
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

std::string where(Service& service, const stream::StreamInfo& stream, const PutEntry& entry) {
  return fmt::format("shard {} in stream {} under account {}",
                     stream::shard_name(entry.shard_index), stream.name, service.options().account);
}

}  // namespace

Task<Reply> put_record(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kPutRecordInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_usable_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  auto prepared = prepare(*found.stream, records_in(input.value));
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  auto result =
      co_await put(service, call, wire::kinesis::kPutRecordInput, found.stream, prepared.entries);
  if (result.refusal) co_return *std::move(result.refusal);
  const PutEntry& entry = prepared.entries.front();
  if (!entry.outcome.ok())
    co_return engine_reply(entry.outcome.error(), where(service, *found.stream, entry));
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
  auto found = find_usable_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  auto prepared = prepare(*found.stream, records_in(input.value));
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  auto result =
      co_await put(service, call, wire::kinesis::kPutRecordsInput, found.stream, prepared.entries);
  if (result.refusal) co_return *std::move(result.refusal);

  const auto failed = std::ranges::count_if(
      prepared.entries, [](const PutEntry& entry) { return !entry.outcome.ok(); });
  wire::DocumentWriter document(call.format, 256 + prepared.entries.size() * 130);
  document.open_map().number("FailedRecordCount", failed).key("Records").open_list();
  for (const auto& entry : prepared.entries) {
    document.open_map();
    if (entry.outcome.ok()) {
      write_result(document, entry);
    } else if (entry.outcome.error().code == ErrorCode::kThrottled) {
      document.text("ErrorCode", "ProvisionedThroughputExceededException");
      document.text("ErrorMessage",
                    fmt::format("Rate exceeded for {}.", where(service, *found.stream, entry)));
    } else {
      document.text("ErrorCode", "InternalFailure");
      document.text("ErrorMessage", entry.outcome.error().message);
    }
    document.close_map();
  }
  document.close_list();
  if (result.encrypted) document.text("EncryptionType", "KMS");
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
