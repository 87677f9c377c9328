#include "auth/master_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "io/process.h"

namespace spillway::auth {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kIdAt = 4;
constexpr std::size_t kIdSizeMax = 2048;  // as KeyId in the API
constexpr auto kRetryAfter = seconds(30);
constexpr auto kCommandTime = seconds(10);
constexpr std::string_view kFileName = "master.key";

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kIdSizeMax && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("/_:-.").find(c) != std::string_view::npos;
  });
}

struct Wrapped {
  std::string_view header;  // what stands before the nonce
  std::string_view id;
  std::string_view nonce;
  std::string_view secret;
  std::string_view tag;
};

Result<Wrapped> take_apart(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto version = reader.integer<std::uint8_t>();
  if (reader.ok() && version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("a wrapped secret has version {}; this build reads up to {}: use a "
                             "newer spillway",
                             version, kVersion)};
  }
  const auto zero = reader.integer<std::uint8_t>();
  Wrapped wrapped;
  wrapped.id = reader.take(reader.integer<std::uint16_t>());
  wrapped.nonce = reader.take(sizeof(GcmNonce));
  if (!reader.ok() || version != kVersion || zero != 0 || reader.rest().size() < sizeof(GcmTag))
    return Error{ErrorCode::kCorrupt, "a wrapped secret is damaged"};
  wrapped.header = bytes.substr(0, kIdAt + wrapped.id.size());
  wrapped.secret = reader.rest().substr(0, reader.rest().size() - sizeof(GcmTag));
  wrapped.tag = reader.rest().substr(wrapped.secret.size());
  return wrapped;
}

std::string bound_to(std::string_view header, std::string_view purpose) {
  return std::string(header).append(purpose);
}

}  // namespace

Status check_master_keys(const std::vector<MasterKeyConfig>& keys) {
  std::set<std::string_view> names;
  for (const auto& key : keys) {
    if (key.id.empty())
      return Error{ErrorCode::kInvalid, "a master key has no id: write one, or its ARN"};
    std::vector<std::string_view> own{key.id};
    own.insert(own.end(), key.aliases.begin(), key.aliases.end());
    for (const auto name : own) {
      if (!is_name(name)) {
        return Error{
            ErrorCode::kInvalid,
            fmt::format("\"{}\" names no master key: write a key id, alias/NAME or an ARN", name)};
      }
      if (!names.insert(name).second)
        return Error{ErrorCode::kInvalid, fmt::format("master key {} is there twice", name)};
    }
    for (const auto& alias : key.aliases) {
      if (alias.find("alias/") == std::string::npos) {
        return Error{
            ErrorCode::kInvalid,
            fmt::format("\"{}\" is no alias of a master key: write alias/NAME or its ARN", alias)};
      }
    }
    if (auto source = parse_key_source(key.source); !source.ok())
      return context(fmt::format("master key {}", key.id), std::move(source).error());
  }
  return {};
}

struct MasterKeys::Source {
  MasterKeyConfig config;
  KeySource from;
  bool made_if_missing = false;
  Result<AesKey> material = Error{ErrorCode::kBusy, ""};
  std::unique_ptr<io::ChildProcess> command;  // under way
  std::string output;
  MonoTime due{};  // when the command has taken too long, or the next try
};

MasterKeys::MasterKeys(MasterKeyOptions options, io::Disk& disk, io::Clock& clock,
                       io::Entropy& entropy, io::EventLog& log)
    : options_(std::move(options)), disk_(disk), clock_(clock), entropy_(entropy), log_(log) {}

MasterKeys::~MasterKeys() = default;

std::string MasterKeys::arn_of(std::string_view name) const {
  if (name.starts_with("arn:")) return std::string(name);
  return fmt::format("arn:aws:kms:{}:{}:{}{}", options_.region, options_.account,
                     name.starts_with("alias/") ? "" : "key/", name);
}

void MasterKeys::configure(const std::vector<MasterKeyConfig>& keys) {
  auto earlier = std::exchange(sources_, {});
  for (const auto& key : keys) begin_reading(add_source(key, earlier));
  add_directory_key(earlier);
  publish();
}

MasterKeys::Source& MasterKeys::add_source(const MasterKeyConfig& config,
                                           std::vector<std::unique_ptr<Source>>& earlier) {
  Source& source = *sources_.emplace_back(std::make_unique<Source>());
  source.config = config;
  source.from = *parse_key_source(config.source);
  source.material =
      Error{ErrorCode::kBusy, fmt::format("Master key {} is being fetched; try again.", config.id)};
  if (source.from.kind == KeySource::Kind::kCommand) {
    const auto same = std::ranges::find_if(earlier, [&](const auto& other) {
      return other->from == source.from && other->material.ok();
    });
    if (same != earlier.end()) source.material = (*same)->material;
  }
  return source;
}

void MasterKeys::add_directory_key(std::vector<std::unique_ptr<Source>>& earlier) {
  const std::string alias = arn_of(kDefaultMasterKey);
  const bool claimed = std::ranges::any_of(sources_, [&](const auto& source) {
    return arn_of(source->config.id) == alias ||
           std::ranges::any_of(source->config.aliases,
                               [&](const auto& name) { return arn_of(name) == alias; });
  });
  const std::string path = io::join_path(options_.directory, kFileName);
  if (claimed && !options_.directory_key_used) {
    const auto file = disk_.open(path, io::OpenMode::kRead);
    // Nothing was ever wrapped under it.
    if (!file.ok() && file.error().code == ErrorCode::kNotFound) return;
  }
  MasterKeyConfig config{
      .id = std::string(kDirectoryMasterKey), .aliases = {}, .source = "file:" + path};
  if (!claimed) config.aliases.emplace_back(kDefaultMasterKey);
  Source& source = add_source(config, earlier);
  source.made_if_missing = !claimed && !options_.directory_key_used;
  begin_reading(source);
}

bool MasterKeys::begin_reading(Source& source) {
  if (source.config.disabled) {
    source.material =
        Error{ErrorCode::kClosed, fmt::format("Master key {} is disabled.", source.config.id)};
    return true;
  }
  if (source.material.ok()) return false;
  if (source.from.kind == KeySource::Kind::kFile) return finish_reading(source, read_file(source));
  if (source.from.kind == KeySource::Kind::kEnvironment) {
    const char* value = std::getenv(source.from.text.c_str());
    if (value != nullptr) return finish_reading(source, parse_key_material(value));
    return finish_reading(source, Error{ErrorCode::kDenied, "the variable is not set"});
  }
  auto command = io::spawn({"/bin/sh", "-c", source.from.text});
  if (!command.ok()) return finish_reading(source, std::move(command).error());
  source.command = *std::move(command);
  source.output.clear();
  source.due = clock_.mono_now() + kCommandTime;
  return false;
}

Result<AesKey> MasterKeys::read_file(const Source& source) {
  auto bytes = io::read_file(disk_, source.from.text, kKeyMaterialSizeMax);
  if (bytes.ok()) return parse_key_material(*bytes);
  if (!source.made_if_missing || bytes.error().code != ErrorCode::kNotFound)
    return std::move(bytes).error();
  // Of two processes that find none, the second must take what the first makes.
  SPILLWAY_ASSIGN(const auto lock, disk_.lock(source.from.text + ".lock"));
  bytes = io::read_file(disk_, source.from.text, kKeyMaterialSizeMax);
  if (bytes.ok()) return parse_key_material(*bytes);
  if (bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
  AesKey key;
  entropy_.fill(key);
  SPILLWAY_TRY(io::replace_file(disk_, source.from.text,
                                {reinterpret_cast<const char*>(key.data()), key.size()}));
  return key;
}

bool MasterKeys::poll() {
  bool under_way = false;
  bool changed = false;
  const MonoTime now = clock_.mono_now();
  for (const auto& source : sources_) {
    if (source->command != nullptr) {
      changed = poll_command(*source) || changed;
    } else if (!source->material.ok() && !source->config.disabled && now >= source->due) {
      changed = begin_reading(*source) || changed;
    }
    under_way = under_way || source->command != nullptr;
  }
  if (changed) publish();
  return under_way;
}

bool MasterKeys::poll_command(Source& source) {
  const auto end = source.command->poll();  // before reading, so that nothing comes after
  source.output += source.command->read_output();
  std::optional<Result<AesKey>> result;
  if (source.output.size() > kKeyMaterialSizeMax) {
    result = Error{ErrorCode::kInvalid, "the command printed more than a key"};
  } else if (end && !end->clean()) {
    result = Error{ErrorCode::kDenied, fmt::format("the command: {}", end->description())};
  } else if (end) {
    result = parse_key_material(source.output);
  } else if (clock_.mono_now() >= source.due) {
    result = Error{ErrorCode::kDenied,
                   fmt::format("the command took longer than {} s", kCommandTime.count())};
  }
  if (!result) return false;
  source.command = nullptr;
  source.output.clear();
  return finish_reading(source, std::move(*result));
}

// What callers are told names the key alone; the log says what is wrong with its source.
bool MasterKeys::finish_reading(Source& source, Result<AesKey> material) {
  if (material.ok()) {
    source.material = std::move(material);
    return true;
  }
  if (material.error().code == ErrorCode::kBusy) return false;  // another process makes it now
  source.due = clock_.mono_now() + kRetryAfter;
  const bool no_key = material.error().code == ErrorCode::kInvalid;
  const ErrorCode code = no_key ? ErrorCode::kInvalid : ErrorCode::kDenied;
  if (source.material.error().code == code) return false;  // it is known
  source.material =
      no_key ? Error{code, fmt::format("The source of master key {} gives no key of 256 bits.",
                                       source.config.id)}
             : Error{code,
                     fmt::format("The source of master key {} can't be read.", source.config.id)};
  log_.error("no master key", {{"key", source.config.id}, {"reason", material.error().message}});
  return true;
}

void MasterKeys::publish() {
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys;
  for (const auto& source : sources_) {
    const auto key = std::make_shared<const Key>(Key{source->config.id, source->material});
    keys.emplace(arn_of(source->config.id), key);
    for (const auto& alias : source->config.aliases) keys.emplace(arn_of(alias), key);
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  ++version_;
}

Result<std::shared_ptr<const MasterKeys::Key>> MasterKeys::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(arn_of(name));
  if (found == keys_.end())
    return Error{ErrorCode::kNotFound, fmt::format("There is no master key {}.", name)};
  if (!found->second->material.ok()) return found->second->material.error();
  return found->second;
}

Status MasterKeys::check(std::string_view key) const {
  SPILLWAY_TRY(find(key));
  return {};
}

Result<std::string> MasterKeys::wrap(std::string_view key, std::string_view secret,
                                     std::string_view purpose) const {
  SPILLWAY_ASSIGN(const auto master, find(key));
  std::string wrapped;
  append_le(wrapped, kVersion);
  append_le(wrapped, std::uint8_t{0});
  append_le(wrapped, static_cast<std::uint16_t>(master->id.size()));
  wrapped += master->id;
  const std::string bound = bound_to(wrapped, purpose);
  GcmNonce nonce;
  entropy_.fill(nonce);
  wrapped.append(nonce.begin(), nonce.end());
  const std::size_t at = wrapped.size();
  wrapped.resize(at + secret.size());
  const GcmTag tag = gcm_encrypt(*master->material, nonce, bound, secret, wrapped.data() + at);
  wrapped.append(tag.begin(), tag.end());
  return wrapped;
}

Result<std::string> MasterKeys::unwrap(std::string_view wrapped, std::string_view purpose) const {
  SPILLWAY_ASSIGN(const Wrapped parts, take_apart(wrapped));
  SPILLWAY_ASSIGN(const auto master, find(parts.id));
  GcmNonce nonce;
  std::memcpy(nonce.data(), parts.nonce.data(), nonce.size());
  GcmTag tag;
  std::memcpy(tag.data(), parts.tag.data(), tag.size());
  std::string secret(parts.secret.size(), '\0');
  if (!gcm_decrypt(*master->material, nonce, bound_to(parts.header, purpose), parts.secret, tag,
                   secret.data())) {
    return Error{
        ErrorCode::kCorrupt,
        fmt::format("Master key {} is not the one that this was encrypted with.", master->id)};
  }
  return secret;
}

std::string_view MasterKeys::key_of(std::string_view wrapped) {
  const auto parts = take_apart(wrapped);
  return parts.ok() ? parts->id : std::string_view{};
}

}  // namespace spillway::auth
