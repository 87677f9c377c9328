#include "stream/sequence_intervals.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::stream {

bool SequenceIntervals::contains(std::uint64_t sequence) const {
  const auto intervals = all();
  const auto next = std::ranges::upper_bound(intervals, sequence, {}, &Interval::first);
  return next != intervals.begin() && std::prev(next)->last >= sequence;
}

std::vector<SequenceIntervals::Interval>& SequenceIntervals::several() {
  if (several_ == nullptr) {
    several_ = std::make_unique<std::vector<Interval>>();
    if (only_.first > 0) several_->push_back(only_);
  }
  return *several_;
}

// Back to one, where one is left.
void SequenceIntervals::settle() {
  if (several_->size() > 1) return;
  only_ = several_->front();
  several_ = nullptr;
}

void SequenceIntervals::add(std::uint64_t sequence, std::uint64_t previous) {
  SPILLWAY_ASSERT(previous < sequence);
  if (several_ == nullptr && only_.first == 0) {
    only_ = {sequence, sequence, previous};
    return;
  }
  Interval& newest = several_ != nullptr ? several_->back() : only_;
  if (sequence == newest.last + 1) {
    newest.last = sequence;
    return;
  }
  if (contains(sequence)) return;
  auto& intervals = several();
  const auto next = std::ranges::upper_bound(intervals, sequence, {}, &Interval::first);
  const bool joins_next = next != intervals.end() && next->first == sequence + 1;
  const bool joins_before = next != intervals.begin() && std::prev(next)->last + 1 == sequence;
  if (joins_before && joins_next) {
    std::prev(next)->last = next->last;
    intervals.erase(next);
  } else if (joins_before) {
    std::prev(next)->last = sequence;
  } else if (joins_next) {
    next->first = sequence;
    next->previous = previous;
  } else {
    intervals.insert(next, {sequence, sequence, previous});
  }
  settle();
}

void SequenceIntervals::append(Interval interval) {
  if (only_.first == 0 && several_ == nullptr) {
    only_ = interval;
    return;
  }
  SPILLWAY_ASSERT(interval.first > all().back().last + 1);
  several().push_back(interval);
}

SequenceIntervals::Closing SequenceIntervals::close_gap() {
  SPILLWAY_ASSERT(gaps() > 0);
  auto& intervals = *several_;
  const auto given_up = std::ranges::adjacent_find(
      intervals,
      [](const Interval& before, const Interval& next) { return next.previous <= before.last; });
  Closing closing;
  if (given_up != intervals.end()) {
    given_up->last = std::next(given_up)->last;
    intervals.erase(std::next(given_up));
    closing.filled = true;
  } else {
    const auto shortest = std::min_element(
        intervals.begin(), std::prev(intervals.end()),
        [](const Interval& a, const Interval& b) { return a.last - a.first < b.last - b.first; });
    closing.forgotten = shortest->last - shortest->first + 1;
    intervals.erase(shortest);
  }
  settle();
  return closing;
}

}  // namespace spillway::stream
