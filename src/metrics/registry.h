// The process's own metrics. A room is handed a Registry, asks it once for what it counts, and
// keeps the references; counting is then one relaxed atomic operation, from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "metrics/histogram.h"

namespace spillway::metrics {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

enum class SeriesType { kCounter, kGauge };
// Called once for each series of a family, with its labels and its value.
using AddSeries = std::function<void(const Labels& labels, std::int64_t value)>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Names are Prometheus's (`spillway_journal_sync_seconds`), units last. The same name and labels
  // give the same object; the references live as long as the registry.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  // Of durations; shown in seconds.
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {});
  // A gauge that is asked when the text is made; `read` is called from any thread, without a lock
  // of the registry that it might need. Removed with the returned handle.
  [[nodiscard]] std::shared_ptr<void> computed_gauge(std::string_view name, std::string_view help,
                                                     Labels labels, std::function<double()> read);
  // A family whose series come and go: `collect` names them all when the text is made, each once,
  // under the same terms. Nothing else may be of that family.
  [[nodiscard]] std::shared_ptr<void> collected(SeriesType type, std::string_view name,
                                                std::string_view help,
                                                std::function<void(const AddSeries& add)> collect);

  // Prometheus text exposition format 0.0.4, families and series in the order of their names.
  std::string prometheus_text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spillway::metrics
