// What a region's data directory holds beside what the engine stores: keys, a certificate, callers.
#pragma once

#include <string>
#include <vector>

#include "io/posix_disk.h"
#include "stream/catalog.h"

namespace spillway::cli {

// What is wrong with them, each with the file's name: those that are there can be read, are of a
// version that this build knows, and nobody but their owner gets at those that are secret. Changes
// nothing; what is missing is made when it is needed, or is no harm.
std::vector<std::string> check_files(io::PosixDisk& disk, const std::string& directory);

// Whose keys, of streams in `catalog` and of access, are stored under DATA/master.key and can't be
// opened with it, each with the reason: it is missing, say, or another one. Changes nothing; master
// keys from elsewhere are not looked at.
std::vector<std::string> check_directory_key(io::PosixDisk& disk, const std::string& directory,
                                             const stream::Catalog& catalog);

}  // namespace spillway::cli
