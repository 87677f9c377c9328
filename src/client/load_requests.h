// The requests of the load generator, signed but for OTLP's: puts and subscriptions in the load's
// format, others in JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/time.h"
#include "client/load.h"
#include "client/load_connection.h"

namespace spillway::client {

class RequestMaker {
 public:
  explicit RequestMaker(const LoadOptions& options) : options_(options), random_(1) {}

  // One PutRecords or PutRecord request with random data and keys of its own, or one of logs.
  PreparedRequest put(WallTime now);
  // The same, but that each record's data begins with `stamp` in kStampDigits digits.
  PreparedRequest put_stamped(std::uint64_t stamp, WallTime now);
  PreparedRequest get_records(std::string_view iterator, WallTime now) const;
  PreparedRequest list_shards(WallTime now) const;
  PreparedRequest get_iterator(std::string_view shard, bool trim_horizon, WallTime now) const;
  PreparedRequest describe_summary(WallTime now) const;
  PreparedRequest register_consumer(std::string_view stream_arn, std::string_view name,
                                    WallTime now) const;
  PreparedRequest describe_consumer(std::string_view stream_arn, std::string_view name,
                                    WallTime now) const;
  PreparedRequest subscribe(std::string_view consumer_arn, std::string_view shard,
                            WallTime now) const;

 private:
  PreparedRequest sign(std::string_view operation, wire::Format format, std::string body,
                       WallTime now, std::uint32_t records = 0) const;
  PreparedRequest put_logs(WallTime now);
  std::string random_data();
  template <typename MakeData>
  PreparedRequest put_with(WallTime now, MakeData make_data);
  template <typename MakeData>
  void write_record(wire::DocumentWriter& to, MakeData& make_data);

  const LoadOptions& options_;
  Random random_;
};

}  // namespace spillway::client
