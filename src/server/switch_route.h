// The admin port's operations of `spillway switch`.
#pragma once

#include "broker/switch_proof.h"
#include "server/delivery_path.h"
#include "server/routes.h"

namespace spillway::server {

// POST /v1/switch with a JSON object: "reason", "who", and, unless what holds is to be released,
// "to" (a target's name), or "accept" (the name of one that was set back); "stream" (one of the
// broker's, to be sure that it is the right one); "grant" (a text), "break_glass" (true); and, in
// place of "who", the proof of who asks (broker/switch_proof.h): "holder" ("ed25519:…"), "broker",
// "challenge", "signature". Answers 200 with "broker", "streams", "target" (in use now; empty:
// none), "held", "changed", "because", "fault", and "receipt" (its id) where records go another way
// then; or with the reason in a line of text: 400, 403 (no grant for it), 404, 409, 412 (the
// challenge was used: again). Only as application/json, which a web page can't send here.
//
// GET /v1/switch answers "broker" and "challenge".
//
// What it is handed outlives the server.
void add_switch_route(Routes& routes, DeliveryPath& path, broker::SwitchProofs& proofs);

}  // namespace spillway::server
