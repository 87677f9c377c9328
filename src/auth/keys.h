#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/policy.h"
#include "auth/rate_limit.h"
#include "base/time.h"

namespace spillway::auth {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // empty: none
};

// A secret that was replaced, and is good for a while yet.
struct PreviousSecret {
  std::string secret;
  WallTime until{};
};

// An access key, as requests are checked against it. Immutable once shared, but for its limiter.
struct Key {
  std::string id;
  std::string secret;
  // Of a temporary key: its requests carry it. Empty: they may carry none.
  std::string session_token;
  std::optional<WallTime> expires_at = std::nullopt;  // never
  std::string holder = {};  // its user's name in ARNs and policies; empty: the id
  bool enabled = true;
  // Why its secret can't be opened now; empty: it could. Requests are then turned away as by a
  // service that has a fault.
  std::string fault = {};
  std::optional<PreviousSecret> previous = std::nullopt;
  std::shared_ptr<const Policy> policy = nullptr;  // it may do everything
  std::shared_ptr<RateLimiter> limiter = nullptr;  // no limits

  const std::string& user() const { return holder.empty() ? id : holder; }
};

// The access keys that a process knows. Immutable once shared; a reload makes a new one.
class KeyTable {
 public:
  // Without keys any well-formed signature is accepted (the server then listens on loopback only).
  KeyTable() = default;
  // Of two with one id the first counts.
  explicit KeyTable(std::vector<Key> keys) {
    for (auto& key : keys) {
      std::string id = key.id;
      keys_.try_emplace(std::move(id), std::make_shared<const Key>(std::move(key)));
    }
  }

  // Of one whose keys can't be read: nobody is known, and nobody is accepted.
  static KeyTable unreadable() {
    KeyTable table;
    table.readable_ = false;
    return table;
  }

  bool accepts_any() const { return readable_ && keys_.empty(); }
  std::size_t size() const { return keys_.size(); }
  // nullptr where there is no such key.
  std::shared_ptr<const Key> find(std::string_view id) const {
    const auto found = keys_.find(id);
    return found != keys_.end() ? found->second : nullptr;
  }

 private:
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys_;
  bool readable_ = true;
};

}  // namespace spillway::auth
