// What a reader of several regions commits: how far it handled each region's shards, and the
// origins of what it handled, together, so that one never tells of what the other doesn't.
//
// Format, version 1 (integers little-endian, varints as in protobuf, texts behind their length as
// u32; also docs/formats/regions-state.md):
//   0  8   magic "SPWYREAD"
//   8  u32 CRC32C of all that follows
//  12  u32 version = 1
//  16  text    the stream's name
//      i64     where shards begin that have no place: arrival in milliseconds since 1970; -1: at
//              their horizons
//      varint  regions, each (ascending by name):
//        text    its name
//        varint  shards, each (ascending by id):
//          text    its id
//          text    the sequence number up to which all was handled
//          text    that of the last record without an origin that was handled
//      text    a snapshot of the set of handled origins (docs/formats/seen-set.md)
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "client/regions_merge.h"

namespace spillway::client {

struct RegionsState {
  std::string stream;
  std::optional<WallTime> begin;                // none: at the shards' horizons
  std::map<std::string, RegionPlaces> regions;  // by name
  std::string seen;                             // SeenSet's snapshot(), which checks itself
};

std::string encode(const RegionsState& state);
// kUnsupported for a newer version, kCorrupt saying what is wrong.
Result<RegionsState> decode_regions_state(std::string_view bytes);

}  // namespace spillway::client
