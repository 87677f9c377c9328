// The Kinesis API's JSON, as a client writes and reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/kinesis_client.h"

namespace spillway::client {

// A request body; those of puts are in put_documents.h.
std::string shard_iterator_body(std::string_view stream, std::string_view shard_id,
                                const IteratorStart& start);

// Answers. kCorrupt where they are not what the API answers.
struct NamePage {
  std::vector<std::string> names;
  bool more = false;
};
struct ShardPage {
  std::vector<Shard> shards;
  std::string next_token;  // empty: the last page
};
Result<NamePage> parse_names(const std::string& json);
Result<ShardPage> parse_shards(const std::string& json);
Result<StreamSummary> parse_summary(const std::string& json);
Result<PutOutcome> parse_put_outcome(const std::string& json);
Result<std::vector<PutOutcome>> parse_put_outcomes(const std::string& json);
Result<std::string> parse_shard_iterator(const std::string& json);
Result<GetRecordsResult> parse_records(const std::string& json);

// {"__type":"ns#Type","message":"…"}; fields stay empty where there is none of it.
struct ApiError {
  std::string type;  // without name space
  std::string message;
};
ApiError parse_api_error(const std::string& json);

}  // namespace spillway::client
