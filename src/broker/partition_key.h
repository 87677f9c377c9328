#pragma once

#include <string_view>

namespace spillway::broker {

inline constexpr int kPartitionKeyLengthMax = 256;  // characters, as the API counts them

// Whether the API takes it for a partition key: 1 to 256 characters of UTF-8.
bool is_partition_key(std::string_view key);

}  // namespace spillway::broker
