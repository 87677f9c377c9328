#include "auth/key_file.h"

#include <simdjson.h>

#include "base/base64.h"
#include "wire/shapes.h"

namespace spillway::auth {

namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;  // kStoredKeysMax with their policies
// RFC 4648, section 6: letters and digits that aren't mistaken for each other.
constexpr std::string_view kIdCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kIdRandomCharacters = 16;
constexpr std::size_t kSecretBytes = 30;
constexpr std::size_t kTokenBytes = 96;

std::string base64_of(std::string_view bytes) {
  std::string text(base64_encoded_size(bytes.size()), '\0');
  base64_encode(bytes, text.data());
  return text;
}

template <std::size_t N>
std::array<unsigned char, N> random_bytes(io::Entropy& entropy) {
  std::array<unsigned char, N> bytes;
  entropy.fill(bytes);
  return bytes;
}

template <std::size_t N>
std::string random_base64(io::Entropy& entropy) {
  const auto bytes = random_bytes<N>(entropy);
  return base64_of({reinterpret_cast<const char*>(bytes.data()), N});
}

void append_text(std::string& to, std::string_view name, std::string_view value) {
  to += fmt::format(",\n   \"{}\": ", name);
  wire::append_json_string(to, value);
}

void append_number(std::string& to, std::string_view name, std::int64_t value) {
  to += fmt::format(",\n   \"{}\": {}", name, value);
}

// One member of a key, as the file has it.
using Take = bool (*)(dom::element from, StoredKey& to);

bool take_text(dom::element from, std::string& to) {
  std::string_view text;
  if (from.get_string().get(text) != simdjson::SUCCESS) return false;
  to = text;
  return true;
}

bool take_base64(dom::element from, std::string& to) {
  std::string_view text;
  if (from.get_string().get(text) != simdjson::SUCCESS) return false;
  to.resize(base64_decoded_size_max(text.size()));
  const auto size = base64_decode(text, to.data());
  to.resize(size.value_or(0));
  return size.has_value() && *size > 0;
}

bool take_time(dom::element from, WallTime& to) {
  std::int64_t millis = 0;
  if (from.get_int64().get(millis) != simdjson::SUCCESS || millis < 0) return false;
  to = from_millis(millis);
  return true;
}

struct MemberRow {
  std::string_view name;
  Take take;
};

// clang-format off
constexpr MemberRow kMembers[] = {
    {"id", [](dom::element from, StoredKey& to) { return take_text(from, to.id) && !to.id.empty(); }},
    {"holder", [](dom::element from, StoredKey& to) { return take_text(from, to.holder); }},
    {"enabled", [](dom::element from, StoredKey& to) { return from.get_bool().get(to.enabled) == simdjson::SUCCESS; }},
    {"created", [](dom::element from, StoredKey& to) { return take_time(from, to.created_at); }},
    {"secret", [](dom::element from, StoredKey& to) { return take_base64(from, to.wrapped_secret); }},
    {"token", [](dom::element from, StoredKey& to) { return take_base64(from, to.wrapped_token); }},
    {"expires", [](dom::element from, StoredKey& to) { return take_time(from, to.expires_at.emplace()); }},
    {"previous", [](dom::element from, StoredKey& to) { return take_base64(from, to.wrapped_previous); }},
    {"previous_until", [](dom::element from, StoredKey& to) { return take_time(from, to.previous_until); }},
    {"policy", [](dom::element from, StoredKey& to) { return take_text(from, to.policy) && !to.policy.empty(); }},
    {"requests_per_second", [](dom::element from, StoredKey& to) { return from.get_uint64().get(to.limits.requests_per_second) == simdjson::SUCCESS; }},
    {"bytes_per_second", [](dom::element from, StoredKey& to) { return from.get_uint64().get(to.limits.bytes_per_second) == simdjson::SUCCESS; }},
};
// clang-format on

Result<StoredKey> decode_key(dom::element from, std::string_view name) {
  const auto corrupt = [name](std::string_view what) {
    return Error{ErrorCode::kCorrupt, fmt::format("{}: {}", name, what)};
  };
  dom::object object;
  if (from.get_object().get(object) != simdjson::SUCCESS) return corrupt("a key is no object");
  StoredKey key;
  for (const auto member : object) {
    const auto* const row = std::ranges::find(kMembers, member.key, &MemberRow::name);
    if (row == std::end(kMembers)) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("{}: a key has \"{}\", which this version doesn't know", name,
                               member.key.substr(0, 100))};
    }
    if (!row->take(member.value, key))
      return corrupt(fmt::format("\"{}\" of the key {} is malformed", row->name, key.id));
  }
  if (key.id.empty() || key.wrapped_secret.empty()) return corrupt("a key lacks its id or secret");
  return key;
}

std::string encode(const StoredKey& key) {
  std::string json = "  {\"id\": ";
  wire::append_json_string(json, key.id);
  append_text(json, "holder", key.holder);
  json += fmt::format(",\n   \"enabled\": {}", key.enabled);
  append_number(json, "created", to_millis(key.created_at));
  append_text(json, "secret", base64_of(key.wrapped_secret));
  if (!key.wrapped_token.empty()) append_text(json, "token", base64_of(key.wrapped_token));
  if (key.expires_at) append_number(json, "expires", to_millis(*key.expires_at));
  if (!key.wrapped_previous.empty()) {
    append_text(json, "previous", base64_of(key.wrapped_previous));
    append_number(json, "previous_until", to_millis(key.previous_until));
  }
  if (!key.policy.empty()) append_text(json, "policy", key.policy);
  const auto& limits = key.limits;
  if (limits.requests_per_second > 0)
    json += fmt::format(",\n   \"requests_per_second\": {}", limits.requests_per_second);
  if (limits.bytes_per_second > 0)
    json += fmt::format(",\n   \"bytes_per_second\": {}", limits.bytes_per_second);
  return json + "}";
}

}  // namespace

std::string encode(const std::vector<StoredKey>& keys) {
  std::string json = fmt::format("{{\"version\": {}, \"keys\": [", kVersion);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    json += i == 0 ? "\n" : ",\n";
    json += encode(keys[i]);
  }
  return json + "\n]}\n";
}

Result<std::vector<StoredKey>> decode_keys(std::string_view json, std::string_view name) {
  const auto corrupt = [name](std::string_view what) {
    return Error{ErrorCode::kCorrupt, fmt::format("{}: {}", name, what)};
  };
  dom::parser parser;
  dom::element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root);
      error != simdjson::SUCCESS)
    return corrupt(fmt::format("is no JSON: {}", simdjson::error_message(error)));
  std::int64_t version = 0;
  if (root["version"].get_int64().get(version) != simdjson::SUCCESS || version < 1)
    return corrupt("has no version");
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{} is of version {}; this build knows {}", name, version, kVersion)};
  }
  dom::array list;
  if (root["keys"].get_array().get(list) != simdjson::SUCCESS) return corrupt("has no keys");
  std::vector<StoredKey> keys;
  for (const auto element : list) {
    SPILLWAY_ASSIGN(auto key, decode_key(element, name));
    const bool twice = std::ranges::find(keys, key.id, &StoredKey::id) != keys.end();
    if (twice || keys.size() == kStoredKeysMax)
      return corrupt(twice ? fmt::format("the key {} is there twice", key.id)
                           : fmt::format("more than {} keys", kStoredKeysMax));
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<std::string> KeyFile::read_bytes() const {
  auto bytes = io::read_file(disk_, path(), kFileBytesMax);
  if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) return std::string();
  return bytes;
}

Result<std::vector<StoredKey>> KeyFile::read() const {
  SPILLWAY_ASSIGN(const auto bytes, read_bytes());
  if (bytes.empty()) return std::vector<StoredKey>();
  return decode_keys(bytes, path());
}

Status KeyFile::edit(const std::function<Status(std::vector<StoredKey>&)>& edit) {
  SPILLWAY_TRY(disk_.make_directory(directory_));
  SPILLWAY_ASSIGN(const auto lock, disk_.lock(io::join_path(directory_, "access-keys.lock")));
  SPILLWAY_ASSIGN(auto keys, read());
  SPILLWAY_TRY(edit(keys));
  if (keys.size() > kStoredKeysMax) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("there are {} keys already: delete some first", kStoredKeysMax)};
  }
  return io::replace_file(disk_, path(), encode(keys));
}

std::string wrapping_purpose(std::string_view id, KeyPart part) {
  return fmt::format("access-key {} {}", id, part == KeyPart::kSecret ? "secret" : "token");
}

std::string make_secret(io::Entropy& entropy) { return random_base64<kSecretBytes>(entropy); }

Credentials make_credentials(io::Entropy& entropy, bool temporary) {
  Credentials made;
  made.access_key = temporary ? "ASIA" : "AKIA";
  for (const unsigned char byte : random_bytes<kIdRandomCharacters>(entropy))
    made.access_key += kIdCharacters[byte % kIdCharacters.size()];
  made.secret_key = make_secret(entropy);
  if (temporary) made.session_token = random_base64<kTokenBytes>(entropy);
  return made;
}

bool is_wrapped_under(const StoredKey& key, std::string_view master_key) {
  return std::ranges::any_of(
      std::array<std::string_view, 3>{key.wrapped_secret, key.wrapped_token, key.wrapped_previous},
      [&](std::string_view wrapped) { return MasterKeys::key_of(wrapped) == master_key; });
}

Result<Key> open_key(const StoredKey& stored, const MasterKeys& master_keys) {
  Key key;
  key.id = stored.id;
  key.holder = stored.holder;
  key.enabled = stored.enabled;
  key.expires_at = stored.expires_at;
  if (!stored.policy.empty()) {
    auto policy = Policy::parse(stored.policy, PolicyKind::kIdentity);
    if (!policy.ok())
      return context(fmt::format("the policy of key {}", stored.id), std::move(policy).error());
    key.policy = std::make_shared<const Policy>(*std::move(policy));
  }
  if (stored.limits.any()) key.limiter = std::make_shared<RateLimiter>(stored.limits);
  const auto unwrap = [&](const std::string& wrapped, KeyPart part, std::string& to) {
    if (wrapped.empty() || !key.fault.empty()) return;
    auto opened = master_keys.unwrap(wrapped, wrapping_purpose(stored.id, part));
    if (opened.ok()) {
      to = *std::move(opened);
    } else {
      key.fault = opened.error().message;
    }
  };
  unwrap(stored.wrapped_secret, KeyPart::kSecret, key.secret);
  unwrap(stored.wrapped_token, KeyPart::kToken, key.session_token);
  // Without it the key is still good: it was replaced, and its master key may be gone.
  if (!stored.wrapped_previous.empty() && key.fault.empty()) {
    auto old =
        master_keys.unwrap(stored.wrapped_previous, wrapping_purpose(stored.id, KeyPart::kSecret));
    if (old.ok()) key.previous = PreviousSecret{*std::move(old), stored.previous_until};
  }
  return key;
}

}  // namespace spillway::auth
