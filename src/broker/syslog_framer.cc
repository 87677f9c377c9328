#include <algorithm>
#include <utility>

#include "broker/syslog.h"

namespace spillway::broker {
namespace {

// A length of more digits is none that anybody sends.
constexpr std::size_t kDigitsMax = 9;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void SyslogFramer::take(std::string_view bytes, std::vector<SyslogMessage>& messages) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kBegin:
        state_ = is_digit(bytes.front()) && bytes.front() != '0' ? State::kLength : State::kLine;
        break;
      case State::kLength:
        bytes = take_length(bytes);
        break;
      case State::kCount:
        bytes = take_counted(bytes, messages);
        break;
      case State::kLine:
        bytes = take_line(bytes, messages);
        break;
    }
  }
}

void SyslogFramer::end(std::vector<SyslogMessage>& messages) {
  if (state_ == State::kCount && left_ > 0) cut_ = true;
  finish(messages);
}

void SyslogFramer::cut(std::vector<SyslogMessage>& messages) {
  if (state_ == State::kLength) pending_.clear();
  cut_ = cut_ || !pending_.empty();
  finish(messages);
}

std::string_view SyslogFramer::take_length(std::string_view bytes) {
  std::size_t digits = 0;
  while (digits < bytes.size() && is_digit(bytes[digits])) ++digits;
  digits = std::min(digits, kDigitsMax + 1 - pending_.size());
  pending_ += bytes.substr(0, digits);
  bytes.remove_prefix(digits);
  if (bytes.empty() && pending_.size() <= kDigitsMax) return bytes;
  if (bytes.empty() || bytes.front() != ' ' || pending_.size() > kDigitsMax) {
    state_ = State::kLine;  // which began with digits
    return bytes;
  }
  left_ = 0;
  for (const char digit : std::exchange(pending_, {}))
    left_ = left_ * 10 + static_cast<std::size_t>(digit - '0');
  state_ = State::kCount;
  return bytes.substr(1);
}

std::string_view SyslogFramer::take_counted(std::string_view bytes,
                                            std::vector<SyslogMessage>& messages) {
  const std::size_t size = std::min(left_, bytes.size());
  append(bytes.substr(0, size));
  left_ -= size;
  if (left_ == 0) finish(messages);
  return bytes.substr(size);
}

std::string_view SyslogFramer::take_line(std::string_view bytes,
                                         std::vector<SyslogMessage>& messages) {
  const auto newline = bytes.find('\n');
  append(bytes.substr(0, newline));
  if (newline == std::string_view::npos) return {};
  finish(messages);
  return bytes.substr(newline + 1);
}

void SyslogFramer::append(std::string_view bytes) {
  const std::size_t room = kSyslogBytesMax - pending_.size();
  if (bytes.size() > room) cut_ = true;
  pending_ += bytes.substr(0, room);
}

// Some senders end a counted message by a newline too, and a line by a carriage return or a zero.
void SyslogFramer::finish(std::vector<SyslogMessage>& messages) {
  auto text = std::exchange(pending_, {});
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == '\0'))
    text.pop_back();
  if (!text.empty() || cut_) messages.push_back({std::move(text), cut_});
  state_ = State::kBegin;
  cut_ = false;
  left_ = 0;
}

}  // namespace spillway::broker
