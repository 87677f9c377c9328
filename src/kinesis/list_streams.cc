#include <cstring>

#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {
constexpr std::int64_t kStreamsDefault = 100;
constexpr std::string_view kTokenKind = "list-streams-1";
}  // namespace

// The token is the last name given, with the time: it expires as AWS's do.
Task<Reply> list_streams(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kListStreamsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto& limit = input.value["Limit"];
  const std::int64_t most = limit.present ? limit.integer : kStreamsDefault;
  std::string after(input.value["ExclusiveStartStreamName"].string().value_or(""));
  const WallTime now = service.now();
  if (const auto token = input.value["NextToken"].string()) {
    if (!after.empty()) {
      co_return error_reply(ApiError::kInvalidArgument,
                            "NextToken and ExclusiveStartStreamName cannot be provided together.");
    }
    const auto content = service.sealer().open(kTokenKind, *token);
    if (!content || content->size() < 8)
      co_return error_reply(ApiError::kInvalidArgument, "NextToken is invalid.");
    std::int64_t made_ms = 0;
    std::memcpy(&made_ms, content->data(), sizeof made_ms);
    if (service.token_expired(from_millis(made_ms)))
      co_return error_reply(ApiError::kExpiredNextToken, "NextToken has expired.");
    after = content->substr(8);
  }
  const auto catalog = service.engine().catalog();
  // The page is chosen first: its names come before its summaries.
  const auto first = after.empty() ? catalog->streams.begin() : catalog->streams.upper_bound(after);
  auto end = first;
  for (std::int64_t count = 0; end != catalog->streams.end() && count < most; ++end)
    if (!end->second->gone_at(now)) ++count;
  const bool more = end != catalog->streams.end();

  wire::DocumentWriter document(call.format, 4096);
  document.open_map().key("StreamNames").open_list();
  for (auto at = first; at != end; ++at)
    if (!at->second->gone_at(now)) document.text(at->first);
  document.close_list().boolean("HasMoreStreams", more).key("StreamSummaries").open_list();
  for (auto at = first; at != end; ++at) {
    const auto& stream = *at->second;
    if (stream.gone_at(now)) continue;
    document.open_map().text("StreamName", stream.name);
    document.text("StreamARN", service.arn_of(stream.name));
    document.text("StreamStatus", to_string(stream.status_at(service.now())));
    document.key("StreamModeDetails").open_map();
    document.text("StreamMode", to_string(stream.mode)).close_map();
    document.time("StreamCreationTimestamp", stream.created_at).close_map();
  }
  document.close_list();
  if (more) {
    const std::int64_t made_ms = to_millis(now);
    const std::string content(reinterpret_cast<const char*>(&made_ms), sizeof made_ms);
    document.text("NextToken", service.sealer().seal(kTokenKind, content + std::prev(end)->first));
  }
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
