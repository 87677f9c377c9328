// What the subcommands share that look into a region's or a broker's data directory without
// opening it.
#pragma once

#include <string>

#include "base/result.h"
#include "io/disk.h"

namespace spillway::cli {

// kNotFound where neither a region nor a broker has stored anything in it, nor `spillway keys` has.
Status check_data_directory(io::Disk& disk, const std::string& directory);

}  // namespace spillway::cli
