// Scales the streams on demand by what is counted of their shards (traffic.h, stream/scaling.h).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kinesis/service.h"
#include "stream/scaling.h"

namespace spillway::kinesis {

// On one thread.
class OnDemandScaling {
 public:
  // `failed` hears of changes that did not become durable, on any thread.
  OnDemandScaling(Service& service, std::function<void(const Error&)> failed)
      : service_(service), failed_(std::move(failed)) {}

  // Once a second or more often: measures every shard of a stream on demand, and changes those
  // streams that need it, each by one step.
  void tick(MonoTime now);

 private:
  void measure(const stream::StreamInfo& stream, MonoTime now);
  void change(const stream::StreamInfo& stream, MonoTime now);

  Service& service_;
  const std::function<void(const Error&)> failed_;
  MonoTime measured_at_{};
  std::map<stream::ShardId, stream::ShardLoad> loads_;  // of open shards
};

}  // namespace spillway::kinesis
