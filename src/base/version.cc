#include "base/version.h"

namespace spillway {

std::string_view version() { return SPILLWAY_VERSION; }

std::string_view compiler() {
#ifdef __clang__
  return "clang++ " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace spillway
