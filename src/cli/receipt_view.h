// What a broker's admin port tells of its switches, for people.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::cli {

// Of the body of /v1/switches, a line for each. kInvalid: it is none.
Result<std::string> receipt_list_view(std::string_view json);
// Of the body of /v1/switches/ID. Likewise.
Result<std::string> receipt_view(std::string_view json);

}  // namespace spillway::cli
