// Request bodies in gzip (RFC 1952), as Content-Encoding names them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::wire {

// Inflates one body, in steps, so that a loop can do other things between them.
//
// A body costs what it claims, and claims it before anything is inflated: the last four bytes of
// gzip state the size of what it holds. More than that is never made, so that whoever checks
// stated_size() first is safe from bodies that inflate to a thousand times their size, be their
// trailer honest or not.
class GzipReader {
 public:
  // `body` must stay where it is. kCorrupt: it is too short to be gzip, or states a size that no
  // body of its own size can hold.
  static Result<std::unique_ptr<GzipReader>> make(std::string_view body);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  std::size_t stated_size() const { return stated_size_; }

  // Appends at most `most` bytes to `to`. True: that was all of it, and its checksum is right;
  // false: there is more. kCorrupt: it is no gzip, cut short, of another size than it states, or
  // goes on behind its end (a second member, too: no client of the API sends one).
  Result<bool> read(std::string& to, std::size_t most);

 private:
  struct Inflation;
  explicit GzipReader(std::string_view body);

  const std::size_t stated_size_;
  std::size_t given_ = 0;
  const std::unique_ptr<Inflation> inflation_;
};

}  // namespace spillway::wire
