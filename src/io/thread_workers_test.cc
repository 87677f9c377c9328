#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

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

TEST(ThreadWorkers, StepIdlyOnAThreadThatYields) {
  ThreadWorkers workers;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<std::thread::id, int>> steps;  // the thread and its nice value
  const Step says[] = {Step::kAgainIdly, Step::kAgainIdly, Step::kAgain, Step::kAgainIdly,
                       Step::kWait};
  auto worker = workers.start({.name = "test", .idles = true}, [&] {
    const std::lock_guard lock(mutex);
    const int nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
    steps.emplace_back(std::this_thread::get_id(), nice);
    changed.notify_all();
    return says[(steps.size() - 1) % std::size(says)];
  });
  for (std::size_t round = 1; round <= 50; ++round) {
    worker->wake();
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, kSoon, [&] { return steps.size() == round * 5; }));
  }
  worker.reset();
  ASSERT_NE(steps[0].first, steps[1].first);
  EXPECT_GE(steps[1].second, 10);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool idly = i % 5 == 1 || i % 5 == 2 || i % 5 == 4;
    EXPECT_EQ(steps[i], steps[idly ? 1 : 0]) << i;
  }
}

TEST(ThreadWorkers, EndWhileAnIdleStepIsAskedFor) {
  ThreadWorkers workers;
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> steps = 0;
    auto worker = workers.start({.name = "test", .idles = true}, [&] {
      ++steps;
      steps.notify_all();
      return Step::kAgainIdly;
    });
    worker->wake();
    steps.wait(0);
    worker.reset();
  }
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
