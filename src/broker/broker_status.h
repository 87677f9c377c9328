// What the broker tells of itself at /v1/status, and `spillway up` reads.
#pragma once

#include <string>

#include "broker/delivery.h"
#include "broker/telemetry.h"

namespace spillway::broker {

// One JSON object. Any thread.
std::string status_json(const Telemetry& telemetry, const Delivery& delivery);

}  // namespace spillway::broker
