// HTTP as the rooms above see it: requests and responses, and sessions that turn bytes into them.
// No I/O: a session is fed what arrived and is asked for what to send, so that the server, the
// simulation and the fuzzers drive the same code.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/shared_bytes.h"

namespace spillway::wire {

struct Header {
  std::string name;   // as received over HTTP/1.1; lower case over HTTP/2
  std::string value;  // without surrounding white space
};

struct RequestHead {
  int version_major = 1;  // 1 or 2
  int version_minor = 1;
  std::string method;
  std::string target;  // origin form as sent: path, or path?query
  // In the order received. Over HTTP/2 the pseudo-header :authority is among them, under that name.
  std::vector<Header> headers;

  // The first one, compared without case; nullptr if there is none.
  const std::string* find(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers;  // without Content-Length, Connection, Date: the session adds them
  // Sent one after the other. Large payloads are shared, not copied.
  std::vector<SharedBytes> body;
  // Close the connection (HTTP/2: GOAWAY) once it is sent.
  bool close = false;
  // The body goes on with ServerSession::continue_body(): no Content-Length, which HTTP/1.1 makes
  // up for with chunks, and HTTP/1.0 by closing the connection.
  bool open = false;
};

// Names a request on its connection: the HTTP/2 stream id, or a running number over HTTP/1.1.
using RequestId = std::uint64_t;

// What a session tells its owner, from within receive(), time_out() or pending_output(). For each
// request: on_head, any number of on_body, on_end; or on_abort at any time after on_head, after
// which nothing more comes for it and no response, nor more of an open one, is wanted. The owner
// must not call the session from inside these, except respond() and continue_body(). An answer may
// come before on_end: what is still to come of the request's body is then told all the same.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  virtual void on_head(RequestId id, RequestHead head) = 0;
  virtual void on_body(RequestId id, std::string_view bytes) = 0;
  virtual void on_end(RequestId id) = 0;
  virtual void on_abort(RequestId id) = 0;
};

struct HttpLimits {
  std::size_t header_bytes = 32 * 1024;  // all headers of a request
  std::size_t header_count = 100;
  std::size_t body_bytes = std::size_t{16} << 20;    // beyond: 413
  std::uint32_t pipelined = 64;                      // requests of a connection not yet answered
  std::uint32_t streams = 256;                       // concurrent HTTP/2 streams
  std::size_t unsent_bytes = std::size_t{64} << 20;  // of responses queued on a connection
};

enum class Receiving {
  kNothing,  // between requests
  kHead,     // the first byte of a request is here, its whole head isn't
  kBody,     // a request's body
};

// The server's side of one connection. Single-threaded.
class ServerSession {
 public:
  virtual ~ServerSession() = default;

  // Takes what arrived; what can't be told yet (wants_input() turned false) is kept, and goes on
  // with receive({}). An error means that the connection can't go on: requests that are not whole
  // are aborted (over HTTP/2 all that are not answered); send what pending_output() has and will
  // have, the error's own answer last, until finished(), then close.
  virtual Status receive(std::string_view bytes) = 0;
  // Whether receive() may be called: false while too much is unanswered or unsent, and after an
  // error or drain() left nothing to receive.
  virtual bool wants_input() const = 0;
  // What is being received, for deadlines.
  virtual Receiving receiving() const = 0;
  // What is being received took too long: as after an error of receive(), with a 408 where HTTP/1.1
  // still waits for an answer. Does nothing between requests.
  virtual void time_out() = 0;
  // For the owner to call every so often: gives up the answers, but for open ones, of which the
  // client has taken less than 64 KiB since the last call although it could have had more, and
  // returns how many. HTTP/2 alone: its windows let a client hold back answers on a connection that
  // is busy otherwise, and for as long as it likes; over HTTP/1.1 it is the owner's write that
  // doesn't end.
  virtual std::size_t drop_stalled() = 0;
  // The client sends nothing more, but may wait for answers: a request that is not whole is
  // aborted (HTTP/1.1 answers it 400), then as drain().
  virtual void end_of_input() = 0;
  // The answer to a request that was not aborted; once each. HTTP/1.1 sends answers in request
  // order, whatever the order of these calls.
  virtual void respond(RequestId id, Response response) = 0;
  // More of the body of an answer that was given as open, and was not aborted; `last`: all of it.
  virtual void continue_body(RequestId id, SharedBytes bytes, bool last) = 0;
  // Bytes of an open answer that wait for the client to take what went before. Over HTTP/1.1 these
  // are all that wait on the connection.
  virtual std::size_t unsent_body(RequestId id) const = 0;
  // Bytes of all answers that were given and not sent.
  virtual std::size_t unsent() const = 0;
  // Up to 64 views of what to send next; empty if there is nothing. They stay valid, whatever else
  // is called, until sent(), which drops that many bytes from the front.
  virtual std::vector<std::string_view> pending_output() = 0;
  virtual void sent(std::size_t bytes) = 0;
  // No new requests: answers what is under way, then finished() turns true.
  virtual void drain() = 0;
  // Nothing under way and nothing to send, and the connection is to be closed.
  virtual bool finished() const = 0;
  // Requests whose answer is outstanding, for timeouts and drains.
  virtual std::size_t active_requests() const = 0;
};

// `date` is the value of every answer's Date header (RFC 9110 section 5.6.7): the caller keeps it
// alive and current; none is sent while it is empty.
std::unique_ptr<ServerSession> make_http1_session(RequestSink& sink, const HttpLimits& limits,
                                                  const std::string& date);
std::unique_ptr<ServerSession> make_http2_session(RequestSink& sink, const HttpLimits& limits,
                                                  const std::string& date);

enum class Protocol { kHttp1, kHttp2, kTls };
// Which protocol begins with these bytes; nullopt while there are too few to tell (at most 24 are
// needed: HTTP/2's preface).
std::optional<Protocol> detect_protocol(std::string_view first_bytes);

bool equal_ignoring_case(std::string_view a, std::string_view b);

// "Not Found" for 404; "Unknown" for a status that has no name here.
std::string_view reason_phrase(int status);
// `text` as text/plain.
Response text_response(int status, std::string_view text);

}  // namespace spillway::wire
