// A target that has no more puts under way at a time than it takes well (concurrency.h): a backlog
// there would make it slow, and be taken for a fault of it. The others wait for their turn.
//
// Callers don't wait longer than they want: abandon() ends their calls for them. Such a call goes
// on until the target answers or its deadline is over, and keeps others from being sent meanwhile,
// since it might overtake them.
#pragma once

#include <functional>
#include <list>
#include <string>
#include <vector>

#include "broker/concurrency.h"
#include "broker/target.h"
#include "io/event_loop.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"

namespace spillway::broker {

// Whether an entry failed since there were too many at a time.
bool throttled(const client::PutOutcome& outcome);

// On the loop's thread. What it is handed outlives it.
class QueuedTarget final : public Target {
 public:
  // Of the data of puts under way, unless it is one put: so much for each that it gets at a time,
  // within these bounds. Where all are large, answers would be slow before there are many.
  static constexpr std::size_t kBytesEach = std::size_t{512} << 10;
  static constexpr std::size_t kBytesMin = std::size_t{4} << 20;
  static constexpr std::size_t kBytesMax = std::size_t{8} << 20;

  // `takes`: whether the target is to get one more now; asked again at each put, and whenever one
  // has ended. Null: always.
  QueuedTarget(io::EventLoop& loop, Target& target, std::function<bool()> takes,
               metrics::Registry& metrics);
  // Not between the beginning of a call and its end: after close() there is none.
  ~QueuedTarget() override;

  // Whether one more request may be sent.
  bool may_send() const { return abandoned_ == 0 && takes(); }
  // Whether a put waits for its turn.
  bool waiting() const { return !queued_.empty(); }
  // How many puts it gets at a time.
  std::size_t limit() const { return concurrency_.limit(); }
  // Ends puts and prepares with kClosed for those who wait for them, from within.
  void abandon();

  LanePacking packing() const override { return target_.packing(); }
  Task<Status> prepare(std::string stream) override;
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override;
  Task<Result<bool>> holds(std::string stream, client::PutOutcome place) override;
  Task<Status> reaches(std::string stream, client::PutOutcome place) override;
  void close() override;
  const std::string& name() const override { return target_.name(); }
  std::string address() const override { return target_.address(); }

 private:
  using PutResult = Result<client::PutRecordsResult>;
  struct Call {
    std::string stream;
    std::vector<client::PutEntry> entries;
    std::size_t bytes = 0;
    UniqueFunction<void(PutResult)> done;  // null: nobody waits for it
  };
  using Prepared = UniqueFunction<void(Status)>;

  bool takes() const { return !takes_ || takes_(); }
  bool has_room_for(const Call& call) const;
  void send_next();
  Task<PutResult> send(std::string stream, std::vector<client::PutEntry> entries);
  void note(const Concurrency::Request& request, std::size_t entries, const PutResult& result);

  io::EventLoop& loop_;
  Target& target_;
  const std::function<bool()> takes_;
  Concurrency concurrency_;
  metrics::OwnedGauge limit_;
  std::list<Call> queued_;  // wait for their turn
  std::list<Call> under_way_;
  std::size_t under_way_bytes_ = 0;
  std::list<Prepared> preparing_;  // null: nobody waits for it
  std::size_t abandoned_ = 0;      // of those under way, that nobody waits for
  bool closed_ = false;
};

}  // namespace spillway::broker
