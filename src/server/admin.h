// The admin port of every role: /metrics, /health/live, /health/ready, /v1/status.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "metrics/registry.h"
#include "server/routes.h"

namespace spillway::server {

// Outlives the server. The functions are called on any loop's thread, and don't block.
struct AdminSource {
  const metrics::Registry& metrics;
  // Whether this process can do its work now; the error says what has to be done.
  std::function<Status()> ready;
  // One JSON object: what a person or the CLI asks first.
  std::function<std::string()> status_json;
};

// /health/live answers 200 while the process answers at all; /health/ready 200 or 503 with the
// reason.
void add_admin_routes(Routes& routes, AdminSource source);

}  // namespace spillway::server
