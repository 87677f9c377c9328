// The live view's terminal: its second screen, without a cursor, until the view ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/terminal.h"

namespace spillway::cli {

// Writes to standard output. What was on the terminal before, and its cursor, come back at the end.
class UpScreen {
 public:
  UpScreen();
  ~UpScreen();
  UpScreen(const UpScreen&) = delete;
  UpScreen& operator=(const UpScreen&) = delete;

  // Lines that fit the terminal.
  void draw(const std::vector<std::string>& lines);
  // The keys pressed since the last call.
  std::string typed() { return keyboard_ ? keyboard_->typed() : std::string(); }

 private:
  std::unique_ptr<io::Keyboard> keyboard_;
};

}  // namespace spillway::cli
