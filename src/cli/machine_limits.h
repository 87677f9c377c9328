// What this machine can do at most, measured beside every benchmark: the figures of tools/bench
// mean something only against these.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cli/loopback_limit.h"

namespace spillway::cli {

struct MachineLimits {
  double sha256_gb_per_s = 0;  // one core
  double memcpy_gb_per_s = 0;  // one core, 64 MiB blocks
  double crc32c_gb_per_s = 0;
  double base64_decode_gb_per_s = 0;  // of base64 text
  double base64_encode_gb_per_s = 0;  // of bytes
  double simdjson_gb_per_s = 0;       // a PutRecords body of 500 × 1 KiB
  double md5_keys_per_s = 0;          // partition keys of 16 bytes
  double syncs_per_s = 0;             // 4 KiB written into a zero-filled file, then fdatasync
  double synced_mb_per_s = 0;         // 1 MiB each
  LoopbackLimits loopback;
  // What records wait that arrive at 10,000/s when nothing is done but to write and sync those that
  // came; over 5 s, so that the disk's and the machine's own stalls show.
  double arrivals_p50_ms = 0;
  double arrivals_p99_ms = 0;
};

// Takes about 8 s; makes and removes one file in `directory`.
Result<MachineLimits> measure_machine(const std::string& directory);
std::string to_json(const MachineLimits& limits);

}  // namespace spillway::cli
