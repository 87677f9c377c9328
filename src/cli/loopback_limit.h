#pragma once

#include "base/result.h"

namespace spillway::cli {

// Requests a second that 64 connections over loopback get answered when server (an event loop per
// core) and client (one) do nothing but pass bytes, of the sizes of a signed PutRecord of 128 bytes
// and of its answer: what the machine leaves for everything else. Takes half a second.
Result<double> loopback_requests_per_s();

}  // namespace spillway::cli
