// How far each followed file was spooled: one small text file in the broker's data directory,
// replaced atomically.
//
// Format, version 1 (docs/formats/broker-places.md): the line "spillway file places 1", then one
// line per file: its id (inode and device, decimal), a space, the offset (decimal), a space, and
// its path to the end of the line. Paths with a newline are not followed.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "broker/file_follower.h"

namespace spillway::broker {

using FilePlaces = std::map<std::string, FilePlace>;  // by path

std::string encode(const FilePlaces& places);
// kUnsupported for a newer version, kCorrupt naming the line.
Result<FilePlaces> decode_file_places(std::string_view text);

}  // namespace spillway::broker
