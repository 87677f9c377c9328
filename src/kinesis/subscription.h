// One SubscribeToShard under way: a consumer's place in a shard, and the answer that its records
// go into as they become visible.
//
// It reads when it is told that there is something to read, and while the client takes what it is
// sent: what waits for the client is bounded by kUnsentMax and one event. Without records it sends
// an empty event every few seconds, so that the client can tell silence from a lost connection. It
// ends when its time is over, with its shard, when its stream or consumer is gone, when another
// subscription takes its place, when the client doesn't take anything for kSlowMax, or when the
// client or the server goes. Idle, it costs no thread and no reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kinesis/record_selection.h"
#include "kinesis/service.h"

namespace spillway::kinesis {

// What is read, by whom, and how it is written.
struct SubscriptionTarget {
  stream::StreamRef stream;
  const stream::ShardInfo* shard = nullptr;  // of the stream
  std::uint64_t consumer_id = 0;
  std::string consumer;  // its name
  wire::Format format = wire::Format::kJson;
  Origins origins = Origins::kHidden;
  CallerName caller;
};

class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  Subscription(Service& service, io::EventLoop& loop, SubscriptionTarget target,
               stream::Position from);

  stream::ShardId shard_id() const { return shard_id_; }
  std::uint64_t consumer_id() const { return target_.consumer_id; }

  // The first message of the answer, which goes out with its head.
  std::vector<SharedBytes> initial_response() const;
  // Once, on the loop.
  void begin(std::unique_ptr<EventSink> sink);
  // There may be more to read, or a new catalog: pump() is due on loop(). False where that was told
  // before. From any thread.
  bool wake() { return !woken_.exchange(true); }
  io::EventLoop& loop() const { return loop_; }
  // Does what is due: the end, or the next read. On the loop.
  void pump();
  // Another subscription takes its place: it ends with ResourceInUseException. From any thread.
  void take_over();

 private:
  void on_read(Result<stream::ReadResult> read);
  void on_timer();
  void start_timer();
  // Follows the stream through changes of the catalog; false where it, or the consumer, is gone.
  bool refresh();
  // False where no other subscription has just made what is due.
  bool send_recent(const RecentEvents::Place& place, const stream::ReadResult& read);
  void send_records(const RecentEvents::Place& place, const Selection& selection,
                    const stream::ReadResult& read, bool ended);
  void send_empty();
  SharedBytes encode(std::string_view message_type, std::string_view name,
                     wire::DocumentWriter document) const;
  void send(const SharedBytes& message);
  void fail(std::string_view exception, std::string_view message);
  void end();
  std::string continuation() const;
  void count(const ReadAmount& amount);
  std::int64_t behind_ms() const;

  Service& service_;
  io::EventLoop& loop_;
  SubscriptionTarget target_;
  const stream::ShardId shard_id_;
  std::uint64_t catalog_version_ = 0;  // that target_ is of

  std::unique_ptr<EventSink> sink_;  // nullptr before begin() and after the end
  std::unique_ptr<io::Timer> timer_;
  stream::Position position_;
  bool reading_ = false;
  bool at_tip_ = false;
  WallTime caught_up_to_{};  // what arrived before it was sent; epoch: nothing was
  MonoTime began_{};
  MonoTime last_sent_{};
  MonoTime full_since_{};  // epoch: the client takes what it is sent
  std::atomic<bool> woken_{false};
  std::atomic<bool> taken_over_{false};
};

}  // namespace spillway::kinesis
