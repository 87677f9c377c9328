// What the fuzzers of both HTTP sessions do: arbitrary bytes in arbitrary pieces. The first byte
// chooses how the connection ends, the second how the rest is cut. Every request is answered when
// it ends: every other one at once, the rest bit by bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include "base/assert.h"
#include "wire/http.h"

namespace spillway::wire {

class Answerer final : public RequestSink {
 public:
  void on_head(RequestId id, RequestHead) override { SPILLWAY_ASSERT(open_.insert(id).second); }
  void on_body(RequestId id, std::string_view) override { SPILLWAY_ASSERT(open_.count(id) == 1); }
  void on_end(RequestId id) override {
    SPILLWAY_ASSERT(open_.count(id) == 1);
    ended_.push_back(id);
  }
  void on_abort(RequestId id) override {
    SPILLWAY_ASSERT(open_.erase(id) + going_on_.erase(id) == 1);
    std::erase(ended_, id);
  }

  void answer_all(ServerSession& session) {
    for (const auto id : std::exchange(ended_, {})) {
      open_.erase(id);
      Response response;
      response.body.push_back(SharedBytes::copy_of("answer"));
      response.open = id % 4 >= 2;  // HTTP/2 has odd ones only
      if (response.open) going_on_.insert(id);
      session.respond(id, std::move(response));
    }
  }
  void go_on(ServerSession& session, bool last) {
    for (const auto id : std::set(going_on_)) {
      if (going_on_.count(id) == 0) continue;  // aborted meanwhile
      session.continue_body(id, SharedBytes::copy_of("more"), last);
      SPILLWAY_ASSERT(session.unsent_body(id) <= std::size_t{1} << 30);
      if (last) going_on_.erase(id);
    }
  }

 private:
  std::set<RequestId> open_;
  std::set<RequestId> going_on_;
  std::vector<RequestId> ended_;
};

// Answers what has ended, and takes all output.
inline void settle(Answerer& answerer, ServerSession& session, bool last = false) {
  answerer.answer_all(session);
  answerer.go_on(session, last);
  for (auto output = session.pending_output(); !output.empty(); output = session.pending_output())
    session.sent(output.front().size());
}

using MakeSession = std::unique_ptr<ServerSession> (*)(RequestSink&, const HttpLimits&,
                                                       const std::string& date);

inline void fuzz_session(MakeSession make, const std::uint8_t* data, std::size_t size) {
  if (size < 2) return;
  Answerer answerer;
  HttpLimits limits;
  limits.body_bytes = 1 << 16;
  const std::string date;
  const auto session = make(answerer, limits, date);
  const std::size_t piece = 1 + data[1];
  std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  while (!rest.empty() && session->wants_input()) {
    const auto fed = session->receive(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    settle(answerer, *session);
    if (!fed.ok() || session->finished()) break;
  }
  const bool in_request = session->receiving() != Receiving::kNothing;
  switch (data[0] % 4) {
    case 0:
      return;
    case 1:
      session->end_of_input();
      break;
    case 2:
      session->time_out();
      if (!in_request) return;
      break;
    default:
      session->drain();
      if (in_request) return;
  }
  settle(answerer, *session, true);
  // Over HTTP/2 an answer may wait for a window that never comes.
  SPILLWAY_ASSERT(make == make_http2_session || session->finished());
}

}  // namespace spillway::wire
