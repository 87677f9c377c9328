// IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kHoursMin = stream::kRetentionMin.count();
constexpr std::int64_t kHoursMax = 8760;

std::optional<Reply> out_of_bounds(std::int64_t hours) {
  if (hours < kHoursMin) {
    return error_reply(ApiError::kInvalidArgument,
                       fmt::format("Minimum allowed retention period is {} hours. Requested "
                                   "retention period ({} hours) is too short.",
                                   kHoursMin, hours));
  }
  if (hours > kHoursMax) {
    return error_reply(ApiError::kInvalidArgument,
                       fmt::format("Maximum allowed retention period is {} hours. Requested "
                                   "retention period ({} hours) is too long.",
                                   kHoursMax, hours));
  }
  return std::nullopt;
}

Task<Reply> set_retention(Service& service, Call& call, const wire::Shape& shape, bool increase) {
  auto input = read_input(service, call, shape);
  if (input.refusal) co_return std::move(*input.refusal);
  const std::int64_t hours = input.value["RetentionPeriodHours"].integer;
  if (auto refusal = out_of_bounds(hours)) co_return std::move(*refusal);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (increase ? hours < stream.retention_hours : hours > stream.retention_hours) {
      return error_reply(
          ApiError::kInvalidArgument,
          fmt::format("Requested retention period ({} hours) for stream {} can not be {} than "
                      "existing retention period ({} hours). Use {}RetentionPeriod API.",
                      hours, stream.name, increase ? "shorter" : "longer", stream.retention_hours,
                      increase ? "Decrease" : "Increase"));
    }
    stream.expired_before = stream.horizon(service.now());
    stream.retention_hours = static_cast<std::uint32_t>(hours);
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

}  // namespace

Task<Reply> increase_stream_retention_period(Service& service, Call& call) {
  return set_retention(service, call, wire::kinesis::kIncreaseStreamRetentionPeriodInput, true);
}

Task<Reply> decrease_stream_retention_period(Service& service, Call& call) {
  return set_retention(service, call, wire::kinesis::kDecreaseStreamRetentionPeriodInput, false);
}

}  // namespace spillway::kinesis
