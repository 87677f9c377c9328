// What this build is.
#pragma once

#include <string_view>

namespace spillway {

std::string_view version();   // "0.1.0", as CMakeLists.txt has it
std::string_view compiler();  // "g++ 12.2.0"

}  // namespace spillway
