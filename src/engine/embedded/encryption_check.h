// Whether a stream's batches are encrypted wherever its catalog says that they have to be.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/embedded/inspection.h"

namespace spillway::engine {

// It needs no key: what is looked at is how a batch is stored, and when it arrived.
class EncryptionCheck {
 public:
  explicit EncryptionCheck(const stream::StreamInfo& stream);

  void visit(const FoundBatch& found);

  bool was_ever_on() const { return !spans_.empty(); }
  const BatchCounts& encrypted() const { return encrypted_; }
  // Of a time in which the stream wasn't encrypted.
  const BatchCounts& plain_allowed() const { return plain_allowed_; }
  // Plain, or of no known kind, in a time in which it was.
  const BatchCounts& violations() const { return violations_; }
  // Of the first kPlacesMax violations.
  const std::vector<std::string>& places() const { return places_; }
  // Batches by the data key that encrypted them.
  const std::map<std::uint32_t, std::uint64_t>& by_key() const { return by_key_; }

  static constexpr std::size_t kPlacesMax = 20;

 private:
  // A time in which encryption was on; both ends not included: what arrived in the same millisecond
  // may stand on either side of the change. (The engine takes no plain batch behind the change
  // itself, whatever the clock says.)
  struct Span {
    WallTime begin;
    WallTime end;
  };
  bool must_be_encrypted(std::int64_t arrival_ms) const;

  std::set<std::uint64_t> shards_;
  std::vector<Span> spans_;
  BatchCounts encrypted_;
  BatchCounts plain_allowed_;
  BatchCounts violations_;
  std::vector<std::string> places_;
  std::map<std::uint32_t, std::uint64_t> by_key_;
};

}  // namespace spillway::engine
