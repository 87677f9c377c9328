#include "client/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/assert.h"

namespace spillway::client {

namespace {

constexpr std::size_t kReadBytes = 64 << 10;

}  // namespace

Connection::Connection(io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream, bool http2,
                       UniqueFunction<void()> changed)
    : loop_(loop),
      stream_(std::move(stream)),
      session_(http2 ? wire::make_http2_client(*this, {}) : wire::make_http1_client(*this, {})),
      changed_(std::move(changed)),
      buffer_(kReadBytes, '\0') {}

void Connection::start() {
  read_more();
  pump();
}

std::size_t Connection::capacity() const { return takes_requests() ? session_->capacity() : 0; }

void Connection::send(wire::RequestHead head, SharedBytes body, nanoseconds timeout,
                      AnswerDone done) {
  send_streamed(std::move(head), std::move(body), timeout, nullptr, std::move(done));
}

void Connection::send_streamed(wire::RequestHead head, SharedBytes body, nanoseconds timeout,
                               AnswerPart part, AnswerDone done) {
  SPILLWAY_ASSERT(capacity() > 0);
  const wire::RequestId id = ++last_id_;
  const auto way = part ? wire::BodyWay::kAsItComes : wire::BodyWay::kWhole;
  Request& request = requests_[id];
  request.done = std::move(done);
  request.part = std::move(part);
  request.timer = loop_.make_timer();
  request.timer->start(timeout, [this, id, timeout] { time_out(id, timeout); });
  session_->send(id, std::move(head), std::move(body), way);
  pump();
}

void Connection::close(const Error& why) {
  const auto self = shared_from_this();
  changed_ = nullptr;
  stream_ = nullptr;
  for (auto& [id, request] : std::exchange(requests_, {}))
    completed_.emplace_back(std::move(request.done), why);
  after_event();
}

void Connection::on_body(wire::RequestId id, std::string_view bytes) {
  const auto found = requests_.find(id);
  SPILLWAY_ASSERT(found != requests_.end());
  found->second.timer = nullptr;
  found->second.part(bytes);
}

void Connection::on_response(wire::RequestId id, wire::ClientResponse response) {
  complete(id, std::move(response));
}

void Connection::on_failure(wire::RequestId id, Error error) { complete(id, std::move(error)); }

void Connection::complete(wire::RequestId id, Result<wire::ClientResponse> result) {
  const auto found = requests_.find(id);
  SPILLWAY_ASSERT(found != requests_.end());
  completed_.emplace_back(std::move(found->second.done), std::move(result));
  requests_.erase(found);
}

void Connection::read_more() {
  stream_->read(buffer_, [this](Result<std::size_t> got) { on_read(std::move(got)); });
}

void Connection::on_read(Result<std::size_t> got) {
  const auto self = shared_from_this();
  bool broken = true;
  if (!got.ok()) {
    session_->end_of_input(got.error().message);
  } else if (*got == 0) {
    session_->end_of_input("the server closed the connection");
  } else {
    // Its error was told to every request; the connection is of no more use.
    broken = !session_->receive(std::string_view(buffer_).substr(0, *got)).ok();
  }
  if (broken) {
    stream_ = nullptr;
  } else {
    read_more();
    pump();
  }
  after_event();
}

// Sends what the session has, one write at a time.
void Connection::pump() {
  if (closed() || !writing_.empty()) return;
  writing_ = session_->pending_output();
  if (writing_.empty()) {
    if (completed_.empty()) return;
    // The session gave up while it made frames, maybe within send(), which must not call back.
    loop_.post([self = shared_from_this()] { self->after_event(); });
    return;
  }
  writing_bytes_ = 0;
  for (const auto part : writing_) writing_bytes_ += part.size();
  stream_->write(writing_, [this](const Status& written) { on_written(written); });
}

void Connection::on_written(const Status& written) {
  const auto self = shared_from_this();
  writing_.clear();
  if (written.ok()) {
    session_->sent(writing_bytes_);
    pump();
  } else if (!session_->closing()) {
    // An answer may still come (a refusal, from a server that closed for it): reading tells.
    retired_ = true;
  }
  after_event();
}

void Connection::time_out(wire::RequestId id, nanoseconds after) {
  const auto self = shared_from_this();
  const auto seconds = std::chrono::duration<double>(after).count();
  complete(id, Error{ErrorCode::kIo, fmt::format("no answer within {:g} s", seconds)});
  session_->cancel(id);
  // A connection on which nothing comes back would let every later request wait as long.
  retired_ = true;
  pump();
  after_event();
}

// Passes on what was told, then says what changed. Closes what is of no more use.
void Connection::after_event() {
  if (stream_ != nullptr && requests_.empty() && (retired_ || session_->closing()))
    stream_ = nullptr;
  while (!completed_.empty()) {
    for (auto& [done, result] : std::exchange(completed_, {})) done(std::move(result));
  }
  if (changed_) changed_();
}

}  // namespace spillway::client
