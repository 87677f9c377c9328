// `tail --from`: where reading begins.
#pragma once

#include <string>
#include <string_view>

#include "client/stream_reader.h"

namespace spillway::cli {

struct TailStart {
  client::IteratorStart from;
  std::string shard_id;  // of a sequence number: the shard that its digits name
};

// trim, latest, -10m (before `now`), 2020-11-25T14:00:00Z, or a sequence number. kInvalid says how
// it is written.
Result<TailStart> parse_tail_start(std::string_view text, WallTime now);

}  // namespace spillway::cli
