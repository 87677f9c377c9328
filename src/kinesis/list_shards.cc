#include "kinesis/list_shards.h"

#include "base/bytes.h"
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kShardsDefault = 1000;  // also the most that AWS gives a page
constexpr std::string_view kTokenKind = "list-shards-1";

enum class FilterType : std::uint8_t {
  kAll,
  kAfterShard,
  kAtTime,    // open at that time
  kFromTime,  // open at that time or later
  kLatest,    // open now
};

// What is listed; travels in NextToken, since that comes without the stream's name and the filter.
struct Listing {
  std::string stream;
  FilterType type = FilterType::kAll;
  std::int64_t time_ms = 0;
  std::int64_t after_index = -1;
  std::int64_t made_ms = 0;
};

std::string encode(const Listing& listing) {
  std::string bytes;
  append_le(bytes, listing.type);
  append_le(bytes, listing.time_ms);
  append_le(bytes, listing.after_index);
  append_le(bytes, listing.made_ms);
  return bytes + listing.stream;
}

Listing decode(std::string_view bytes) {
  ByteReader reader(bytes);
  Listing listing;
  listing.type = reader.integer<FilterType>();
  listing.time_ms = reader.integer<std::int64_t>();
  listing.after_index = reader.integer<std::int64_t>();
  listing.made_ms = reader.integer<std::int64_t>();
  listing.stream = reader.rest();
  return listing;
}

bool listed(const Listing& listing, const stream::ShardInfo& shard) {
  if (shard.index <= listing.after_index) return false;
  const bool open_then = shard.open() || to_millis(shard.ended->closed_at) >= listing.time_ms;
  switch (listing.type) {
    case FilterType::kAll:
    case FilterType::kAfterShard:
      return true;
    case FilterType::kAtTime:
      return open_then && shard.created_seconds * 1000 <= listing.time_ms;
    case FilterType::kFromTime:
      return open_then;
    case FilterType::kLatest:
      return shard.open();
  }
  return false;
}

// The error's message, or nullopt where the filter is fine.
std::optional<std::string> apply_filter(const wire::Value& filter, const stream::StreamInfo& stream,
                                        WallTime now, Listing& listing) {
  const std::string_view type = filter["Type"].text;
  const auto& time = filter["Timestamp"];
  const bool needs_time = type == "AT_TIMESTAMP" || type == "FROM_TIMESTAMP";
  if (needs_time && !time.present) return fmt::format("Timestamp is required for {}.", type);
  if (needs_time && from_millis(time.integer) > now)
    return "The timestamp of the shard filter lies in the future.";
  const WallTime horizon = stream.horizon(now);
  if (type == "AFTER_SHARD_ID") {
    const auto index = stream::parse_shard_name(filter["ShardId"].text);
    if (!filter["ShardId"].present || !index) return "ShardId is required for AFTER_SHARD_ID.";
    listing.type = FilterType::kAfterShard;
    listing.after_index = *index;
  } else if (type == "AT_LATEST") {
    listing.type = FilterType::kLatest;
  } else if (needs_time) {
    listing.type = type == "AT_TIMESTAMP" ? FilterType::kAtTime : FilterType::kFromTime;
    listing.time_ms = time.integer;
  } else if (type == "AT_TRIM_HORIZON") {
    // A stream younger than its retention has its horizon at its creation.
    listing.type = FilterType::kAtTime;
    listing.time_ms = to_millis(std::max(horizon, stream.created_at));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> stream_of_listing(Service& service, std::string_view next_token) {
  const auto content = service.sealer().open(kTokenKind, next_token);
  if (!content) return std::nullopt;
  return decode(*content).stream;
}

Task<Reply> list_shards(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kListShardsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto& value = input.value;
  const WallTime now = service.now();
  Listing listing;
  stream::StreamRef stream;
  if (const auto token = value["NextToken"].string()) {
    if (value["StreamName"].present || value["StreamARN"].present ||
        value["ExclusiveStartShardId"].present || value["ShardFilter"].present) {
      co_return error_reply(ApiError::kInvalidArgument,
                            "NextToken and StreamName cannot be provided together.");
    }
    const auto content = service.sealer().open(kTokenKind, *token);
    if (!content) co_return error_reply(ApiError::kInvalidArgument, "NextToken is invalid.");
    listing = decode(*content);
    if (service.token_expired(from_millis(listing.made_ms)))
      co_return error_reply(ApiError::kExpiredNextToken, "NextToken has expired.");
    stream = service.existing(*service.engine().catalog(), listing.stream);
    if (stream == nullptr) co_return stream_not_found(service, listing.stream);
  } else {
    auto found = find_stream(service, value);
    if (found.refusal) co_return std::move(*found.refusal);
    stream = found.stream;
    listing.stream = stream->name;
    if (value["ShardFilter"].present) {
      if (const auto wrong = apply_filter(value["ShardFilter"], *stream, now, listing))
        co_return error_reply(ApiError::kInvalidArgument, *wrong);
    }
    if (const auto name = value["ExclusiveStartShardId"].string()) {
      const auto index = stream::parse_shard_name(*name);
      if (!index) {
        co_return error_reply(ApiError::kInvalidArgument,
                              fmt::format("ExclusiveStartShardId {} is not a shard's id.", *name));
      }
      listing.after_index = *index;
    }
  }
  if (!settled(service, *stream)) co_return not_active(service, *stream);
  const auto& limit = value["MaxResults"];
  const std::int64_t most =
      limit.present ? std::min(limit.integer, kShardsDefault) : kShardsDefault;
  wire::DocumentWriter document(call.format, 4096);
  document.open_map().key("Shards").open_list();
  std::int64_t count = 0;
  bool more = false;
  for (const auto& shard : stream->shards) {
    if (!listed(listing, shard) || expired(*stream, shard, now)) continue;
    more = count == most;
    if (more) break;
    ++count;
    write_shard(document, shard);
    listing.after_index = shard.index;
  }
  document.close_list();
  if (more) {
    listing.made_ms = to_millis(now);
    document.text("NextToken", service.sealer().seal(kTokenKind, encode(listing)));
  }
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
