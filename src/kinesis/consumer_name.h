// How requests name a consumer: by its ARN, which holds the second of its registration, or by its
// stream's ARN and its name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kinesis/service.h"

namespace spillway::kinesis {

struct ConsumerName {
  std::string stream;
  std::string consumer;
  std::optional<std::int64_t> created_seconds;  // where the ARN said it
};

std::string arn_of(Service& service, std::string_view stream, std::string_view name,
                   const stream::ConsumerInfo& consumer);
// Of this region and account, whether there is such a consumer or not.
std::optional<ConsumerName> parse_consumer_arn(Service& service, std::string_view arn);

// The name; or the answer to give instead.
struct ConsumerNameInput {
  ConsumerName name;
  std::optional<Reply> refusal;
};
ConsumerNameInput consumer_of_arn(Service& service, std::string_view arn);
// By ConsumerARN, or StreamARN and ConsumerName.
ConsumerNameInput consumer_in(Service& service, const wire::Value& input);

// The consumer, unless its deletion is over; nullptr where there is none, or another one.
const stream::ConsumerInfo* find_consumer(Service& service, const stream::StreamInfo& stream,
                                          const ConsumerName& name);
// Those whose deletion isn't over.
std::int64_t consumer_count(Service& service, const stream::StreamInfo& stream);
Reply consumer_not_found(Service& service, const ConsumerName& name);
Reply consumer_not_active(Service& service, const ConsumerName& name,
                          const stream::ConsumerInfo& consumer);

}  // namespace spillway::kinesis
