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
  auto input = read_input(call, wire::kinesis::kListStreamsInput);
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
    if (from_millis(made_ms) + stream::kTokenLife < now)
      co_return error_reply(ApiError::kExpiredNextToken, "NextToken has expired.");
    after = content->substr(8);
  }
  const auto catalog = service.engine().catalog();
  std::string names;
  std::string summaries;
  std::string last;
  std::int64_t count = 0;
  auto at = after.empty() ? catalog->streams.begin() : catalog->streams.upper_bound(after);
  for (; at != catalog->streams.end() && count < most; ++at, ++count) {
    const auto& stream = *at->second;
    const std::string_view comma = count > 0 ? "," : "";
    names += fmt::format(R"({}"{}")", comma, stream.name);
    summaries +=
        fmt::format(R"({}{{"StreamName":"{}","StreamARN":"{}","StreamStatus":"{}",)"
                    R"("StreamModeDetails":{{"StreamMode":"{}"}},"StreamCreationTimestamp":{}}})",
                    comma, stream.name, service.arn_of(stream.name), to_string(stream.status),
                    to_string(stream.mode), json_time(stream.created_at));
    last = stream.name;
  }
  const bool more = at != catalog->streams.end();
  std::string token;
  if (more) {
    const std::int64_t made_ms = to_millis(now);
    const std::string content(reinterpret_cast<const char*>(&made_ms), sizeof made_ms);
    token = fmt::format(R"(,"NextToken":"{}")", service.sealer().seal(kTokenKind, content + last));
  }
  co_return json_reply(
      fmt::format(R"({{"StreamNames":[{}],"HasMoreStreams":{},"StreamSummaries":[{}]{}}})", names,
                  more, summaries, token));
}

}  // namespace spillway::kinesis
