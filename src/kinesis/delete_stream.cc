#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

Task<Reply> delete_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kDeleteStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string name = named.name;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&name](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          if (catalog.find(name) == nullptr) return Error{ErrorCode::kNotFound, ""};
          stream::CatalogChange change;
          change.remove.push_back(name);
          return change;
        },
        std::move(done));
  });
  auto deleted = co_await awaiter;
  if (deleted.ok()) co_return Reply{};
  if (deleted.error().code == ErrorCode::kNotFound) co_return stream_not_found(service, name);
  co_return engine_reply(deleted.error(), "DeleteStream");
}

}  // namespace spillway::kinesis
