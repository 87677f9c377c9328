// A batch as the log holds it: opaque bytes of one shard, with what is needed to find them. The log
// knows neither records nor streams; positions are plain numbers here.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/shared_bytes.h"

namespace spillway::log {

struct Batch {
  std::uint64_t shard = 0;
  std::uint64_t first = 0;      // position of its first record
  std::uint32_t count = 0;      // records, > 0: the batch covers [first, first + count)
  std::int64_t arrival_ms = 0;  // since 1970; never below the shard's batch before
  SharedBytes owner;
  std::string_view payload;  // a view into `owner`

  std::uint64_t end() const { return first + count; }
};

}  // namespace spillway::log
