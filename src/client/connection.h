#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "base/unique_function.h"
#include "io/event_loop.h"
#include "wire/http_client.h"

namespace spillway::client {

using AnswerDone = UniqueFunction<void(Result<wire::ClientResponse>)>;
// Bytes of an answer's body (a view until it returns). Called from within the session: it must not
// call the connection.
using AnswerPart = UniqueFunction<void(std::string_view)>;

// A connected stream and the session on it. On the loop's thread; held by shared pointers, so that
// an answer's callback may close it.
class Connection final : public std::enable_shared_from_this<Connection>,
                         private wire::ResponseSink {
 public:
  // `changed` is called, never from within send(), when capacity() may have risen or closed()
  // turned true; after close() no more.
  Connection(io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream, bool http2,
             UniqueFunction<void()> changed);
  void start();

  // How many requests may be sent now.
  std::size_t capacity() const;
  // Whether it takes requests, now or when others have ended.
  bool takes_requests() const { return !closed() && !retired_ && !session_->closing(); }
  bool closed() const { return stream_ == nullptr; }

  // When capacity() > 0. `done` is never called from within; its error is kIo when the connection
  // broke or no answer came within `timeout`, else ResponseSink's.
  void send(wire::RequestHead head, SharedBytes body, nanoseconds timeout, AnswerDone done);
  // The same, where the body of an answer with status 200 goes to `part` as it comes: `timeout` is
  // for its first bytes then, and the rest may take any time.
  void send_streamed(wire::RequestHead head, SharedBytes body, nanoseconds timeout, AnswerPart part,
                     AnswerDone done);

  // Tells every request under way `why`, from within.
  void close(const Error& why);

 private:
  struct Request {
    AnswerDone done;
    std::unique_ptr<io::Timer> timer;  // null: a streamed answer has begun
    AnswerPart part;                   // null: the answer is given whole
  };

  void on_body(wire::RequestId id, std::string_view bytes) override;
  void on_response(wire::RequestId id, wire::ClientResponse response) override;
  void on_failure(wire::RequestId id, Error error) override;
  void complete(wire::RequestId id, Result<wire::ClientResponse> result);
  void read_more();
  void on_read(Result<std::size_t> got);
  void pump();
  void on_written(const Status& written);
  void time_out(wire::RequestId id, nanoseconds after);
  void after_event();

  io::EventLoop& loop_;
  std::unique_ptr<io::ByteStream> stream_;  // null: closed
  std::unique_ptr<wire::ClientSession> session_;
  UniqueFunction<void()> changed_;
  std::string buffer_;
  std::vector<std::string_view> writing_;  // empty: no write under way
  std::size_t writing_bytes_ = 0;
  wire::RequestId last_id_ = 0;
  bool retired_ = false;  // a request timed out on it: no new ones
  std::unordered_map<wire::RequestId, Request> requests_;
  // Told by the session, and to be passed on when it isn't on the stack any more.
  std::vector<std::pair<AnswerDone, Result<wire::ClientResponse>>> completed_;
};

}  // namespace spillway::client
