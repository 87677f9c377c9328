// Tags: of streams by AddTagsToStream, RemoveTagsFromStream and ListTagsForStream, and of whatever
// has an ARN by TagResource, UntagResource and ListTagsForResource.
#include "kinesis/tags.h"

#include "kinesis/handlers.h"
#include "kinesis/resource_name.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kTagsMax = 50;

ResourceName stream_in(Service& service, const wire::Value& input) {
  auto named = name_in(service, input);
  return {std::move(named.name), std::nullopt, std::move(named.refusal)};
}

using Tags = std::map<std::string, std::string>;

// Changes the tags of what the request names.
Task<Reply> change_tags(Service& service, Call& call, ResourceName resource,
                        UniqueFunction<std::optional<Reply>(std::string_view, Tags&)> edit_tags) {
  if (resource.refusal) co_return std::move(*resource.refusal);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (!resource.consumer) return edit_tags("stream " + stream.name, stream.tags);
    if (find_consumer(service, stream, *resource.consumer) == nullptr)
      return consumer_not_found(service, *resource.consumer);
    const auto& name = resource.consumer->consumer;
    return edit_tags("consumer " + name, stream.consumers[name].tags);
  };
  co_return co_await change_stream(service, call, resource.stream, std::move(edit));
}

Task<Reply> add_tags(Service& service, Call& call, ResourceName resource, const wire::Value& tags) {
  co_return co_await change_tags(
      service, call, std::move(resource),
      [&tags](std::string_view owner, Tags& to) { return merge_tags(tags, owner, to); });
}

// Unicode letters, digits and spaces: what lies beyond ASCII is not told apart.
bool is_tag_character(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view(" _.:/=+-%@").find(c) != std::string_view::npos;
}

bool has_tag_characters(const wire::Value& text) {
  return std::ranges::all_of(text.text, is_tag_character);
}

Reply invalid_characters() {
  return error_reply(ApiError::kInvalidArgument,
                     "Some tags contain invalid characters. Valid characters: Unicode letters, "
                     "digits, white space, _ . : / = + - % @.");
}

Task<Reply> remove_tags(Service& service, Call& call, ResourceName resource,
                        const wire::Value& keys) {
  co_return co_await change_tags(service, call, std::move(resource),
                                 [&keys](std::string_view, Tags& from) -> std::optional<Reply> {
                                   if (!std::ranges::all_of(keys.children, has_tag_characters))
                                     return invalid_characters();
                                   for (const auto& key : keys.children)
                                     from.erase(std::string(key.text));
                                   return std::nullopt;
                                 });
}

void write_tag(wire::DocumentWriter& to, const std::string& key, const std::string& value) {
  to.open_map().text("Key", key).text("Value", value).close_map();
}

}  // namespace

std::optional<Reply> merge_tags(const wire::Value& tags, std::string_view owner, Tags& to) {
  if (!std::ranges::all_of(tags.children, has_tag_characters)) return invalid_characters();
  for (std::size_t i = 0; i + 1 < tags.children.size(); i += 2) {
    const std::string key(tags.children[i].text);
    if (key.starts_with("aws:")) {
      return error_reply(
          ApiError::kInvalidArgument,
          fmt::format("Tag {} is reserved: keys that begin with aws: are AWS's own.", key));
    }
    to[key] = tags.children[i + 1].text;
  }
  if (to.size() <= kTagsMax) return std::nullopt;
  return error_reply(ApiError::kInvalidArgument,
                     fmt::format("Failed to add tags to {}: it cannot have more than {} tags "
                                 "associated with it.",
                                 owner, kTagsMax));
}

Task<Reply> add_tags_to_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kAddTagsToStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await add_tags(service, call, stream_in(service, input.value), input.value["Tags"]);
}

Task<Reply> tag_resource(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kTagResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await add_tags(service, call, resource_in(service, input.value),
                              input.value["Tags"]);
}

Task<Reply> remove_tags_from_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kRemoveTagsFromStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await remove_tags(service, call, stream_in(service, input.value),
                                 input.value["TagKeys"]);
}

Task<Reply> untag_resource(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUntagResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await remove_tags(service, call, resource_in(service, input.value),
                                 input.value["TagKeys"]);
}

Task<Reply> list_tags_for_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kListTagsForStreamInput);
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
  auto input = read_input(service, call, wire::kinesis::kListTagsForResourceInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_resource(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const Tags& tags = found.consumer != nullptr ? found.consumer->tags : found.stream->tags;
  wire::DocumentWriter document(call.format);
  document.open_map().key("Tags").open_list();
  for (const auto& [key, value] : tags) write_tag(document, key, value);
  document.close_list().close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
