#include "kinesis/callers.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::kinesis {

namespace {

constexpr std::string_view kMagic = "SPWYCALL";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kTextMax = 128;
constexpr std::size_t kStoredSizeMin = 8 + 4 * 4 + 3 * 8 + kUses * 4 * 8;

// Libraries that name themselves behind the SDK that they are built on.
struct Library {
  std::string_view mark;
  std::string_view name;
};
constexpr Library kLibraries[] = {{"amazon-kinesis-client-library", "KCL"},
                                  {"KinesisProducerLibrary", "KPL"},
                                  {"aws-kinesis-agent", "Kinesis Agent"},
                                  {"flink", "Flink"},
                                  {"Flink", "Flink"}};

// Of all that tells callers apart. Two with the same 64 bits would be counted as one.
std::uint64_t hash_of(std::uint64_t stream_id, const CallerName& name) {
  std::uint64_t hash = stream_id * 0x9e3779b97f4a7c15;
  for (const std::string& part :
       {std::cref(name.access_key), std::cref(name.agent), std::cref(name.peer)}) {
    hash ^= std::hash<std::string_view>()(part) + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
  }
  return hash;
}

void append(std::string& to, const Caller& caller) {
  append_le(to, caller.stream_id);
  for (const auto* text :
       {&caller.stream, &caller.name.access_key, &caller.name.agent, &caller.name.peer})
    append_prefixed(to, *text);
  append_le(to, to_millis(caller.first_at));
  append_le(to, to_millis(caller.last_at));
  append_le(to, caller.lag_ms);
  for (const auto& usage : caller.uses) {
    append_le(to, usage.requests);
    append_le(to, usage.records);
    append_le(to, usage.bytes);
    append_le(to, to_millis(usage.last_at));
  }
}

Caller read(ByteReader& from) {
  Caller caller;
  caller.stream_id = from.integer<std::uint64_t>();
  for (auto* text :
       {&caller.stream, &caller.name.access_key, &caller.name.agent, &caller.name.peer})
    *text = from.prefixed().substr(0, kTextMax);
  caller.first_at = from_millis(from.integer<std::int64_t>());
  caller.last_at = from_millis(from.integer<std::int64_t>());
  caller.lag_ms = from.integer<std::int64_t>();
  for (auto& usage : caller.uses) {
    usage.requests = from.integer<std::uint64_t>();
    usage.records = from.integer<std::uint64_t>();
    usage.bytes = from.integer<std::uint64_t>();
    usage.last_at = from_millis(from.integer<std::int64_t>());
  }
  return caller;
}

}  // namespace

std::string_view to_string(Use use) {
  switch (use) {
    case Use::kPut:
      return "put";
    case Use::kGet:
      return "get";
    case Use::kSubscribe:
      return "subscribe";
    case Use::kDescribe:
      return "describe";
  }
  return "";
}

std::string agent_family(std::string_view user_agent) {
  std::string_view family = user_agent.substr(0, user_agent.find_first_of("/ "));
  for (const auto& library : kLibraries) {
    if (user_agent.find(library.mark) == std::string_view::npos) continue;
    family = library.name;
    break;
  }
  std::string name(family.substr(0, kTextMax / 2));
  if (const auto at = user_agent.find(" app/"); at != std::string_view::npos) {
    const auto app = user_agent.substr(at + 5);
    name += ' ';
    name += app.substr(0, std::min(app.find(' '), kTextMax / 2 - 1));
  }
  return name;
}

CallerName caller_of(const Call& call) {
  return {call.access_key.substr(0, kTextMax), agent_family(call.user_agent),
          call.peer.substr(0, kTextMax)};
}

Caller& Callers::of(Stripe& stripe, std::uint64_t hash) {
  if (const auto found = stripe.by_hash.find(hash); found != stripe.by_hash.end()) {
    stripe.callers.splice(stripe.callers.begin(), stripe.callers, found->second);
    return stripe.callers.front();
  }
  if (stripe.callers.size() >= std::max<std::size_t>(most_ / kStripes, 1)) {
    const Caller& oldest = stripe.callers.back();
    stripe.by_hash.erase(hash_of(oldest.stream_id, oldest.name));
    stripe.callers.pop_back();
    forgotten_.fetch_add(1, std::memory_order_relaxed);
  }
  stripe.by_hash[hash] = stripe.callers.emplace(stripe.callers.begin());
  return stripe.callers.front();
}

void Callers::saw(const CallerName& name, const stream::StreamInfo& stream, Use use, WallTime now,
                  std::uint64_t records, std::uint64_t bytes, std::optional<std::int64_t> lag_ms) {
  const auto hash = hash_of(stream.id, name);
  Stripe& stripe = stripes_[hash % kStripes];
  const std::lock_guard lock(stripe.mutex);
  Caller& caller = of(stripe, hash);
  if (caller.stream_id == 0) {
    caller.name = name;
    caller.stream_id = stream.id;
    caller.stream = stream.name;
    caller.first_at = now;
  }
  Usage& usage = caller.uses[static_cast<std::size_t>(use)];
  ++usage.requests;
  usage.records += records;
  usage.bytes += bytes;
  caller.last_at = usage.last_at = now;
  if (lag_ms) caller.lag_ms = *lag_ms;
}

std::vector<Caller> Callers::list(std::string_view stream) const {
  std::vector<Caller> all;
  for (const auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    for (const auto& caller : stripe.callers)
      if (stream.empty() || caller.stream == stream) all.push_back(caller);
  }
  std::ranges::sort(all, {}, [](const Caller& caller) {
    return std::tie(caller.stream, caller.name.access_key, caller.name.agent, caller.name.peer);
  });
  return all;
}

void Callers::keep_only(const stream::Catalog& catalog) {
  std::unordered_set<std::uint64_t> known;
  for (const auto& [name, stream] : catalog.streams) known.insert(stream->id);
  for (auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    std::erase_if(stripe.callers, [&](const Caller& caller) {
      if (known.contains(caller.stream_id)) return false;
      stripe.by_hash.erase(hash_of(caller.stream_id, caller.name));
      return true;
    });
  }
}

std::string Callers::encode() const {
  const auto all = list();
  std::string content;
  append_le(content, kVersion);
  append_le(content, forgotten());
  append_le(content, static_cast<std::uint32_t>(all.size()));
  for (const auto& caller : all) append(content, caller);
  std::string bytes(kMagic);
  append_le(bytes, crc32c(content));
  return bytes + content;
}

Status Callers::load(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.take(kMagic.size()) != kMagic) return Error{ErrorCode::kCorrupt, "callers: no magic"};
  const auto checksum = reader.integer<std::uint32_t>();
  if (crc32c(reader.rest()) != checksum)
    return Error{ErrorCode::kCorrupt, "callers: the checksum is wrong"};
  if (const auto version = reader.integer<std::uint32_t>(); version != kVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("callers have version {}; this build reads version {}", version, kVersion)};
  }
  const auto forgotten = reader.integer<std::uint64_t>();
  const auto count = reader.integer<std::uint32_t>();
  if (count > reader.rest().size() / kStoredSizeMin)
    return Error{ErrorCode::kCorrupt, "callers: more than there is room for"};
  std::vector<Caller> stored;
  for (std::uint32_t i = 0; i < count; ++i) stored.push_back(read(reader));
  if (!reader.at_end())
    return Error{ErrorCode::kCorrupt, "callers: sizes don't add up to the length"};
  forgotten_.fetch_add(forgotten, std::memory_order_relaxed);
  // Those that were seen last are added last, so that they are kept where there is no room for all.
  std::ranges::sort(stored, {}, &Caller::last_at);
  for (const auto& caller : stored) add(caller);
  return {};
}

void Callers::add(const Caller& stored) {
  const auto hash = hash_of(stored.stream_id, stored.name);
  Stripe& stripe = stripes_[hash % kStripes];
  const std::lock_guard lock(stripe.mutex);
  Caller& caller = of(stripe, hash);
  if (caller.stream_id == 0) {
    caller = stored;
    return;
  }
  caller.first_at = std::min(caller.first_at, stored.first_at);
  for (std::size_t i = 0; i < kUses; ++i) {
    caller.uses[i].requests += stored.uses[i].requests;
    caller.uses[i].records += stored.uses[i].records;
    caller.uses[i].bytes += stored.uses[i].bytes;
    caller.uses[i].last_at = std::max(caller.uses[i].last_at, stored.uses[i].last_at);
  }
}

}  // namespace spillway::kinesis
