#include "server/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace spillway::server {
namespace {

using wire::Receiving;
using wire::RequestId;

// A write is done when the client's system has taken this much, so that write_timeout is about
// progress and not about the size of the answer.
constexpr std::size_t kWriteBytes = 256 << 10;
constexpr auto kLinger = seconds(1);
constexpr std::size_t kSmallAnswer = 64 << 10;
// A body may take body_timeout and a second for each of these many bytes, and no longer than its
// signature is good for. A byte now and then, or PINGs beside it, would hold its memory for ever.
constexpr std::uint64_t kBodyBytesPerSecond = 16 << 10;
constexpr auto kBodyLongest = seconds(300);
// TLS alert (RFC 8446 section 6): fatal handshake_failure, in a TLS 1.2 record.
constexpr std::string_view kTlsAlert("\x15\x03\x03\x00\x02\x02\x28", 7);
constexpr std::string_view kTooManyConnections =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 26\r\nConnection: close\r\nRetry-After: 1\r\n\r\nThere are too many "
    "clients\n";

}  // namespace

Connection::Connection(LoopState& loop, std::unique_ptr<io::ByteStream> stream)
    : loop_(loop),
      server_(*loop.server),
      stream_(std::move(stream)),
      peer_(stream_->peer_address()),
      last_input_(loop.loop.mono_now()),
      looked_for_stalled_(last_input_) {}

Connection::~Connection() {
  stop_open_answers();
  for (auto& request : requests_) release_body(request);
  server_.answer_memory.fetch_sub(counted_unsent_, std::memory_order_relaxed);
  if (large_buffer_) loop_.buffers.give_back(std::move(large_buffer_));
}

void Connection::start() { read_more(); }

void Connection::turn_away() { write_last(kTooManyConnections); }

// Reading.

void Connection::read_more() {
  if (reading_ || closed_ || input_ended_) return;
  if (session_ && !lingering_ && (failed_ || !session_->wants_input())) {
    input_paused_ = true;
    return;
  }
  if (wants_large_buffer_ && !large_buffer_) large_buffer_ = loop_.buffers.borrow();
  if (!wants_large_buffer_ && large_buffer_) loop_.buffers.give_back(std::move(large_buffer_));
  buffer_size_ = large_buffer_ ? BufferPool::kBufferBytes : kSmallBuffer;
  reading_ = true;
  stream_->read({large_buffer_ ? large_buffer_.get() : small_buffer_, buffer_size_},
                [this](Result<std::size_t> got) { on_read(std::move(got)); });
}

void Connection::on_read(Result<std::size_t> got) {
  const auto self = shared_from_this();
  reading_ = false;
  if (!got.ok()) {
    if (tls_ && !session_) {
      server_.malformed.add();
      server_.log.write(io::LogLevel::kDebug, "TLS refused",
                        {{"peer", peer_}, {"why", got.error().message}});
    }
    return close();  // the client is gone, and with it who waits for answers
  }
  if (*got == 0) return end_of_input();
  server_.received_bytes.add(*got);
  if (lingering_) return read_more();
  last_input_ = loop_.loop.mono_now();
  take({large_buffer_ ? large_buffer_.get() : small_buffer_, *got});
  if (closed_) return;
  wants_large_buffer_ = *got == buffer_size_ || receiving_ == Receiving::kBody;
  pump();
}

void Connection::take(std::string_view bytes) {
  if (session_) return feed(bytes);
  if (first_bytes_.empty()) return detect(bytes);
  first_bytes_.append(bytes);
  detect(std::exchange(first_bytes_, std::string()));
}

void Connection::detect(std::string_view bytes) {
  const auto protocol = wire::detect_protocol(bytes);
  if (!protocol) {
    first_bytes_ = bytes;
    return;
  }
  begin(*protocol, bytes);
}

void Connection::begin(wire::Protocol protocol, std::string_view bytes) {
  date_ = loop_.date();
  switch (protocol) {
    case wire::Protocol::kTls:
      if (server_.options.tls && !std::exchange(tls_, true)) {
        server_.tls_connections.add();
        stream_ = io::accept_tls(server_.options.tls, loop_.loop, std::move(stream_), bytes);
        return;
      }
      server_.malformed.add();
      if (!server_.tls_was_told.exchange(true)) {
        server_.log.warning("https to a plain port: use http://",
                            {{"listener", server_.options.name}, {"peer", peer_}});
      }
      return write_last(kTlsAlert);
    case wire::Protocol::kHttp1:
      session_ = wire::make_http1_session(*this, server_.options.limits, date_);
      break;
    case wire::Protocol::kHttp2:
      http2_ = true;
      session_ = wire::make_http2_session(*this, server_.options.limits, date_);
      break;
  }
  if (loop_.draining) session_->drain();
  feed(bytes);
}

void Connection::feed(std::string_view bytes) {
  const std::size_t heads_before = heads_;
  feeding_ = true;
  date_ = loop_.date();
  const auto status = session_->receive(bytes);
  feeding_ = false;
  if (!status.ok()) {
    failed_ = true;
    server_.malformed.add();
    server_.log.write(io::LogLevel::kDebug, "request refused",
                      {{"peer", peer_}, {"why", status.error().message}});
  }
  count_unsent();
  const auto receiving = session_->receiving();
  if (receiving == Receiving::kHead && (receiving_ != Receiving::kHead || heads_ != heads_before))
    head_began_ = last_input_;
  receiving_ = receiving;
}

void Connection::end_of_input() {
  input_ended_ = true;
  if (lingering_) return close();
  if (!session_ && !first_bytes_.empty())
    begin(wire::Protocol::kHttp1, std::exchange(first_bytes_, std::string()));
  if (!session_) return close();
  // A client may close its side and still wait for answers.
  if (receiving_ != Receiving::kNothing) server_.malformed.add();
  feeding_ = true;
  date_ = loop_.date();
  session_->end_of_input();
  feeding_ = false;
  receiving_ = session_->receiving();
  pump();
  if (!closed_ && requests_.empty() && !writing_) close();
}

// Requests.

void Connection::on_head(RequestId id, wire::RequestHead head) {
  ++heads_;
  (http2_ ? server_.requests_http2 : server_.requests_http1).add();
  requests_.push_back({id, nullptr, last_input_, body_input_});
  if (server_.options.https_only && !tls_) return refuse_plain(id);
  auto reader = server_.handler.on_request(
      loop_.loop, Peer{peer_, tls_, server_.options.exposed}, std::move(head),
      Responder(loop_.shared_from_this(), weak_from_this(), id));
  // It may have been answered meanwhile: the entry stays until the request's end.
  const auto request = find(id);
  if (!request->answered) request->reader = std::move(reader);
}

// Its password, if it has one, has gone over the network in the clear: whoever sent it should know.
void Connection::refuse_plain(RequestId id) {
  if (!server_.plain_was_told.exchange(true)) {
    server_.log.warning("plain http to a port that takes https alone: use https://",
                        {{"listener", server_.options.name}, {"peer", peer_}});
  }
  respond(id, server_.handler.refuse(Refusal::kPlainHttp));
}

void Connection::on_body(RequestId id, std::string_view bytes) {
  const auto request = find(id);
  body_input_ += bytes.size();
  if (request->answered || !request->reader) {
    request->reader = nullptr;
    return;
  }
  request->body_bytes += bytes.size();
  const auto held = server_.body_memory.fetch_add(bytes.size(), std::memory_order_relaxed);
  if (held + bytes.size() <= server_.options.body_memory) return request->reader->on_body(bytes);
  server_.refused_bodies.add();
  const auto reader = std::move(request->reader);
  respond(id, server_.handler.refuse(Refusal::kBodyMemory));
}

void Connection::on_end(RequestId id) {
  const auto request = find(id);
  const auto reader = std::move(request->reader);
  request->ended = true;
  if (!request->answered && reader) return reader->on_end();
  erase_if_done(request);
}

void Connection::on_abort(RequestId id) {
  const auto request = find(id);
  if (request == requests_.end()) return;  // answered, and gone
  const auto reader = std::move(request->reader);
  if (request->open) {
    request->open->wanted = false;
    tell(request->open);
  }
  release_body(*request);
  requests_.erase(request);
}

void Connection::respond(RequestId id, wire::Response response) {
  begin_response(id, std::move(response), nullptr);
}

void Connection::begin_response(RequestId id, wire::Response response,
                                std::shared_ptr<OpenBody> body) {
  const auto request = find(id);
  if (closed_ || request == requests_.end() || request->answered) {
    if (body) body->wanted = false;
    return;
  }
  if (body && loop_.draining) body->wanted = false;
  if (!has_room_for(response)) {
    server_.refused_answers.add();
    response = server_.handler.refuse(Refusal::kAnswerMemory);
  }
  request->answered = true;
  request->open = std::move(body);
  release_body(*request);
  erase_if_done(request);
  if (!feeding_) date_ = loop_.date();
  last_input_ = loop_.loop.mono_now();
  session_->respond(id, std::move(response));
  count_unsent();
  if (feeding_) return;  // what fed will pump
  // Where more answers may be about to come, one write takes them all.
  if (session_->active_requests() > 0) return pump_soon();
  const auto self = shared_from_this();
  pump();
}

void Connection::continue_body(RequestId id, SharedBytes bytes, bool last) {
  const auto request = find(id);
  if (closed_ || request == requests_.end() || !request->open) return;
  if (last) {
    request->open = nullptr;
    erase_if_done(request);
  }
  session_->continue_body(id, std::move(bytes), last);
  count_unsent();
  if (!feeding_) pump_soon();
}

std::size_t Connection::unsent_body(RequestId id) {
  return closed_ ? 0 : session_->unsent_body(id);
}

void Connection::erase_if_done(std::vector<Request>::iterator request) {
  if (request->ended && request->answered && !request->open) requests_.erase(request);
}

void Connection::tell(const std::shared_ptr<OpenBody>& body) {
  loop_.loop.post([body] {
    if (body->changed) body->changed();
  });
}

void Connection::stop_open_answers() {
  for (const auto& request : requests_) {
    if (!request.open) continue;
    request.open->wanted = false;
    tell(request.open);
  }
}

std::vector<Connection::Request>::iterator Connection::find(RequestId id) {
  return std::find_if(requests_.begin(), requests_.end(),
                      [id](const Request& request) { return request.id == id; });
}

// The small ones, errors and acknowledgements, are given all the same.
bool Connection::has_room_for(const wire::Response& response) const {
  std::size_t size = 0;
  for (const auto& part : response.body) size += part.size();
  if (size <= kSmallAnswer) return true;
  const auto& options = server_.options;
  const std::size_t total = server_.answer_memory.load(std::memory_order_relaxed) + size;
  if (total > 2 * options.answer_memory) return false;
  const std::size_t unsent = session_->unsent();
  if (unsent <= kSmallAnswer) return true;
  return unsent + size <= options.limits.unsent_bytes && total <= options.answer_memory;
}

void Connection::count_unsent() {
  const std::size_t unsent = session_->unsent();
  server_.answer_memory.fetch_add(unsent - std::exchange(counted_unsent_, unsent),
                                  std::memory_order_relaxed);
}

void Connection::release_body(Request& request) {
  server_.body_memory.fetch_sub(std::exchange(request.body_bytes, 0), std::memory_order_relaxed);
}

// Writing.

void Connection::pump_soon() {
  if (std::exchange(pump_is_due_, true)) return;
  loop_.loop.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->pump_is_due_ = false;
    self->pump();
  });
}

void Connection::pump() {
  if (closed_ || lingering_ || !session_) {
    if (!closed_) read_more();
    return;
  }
  if (input_paused_ && !failed_ && session_->wants_input()) {
    input_paused_ = false;
    feed({});
  }
  if (!writing_) {
    feeding_ = true;  // making frames may abort requests, whose readers may answer
    const auto parts = session_->pending_output();
    feeding_ = false;
    if (!parts.empty()) {
      write(parts);
    } else if (session_->finished()) {
      return linger();
    }
  }
  read_more();
}

void Connection::write(std::span<const std::string_view> parts) {
  std::array<std::string_view, 64> cut;
  std::size_t count = 0;
  std::size_t size = 0;
  for (const auto part : parts) {
    if (count == cut.size() || size == kWriteBytes) break;
    cut[count] = part.substr(0, kWriteBytes - size);
    size += cut[count++].size();
  }
  writing_ = true;
  write_began_ = loop_.loop.mono_now();
  stream_->write({cut.data(), count}, [this, size](Status status) {
    const auto self = shared_from_this();
    writing_ = false;
    if (!status.ok()) return close();
    server_.sent_bytes.add(size);
    last_input_ = loop_.loop.mono_now();
    session_->sent(size);
    count_unsent();
    pump();
    for (const auto& request : requests_) {
      if (!request.open || session_->unsent_body(request.id) >= request.open->tell_below) continue;
      request.open->tell_below = 0;
      tell(request.open);
    }
  });
}

void Connection::write_last(std::string_view bytes) {
  lingering_ = true;  // nothing that arrives is of interest any more
  linger_until_ = loop_.loop.mono_now() + kLinger;
  last_bytes_ = bytes;
  const std::string_view part = last_bytes_;
  stream_->write({&part, 1}, [this](Status status) {
    const auto self = shared_from_this();
    if (!status.ok()) return close();
    linger();
  });
}

// Ends.

void Connection::linger() {
  if (input_ended_) return close();
  lingering_ = true;
  linger_until_ = loop_.loop.mono_now() + kLinger;
  wants_large_buffer_ = false;
  // HTTP/2 has said by GOAWAY that it ends. A client whose reader is slow may lose what it has
  // received and not handed over yet when the connection itself ends before that: Node does.
  if (!http2_ || failed_) stream_->shut_down_write();
  read_more();
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  stop_open_answers();
  stream_ = nullptr;
  loop_.remove(*this);
}

void Connection::drain() {
  const auto self = shared_from_this();
  if (!session_) {
    if (!lingering_) close();
    return;
  }
  stop_open_answers();
  session_->drain();
  pump();
}

void Connection::give_up(std::string_view why) {
  server_.timeouts.add();
  server_.log.write(io::LogLevel::kDebug, "connection timed out", {{"peer", peer_}, {"why", why}});
}

void Connection::time_out() {
  give_up("a request came too slowly");
  failed_ = true;
  feeding_ = true;
  date_ = loop_.date();
  session_->time_out();
  feeding_ = false;
  receiving_ = session_->receiving();
  pump();
}

bool Connection::body_is_overdue(MonoTime now) const {
  const nanoseconds patience = server_.options.body_timeout;
  if (now - last_input_ >= patience) return true;
  return std::ranges::any_of(requests_, [&](const Request& request) {
    const seconds earned((body_input_ - request.input_before) / kBodyBytesPerSecond);
    return !request.ended &&
           now - request.began >= std::min<nanoseconds>(patience + earned, kBodyLongest);
  });
}

void Connection::check_deadlines(MonoTime now) {
  const auto self = shared_from_this();
  const auto& options = server_.options;
  if (session_ && now - looked_for_stalled_ >= options.write_timeout) {
    looked_for_stalled_ = now;
    if (session_->drop_stalled() > 0) {
      give_up("the client doesn't take its answers");
      pump();
      if (closed_) return;
    }
  }
  if (lingering_) {
    if (now >= linger_until_) close();
  } else if (writing_ && now - write_began_ >= options.write_timeout) {
    give_up("the client doesn't take its answer");
    close();
  } else if (!session_) {
    if (now - last_input_ < options.header_timeout) return;
    if (first_bytes_.empty()) {
      give_up("no request came");
      return close();
    }
    begin(wire::Protocol::kHttp1, std::exchange(first_bytes_, std::string()));
    time_out();
  } else if (failed_) {
    return;
  } else if ((receiving_ == Receiving::kHead && now - head_began_ >= options.header_timeout) ||
             (receiving_ == Receiving::kBody && !input_paused_ && body_is_overdue(now))) {
    time_out();
  } else if (requests_.empty() && !writing_ && now - last_input_ >= options.idle_timeout) {
    session_->drain();
    pump();
  }
}

}  // namespace spillway::server
