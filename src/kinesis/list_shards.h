#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kinesis/service.h"

namespace spillway::kinesis {

// The stream that a NextToken of ListShards goes on with; nullopt for what is none.
std::optional<std::string> stream_of_listing(Service& service, std::string_view next_token);

}  // namespace spillway::kinesis
