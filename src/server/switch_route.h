// The admin port's operation of `spillway switch`.
#pragma once

#include "broker/switches.h"
#include "server/routes.h"

namespace spillway::server {

// POST /v1/switch with a JSON object: "to" (a target's name; left out, what holds is released),
// "reason", "who". Answers 200 with "target" (in use now; empty: none), "held", "changed",
// "because", "fault"; or 400, 404 or 409 with the reason in a line of text. Only as
// application/json, which a web page can't send here. `switches` outlives the server.
void add_switch_route(Routes& routes, broker::Switches& switches);

}  // namespace spillway::server
