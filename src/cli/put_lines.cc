#include "cli/put_lines.h"

#include <fmt/format.h>

#include <utility>

namespace spillway::cli {

Status PutLines::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = whole_ ? std::string_view::npos : bytes.find('\n');
    const auto part = bytes.substr(0, end);
    if (part.size() > kBytesMax - begun_.size()) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("{} is larger than 10 MiB, which no stream takes",
                               whole_ ? "standard input" : fmt::format("line {}", number_))};
    }
    begun_ += part;
    if (end == std::string_view::npos) break;
    end_line();
    bytes.remove_prefix(end + 1);
  }
  return {};
}

void PutLines::end() { end_line(); }

void PutLines::end_line() {
  const auto number = number_++;
  if (begun_.empty()) return;
  bytes_ += begun_.size();
  lines_.push_back({std::exchange(begun_, {}), number});
}

PutLines::Line PutLines::take() {
  Line line = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= line.data.size();
  return line;
}

}  // namespace spillway::cli
