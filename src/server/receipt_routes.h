// The admin port's operations of `spillway switch list` and `spillway switch show`.
#pragma once

#include "broker/receipts.h"
#include "server/routes.h"

namespace spillway::server {

// GET /v1/switches, and /v1/switches/ID: as Receipts gives them, or 404 with the reason in a line
// of text. `receipts` outlives the server.
void add_receipt_routes(Routes& routes, const broker::Receipts& receipts);

}  // namespace spillway::server
