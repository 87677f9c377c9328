// How `spillway tail` prints records.
#pragma once

#include <string>
#include <string_view>

#include "client/kinesis_client.h"

namespace spillway::cli {

struct TailFormat {
  std::string stream;
  bool json = false;
  bool colours = false;
  bool deaggregate = true;
};

// Of a record that was read from one of several regions.
struct TailRegion {
  std::string_view name;
  bool late = false;  // as client::RegionRecord's
};

// Lines of records: of a record itself, or of those that were aggregated into it, the first
// `most` of them. `lines` counts them.
std::string tail_text(const TailFormat& format, const std::string& shard_id,
                      const client::Record& record, std::uint64_t most, std::uint64_t& lines,
                      const TailRegion* region = nullptr);

}  // namespace spillway::cli
