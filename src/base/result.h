// Result<T>: what a function that can fail returns. Errors carry a closed code, to react to, and a
// message for people that says what, where and what to do. What can't happen is SPILLWAY_ASSERT's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace spillway {

enum class ErrorCode {
  kInvalid,      // the caller's argument or a parsed input is malformed
  kNotFound,     // the named thing does not exist
  kExists,       // the thing to be made is there already
  kBusy,         // held by someone else (a locked directory, a port in use)
  kThrottled,    // a bound is reached; the same call may succeed later
  kNoSpace,      // ENOSPC or EDQUOT; succeeds again when there is space
  kIo,           // a device or network call failed
  kCorrupt,      // stored bytes are not what was written
  kUnsupported,  // a stored version or a feature that this build does not know
  kExpired,      // a token, position or deadline has passed
  kDenied,       // not allowed
  kClosed,       // the object is shut down, or writes stopped after a failure
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string message;
};

// The caller's own words before the cause: context("open the journal", error).
Error context(std::string_view doing, Error cause);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // The value; an assertion fails where there is none.
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(*-explicit-*)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace spillway

// Returns the error of `expression` (a Status) from the enclosing function, if it has one.
#define SPILLWAY_TRY(expression)                                    \
  do {                                                              \
    if (auto spillway_status = (expression); !spillway_status.ok()) \
      return std::move(spillway_status).error();                    \
  } while (false)

#define SPILLWAY_CONCAT_INNER(a, b) a##b
#define SPILLWAY_CONCAT(a, b) SPILLWAY_CONCAT_INNER(a, b)
// SPILLWAY_ASSIGN(auto file, disk.open(path)): declares `file`, or returns the error.
#define SPILLWAY_ASSIGN(declaration, expression) \
  SPILLWAY_ASSIGN_INNER(SPILLWAY_CONCAT(spillway_result_, __LINE__), declaration, expression)
#define SPILLWAY_ASSIGN_INNER(result, declaration, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).error();          \
  declaration = std::move(result).value()
