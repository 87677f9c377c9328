#include "stream/hash_key.h"

#include "base/digest.h"

namespace spillway::stream {

Uint128 hash_key_of(std::string_view partition_key) {
  Uint128 key = 0;
  for (const unsigned char byte : md5(partition_key)) key = key << 8 | byte;
  return key;
}

}  // namespace spillway::stream
