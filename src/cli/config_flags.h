// What the subcommands that run a role share: --config, and flags that override keys of it.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/config.h"

namespace CLI {
class App;
}

namespace spillway::cli {

// Must stay where it is from its declarations to load().
class ConfigFlags {
 public:
  explicit ConfigFlags(CLI::App& app);  // declares --config
  ConfigFlags(const ConfigFlags&) = delete;
  ConfigFlags& operator=(const ConfigFlags&) = delete;

  // `flag`: "--listen"; `key`: "serve.listen".
  void add(CLI::App& app, std::string flag, std::string key, const std::string& help);

  // Defaults, file, environment, flags.
  Result<server::Config> load() const;
  const std::string& file() const { return file_; }  // empty: none

 private:
  struct Flag {
    std::string name;
    std::string key;
    std::string value;  // empty: not given
  };
  std::string file_;
  std::deque<Flag> flags_;
};

}  // namespace spillway::cli
