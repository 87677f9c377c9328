// Tags of streams and consumers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kinesis/service.h"

namespace spillway::kinesis {

// Puts an input's tags among those that `owner` ("stream s") has; or gives the answer of a refusal.
std::optional<Reply> merge_tags(const wire::Value& tags, std::string_view owner,
                                std::map<std::string, std::string>& to);

}  // namespace spillway::kinesis
