#include "base/result.h"

#include <fmt/format.h>

namespace spillway {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kExists:
      return "exists";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kThrottled:
      return "throttled";
    case ErrorCode::kNoSpace:
      return "no space";
    case ErrorCode::kIo:
      return "I/O error";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kExpired:
      return "expired";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kClosed:
      return "closed";
  }
  return "unknown";
}

Error context(std::string_view doing, Error cause) {
  cause.message = fmt::format("{}: {}", doing, cause.message);
  return cause;
}

}  // namespace spillway
