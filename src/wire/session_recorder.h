// For tests: the owner of a ServerSession. It keeps what the session tells, answers each request
// with what it was ("POST /path body"), and collects what the session sends. Header only, so that
// it is part of no library.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "wire/http.h"

namespace spillway::wire {

class SessionRecorder final : public RequestSink {
 public:
  using Maker = std::unique_ptr<ServerSession> (*)(RequestSink&, const HttpLimits&,
                                                   const std::string&);
  enum class Answers { kAtEnd, kAtHead, kByHand };

  explicit SessionRecorder(Maker make, const HttpLimits& limits = {},
                           Answers when = Answers::kAtEnd)
      : when_(when), session(make(*this, limits, date_)) {}

  // Feeds `bytes` in pieces of at most `piece` (0: all at once), as long as the session wants them,
  // and takes what it sends. False once the session has failed.
  bool feed(std::string_view bytes, std::size_t piece = 0) {
    while (!bytes.empty() && session->wants_input()) {
      const auto now = bytes.substr(0, piece == 0 ? bytes.size() : piece);
      bytes.remove_prefix(now.size());
      const auto status = session->receive(now);
      if (!status.ok()) failure = status.error().message;
      take_output();
    }
    return failure.empty();
  }
  void take_output() {
    for (auto parts = session->pending_output(); !parts.empty();
         parts = session->pending_output()) {
      std::size_t size = 0;
      for (const auto part : parts) {
        output += part;
        size += part.size();
      }
      session->sent(size);
    }
  }
  void answer(RequestId id, std::string_view body, int status = 200) {
    SPILLWAY_ASSERT(open.erase(id) == 1);
    Response response;
    response.status = status;
    response.body.push_back(SharedBytes::copy_of(body));
    session->respond(id, std::move(response));
    if (!feeding_) take_output();
  }
  // Answers with a body that goes on.
  void begin_answer(RequestId id, std::string_view body) {
    SPILLWAY_ASSERT(open.erase(id) == 1);
    Response response;
    response.open = true;
    response.body.push_back(SharedBytes::copy_of(body));
    session->respond(id, std::move(response));
    take_output();
  }
  void go_on(RequestId id, std::string_view body, bool last = false) {
    session->continue_body(id, SharedBytes::copy_of(body), last);
    take_output();
  }

  // "METHOD target body" of every request that ended, in that order; "aborted METHOD target body"
  // of those that won't.
  std::vector<std::string> requests;
  std::map<RequestId, std::string> open;  // told, and neither answered nor aborted
  std::map<RequestId, RequestHead> heads;
  std::string output;
  std::string failure;  // what receive() said

 private:
  void on_head(RequestId id, RequestHead head) override {
    feeding_ = true;
    texts_[id] = fmt::format("{} {} ", head.method, head.target);
    SPILLWAY_ASSERT(open.emplace(id, texts_[id]).second);
    heads[id] = std::move(head);
    if (when_ == Answers::kAtHead) answer(id, texts_[id]);
    feeding_ = false;
  }
  void on_body(RequestId id, std::string_view bytes) override { texts_.at(id) += bytes; }
  void on_end(RequestId id) override {
    feeding_ = true;
    requests.push_back(texts_.at(id));
    if (when_ == Answers::kAtEnd) answer(id, texts_[id]);
    feeding_ = false;
  }
  void on_abort(RequestId id) override {
    requests.push_back("aborted " + texts_.at(id));
    open.erase(id);
  }

  const Answers when_;
  const std::string date_;  // empty: answers without a Date, alike at any time
  std::map<RequestId, std::string> texts_;
  bool feeding_ = false;

 public:
  const std::unique_ptr<ServerSession> session;  // the last member: it refers to the others
};

}  // namespace spillway::wire
