// One question to the admin port of a running role.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::cli {

// The body of `GET target` at `address` ("127.0.0.1:4600"). kIo: nobody answers there; kInvalid:
// the answer is not 200.
Result<std::string> ask_admin(std::string_view address, std::string target);

}  // namespace spillway::cli
