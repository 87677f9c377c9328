// What `spillway broker status` prints.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::cli {

// Of a broker's /v1/status. kInvalid: it isn't that.
Result<std::string> broker_view(std::string_view json);

}  // namespace spillway::cli
