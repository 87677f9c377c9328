// Task<T>: a lazily started coroutine with one awaiter.
//
// Rules, all learned from others' pain (seastar's doc/lambda-coroutine-fiasco.md):
// - a coroutine is a free or member function; a lambda that captures is never one;
// - what it keeps across a co_await it takes by value, or by reference to something that its owner
//   keeps alive until it ends (the owner waits in a Gate, or outlives the loop);
// - `auto x = co_await f();` stands alone: GCC 12 destroys temporaries of larger expressions twice.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/unique_function.h"

namespace spillway {

template <typename T>
class [[nodiscard]] Task;

namespace task_detail {

struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
    auto next = done.promise().continuation;
    return next ? next : std::noop_coroutine();
  }
  void await_resume() noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  // Exceptions don't cross a room's boundary; one that reaches a coroutine's edge is a bug.
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
};

}  // namespace task_detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> handle;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle.promise().continuation = awaiting;
        return handle;
      }
      T await_resume() {
        if constexpr (!std::is_void_v<T>) return std::move(*handle.promise().value);
      }
    };
    return Awaiter{handle_};
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <typename T>
Task<T> task_detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> task_detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

namespace task_detail {
// Destroys itself when it ends.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};
template <typename T>
Detached run_to_callback(Task<T> task, UniqueFunction<void(T)> done) {
  auto result = co_await std::move(task);
  done(std::move(result));
}
inline Detached run_to_callback(Task<void> task, UniqueFunction<void()> done) {
  co_await std::move(task);
  done();
}
}  // namespace task_detail

// Starts `task` now and calls `done` with its result. The caller keeps alive, until then, whatever
// the task refers to.
template <typename T>
void start(Task<T> task, UniqueFunction<void(T)> done) {
  task_detail::run_to_callback(std::move(task), std::move(done));
}
inline void start(Task<void> task, UniqueFunction<void()> done) {
  task_detail::run_to_callback(std::move(task), std::move(done));
}

// Awaits something that reports by callback: `co_await Callback<T>([&](auto done) { f(…, done);
// })`. `begin` is called at suspension, with a UniqueFunction<void(T)> that must be called exactly
// once, from any thread; the coroutine goes on inside that call.
template <typename T, typename Begin>
class CallbackAwaiter {
 public:
  explicit CallbackAwaiter(Begin begin) : begin_(std::move(begin)) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    begin_(UniqueFunction<void(T)>([this, awaiting](T value) {
      value_.emplace(std::move(value));
      awaiting.resume();
    }));
  }
  T await_resume() { return std::move(*value_); }

 private:
  Begin begin_;
  std::optional<T> value_;
};
template <typename T, typename Begin>
CallbackAwaiter<T, Begin> callback(Begin begin) {
  return CallbackAwaiter<T, Begin>(std::move(begin));
}

}  // namespace spillway
