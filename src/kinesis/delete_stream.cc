#include "kinesis/consumer_name.h"
#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

// A stream in any status can be deleted, but one that is being deleted.
Task<Reply> delete_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDeleteStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string name = named.name;
  const bool enforced = input.value["EnforceConsumerDeletion"].integer != 0;
  std::optional<Reply> refusal;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          const auto stream = service.existing(catalog, name);
          if (stream == nullptr) {
            refusal = stream_not_found(service, name);
          } else if (stream->status == stream::StreamStatus::kDeleting) {
            refusal = not_active(service, *stream);
          } else if (!enforced && consumer_count(service, *stream) > 0) {
            refusal = error_reply(
                ApiError::kResourceInUse,
                fmt::format("Stream {} under account {} has registered consumers; deregister them "
                            "or set EnforceConsumerDeletion.",
                            name, service.options().account));
          } else {
            refusal = over_transitions(service, catalog, stream::StreamStatus::kDeleting);
          }
          if (refusal) return Error{ErrorCode::kInvalid, ""};
          stream::CatalogChange change;
          if (service.options().transition == milliseconds(0)) {
            change.remove.push_back(name);
          } else {
            change.put.push_back(*stream);
            service.settle_later(change.put.front(), stream::StreamStatus::kDeleting);
          }
          return change;
        },
        std::move(done));
  });
  auto deleted = co_await awaiter;
  if (refusal) co_return std::move(*refusal);
  if (!deleted.ok()) co_return engine_reply(deleted.error(), call.operation);
  co_return Reply{};
}

}  // namespace spillway::kinesis
