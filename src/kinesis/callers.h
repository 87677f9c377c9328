// Who depends on what: per stream, each caller, what it does with it, and how far behind it is
// (docs/callers.md). Recorded as it happens; bounded: who was not seen for longest is forgotten,
// and counted.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "kinesis/operation.h"
#include "stream/catalog.h"

namespace spillway::kinesis {

enum class Use : std::uint8_t { kPut, kGet, kSubscribe, kDescribe };  // the last: all else
inline constexpr std::size_t kUses = 4;
std::string_view to_string(Use use);

// As far as callers are told apart.
struct CallerName {
  std::string access_key;
  std::string agent;  // the family of its user agent: "Boto3", "KCL orders"
  std::string peer;   // address, without a port
  friend bool operator==(const CallerName&, const CallerName&) = default;
};
// "Boto3/1.43.67 md/Botocore#1.43.67 … app/orders" is of the family "Boto3 orders".
std::string agent_family(std::string_view user_agent);
CallerName caller_of(const Call& call);

struct Usage {
  std::uint64_t requests = 0;
  std::uint64_t records = 0;  // put, or read
  std::uint64_t bytes = 0;    // of their data and keys
  WallTime last_at{};
};

struct Caller {
  CallerName name;
  std::uint64_t stream_id = 0;
  std::string stream;
  WallTime first_at{};
  WallTime last_at{};
  std::array<Usage, kUses> uses;  // by Use
  std::int64_t lag_ms = 0;        // MillisBehindLatest of its last read
};

// Thread-safe.
class Callers {
 public:
  explicit Callers(std::size_t most = 10'000) : most_(most) {}

  // One request, or one event of a subscription, and what went in or out with it.
  void saw(const CallerName& name, const stream::StreamInfo& stream, Use use, WallTime now,
           std::uint64_t records = 0, std::uint64_t bytes = 0,
           std::optional<std::int64_t> lag_ms = std::nullopt);

  // By stream and name; of one stream, or of all.
  std::vector<Caller> list(std::string_view stream = {}) const;
  std::uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }
  // Forgets those of streams that are not in it.
  void keep_only(const stream::Catalog& catalog);

  // Stored form (docs/formats/callers.md). What is loaded is added to what was seen since the
  // start; kCorrupt, or kUnsupported where a newer version wrote it: then nothing is.
  std::string encode() const;
  Status load(std::string_view bytes);

 private:
  // A lock each. The most recently seen comes first.
  struct Stripe {
    mutable std::mutex mutex;
    std::list<Caller> callers;
    std::unordered_map<std::uint64_t, std::list<Caller>::iterator> by_hash;
  };
  static constexpr std::size_t kStripes = 16;

  Caller& of(Stripe& stripe, std::uint64_t hash);
  void add(const Caller& stored);

  const std::size_t most_;
  std::atomic<std::uint64_t> forgotten_{0};
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace spillway::kinesis
