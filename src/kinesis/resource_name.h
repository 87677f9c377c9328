// How requests name a stream or a consumer alike: by its ARN.
#pragma once

#include <optional>
#include <string>

#include "kinesis/consumer_name.h"

namespace spillway::kinesis {

// The name; or the answer to give instead.
struct ResourceName {
  std::string stream;
  std::optional<ConsumerName> consumer;  // of the stream; nullopt: the stream itself
  std::optional<Reply> refusal;
};
// By ResourceARN.
ResourceName resource_in(Service& service, const wire::Value& input);

// A settled stream, or a consumer of one; or the answer to give instead.
struct FoundResource {
  stream::StreamRef stream;
  const stream::ConsumerInfo* consumer = nullptr;  // of `stream`; nullptr: the stream itself
  std::optional<Reply> refusal = std::nullopt;
};
FoundResource find_resource(Service& service, const wire::Value& input);

}  // namespace spillway::kinesis
