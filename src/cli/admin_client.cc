#include "cli/admin_client.h"

#include <fmt/format.h>

#include "cli/admin_call.h"

namespace spillway::cli {

Result<std::string> ask_admin(std::string_view address, std::string target) {
  auto answer = call_admin(std::string(address), "GET", std::move(target));
  if (!answer.ok() && answer.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kIo, fmt::format("{}; is it running? --admin names its admin port",
                                             answer.error().message)};
  }
  if (!answer.ok())
    return context(fmt::format("ask the admin port at {}", address), std::move(answer).error());
  if (answer->status != 200) {
    return Error{ErrorCode::kInvalid, fmt::format("the admin port at {} answers {}: {}", address,
                                                  answer->status, answer->body)};
  }
  return std::move(answer->body);
}

}  // namespace spillway::cli
