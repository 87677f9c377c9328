// Arbitrary bytes in arbitrary pieces, over both HTTP sessions. The first byte chooses the
// protocol and how the connection ends, the second how the rest is cut. Every request is answered
// when it ends: every other one at once, the rest bit by bit.
#include <cstddef>
#include <cstdint>
#include <set>

#include "base/assert.h"
#include "wire/http.h"

namespace {

using namespace spillway;

class Answerer final : public wire::RequestSink {
 public:
  void on_head(wire::RequestId id, wire::RequestHead) override {
    SPILLWAY_ASSERT(open_.insert(id).second);
  }
  void on_body(wire::RequestId id, std::string_view) override {
    SPILLWAY_ASSERT(open_.count(id) == 1);
  }
  void on_end(wire::RequestId id) override {
    SPILLWAY_ASSERT(open_.count(id) == 1);
    ended_.push_back(id);
  }
  void on_abort(wire::RequestId id) override {
    SPILLWAY_ASSERT(open_.erase(id) + going_on_.erase(id) == 1);
    std::erase(ended_, id);
  }

  void answer_all(wire::ServerSession& session) {
    for (const auto id : std::exchange(ended_, {})) {
      open_.erase(id);
      wire::Response response;
      response.body.push_back(SharedBytes::copy_of("answer"));
      response.open = id % 4 >= 2;  // HTTP/2 has odd ones only
      if (response.open) going_on_.insert(id);
      session.respond(id, std::move(response));
    }
  }
  void go_on(wire::ServerSession& session, bool last) {
    for (const auto id : std::set(going_on_)) {
      if (going_on_.count(id) == 0) continue;  // aborted meanwhile
      session.continue_body(id, SharedBytes::copy_of("more"), last);
      SPILLWAY_ASSERT(session.unsent_body(id) <= std::size_t{1} << 30);
      if (last) going_on_.erase(id);
    }
  }

 private:
  std::set<wire::RequestId> open_;
  std::set<wire::RequestId> going_on_;
  std::vector<wire::RequestId> ended_;
};

// Answers what has ended, and takes all output.
void settle(Answerer& answerer, wire::ServerSession& session, bool last = false) {
  answerer.answer_all(session);
  answerer.go_on(session, last);
  for (auto output = session.pending_output(); !output.empty(); output = session.pending_output())
    session.sent(output.front().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Answerer answerer;
  wire::HttpLimits limits;
  limits.body_bytes = 1 << 16;
  const std::string date;
  const bool is_http1 = data[0] % 2 == 0;
  const auto session = is_http1 ? wire::make_http1_session(answerer, limits, date)
                                : wire::make_http2_session(answerer, limits, date);
  const std::size_t piece = 1 + data[1];
  std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  while (!rest.empty() && session->wants_input()) {
    const auto fed = session->receive(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    settle(answerer, *session);
    if (!fed.ok() || session->finished()) break;
  }
  const bool in_request = session->receiving() != wire::Receiving::kNothing;
  switch (data[0] / 2 % 4) {
    case 0:
      return 0;
    case 1:
      session->end_of_input();
      break;
    case 2:
      session->time_out();
      if (!in_request) return 0;
      break;
    default:
      session->drain();
      if (in_request) return 0;
  }
  settle(answerer, *session, true);
  // Over HTTP/2 an answer may wait for a window that never comes.
  SPILLWAY_ASSERT(!is_http1 || session->finished());
  return 0;
}
