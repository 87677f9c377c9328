// A set of sequences of one producer's lane, as intervals: they are nearly dense. Without gaps it
// takes no memory of its own, however many it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace spillway::stream {

class SequenceIntervals {
 public:
  struct Interval {
    std::uint64_t first = 0;  // > 0
    std::uint64_t last = 0;
    std::uint64_t previous = 0;  // of `first`: what lies between was given up by its broker
  };

  // In ascending order, at least one sequence between each two.
  std::span<const Interval> all() const {
    if (several_ != nullptr) return *several_;
    return {&only_, only_.first > 0 ? 1U : 0U};
  }
  std::size_t gaps() const { return several_ != nullptr ? several_->size() - 1 : 0; }
  bool contains(std::uint64_t sequence) const;

  // `previous` < `sequence`, which may be there already.
  void add(std::uint64_t sequence, std::uint64_t previous);
  // Behind all that are there, with a gap before it.
  void append(Interval interval);

  // Makes the gaps one fewer (there is one). The oldest one of which nothing will come is filled;
  // where there is none, the shortest interval is forgotten, though never the newest.
  struct Closing {
    bool filled = false;
    std::uint64_t forgotten = 0;  // sequences
  };
  Closing close_gap();

 private:
  std::vector<Interval>& several();
  void settle();

  Interval only_;
  std::unique_ptr<std::vector<Interval>> several_;  // instead of only_, where there are gaps
};

}  // namespace spillway::stream
