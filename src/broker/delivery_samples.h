// For tests: a delivery of a spool in memory to one target, or two, through starts and ends.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/delivery.h"
#include "broker/spool_samples.h"
#include "io/recording_log.h"

namespace spillway::broker {

class DeliveryTest : public SpoolTest {
 protected:
  DeliveryTest() { begin(); }
  ~DeliveryTest() override {
    if (running_) drain(seconds(5));
  }

  // As a broker's start does.
  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, log_);
    load(*cursors_);
    make();
  }
  // The cursors are there. `dropped`: what is to be.
  void make(const Delivered& dropped = {}) {
    const std::vector<std::string> streams = {"s"};
    std::vector<Target*> targets = {&target_};
    if (has_other_) targets.push_back(&other_);
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    route_ = std::make_unique<Route>(Route::Parts{loop_, log_, metrics_}, targets, settings);
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, log_, metrics_}, streams, Random(1),
        std::span<const std::size_t>(), catch_up_);
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([this] { ++flowed_; });
    delivery_->give_up_before(dropped);
    running_ = true;
    loop_.run();
  }
  void drain(nanoseconds at_most) {
    bool ended = false;
    delivery_->drain(at_most, [&] { ended = true; });
    loop_.run(at_most + seconds(1));
    EXPECT_TRUE(ended);
    running_ = false;
  }
  // Another one takes over, in the process.
  void replace() {
    const auto dropped = delivery_->given_up_before();
    delivery_.reset();
    route_.reset();
    target_.closed = target_.silent = other_.closed = false;
    make(dropped);
  }
  // As SIGKILL and a start: a target that was being sent to has got it or not, nobody knows.
  void kill_and_restart() {
    target_.closed = true;
    target_.answer();
    loop_.run();
    drain(nanoseconds(1));
    target_.closed = target_.silent = false;
    delivery_.reset();
    route_.reset();
    cursors_.reset();
    reopen();
    begin();
  }
  std::map<std::string, std::vector<int>> stored() const { return target_.stored_numbers(); }

  io::RecordingLog log_;
  FakeTarget target_{loop_};
  FakeTarget other_{loop_, "b"};
  bool has_other_ = false;
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Delivery> delivery_;
  CatchUp catch_up_;
  int flowed_ = 0;
  bool running_ = false;
};

}  // namespace spillway::broker
