#include "broker/statsd_intake.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {

StatsdIntake::StatsdIntake(Options options, Parts parts)
    : options_(std::move(options)),
      loop_(parts.loop),
      counts_(parts.metrics, "statsd"),
      samples_(parts.metrics.counter("spillway_statsd_samples_total",
                                     "Samples of StatsD that were added to their metrics")),
      dropped_samples_(parts.metrics.counter(
          "spillway_statsd_dropped_samples_total",
          "Samples of StatsD that were dropped: there are too many metrics, or members of sets")),
      metrics_(options_.seed),
      writer_(std::make_shared<SpoolWriter>(parts.loop, parts.spool, options_.stream, counts_)),
      timer_(parts.loop.make_timer()) {}

void StatsdIntake::start() {
  begun_ = loop_.mono_now();
  wait();
}

void StatsdIntake::wait() {
  timer_->start(options_.interval, [this] {
    wait();
    if (!writer_->busy()) end_interval();
  });
}

void StatsdIntake::take(std::string_view lines) {
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    take_line(line);
  }
}

void StatsdIntake::take_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  const auto all = read_statsd(line);
  if (!all) return counts_.malformed.add();
  for (const auto& samples : *all) {
    const std::size_t dropped = metrics_.add(samples);
    samples_.add(samples.values.size() - dropped);
    dropped_samples_.add(dropped);
  }
}

void StatsdIntake::end_interval() {
  const MonoTime now = loop_.mono_now();
  waiting_ = metrics_.end({loop_.wall_now(), now - std::exchange(begun_, now), options_.host});
  std::ranges::reverse(waiting_);
  put();
}

void StatsdIntake::put() {
  if (waiting_.empty()) return go_on();
  std::vector<InputRecord> records;
  for (std::size_t bytes = 0; !waiting_.empty() && bytes < kPutBytesMax; waiting_.pop_back()) {
    bytes += waiting_.back().data.size();
    records.push_back(std::move(waiting_.back()));
  }
  writer_->put(std::move(records), [this] { put(); });
}

// All of an interval is in the spool.
void StatsdIntake::go_on() {
  if (!drained_) return;
  if (metrics_.changed() > 0) return end_interval();
  timer_->cancel();
  finish_drain();
}

void StatsdIntake::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  loop_.post([this, deadline, drained = std::move(drained)]() mutable {
    drained_ = std::move(drained);
    timer_->start(deadline, [this] { give_up(); });
    if (!writer_->busy()) go_on();
  });
}

void StatsdIntake::give_up() {
  writer_->close();
  counts_.refused.add(waiting_.size() + metrics_.changed());
  waiting_.clear();
  finish_drain();
}

// Behind what was posted before with a `this` in it.
void StatsdIntake::finish_drain() {
  loop_.post([drained = std::exchange(drained_, nullptr)]() mutable { drained(); });
}

}  // namespace spillway::broker
