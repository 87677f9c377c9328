// Standard input as records: each line that isn't empty, or all of it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::cli {

class PutLines {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{10} << 20;  // of a record of any stream

  struct Line {
    std::string data;
    std::uint64_t number = 1;
  };

  // `whole`: all of the input is one record, the line 1.
  explicit PutLines(bool whole) : whole_(whole) {}

  // kInvalid where a line is too large; those before it can be taken, and no more is to be added.
  Status add(std::string_view bytes);
  // The input has ended.
  void end();

  // What can be taken.
  const std::deque<Line>& lines() const { return lines_; }
  std::size_t bytes() const { return bytes_; }
  Line take();

 private:
  void end_line();

  const bool whole_;
  std::deque<Line> lines_;
  std::size_t bytes_ = 0;
  std::string begun_;  // a line whose end hasn't come
  std::uint64_t number_ = 1;
};

}  // namespace spillway::cli
