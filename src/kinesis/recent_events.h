// Events that were made a moment ago, for the other subscriptions at the same place of their shard:
// its twenty consumers are sent one piece of memory, which was selected, decrypted and encoded
// once.
//
// What is kept is bounded by bytes and by age. Thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/shared_bytes.h"
#include "base/time.h"
#include "kinesis/record_origin.h"
#include "kinesis/traffic.h"
#include "stream/catalog.h"
#include "stream/position.h"
#include "wire/document_writer.h"

namespace spillway::kinesis {

struct RecentEvent {
  SharedBytes message;    // as it is sent
  stream::Position next;  // where its reader goes on
  ReadAmount amount;
};

class RecentEvents {
 public:
  // What an event depends on, but for the time.
  struct Place {
    stream::ShardId shard = 0;
    stream::Position from;
    wire::Format format = wire::Format::kJson;
    std::uint64_t catalog_version = 0;
    Origins origins = Origins::kHidden;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  // An event of this place that serves as well as a new one would that holds what was read, which
  // goes on at `read_next`: it holds the same, or so much that another one may follow. Its
  // MillisBehindLatest is as of kAgeMax ago at most.
  std::optional<RecentEvent> find(const Place& place, stream::Position read_next, MonoTime now);
  void add(const Place& place, RecentEvent event, MonoTime now);
  // Drops what is too old to be given again.
  void forget_old(MonoTime now);
  void clear();

  std::size_t bytes() const;  // held

  static constexpr auto kAgeMax = milliseconds(100);
  static constexpr std::size_t kBytesMax = std::size_t{16} << 20;

 private:
  struct Entry {
    RecentEvent event;
    MonoTime made{};
  };
  void drop_oldest();

  mutable std::mutex mutex_;
  std::map<Place, Entry> entries_;
  std::deque<std::pair<MonoTime, Place>> order_;  // of making; what was replaced is in it twice
  std::size_t bytes_ = 0;
};

}  // namespace spillway::kinesis
