// A place where blocking work runs, one step at a time: the journal's flusher, the segment writer,
// disk reads. The real ones are threads; in the simulation they are steps that the scheduler picks,
// so that a whole engine runs deterministically on one thread.
#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "base/unique_function.h"

namespace spillway::io {

// What one step says about the next. A step may block on the Disk and on nothing else.
enum class Step {
  kAgain,      // call again at once: there is more to do
  kAgainIdly,  // likewise, for what yields to everything else: that one step is of kBackground
  kWait,       // nothing to do until wake(), or the next interval
};

class Worker {
 public:
  // Waits for the step that is under way, then never calls it again.
  virtual ~Worker() = default;
  // Have the step called soon. From any thread; cheap when a call is due anyway. A wake during a
  // step causes one more step.
  virtual void wake() = 0;
};

enum class Priority {
  kNormal,
  kBulk,        // gets its share of the cores, and interrupts nobody (SCHED_BATCH)
  kBackground,  // yields to everything else (SCHED_BATCH, nice 10)
};

struct WorkerOptions {
  std::string name;  // at most 15 characters, shown by ps and top
  Priority priority = Priority::kNormal;
  bool idles = false;  // its steps may ask for kAgainIdly
  // A step is called at least this often even without a wake; zero: only on wake().
  nanoseconds interval{0};
};

class Workers {
 public:
  virtual ~Workers() = default;
  virtual std::unique_ptr<Worker> start(WorkerOptions options, UniqueFunction<Step()> step) = 0;
};

// Each worker is a thread of its own, and one that idles has another one for that: without
// privileges no thread can raise its priority again.
class ThreadWorkers final : public Workers {
 public:
  std::unique_ptr<Worker> start(WorkerOptions options, UniqueFunction<Step()> step) override;
};

}  // namespace spillway::io
