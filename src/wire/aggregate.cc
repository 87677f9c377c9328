#include "wire/aggregate.h"

#include <cstdint>
#include <unordered_map>

#include "base/digest.h"
#include "wire/protobuf.h"

namespace spillway::wire {
namespace {

constexpr std::string_view kMagic = "\xf3\x89\x9a\xc2";
constexpr std::string_view kOriginTag = "spillway";
constexpr std::size_t kDigestSize = sizeof(Md5Digest);

using Table = std::vector<std::string_view>;

struct Tag {
  std::string_view key;
  std::optional<std::string_view> value;
};

std::optional<Tag> read_tag(std::string_view message) {
  Tag tag;
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == 1 && field.type == WireType::kBytes) tag.key = field.bytes;
    if (field.number == 2 && field.type == WireType::kBytes) tag.value = field.bytes;
  }
  return reader.ok() ? std::optional(tag) : std::nullopt;
}

std::optional<UserRecord> read_record(std::string_view message, const Table& keys,
                                      const Table& hash_keys) {
  std::optional<std::uint64_t> key;
  std::optional<std::uint64_t> hash_key;
  std::optional<std::string_view> data;
  std::optional<std::string_view> origin;
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.number == 1 && field.type == WireType::kVarint) key = field.integer;
    if (field.number == 2 && field.type == WireType::kVarint) hash_key = field.integer;
    if (field.number == 3 && field.type == WireType::kBytes) data = field.bytes;
    if (field.number != 4 || field.type != WireType::kBytes) continue;
    const auto tag = read_tag(field.bytes);
    if (!tag) return std::nullopt;
    if (tag->key == kOriginTag) origin = tag->value;
  }
  if (!reader.ok() || !key || *key >= keys.size() || !data) return std::nullopt;
  UserRecord record{keys[*key], *data, std::nullopt, origin};
  if (hash_key) {
    if (*hash_key >= hash_keys.size()) return std::nullopt;
    record.explicit_hash_key = hash_keys[*hash_key];
  }
  return record;
}

// The strings of one of the two tables, each once, in the order of their first use.
class TableWriter {
 public:
  TableWriter(std::string& to, std::uint32_t number) : to_(to), number_(number) {}
  std::uint64_t index_of(std::string_view text) {
    const auto [found, is_new] = indexes_.emplace(text, indexes_.size());
    if (is_new) append_bytes(to_, number_, text);
    return found->second;
  }

 private:
  std::string& to_;
  const std::uint32_t number_;
  std::unordered_map<std::string_view, std::uint64_t> indexes_;
};

}  // namespace

std::optional<std::vector<UserRecord>> split_aggregate(std::string_view data) {
  if (data.size() < kMagic.size() + kDigestSize || !data.starts_with(kMagic)) return std::nullopt;
  const auto message = data.substr(kMagic.size(), data.size() - kMagic.size() - kDigestSize);
  const auto digest = md5(message);
  if (data.substr(data.size() - kDigestSize) !=
      std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()))
    return std::nullopt;

  // Fields may come in any order: the tables first, then the records that refer to them.
  Table keys;
  Table hash_keys;
  std::vector<std::string_view> messages;
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == 1) keys.push_back(field.bytes);
    if (field.number == 2) hash_keys.push_back(field.bytes);
    if (field.number == 3) messages.push_back(field.bytes);
  }
  if (!reader.ok()) return std::nullopt;
  std::vector<UserRecord> records;
  records.reserve(messages.size());
  for (const auto one : messages) {
    const auto record = read_record(one, keys, hash_keys);
    if (!record) return std::nullopt;
    records.push_back(*record);
  }
  return records;
}

std::string make_aggregate(std::span<const UserRecord> records) {
  std::string tables;
  std::string hash_tables;
  std::string messages;
  TableWriter keys(tables, 1);
  TableWriter hash_keys(hash_tables, 2);
  std::string message;
  std::string tag;
  for (const auto& record : records) {
    message.clear();
    append_integer(message, 1, keys.index_of(record.partition_key));
    if (record.explicit_hash_key)
      append_integer(message, 2, hash_keys.index_of(*record.explicit_hash_key));
    append_bytes(message, 3, record.data);
    if (record.origin) {
      tag.clear();
      append_bytes(tag, 1, kOriginTag);
      append_bytes(tag, 2, *record.origin);
      append_bytes(message, 4, tag);
    }
    append_bytes(messages, 3, message);
  }
  const std::string body = tables + hash_tables + messages;
  const auto digest = md5(body);
  std::string aggregate(kMagic);
  aggregate += body;
  return aggregate.append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

}  // namespace spillway::wire
