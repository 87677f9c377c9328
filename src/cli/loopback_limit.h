#pragma once

#include "base/result.h"

namespace spillway::cli {

// What loopback carries between a server (an event loop per core) and a client (one loop) that do
// nothing but pass bytes: what the machine leaves for everything else.
struct LoopbackLimits {
  // Answered on 64 connections: of the sizes of a signed PutRecord of 128 bytes and of its answer.
  double requests_per_s = 0;
  // Of answers of 4 MiB, on 20 connections: what fan-out can be at most.
  double gb_per_s = 0;
};

// Takes a second.
Result<LoopbackLimits> measure_loopback();

}  // namespace spillway::cli
