// The network between one client and one region: requests take their time, get lost, have their
// answers lost, are reset, come late. What a client has given up may still arrive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "broker/target.h"
#include "client/stream_reader.h"
#include "sim/sim_region.h"
#include "sim/stage.h"

namespace spillway::sim {

// Chances are in thousandths, of each request.
struct LinkWeather {
  std::uint32_t loses_request = 0;
  std::uint32_t loses_answer = 0;
  std::uint32_t resets = 0;                 // before or after the request was served
  std::uint32_t slow = 0;                   // takes up to slow_max, each way
  nanoseconds time_max = milliseconds(10);  // each way
  nanoseconds slow_max = seconds(4);
  bool cut = false;  // nothing gets through, either way
};

class RegionLink {
 public:
  // `timeout`: of the client.
  RegionLink(Stage& stage, SimRegion& region, Random random, nanoseconds timeout)
      : stage_(stage), region_(region), random_(random), timeout_(timeout) {}

  const SimRegion& region() const { return region_; }
  RegionKind kind() const { return region_.kind(); }
  void set_weather(const LinkWeather& weather) { weather_ = weather; }

  // The client's process ends: calls under way end with kClosed, from within, and later ones at
  // once, until the next one begins. What is on its way arrives.
  void close();
  void open() { closed_ = false; }

  // Has the region serve a request. kIo: there was no answer, or none in time.
  template <typename T>
  Task<Result<T>> ask(UniqueFunction<Result<T>(SimRegion&)> serve);

 private:
  struct Call {
    UniqueFunction<void(Status)> done;
    std::unique_ptr<io::Timer> timeout;
  };

  void call(UniqueFunction<void(SimRegion&)> serve, UniqueFunction<void(Status)> done);
  void arrive(std::uint64_t id, UniqueFunction<void(SimRegion&)> serve);
  void answer(std::uint64_t id, Status status);
  void finish(std::uint64_t id, Status status);
  nanoseconds trip();
  bool chance(std::uint32_t thousandths) { return random_.below(1000) < thousandths; }

  Stage& stage_;
  SimRegion& region_;
  Random random_;
  const nanoseconds timeout_;
  LinkWeather weather_;
  bool closed_ = false;
  std::map<std::uint64_t, Call> calls_;
  std::uint64_t next_call_ = 0;
};

template <typename T>
Task<Result<T>> RegionLink::ask(UniqueFunction<Result<T>(SimRegion&)> serve) {
  if (closed_) co_return Error{ErrorCode::kClosed, "closed"};
  // The region may come to it when nobody waits any more.
  auto answer = std::make_shared<std::optional<Result<T>>>();
  auto over = callback<Status>([this, answer, &serve](UniqueFunction<void(Status)> done) mutable {
    call([answer,
          serve = std::move(serve)](SimRegion& region) mutable { answer->emplace(serve(region)); },
         std::move(done));
  });
  auto status = co_await over;
  if (!status.ok()) co_return std::move(status).error();
  co_return std::move(**answer);
}

// A region as the broker has it.
class SimTarget final : public broker::Target {
 public:
  SimTarget(RegionLink& link, std::string name) : link_(link), name_(std::move(name)) {
    link_.open();
  }

  broker::LanePacking packing() const override;
  Task<Status> prepare(std::string stream) override;
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override;
  Task<Result<bool>> holds(std::string stream, client::PutOutcome place) override;
  Task<Status> reaches(std::string stream, client::PutOutcome place) override;
  void close() override { link_.close(); }
  const std::string& name() const override { return name_; }
  std::string address() const override { return "sim://" + name_; }

 private:
  RegionLink& link_;
  const std::string name_;
};

// A stream of a region as its reader has it.
std::unique_ptr<client::StreamCalls> sim_stream_calls(RegionLink& link, std::string stream);

}  // namespace spillway::sim
