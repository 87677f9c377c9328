// GET /v1/callers at the admin port: who depends on which stream (kinesis/callers.h).
#pragma once

#include <string>
#include <string_view>

#include "kinesis/callers.h"
#include "server/routes.h"

namespace spillway::server {

// {"callers":[…],"forgotten":N}; of one stream, or of all where it is empty.
std::string callers_json(const kinesis::Callers& callers, std::string_view stream);
// `/v1/callers` and `/v1/callers?stream=NAME`. What it is handed outlives the server.
void add_callers_route(Routes& routes, const kinesis::Callers& callers);

}  // namespace spillway::server
