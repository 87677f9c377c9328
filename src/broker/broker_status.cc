#include "broker/broker_status.h"

#include <algorithm>
#include <map>
#include <optional>

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

constexpr std::string_view kGivesUp =
    "broker.when_full is \"drop_oldest\": what was acknowledged is dropped undelivered when the "
    "spool is full";

std::int64_t ms_since(MonoTime then, MonoTime now) {
  return std::chrono::duration_cast<milliseconds>(now - then).count();
}

std::string target_json(const StatusParts& of, std::size_t place, MonoTime now) {
  const auto& delivery = of.delivery;
  const auto& route = delivery.route();
  const auto& link = route.link(place);
  const auto status = link.status();
  JsonObject object;
  object.add("name", link.target().name()).add("address", link.target().address());
  object.add("used", route.choice().target == place);
  object.add("acknowledged_records", link.acknowledged());
  object.add("records_per_second", of.activity.per_second(link.target().name()));
  object.add("requests_limit", route.requests_limit(place));
  if (const auto* const backfill = delivery.backfill(place)) {
    const auto& progress = backfill->progress();
    object.add("missing_records", progress.missing);
    object.add("missed_for_good_records", progress.gone);
    object.add("backfilled_records", progress.sent);
  }
  if (const auto& found = route.kept().set_back[place]; !found.empty())
    object.add("set_back", found);
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

// What waits of a stream.
struct Unsent {
  std::uint64_t records = 0;
  std::optional<milliseconds> oldest;
};

void add(Unsent& to, std::uint64_t records, std::optional<milliseconds> oldest) {
  to.records += records;
  if (oldest) to.oldest = std::max(to.oldest.value_or(milliseconds(0)), *oldest);
}

void add_age(JsonObject& to, const Unsent& unsent) {
  if (unsent.oldest) to.add("oldest_unsent_ms", unsent.oldest->count());
}

std::map<std::string, Unsent> unsent_by_stream(const StatusParts& of) {
  std::map<std::string, Unsent> streams;
  for (const auto& shard : of.delivery.under_way())
    add(streams[shard.stream],
        std::max(shard.tip, shard.at).value - shard.at.value + shard.left_behind,
        of.activity.oldest_unsent(shard.id));
  return streams;
}

}  // namespace

Standing standing_of(const Route& route) {
  const auto& choice = route.choice();
  const auto status = route.current().status();
  if (!route.has_choice() && choice.target && !status.ok()) return {"down", status.error().message};
  return {std::string(to_string(choice.footing)), choice.because};
}

std::string status_json(const StatusParts& of, MonoTime now) {
  const auto& route = of.delivery.route();
  const auto& link = route.current();
  const auto up = link.status();
  const auto streams = unsent_by_stream(of);
  Unsent all;
  for (const auto& [name, unsent] : streams) add(all, unsent.records, unsent.oldest);
  JsonObject object;
  object.add("role", "broker").add("source", of.telemetry.source());
  object.add("target", link.target().address()).add("target_up", up.ok());
  if (!up.ok()) object.add("problem", up.error().message);
  const auto latency = link.latency();
  const auto micros = [](nanoseconds duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  };
  object.add("put_p50_us", micros(latency.p50)).add("put_p99_us", micros(latency.p99));
  object.add("acknowledged_records", route.acknowledged());
  object.add("held_records", of.delivery.held() + of.telemetry.held());
  object.add("left_behind_records", of.delivery.left_behind());
  add_age(object, all);
  object.add("dropped_records", of.delivery.dropped());
  if (of.room.when_full() == WhenFull::kDropOldest) object.add("gives_up", kGivesUp);
  object.add("spool_full", !of.room.takes().ok());
  if (const auto left = of.runway.left())
    object.add("runway_ms", std::chrono::duration_cast<milliseconds>(*left).count());
  const auto& choice = route.choice();
  if (choice.target) object.add("used", route.link(*choice.target).target().name());
  const auto standing = standing_of(route);
  object.add("footing", standing.footing).add("because", standing.because);
  object.add("used_ms", ms_since(route.chosen_at(), now));
  object.add_raw("switch", of.switches.status_json());
  JsonArray targets;
  for (std::size_t place = 0; place < route.size(); ++place)
    targets.add_raw(target_json(of, place, now));
  object.add_raw("targets", targets.text());
  JsonArray waiting;
  for (const auto& [name, unsent] : streams) {
    JsonObject stream;
    stream.add("name", name).add("held_records", unsent.records);
    add_age(stream, unsent);
    waiting.add_raw(stream.text());
  }
  object.add_raw("streams", waiting.text());
  object.add_raw("inputs", of.activity.inputs_json());
  return object.text();
}

}  // namespace spillway::broker
