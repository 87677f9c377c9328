// One client's connection, and what the connections of one loop share. Internal to the HTTP server.
//
// The story of a connection: detecting (its first bytes tell the protocol) → serving (a session
// turns bytes into requests and answers into bytes) → lingering (everything is sent; what the
// client still sends is read and dropped for a moment, since closing a socket with unread bytes
// resets it, and the client would lose the answer) → gone (its loop drops it).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/http_server.h"

namespace spillway::server {

// Of all loops of one server.
struct ServerShared {
  ServerShared(HttpServerOptions its_options, RequestHandler& its_handler,
               metrics::Registry& registry, io::EventLog& its_log);

  const HttpServerOptions options;
  RequestHandler& handler;
  io::EventLog& log;

  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> body_memory{0};
  std::atomic<std::size_t> answer_memory{0};
  std::atomic<bool> tls_was_told{false};
  std::atomic<bool> plain_was_told{false};
  std::atomic<std::size_t> loops_to_drain{0};
  UniqueFunction<void()> drained;  // set before loops_to_drain, called by the last loop

  metrics::Gauge& open_connections;
  metrics::Counter& accepted;
  metrics::Counter& refused_connections;
  metrics::Counter& refused_bodies;
  metrics::Counter& tls_connections;
  metrics::Counter& refused_answers;
  metrics::Counter& timeouts;
  metrics::Counter& malformed;
  metrics::Counter& requests_http1;
  metrics::Counter& requests_http2;
  metrics::Counter& received_bytes;
  metrics::Counter& sent_bytes;
};

// A connection reads into its own few bytes while nothing big arrives, so that ten thousand idle
// ones are cheap, and borrows one of these while something does.
class BufferPool {
 public:
  static constexpr std::size_t kBufferBytes = 128 << 10;

  // nullptr when too many are lent.
  std::unique_ptr<char[]> borrow();
  void give_back(std::unique_ptr<char[]> buffer);

 private:
  static constexpr std::size_t kMostLent = 128;
  static constexpr std::size_t kMostKept = 16;

  std::vector<std::unique_ptr<char[]>> kept_;
  std::size_t lent_ = 0;
};

// What an open answer's connection and its BodyWriter share.
struct OpenBody {
  UniqueFunction<void()> changed;  // the writer's; nullptr: nobody listens
  bool wanted = true;
  std::size_t tell_below = 0;  // unsent bytes; 0: nobody waits for room
};

// Of one loop, and touched by its thread only.
struct LoopState : std::enable_shared_from_this<LoopState> {
  LoopState(io::EventLoop& its_loop, std::shared_ptr<ServerShared> its_server);

  Status listen(const std::string& address, bool shared);
  void accept(std::unique_ptr<io::ByteStream> stream);
  void remove(Connection& connection);
  void drain(nanoseconds deadline);
  // Closes everything.
  void close();
  // The Date header's value, made anew when the second has changed.
  const std::string& date();
  void schedule_tick();
  void tick();
  void finish_drain_if_done();

  io::EventLoop& loop;
  const std::shared_ptr<ServerShared> server;
  std::unique_ptr<io::Listener> listener;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  BufferPool buffers;
  std::size_t responders = 0;  // alive
  bool draining = false;

 private:
  std::unique_ptr<io::Timer> tick_timer_;
  std::unique_ptr<io::Timer> drain_timer_;
  std::string date_;
  std::chrono::sys_seconds date_second_{};
  bool drain_told_ = false;
};

class Connection final : public std::enable_shared_from_this<Connection>, wire::RequestSink {
 public:
  Connection(LoopState& loop, std::unique_ptr<io::ByteStream> stream);
  ~Connection() override;

  void start();
  // Instead of start(): says that there are too many connections.
  void turn_away();
  void respond(wire::RequestId id, wire::Response response);
  // An answer that goes on with continue_body(). Both are dropped where nobody waits for them.
  void begin_response(wire::RequestId id, wire::Response response, std::shared_ptr<OpenBody> body);
  void continue_body(wire::RequestId id, SharedBytes bytes, bool last);
  std::size_t unsent_body(wire::RequestId id);
  void check_deadlines(MonoTime now);
  // Answers what is under way, then closes.
  void drain();

 private:
  static constexpr std::size_t kSmallBuffer = 4096;

  // A request from its head to the later of its end and its answer.
  struct Request {
    wire::RequestId id;
    std::unique_ptr<BodyReader> reader;
    MonoTime began{};
    std::uint64_t input_before = 0;  // body_input_ when it began
    std::size_t body_bytes = 0;      // counted in ServerShared::body_memory
    bool ended = false;
    bool answered = false;
    std::shared_ptr<OpenBody> open = nullptr;  // while the answer goes on
  };

  void on_head(wire::RequestId id, wire::RequestHead head) override;
  void on_body(wire::RequestId id, std::string_view bytes) override;
  void on_end(wire::RequestId id) override;
  void on_abort(wire::RequestId id) override;
  void refuse_plain(wire::RequestId id);

  void read_more();
  void on_read(Result<std::size_t> got);
  void take(std::string_view bytes);
  void detect(std::string_view bytes);
  void begin(wire::Protocol protocol, std::string_view bytes);
  void feed(std::string_view bytes);
  void end_of_input();
  // Sends what there is, goes on reading, and notices when all is done.
  void pump();
  void write(std::span<const std::string_view> parts);
  void write_last(std::string_view bytes);
  void pump_soon();
  void linger();
  void close();
  void give_up(std::string_view why);
  void time_out();

  std::vector<Request>::iterator find(wire::RequestId id);
  // The request is done with when it has ended and its answer is whole.
  void erase_if_done(std::vector<Request>::iterator request);
  // Whoever writes the open answer learns, from the loop, that it isn't wanted or has room.
  void tell(const std::shared_ptr<OpenBody>& body);
  void stop_open_answers();
  void release_body(Request& request);
  bool has_room_for(const wire::Response& response) const;
  // Keeps ServerShared::answer_memory at what is unsent.
  void count_unsent();
  // Whether a body comes more slowly than the server waits for.
  bool body_is_overdue(MonoTime now) const;

  LoopState& loop_;
  ServerShared& server_;
  std::unique_ptr<io::ByteStream> stream_;
  const std::string peer_;
  std::unique_ptr<wire::ServerSession> session_;  // nullptr while detecting or turning away
  bool http2_ = false;
  bool tls_ = false;
  std::string date_;  // what the session puts into answers

  char small_buffer_[kSmallBuffer];
  std::unique_ptr<char[]> large_buffer_;
  std::size_t buffer_size_ = 0;  // of the read under way
  bool wants_large_buffer_ = false;
  std::string first_bytes_;  // while detecting
  std::string last_bytes_;   // what write_last() sends

  bool reading_ = false;
  bool writing_ = false;
  bool feeding_ = false;  // inside the session's receive()
  bool failed_ = false;   // the session takes no more
  bool input_ended_ = false;
  bool input_paused_ = false;
  bool pump_is_due_ = false;
  bool lingering_ = false;
  bool closed_ = false;

  std::vector<Request> requests_;
  std::size_t heads_ = 0;         // told so far
  std::uint64_t body_input_ = 0;  // bytes of bodies, of all requests
  std::size_t counted_unsent_ = 0;
  wire::Receiving receiving_ = wire::Receiving::kNothing;
  MonoTime last_input_;  // bytes arrived, or an answer went out
  MonoTime head_began_;
  MonoTime write_began_;
  MonoTime looked_for_stalled_;
  MonoTime linger_until_;
};

}  // namespace spillway::server
