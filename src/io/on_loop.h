// Awaits what reports by a callback on whatever thread, or is done on another loop's, and goes on
// on the loop's own.
#pragma once

#include <utility>

#include "base/task.h"
#include "io/event_loop.h"

namespace spillway::io {

// `auto answer = on_loop<T>(loop, [&](auto done) { engine.read(request, std::move(done)); });`
// and, alone, `auto value = co_await answer;`. The loop outlives the call.
template <typename T, typename Begin>
auto on_loop(EventLoop* loop, Begin begin) {
  return callback<T>([loop, begin = std::move(begin)](UniqueFunction<void(T)> done) mutable {
    begin(UniqueFunction<void(T)>([loop, done = std::move(done)](T value) mutable {
      loop->post(
          [done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
    }));
  });
}

// The same of what `work` answers on the thread of `there`, a loop that runs until it has.
template <typename T, typename Work>
auto at_loop(EventLoop* loop, EventLoop* there, Work work) {
  return on_loop<T>(loop, [there, work = std::move(work)](UniqueFunction<void(T)> done) mutable {
    there->post([work = std::move(work), done = std::move(done)]() mutable { done(work()); });
  });
}

}  // namespace spillway::io
