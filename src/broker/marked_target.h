// A target with what it acknowledged last (high_water.h), which notices that it was set back:
//
// - An answer gives a number that was given before.
// - A shard doesn't reach to the last record that it acknowledged there. That is looked at before
//   the first request to a stream, and again when requests had no answer: a region that comes back
//   may have another disk. Canaries ask it for the stream that was written to last.
//
// It tells once. From then on it is asked what others want of it and not watched, until somebody
// accepts it as it is.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/high_water.h"
#include "broker/target.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class MarkedTarget final : public Target {
 public:
  // A shard that was split or merged is listed for a day at least.
  static constexpr std::chrono::hours kListedSurely = std::chrono::hours(24) - kClockOff;
  // Between two failures that are a reason to look again.
  static constexpr nanoseconds kLookEvery = seconds(1);

  // `canary_stream`: it may be made anew.
  MarkedTarget(io::EventLoop& loop, Target& target, std::string canary_stream);

  // Called once, from within a call, with what was found, for people.
  void on_set_back(std::function<void(std::string found)> told) { told_ = std::move(told); }
  // It was found before, and isn't accepted yet.
  void is_set_back() { set_back_ = true; }
  // It counts as it is from now on.
  void accept();
  HighWaterMarks& marks() { return marks_; }

  LanePacking packing() const override { return target_.packing(); }
  // kThrottled, too, as put(): this has shown that the target was set back.
  Task<Status> prepare(std::string stream) override;
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override;
  Task<Result<bool>> holds(std::string stream, client::PutOutcome place) override;
  Task<Status> reaches(std::string stream, client::PutOutcome place) override;
  void close() override { target_.close(); }
  const std::string& name() const override { return target_.name(); }
  std::string address() const override { return target_.address(); }

 private:
  Task<Status> look(std::string stream);
  bool shows_loss(const Error& error, const HighWaterMarks::Last& last) const;
  void look_again();
  void tell(std::string found);

  io::EventLoop& loop_;
  Target& target_;
  const std::string canary_stream_;
  HighWaterMarks marks_;
  std::function<void(std::string)> told_;
  std::set<std::string> looked_at_;  // streams
  std::optional<MonoTime> looked_;   // when looked_at_ was empty
  bool set_back_ = false;
};

}  // namespace spillway::broker
