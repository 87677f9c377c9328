// StatsD over TCP: lines out of one connection's bytes, each up to a newline. It holds
// kStatsdLineBytesMax at most; a longer line is left out as a whole.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace spillway::broker {

// More than a datagram can have.
inline constexpr std::size_t kStatsdLineBytesMax = std::size_t{64} << 10;

class StatsdFramer {
 public:
  using TakeLine = std::function<void(std::string_view line)>;

  // Hands over the lines that `bytes` complete, without their newlines; how many others were too
  // long, each counted once.
  std::size_t take(std::string_view bytes, const TakeLine& take_line);
  // The sender has ended: what is there is a line too.
  void end(const TakeLine& take_line);
  // Whether a line has begun that can still be taken.
  bool begun() const { return !pending_.empty(); }

 private:
  std::string pending_;
  bool skips_ = false;  // the rest of a line that is too long
};

}  // namespace spillway::broker
