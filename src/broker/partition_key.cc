#include "broker/partition_key.h"

#include <simdjson.h>

#include "wire/shapes.h"

namespace spillway::broker {

bool is_partition_key(std::string_view key) {
  return !key.empty() && simdjson::validate_utf8(key.data(), key.size()) &&
         wire::utf16_length(key) <= kPartitionKeyLengthMax;
}

}  // namespace spillway::broker
