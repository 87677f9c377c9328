// PutRecord and PutRecords: the same path, for one record or up to 500.
#include "base/digest.h"
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kRequestBytesMax = std::size_t{10} << 20;

// One record of the request, and which of the request's shards it goes to.
struct PutEntry {
  std::string_view key;
  const wire::Value* data = nullptr;
  std::optional<Uint128> explicit_hash_key;
  std::uint32_t group = 0;
  std::uint32_t number = 0;  // in its group
};

// The records of one shard.
struct Group {
  const stream::ShardInfo* shard = nullptr;
  std::size_t bytes = stream::kBatchHeaderSize;
  std::uint32_t count = 0;
};

struct Prepared {
  std::vector<PutEntry> entries;
  std::vector<Group> groups;
  std::optional<Reply> refusal;
};

Uint128 hash_key_of(std::string_view partition_key) {
  Uint128 key = 0;
  for (const unsigned char byte : md5(partition_key)) key = key << 8 | byte;
  return key;
}

std::optional<Reply> prepare_entry(const stream::StreamInfo& stream, const wire::Value& value,
                                   Prepared& prepared, std::size_t& request_bytes) {
  PutEntry entry{value["PartitionKey"].text, &value["Data"], std::nullopt};
  const std::size_t data = wire::blob_size(*entry.data);
  request_bytes += data + entry.key.size();
  if (data + entry.key.size() > std::size_t{stream.max_record_kib} * 1024) {
    return error_reply(
        ApiError::kInvalidArgument,
        fmt::format("A record of {} bytes (data and partition key) is larger than the "
                    "stream's maximum of {} KiB.",
                    data + entry.key.size(), stream.max_record_kib));
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
  const auto key = entry.explicit_hash_key ? *entry.explicit_hash_key : hash_key_of(entry.key);
  const auto* shard = stream.open_shard_for(key);
  if (shard == nullptr) return error_reply(ApiError::kInternalFailure, "no open shard for the key");
  entry.group = static_cast<std::uint32_t>(shard - stream.shards.data());  // for now: in the stream
  prepared.entries.push_back(entry);
  return std::nullopt;
}

// Finds each record's shard, and sizes the batches.
Prepared prepare(const stream::StreamInfo& stream, std::span<const wire::Value> records) {
  Prepared prepared;
  prepared.entries.reserve(records.size());
  std::size_t request_bytes = 0;
  for (const auto& record : records) {
    prepared.refusal = prepare_entry(stream, record, prepared, request_bytes);
    if (prepared.refusal) return prepared;
  }
  if (request_bytes > kRequestBytesMax) {
    prepared.refusal = error_reply(ApiError::kInvalidArgument, "Records size exceeds 10 MB limit");
    return prepared;
  }
  std::unordered_map<std::uint32_t, std::uint32_t> group_of;
  for (auto& entry : prepared.entries) {
    const auto [at, fresh] =
        group_of.try_emplace(entry.group, static_cast<std::uint32_t>(prepared.groups.size()));
    if (fresh) prepared.groups.push_back({&stream.shards[entry.group]});
    entry.group = at->second;
    Group& group = prepared.groups[entry.group];
    entry.number = group.count++;
    group.bytes += stream::RecordBatchBuilder::size_of(
        wire::blob_room(*entry.data), entry.key.size(), entry.explicit_hash_key.has_value(), false);
  }
  return prepared;
}

// Decodes each record's data straight into its shard's batch. Nullopt where it is not base64.
std::optional<std::vector<stream::AppendItem>> fill(const Prepared& prepared) {
  std::vector<stream::RecordBatchBuilder> builders;
  builders.reserve(prepared.groups.size());
  for (const auto& group : prepared.groups) builders.emplace_back(group.bytes);
  for (const auto& entry : prepared.entries) {
    auto& builder = builders[entry.group];
    char* to = builder.open_record(entry.key, entry.explicit_hash_key, std::nullopt,
                                   wire::blob_room(*entry.data));
    const auto size = wire::decode_blob(*entry.data, to);
    if (!size) return std::nullopt;
    builder.close_record(*size);
  }
  std::vector<stream::AppendItem> items;
  items.reserve(builders.size());
  for (std::size_t i = 0; i < builders.size(); ++i) {
    items.push_back({prepared.groups[i].shard->id, builders[i].count(), {}});
    items.back().batch = std::move(builders[i]).finish();
  }
  return items;
}

using Outcomes = std::vector<Result<stream::Appended>>;

void write_result(wire::DocumentWriter& to, const Group& group, const stream::Appended& appended,
                  std::uint32_t number) {
  const auto sequence =
      stream::sequence_number_of(*group.shard, appended.first.plus(number), appended.arrival);
  to.key("SequenceNumber");
  write_digits(sequence, to.plain_text(stream::kSequenceNumberDigits));
  to.text("ShardId", stream::shard_name(group.shard->index));
}

std::string where(Service& service, const stream::StreamInfo& stream, const Group& group) {
  return fmt::format("shard {} in stream {} under account {}",
                     stream::shard_name(group.shard->index), stream.name,
                     service.options().account);
}

Task<Outcomes> append(Service& service, io::EventLoop* loop,
                      std::vector<stream::AppendItem> items) {
  auto awaiter = on_loop<Outcomes>(loop, [&service, &items](auto done) {
    service.engine().append(std::move(items), std::move(done));
  });
  auto outcomes = co_await awaiter;
  co_return outcomes;
}

}  // namespace

Task<Reply> put_record(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kPutRecordInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  auto prepared = prepare(*found.stream, std::span(&input.value, 1));
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  auto items = fill(prepared);
  if (!items) co_return error_reply(ApiError::kSerialization, "Data is not base64");
  auto outcomes = co_await append(service, call.loop, std::move(*items));
  const Group& group = prepared.groups.front();
  if (!outcomes.front().ok())
    co_return engine_reply(outcomes.front().error(), where(service, *found.stream, group));
  wire::DocumentWriter document(call.format);
  document.open_map();
  write_result(document, group, *outcomes.front(), 0);
  document.close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> put_records(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kPutRecordsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  auto prepared = prepare(*found.stream, input.value["Records"].children);
  if (prepared.refusal) co_return std::move(*prepared.refusal);
  auto items = fill(prepared);
  if (!items) co_return error_reply(ApiError::kSerialization, "Data is not base64");
  auto outcomes = co_await append(service, call.loop, std::move(*items));

  const auto failed = std::ranges::count_if(
      prepared.entries, [&](const PutEntry& entry) { return !outcomes[entry.group].ok(); });
  wire::DocumentWriter document(call.format, 256 + prepared.entries.size() * 130);
  document.open_map().number("FailedRecordCount", failed).key("Records").open_list();
  for (const auto& entry : prepared.entries) {
    const Group& group = prepared.groups[entry.group];
    const auto& outcome = outcomes[entry.group];
    document.open_map();
    if (outcome.ok()) {
      write_result(document, group, *outcome, entry.number);
    } else if (outcome.error().code == ErrorCode::kThrottled) {
      document.text("ErrorCode", "ProvisionedThroughputExceededException");
      document.text("ErrorMessage",
                    fmt::format("Rate exceeded for {}.", where(service, *found.stream, group)));
    } else {
      document.text("ErrorCode", "InternalFailure").text("ErrorMessage", outcome.error().message);
    }
    document.close_map();
  }
  document.close_list().close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
