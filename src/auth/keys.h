#pragma once

#include <map>
#include <string>
#include <string_view>

namespace spillway::auth {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty: none
};

// The access keys that a process knows. Immutable once shared; a reload makes a new one.
class KeyTable {
 public:
  // Without keys any well-formed signature is accepted (the server then listens on loopback only).
  KeyTable() = default;
  explicit KeyTable(std::map<std::string, std::string, std::less<>> secrets_by_access_key)
      : secrets_(std::move(secrets_by_access_key)) {}

  bool accepts_any() const { return secrets_.empty(); }
  // nullptr where there is no such key.
  const std::string* secret_of(std::string_view access_key) const {
    const auto found = secrets_.find(access_key);
    return found != secrets_.end() ? &found->second : nullptr;
  }

 private:
  std::map<std::string, std::string, std::less<>> secrets_;
};

}  // namespace spillway::auth
