// An HTTP/1.1 and HTTP/2 server on a few event loops. It knows nothing of what it serves: a
// RequestHandler is handed each request's head, then its body as it arrives, and answers through a
// Responder whenever it likes.
//
// Per loop: a listener of its own (the system spreads connections over them), the connections that
// it accepted, and one timer that enforces all their deadlines. Nothing of a connection is touched
// by another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "io/tls.h"
#include "metrics/registry.h"
#include "wire/http.h"

namespace spillway::server {

class Connection;
struct LoopState;
struct OpenBody;
struct ServerShared;

// The rest of an answer that Responder::begin() began. Destroyed: the answer ends here. On the
// connection's loop only.
class BodyWriter {
 public:
  BodyWriter(std::shared_ptr<LoopState> loop, std::weak_ptr<Connection> connection,
             wire::RequestId id, std::shared_ptr<OpenBody> body);
  ~BodyWriter();
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;

  // Dropped where nobody takes it any more.
  void write(SharedBytes bytes);
  // False once the client is gone, or the server drains: the answer should come to its end.
  bool wanted() const;
  // Bytes that wait for the client to take what went before.
  std::size_t unsent() const;
  // Calls the function of on_change() when unsent() has fallen below that.
  void tell_below(std::size_t unsent);
  // What to call, from the loop, when wanted() has turned false, and at tell_below().
  void on_change(UniqueFunction<void()> changed);

 private:
  const std::shared_ptr<LoopState> loop_;
  const std::weak_ptr<Connection> connection_;
  const wire::RequestId id_;
  const std::shared_ptr<OpenBody> body_;
};

// Answers one request, once. One that is destroyed unused answers 500. An answer to a connection
// that is gone, or to a request that the client gave up, is dropped. The server's drain waits until
// no Responder exists. On the connection's loop only.
class Responder {
 public:
  Responder(std::shared_ptr<LoopState> loop, std::weak_ptr<Connection> connection,
            wire::RequestId id);
  Responder(Responder&& other) noexcept;
  Responder& operator=(Responder&&) = delete;
  ~Responder();

  void respond(wire::Response response);
  // The same with a body that goes on.
  std::unique_ptr<BodyWriter> begin(wire::Response response);

 private:
  std::shared_ptr<LoopState> loop_;  // nullptr once answered or moved from
  std::weak_ptr<Connection> connection_;
  wire::RequestId id_;
};

// Takes one request's body. Destroyed after on_end(), or earlier if the client gives up or the
// server turns the request away.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  virtual void on_body(std::string_view bytes) = 0;
  virtual void on_end() = 0;
};

// For a call that lives on in its task: the connection owns this, and shares the reader.
class SharedReader final : public BodyReader {
 public:
  explicit SharedReader(std::shared_ptr<BodyReader> reader) : reader_(std::move(reader)) {}
  void on_body(std::string_view bytes) override { reader_->on_body(bytes); }
  void on_end() override { reader_->on_end(); }

 private:
  const std::shared_ptr<BodyReader> reader_;
};

// Why the server turns a request away before its body is whole, or doesn't give its answer.
enum class Refusal {
  kBodyMemory,    // bodies that are arriving or being handled hold HttpServerOptions::body_memory
  kAnswerMemory,  // its answer is large, and clients have too many that they don't take
  kPlainHttp,     // over plain HTTP, where HttpServerOptions::https_only
};

// Where a request comes from.
struct Peer {
  std::string_view address;  // "127.0.0.1:51000", "[::1]:51000"
  bool secure = false;       // over TLS
  bool exposed = false;      // by a port that is: see HttpServerOptions

  // The address without its port and brackets.
  std::string_view host() const;
};

class RequestHandler {
 public:
  virtual ~RequestHandler() = default;

  // A request's head, on `loop`, from `peer` (valid during the call). Returns what takes the body;
  // nullptr if nobody wants it (it is then read and dropped). The responder may be used at once,
  // later, or from the reader.
  virtual std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer,
                                                 wire::RequestHead head, Responder responder) = 0;
  // What to answer instead of the reader, which is destroyed. Any loop's thread.
  virtual wire::Response refuse(Refusal why) = 0;
};

struct HttpServerOptions {
  std::string name = "api";  // the label `listener` of its metrics
  std::string address = "127.0.0.1:4566";
  // Open at a time, over all loops. One more is answered 503 and closed.
  std::size_t connections = 10'000;
  // Of request bodies that are not answered yet, over all loops. Beyond: refuse(kBodyMemory).
  std::size_t body_memory = std::size_t{512} << 20;
  // Of answers that aren't sent yet, over all loops. Beyond, or beyond limits.unsent_bytes on one
  // connection, a connection on which answers wait gets refuse(kAnswerMemory) for one of more than
  // 64 KiB; beyond twice this, every connection does.
  std::size_t answer_memory = std::size_t{512} << 20;
  nanoseconds header_timeout = seconds(10);  // from a request's first byte to its whole head
  nanoseconds body_timeout = seconds(20);    // for a body, and a second more for each 16 KiB of it
  nanoseconds idle_timeout = seconds(120);   // between requests
  // For the client to take 256 KiB, or an answer's rest; over HTTP/2 64 KiB, where its windows let
  // more wait.
  nanoseconds write_timeout = seconds(30);
  wire::HttpLimits limits;
  // For clients that begin with TLS, on the same port; nullptr: there is none, and they are told
  // so.
  std::shared_ptr<io::TlsContext> tls;
  // Other machines reach it: its handler shouldn't take what nobody vouches for.
  bool exposed = false;
  // What comes over plain HTTP gets refuse(kPlainHttp).
  bool https_only = false;
};

class HttpServer {
 public:
  // Everything referred to outlives the server. For listen() the loops are not running yet, or have
  // only this thread (the simulation).
  HttpServer(std::span<io::EventLoop* const> loops, HttpServerOptions options,
             RequestHandler& handler, metrics::Registry& metrics, io::EventLog& log);
  // The loops don't run any more, or drain() has finished.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Opens the port on every loop, before they run. kBusy if another program has it.
  Status listen();
  // The same while they run, from the thread of `caller`, another loop. Where it fails, the port
  // may be open on some of them: drain() then, too.
  Task<Status> open(io::EventLoop* caller);
  std::uint16_t port() const;
  // That are open, those that are turned away included. Any thread.
  std::size_t connections() const;

  // From any thread, once: stops accepting, lets the requests under way finish, and closes what is
  // still open after `deadline`. Calls `drained` on one of the loops when the last connection is
  // closed and every Responder is gone.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);

 private:
  bool shared_port() const { return loops_.size() > 1; }

  std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<LoopState>> loops_;
};

}  // namespace spillway::server
