// The room of the spool, kept: what is delivered and may go is given back, what stays long is
// packed, and where the spool is told to, the oldest that isn't delivered is dropped.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "broker/cursors.h"
#include "broker/delivery.h"
#include "broker/oldest_records.h"
#include "broker/spool_packing.h"
#include "broker/spool_room.h"

namespace spillway::broker {

// Every second or so, on the delivery's loop. `free_bytes`: that the disk has left. What it drops:
// of each shard, all before the position that isn't delivered by then; empty where nothing has to
// go.
Delivered make_room(SpoolRoom& room, SpoolPacking& packing, OldestRecords& oldest,
                    Delivery& delivery, const Cursors& cursors, MonoTime now,
                    std::uint64_t free_bytes = UINT64_MAX);

}  // namespace spillway::broker
