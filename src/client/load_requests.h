// The requests of the load generator: JSON bodies, signed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "client/load.h"
#include "client/load_connection.h"

namespace spillway::client {

class RequestMaker {
 public:
  explicit RequestMaker(const LoadOptions& options) : options_(options), random_(1) {}

  // The request `operation` with `body`, signed for `now`.
  PreparedRequest sign(std::string_view operation, std::string body, WallTime now,
                       std::uint32_t records = 0) const;

  // One PutRecords or PutRecord request with random data and keys of its own.
  PreparedRequest put(WallTime now);
  // A PutRecord request whose data begins with `stamp` in 20 digits.
  PreparedRequest put_stamped(std::uint64_t stamp, WallTime now);
  PreparedRequest get_records(std::string_view iterator, WallTime now) const;
  PreparedRequest list_shards(WallTime now) const;
  PreparedRequest get_iterator(std::string_view shard, bool trim_horizon, WallTime now) const;

 private:
  std::string random_data();

  const LoadOptions& options_;
  Random random_;
};

// The values of every `"name":"…"` in `json`; views into it. Values with escapes are cut at the
// first quotation mark: iterators, shard ids and base64 have none.
std::vector<std::string_view> find_strings(std::string_view json, std::string_view name);

inline constexpr std::size_t kStampDigits = 20;

}  // namespace spillway::client
