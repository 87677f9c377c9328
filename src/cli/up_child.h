// One of the processes that `spillway up` runs.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "io/process.h"

namespace spillway::cli {

// Not thread-safe; made, used and destroyed by one thread.
class UpChild {
 public:
  static constexpr std::size_t kLinesRemembered = 20;

  explicit UpChild(std::string name) : name_(std::move(name)) {}

  // `arguments`: behind the program's path. Not while it runs; what it wrote before is forgotten.
  Status start(const std::string& program, std::vector<std::string> arguments);
  bool started() const { return process_ != nullptr; }
  bool running() { return started() && !process_->poll(); }
  void send(int signal);

  // Takes what it has written since the last call, whole lines only (at its end also the rest).
  std::vector<std::string> take_lines();
  // How it ended, with its last lines: "serve: exit code 1\n  spillway: …". Not while it runs.
  std::string report(bool with_output);
  // Whether it has ended as it should.
  bool ended_well();
  const std::string& name() const { return name_; }

 private:
  const std::string name_;
  std::unique_ptr<io::ChildProcess> process_;
  std::string partial_;  // a line without its newline
  std::deque<std::string> last_;
};

}  // namespace spillway::cli
