// Where the 32 bytes of a master key come from.
#pragma once

#include <string>
#include <string_view>

#include "base/aes_gcm.h"
#include "base/result.h"

namespace spillway::auth {

struct KeySource {
  enum class Kind {
    kFile,         // "file:PATH"
    kEnvironment,  // "env:NAME"
    kCommand,      // "command:TEXT", which /bin/sh runs and which prints the key alone
  };
  Kind kind = Kind::kFile;
  std::string text;  // what stands behind the colon
  friend bool operator==(const KeySource&, const KeySource&) = default;
};

// kInvalid says what forms there are.
Result<KeySource> parse_key_source(std::string_view text);

// What a source gives is never longer.
inline constexpr std::size_t kKeyMaterialSizeMax = 4096;

// 32 bytes as they are, or as text: 64 hexadecimal digits or base64, with white space around.
// kInvalid says what it is instead, and never any of it.
Result<AesKey> parse_key_material(std::string_view bytes);

}  // namespace spillway::auth
