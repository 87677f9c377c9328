// One SubscribeToShard of the load generator, over HTTP/1.1 on a connection of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_function.h"
#include "client/load_connection.h"

namespace spillway::client {

// On the loop's thread.
class LoadSubscription {
 public:
  explicit LoadSubscription(std::unique_ptr<io::ByteStream> stream);

  // Sends `request`, which must stay alive until `begun`. `begun` is told when the answer is an
  // event stream; then `on_event` is given the payload of each event with records (a view until it
  // returns), and `ended`, at last, why it ended: it may destroy the subscription.
  void begin(const PreparedRequest& request, UniqueFunction<void(Status)> begun,
             UniqueFunction<void(std::string_view)> on_event, UniqueFunction<void(Error)> ended);

 private:
  void read_more();
  Status take(std::string_view bytes);
  Status take_head();
  Status take_chunks(std::string_view bytes);
  Status take_events();
  void fail(Error error);

  const std::unique_ptr<io::ByteStream> stream_;
  std::string buffer_;
  std::string_view out_;
  bool in_events_ = false;  // the head is behind
  std::string held_;        // of the head, or of a chunk's size line
  std::size_t chunk_left_ = 0;
  std::string events_;  // not yet whole
  UniqueFunction<void(Status)> begun_;
  UniqueFunction<void(std::string_view)> on_event_;
  UniqueFunction<void(Error)> ended_;
};

}  // namespace spillway::client
