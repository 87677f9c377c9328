// Tags: of streams by AddTagsToStream, RemoveTagsFromStream and ListTagsForStream, and of whatever
// has an ARN by TagResource, UntagResource and ListTagsForResource.
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kTagsMax = 50;

// The stream of a ResourceARN; or the answer to give instead.
StreamName resource_in(Service& service, const wire::Value& input) {
  const std::string_view arn = input["ResourceARN"].text;
  const std::string_view name = arn.substr(arn.rfind('/') + 1);
  if (arn == service.arn_of(name)) return {std::string(name), std::nullopt};
  return {"", error_reply(ApiError::kResourceNotFound,
                          fmt::format("Resource {} not found: this endpoint serves account {} in "
                                      "{}.",
                                      arn, service.options().account, service.options().region))};
}

std::optional<Reply> add(Service& service, const wire::Value& tags, stream::StreamInfo& stream) {
  for (std::size_t i = 0; i + 1 < tags.children.size(); i += 2) {
    const std::string key(tags.children[i].text);
    if (key.starts_with("aws:")) {
      return error_reply(
          ApiError::kInvalidArgument,
          fmt::format("Tag {} is reserved: keys that begin with aws: are AWS's own.", key));
    }
    stream.tags[key] = tags.children[i + 1].text;
  }
  if (stream.tags.size() <= kTagsMax) return std::nullopt;
  return error_reply(
      ApiError::kInvalidArgument,
      fmt::format("Failed to add tags to stream {} under account {} because a given stream cannot "
                  "have more than {} tags associated with it.",
                  stream.name, service.options().account, kTagsMax));
}

Task<Reply> add_tags(Service& service, Call& call, StreamName named, const wire::Value& tags) {
  if (named.refusal) co_return std::move(*named.refusal);
  StreamEdit edit = [&](const stream::Catalog&, stream::CatalogChange& change) {
    return add(service, tags, change.put.front());
  };
  co_return co_await change_stream(service, call, named.name, std::move(edit));
}

Task<Reply> remove_tags(Service& service, Call& call, StreamName named, const wire::Value& keys) {
  if (named.refusal) co_return std::move(*named.refusal);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    for (const auto& key : keys.children) change.put.front().tags.erase(std::string(key.text));
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, named.name, std::move(edit));
}

void write_tag(wire::DocumentWriter& to, const std::string& key, const std::string& value) {
  to.open_map().text("Key", key).text("Value", value).close_map();
}

}  // namespace

Task<Reply> add_tags_to_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kAddTagsToStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await add_tags(service, call, name_in(service, input.value), input.value["Tags"]);
}

Task<Reply> tag_resource(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kTagResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await add_tags(service, call, resource_in(service, input.value),
                              input.value["Tags"]);
}

Task<Reply> remove_tags_from_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kRemoveTagsFromStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await remove_tags(service, call, name_in(service, input.value),
                                 input.value["TagKeys"]);
}

Task<Reply> untag_resource(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kUntagResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await remove_tags(service, call, resource_in(service, input.value),
                                 input.value["TagKeys"]);
}

Task<Reply> list_tags_for_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kListTagsForStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const auto& tags = found.stream->tags;
  const auto& limit = input.value["Limit"];
  auto left = limit.present ? static_cast<std::size_t>(limit.integer) : kTagsMax;
  const auto start = input.value["ExclusiveStartTagKey"].string();
  auto at = start ? tags.upper_bound(std::string(*start)) : tags.begin();
  wire::DocumentWriter document(call.format);
  document.open_map().key("Tags").open_list();
  for (; at != tags.end() && left > 0; ++at, --left) write_tag(document, at->first, at->second);
  document.close_list().boolean("HasMoreTags", at != tags.end()).close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> list_tags_for_resource(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kListTagsForResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = resource_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const auto stream = service.existing(*service.engine().catalog(), named.name);
  if (stream == nullptr) co_return stream_not_found(service, named.name);
  wire::DocumentWriter document(call.format);
  document.open_map().key("Tags").open_list();
  for (const auto& [key, value] : stream->tags) write_tag(document, key, value);
  document.close_list().close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
