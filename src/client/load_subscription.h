// One SubscribeToShard of the load generator.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_function.h"
#include "client/connection.h"
#include "client/load_answers.h"
#include "client/load_connection.h"

namespace spillway::client {

// Takes the event stream apart as it comes (wire/event_stream.h), without looking at its checksums:
// it measures the server. On the loop's thread; it outlives its connection.
class LoadSubscription {
 public:
  // `on_event` is given the records of each event when the whole of it has come; `ended` is told,
  // at last, why no more will come. Neither may call the connection.
  LoadSubscription(wire::Format format, UniqueFunction<void(std::span<const SeenRecord>)> on_event,
                   UniqueFunction<void(Error)> ended)
      : finder_(format), on_event_(std::move(on_event)), ended_(std::move(ended)) {}

  // On a connection that takes a request. `begun` is told, never from within, when the answer is an
  // event stream, or why it is none; `ended` is of the former alone.
  void begin(io::EventLoop& loop, Connection& connection, const PreparedRequest& request,
             UniqueFunction<void(Status)> begun);

  // The next bytes of the event stream. An error: an exception, or no event stream.
  Status take(std::string_view bytes);

 private:
  // What `bytes` begin with of a message's head, its payload or its checksum is taken off them.
  Status take_head(std::string_view& bytes);
  Status take_payload(std::string_view& bytes);
  void end(Error why);

  RecordFinder finder_;
  UniqueFunction<void(std::span<const SeenRecord>)> on_event_;
  UniqueFunction<void(Error)> ended_;  // null: told
  UniqueFunction<void(Status)> begun_;
  std::string head_;               // of a message: its prelude and headers, so far
  std::size_t payload_left_ = 0;   // of the message whose head is whole
  std::size_t checksum_left_ = 0;  // likewise
  std::vector<SeenRecord> found_;  // in it
};

}  // namespace spillway::client
