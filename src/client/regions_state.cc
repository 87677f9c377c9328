#include "client/regions_state.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"

namespace spillway::client {
namespace {

constexpr std::string_view kMagic = "SPWYREAD";
constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kHorizon = -1;

Error corrupt(std::string_view what) {
  return {ErrorCode::kCorrupt, fmt::format("a reader's places: {}", what)};
}

// Ends early where the bytes do; the reader says so.
RegionPlaces read_places(ByteReader& reader) {
  RegionPlaces places;
  for (std::uint64_t left = read_varint(reader); left > 0 && reader.ok(); --left) {
    const std::string id(reader.prefixed());
    auto& place = places[id];
    place.all = reader.prefixed();
    place.plain = reader.prefixed();
  }
  return places;
}

}  // namespace

std::string encode(const RegionsState& state) {
  std::string bytes(kMagic);
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, kVersion);
  append_prefixed(bytes, state.stream);
  append_le(bytes, state.begin ? to_millis(*state.begin) : kHorizon);
  append_varint(bytes, state.regions.size());
  for (const auto& [name, places] : state.regions) {
    append_prefixed(bytes, name);
    append_varint(bytes, places.size());
    for (const auto& [id, place] : places) {
      append_prefixed(bytes, id);
      append_prefixed(bytes, place.all);
      append_prefixed(bytes, place.plain);
    }
  }
  append_prefixed(bytes, state.seen);
  store_le(bytes.data() + kMagic.size(),
           crc32c(std::string_view(bytes).substr(kMagic.size() + sizeof(std::uint32_t))));
  return bytes;
}

Result<RegionsState> decode_regions_state(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.take(kMagic.size()) != kMagic) return corrupt("they don't begin as such");
  const auto crc = reader.integer<std::uint32_t>();
  if (!reader.ok() || crc != crc32c(reader.rest())) return corrupt("their checksum is wrong");
  if (const auto version = reader.integer<std::uint32_t>(); version > kVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("a reader's places of version {}; this build knows {}", version, kVersion)};
  }
  RegionsState state;
  state.stream = reader.prefixed();
  const auto begin = reader.integer<std::int64_t>();
  if (begin < kHorizon) return corrupt("their beginning is damaged");
  if (begin != kHorizon) state.begin = from_millis(begin);
  for (std::uint64_t left = read_varint(reader); left > 0 && reader.ok(); --left) {
    const std::string name(reader.prefixed());
    state.regions[name] = read_places(reader);
  }
  state.seen = reader.prefixed();
  if (!reader.at_end()) return corrupt("they end too early, or too late");
  return state;
}

}  // namespace spillway::client
