#include "cli/up_child.h"

#include "base/assert.h"

namespace spillway::cli {

Status UpChild::start(const std::string& program, std::vector<std::string> arguments) {
  SPILLWAY_ASSERT(!running());
  partial_.clear();
  last_.clear();
  arguments.insert(arguments.begin(), program);
  SPILLWAY_ASSIGN(process_, io::spawn(arguments));
  return {};
}

void UpChild::send(int signal) {
  if (started()) process_->send(signal);
}

std::vector<std::string> UpChild::take_lines() {
  if (!started()) return {};
  const bool ended = process_->poll().has_value();  // before reading, so that nothing comes after
  partial_ += process_->read_output();
  std::vector<std::string> lines;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
    lines.push_back(partial_.substr(0, end));
    partial_.erase(0, end + 1);
  }
  if (ended && !partial_.empty()) lines.push_back(std::exchange(partial_, ""));
  for (const auto& line : lines) {
    last_.push_back(line);
    if (last_.size() > kLinesRemembered) last_.pop_front();
  }
  return lines;
}

std::string UpChild::report(bool with_output) {
  SPILLWAY_ASSERT(started() && !running());
  std::string text = name_ + ": " + process_->poll()->description();
  if (!with_output) return text;
  for (const auto& line : last_) text += "\n  " + line;
  return text;
}

bool UpChild::ended_well() { return started() && process_->poll() && process_->poll()->clean(); }

}  // namespace spillway::cli
