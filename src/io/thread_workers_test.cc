#include <condition_variable>
#include <mutex>

#include "io/worker.h"

namespace spillway::io {
namespace {

constexpr auto kSoon = seconds(60);  // a worker that isn't woken would wait for ever

TEST(ThreadWorkers, StepAsOftenAsTheyAreWoken) {
  ThreadWorkers workers;
  std::mutex mutex;
  std::condition_variable changed;
  int steps = 0;
  auto worker = workers.start({.name = "test"}, [&] {
    const std::lock_guard lock(mutex);
    ++steps;
    changed.notify_all();
    return steps % 2 == 1 ? Step::kAgain : Step::kWait;
  });
  for (int round = 1; round <= 50; ++round) {
    worker->wake();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return steps >= 2 * round; });
  }
  worker.reset();
  EXPECT_EQ(steps, 100);
}

TEST(ThreadWorkers, WakeDuringAStepCausesOneMore) {
  ThreadWorkers workers;
  std::mutex mutex;
  std::condition_variable changed;
  int steps = 0;
  Worker* self = nullptr;
  auto worker = workers.start({.name = "test", .priority = Priority::kBackground}, [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return self != nullptr; });
    if (++steps == 1) self->wake();
    changed.notify_all();
    return Step::kWait;
  });
  worker->wake();
  std::unique_lock lock(mutex);
  self = worker.get();
  changed.notify_all();
  ASSERT_TRUE(changed.wait_for(lock, kSoon, [&] { return steps == 2; }));
  lock.unlock();
  worker.reset();
  EXPECT_EQ(steps, 2) << "one more, and not another";
}

TEST(ThreadWorkers, StepEveryIntervalWithoutAWake) {
  ThreadWorkers workers;
  std::mutex mutex;
  std::condition_variable changed;
  int steps = 0;
  auto worker = workers.start({.name = "test", .interval = milliseconds(1)}, [&] {
    const std::lock_guard lock(mutex);
    ++steps;
    changed.notify_all();
    return Step::kWait;
  });
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, kSoon, [&] { return steps >= 3; }));
}

}  // namespace
}  // namespace spillway::io
