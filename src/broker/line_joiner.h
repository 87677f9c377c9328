// Lines of a followed file that are one record: a stack trace's, say. Which line begins a record is
// told by an example of how such lines begin; an empty one stands for every line that doesn't begin
// with a space or a tab.
//
// A record ends where the next one begins, where another file begins (its own was rotated or cut),
// before a line that would make it longer than kBytesMax, or when nothing came for kWait. Until
// then its lines are not told, so that a broker that ends reads them again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "broker/file_follower.h"

namespace spillway::broker {

// Of one file.
class LineJoiner {
 public:
  // Of a record, with the newlines in it.
  static constexpr std::size_t kBytesMax = FileFollower::kLineBytesMax;
  static constexpr nanoseconds kWait = seconds(1);

  // From the next line on. In `example` a digit stands for any digit, a letter for any of ASCII's,
  // and everything else for itself: "2026-11-25" for a date. None: each line is a record.
  void set_example(std::optional<std::string> example) { example_ = std::move(example); }

  // `lines` came, or nothing. Records that have ended, as lines with newlines in them: at most one
  // more than lines came.
  std::vector<FollowedLine> join(std::vector<FollowedLine> lines, MonoTime now);

 private:
  bool begins(std::string_view line) const;
  bool goes_on_with(const FollowedLine& line) const;

  std::optional<std::string> example_;
  std::optional<FollowedLine> begun_;
  MonoTime last_came_{};
};

}  // namespace spillway::broker
