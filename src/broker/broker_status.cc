#include "broker/broker_status.h"

#include "broker/json_object.h"

namespace spillway::broker {

std::string status_json(const Telemetry& telemetry, const Delivery& delivery) {
  const auto& link = delivery.link();
  const auto now = link.status();
  JsonObject object;
  object.add("role", "broker").add("source", telemetry.source());
  object.add("target", link.target().address()).add("target_up", now.ok());
  if (!now.ok()) object.add("problem", now.error().message);
  const auto latency = link.latency();
  const auto micros = [](nanoseconds duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  };
  object.add("put_p50_us", micros(latency.p50)).add("put_p99_us", micros(latency.p99));
  object.add("acknowledged_records", link.acknowledged());
  object.add("held_records", delivery.held() + telemetry.held());
  return object.text();
}

}  // namespace spillway::broker
