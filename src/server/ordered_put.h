// The records of one request, into the spool, in order.
#pragma once

#include <string>
#include <vector>

#include "base/task.h"
#include "broker/spool.h"
#include "io/event_loop.h"
#include "stream/record_batch.h"

namespace spillway::server {

// What became of each, once all is durable or refused. They go to the spool in parts, one after the
// other: after one that the spool didn't take, whole, no later part is tried, so that records of
// one key stay in order however often their sender has to try. What it is handed outlives it; on
// the loop.
Task<broker::Spool::Outcomes> put_in_order(io::EventLoop* loop, broker::Spool* spool,
                                           std::string stream,
                                           std::vector<stream::RecordView> records);

}  // namespace spillway::server
