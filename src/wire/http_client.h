// The client's side of an HTTP connection. No I/O: a session is handed requests and what arrived,
// and is asked for what to send, as those of the server are (http.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "wire/http.h"

namespace spillway::wire {

struct ClientResponse {
  int status = 0;
  std::vector<Header> headers;
  std::string body;

  // The first one, compared without case; nullptr if there is none.
  const std::string* find(std::string_view name) const;
};

// How the body of an answer is given: with it, or as it comes, where its status is 200.
enum class BodyWay { kWhole, kAsItComes };

// What a session tells its owner, from within receive(), end_of_input() and pending_output():
// on_response() or on_failure() once for each request that was not cancelled, and any number of
// on_body() before it, where the request asked for that. The owner may call cancel() and send()
// from inside, nothing else.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  // More of an answer's body, which on_response() then has nothing of.
  virtual void on_body(RequestId id, std::string_view bytes) = 0;
  virtual void on_response(RequestId id, ClientResponse response) = 0;
  // kIo: the connection or the stream broke; the server may have handled the request or not.
  // kThrottled: the server said that it didn't (HTTP/2 REFUSED_STREAM, or a GOAWAY before it).
  // kCorrupt: the answer is not HTTP. kUnsupported: it is too large.
  virtual void on_failure(RequestId id, Error error) = 0;
};

struct ClientLimits {
  std::size_t header_bytes = 64 * 1024;  // of an answer's head
  // Of an answer that is given whole (GetRecords: up to 14 MB).
  std::size_t body_bytes = std::size_t{32} << 20;
  std::uint32_t streams = 100;  // requests under way over HTTP/2
};

// Single-threaded.
class ClientSession {
 public:
  virtual ~ClientSession() = default;

  // How many requests may be sent now: over HTTP/1.1 one, when none is under way; 0 once the
  // connection takes no more.
  virtual std::size_t capacity() const = 0;
  // Takes no new requests any more; those under way may still be answered.
  virtual bool closing() const = 0;
  // Queues a request, when capacity() > 0. `head.target` is in origin form and `head.headers` has
  // Host (over HTTP/2 it is sent as :authority) but neither Content-Length nor Connection.
  virtual void send(RequestId id, RequestHead head, SharedBytes body, BodyWay way) = 0;
  // The request's answer isn't wanted. Over HTTP/1.1 the connection is of no more use.
  virtual void cancel(RequestId id) = 0;

  // After an error the connection is of no more use; every request was told.
  virtual Status receive(std::string_view bytes) = 0;
  // The peer closed its side (or the connection broke, for `why`): tells what is under way.
  virtual void end_of_input(std::string_view why) = 0;

  // As ServerSession's.
  virtual std::vector<std::string_view> pending_output() = 0;
  virtual void sent(std::size_t bytes) = 0;
};

std::unique_ptr<ClientSession> make_http1_client(ResponseSink& sink, const ClientLimits& limits);
std::unique_ptr<ClientSession> make_http2_client(ResponseSink& sink, const ClientLimits& limits);

}  // namespace spillway::wire
