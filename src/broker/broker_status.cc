#include "broker/broker_status.h"

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::string_view kGivesUp =
    "broker.when_full is \"drop_oldest\": what was acknowledged is dropped undelivered when the "
    "spool is full";

std::int64_t ms_since(MonoTime then, MonoTime now) {
  return std::chrono::duration_cast<milliseconds>(now - then).count();
}

std::string target_json(const Delivery& delivery, std::size_t place, MonoTime now) {
  const auto& route = delivery.route();
  const auto& link = route.link(place);
  const auto status = link.status();
  JsonObject object;
  object.add("name", link.target().name()).add("address", link.target().address());
  object.add("used", route.choice().target == place);
  object.add("acknowledged_records", link.acknowledged());
  if (const auto* const backfill = delivery.backfill(place)) {
    const auto& progress = backfill->progress();
    object.add("missing_records", progress.missing);
    object.add("missed_for_good_records", progress.gone);
    object.add("backfilled_records", progress.sent);
  }
  if (!route.has_choice()) {
    object.add("state", status.ok() ? "closed" : "open");
    if (!status.ok()) object.add("reason", status.error().message);
    return object.text();
  }
  const auto health = route.breaker(place).health();
  object.add("state", to_string(health.state)).add("reason", health.reason);
  object.add("state_ms", ms_since(health.since, now));
  return object.text();
}

}  // namespace

std::string status_json(const Telemetry& telemetry, const Delivery& delivery, const Runway& runway,
                        const Switches& switches, const SpoolRoom& room, MonoTime now) {
  const auto& route = delivery.route();
  const auto& link = route.current();
  const auto up = link.status();
  JsonObject object;
  object.add("role", "broker").add("source", telemetry.source());
  object.add("target", link.target().address()).add("target_up", up.ok());
  if (!up.ok()) object.add("problem", up.error().message);
  const auto latency = link.latency();
  const auto micros = [](nanoseconds duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  };
  object.add("put_p50_us", micros(latency.p50)).add("put_p99_us", micros(latency.p99));
  object.add("acknowledged_records", route.acknowledged());
  object.add("held_records", delivery.held() + telemetry.held());
  object.add("dropped_records", delivery.dropped());
  if (room.when_full() == WhenFull::kDropOldest) object.add("gives_up", kGivesUp);
  if (const auto left = runway.left())
    object.add("runway_ms", std::chrono::duration_cast<milliseconds>(*left).count());
  const auto& choice = route.choice();
  if (choice.target) object.add("used", route.link(*choice.target).target().name());
  object.add("footing", to_string(choice.footing)).add("because", choice.because);
  object.add("used_ms", ms_since(route.chosen_at(), now));
  object.add_raw("switch", switches.status_json());
  JsonArray targets;
  for (std::size_t place = 0; place < route.size(); ++place)
    targets.add_raw(target_json(delivery, place, now));
  object.add_raw("targets", targets.text());
  return object.text();
}

}  // namespace spillway::broker
