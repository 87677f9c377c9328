// A callable that is moved, never copied, and may hold what can only be moved.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace spillway {

template <typename Signature>
class UniqueFunction;

template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT(*-explicit-*)
  template <typename F>
    requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  UniqueFunction(F&& function)  // NOLINT(*-explicit-*)
      : target_(std::make_unique<Target<std::decay_t<F>>>(std::forward<F>(function))) {}

  explicit operator bool() const { return target_ != nullptr; }
  R operator()(Args... args) {
    SPILLWAY_ASSERT(target_ != nullptr);
    return target_->call(std::forward<Args>(args)...);
  }

 private:
  struct Callable {
    Callable() = default;
    Callable(const Callable&) = delete;
    Callable& operator=(const Callable&) = delete;
    virtual ~Callable() = default;
    virtual R call(Args... args) = 0;
  };
  template <typename F>
  struct Target final : Callable {
    explicit Target(F f) : function(std::move(f)) {}
    R call(Args... args) override { return function(std::forward<Args>(args)...); }
    F function;
  };

  std::unique_ptr<Callable> target_;
};

}  // namespace spillway
