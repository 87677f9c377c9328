// For tests: access keys that are stored, as `spillway keys` stores them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "auth/key_file.h"
#include "auth/master_key.h"
#include "io/disk.h"

namespace spillway::server {

// Those of the directory from now on are these, each with this secret.
inline void store_keys(io::Disk& disk, const std::string& directory, auth::MasterKeys& master_keys,
                       const std::vector<std::string>& ids, const std::string& secret) {
  const auto edited =
      auth::KeyFile(disk, directory).edit([&](std::vector<auth::StoredKey>& keys) -> Status {
        keys.clear();
        keys.reserve(ids.size());
        for (const auto& id : ids) {
          auth::StoredKey& key = keys.emplace_back();
          key.id = id;
          key.wrapped_secret = master_keys
                                   .wrap(auth::kDefaultMasterKey, secret,
                                         auth::wrapping_purpose(id, auth::KeyPart::kSecret))
                                   .value();
        }
        return {};
      });
  ASSERT_TRUE(edited.ok()) << edited.error().message;
}

}  // namespace spillway::server
