// A gauge that is shown for as long as it is there: of something that comes and goes while the
// process runs, and of which an old value would be a lie.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "metrics/registry.h"

namespace spillway::metrics {

// Any thread, once it is made. There is one of a name and labels at a time.
class OwnedGauge {
 public:
  OwnedGauge(Registry& registry, std::string_view name, std::string_view help, Labels labels)
      : shown_(registry.computed_gauge(name, help, std::move(labels), [value = value_] {
          return static_cast<double>(value->value());
        })) {}

  void set(std::int64_t value) { value_->set(value); }

 private:
  std::shared_ptr<Gauge> value_ = std::make_shared<Gauge>();
  std::shared_ptr<void> shown_;
};

}  // namespace spillway::metrics
