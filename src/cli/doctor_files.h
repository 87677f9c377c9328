// What a region's or a broker's data directory holds beside what the engine stores: keys, a
// certificate, callers.
#pragma once

#include <string>
#include <vector>

#include "io/posix_disk.h"
#include "stream/catalog.h"

namespace spillway::cli {

enum class Owner { kRegion, kBroker };

// A broker's has a spool, whatever becomes of that.
Owner owner_of(io::Disk& disk, const std::string& directory);

// What is wrong with them, each with the file's name: those that are there can be read, are of a
// version that this build knows, and nobody but their owner gets at those that are secret. Changes
// nothing; what is missing is made when it is needed, or is no harm.
std::vector<std::string> check_files(io::PosixDisk& disk, const std::string& directory);

// Whose keys, of streams in `catalog` and of access, are stored under DATA/master.key and can't be
// opened with it, each with the reason: it is missing, say, or another one. Changes nothing; a
// region's master keys from elsewhere are not looked at, and a broker has none.
std::vector<std::string> check_directory_key(io::PosixDisk& disk, const std::string& directory,
                                             const stream::Catalog& catalog, Owner owner);

}  // namespace spillway::cli
