// HTTP/1.1 (RFC 9112) on Boost.Beast's parser, which is fed and never reads itself.
//
// A head is looked at twice. First line by line, as its bytes arrive: what recipients are known to
// read differently (a line that ends in a bare LF, a folded line) is refused here, and its size is
// bounded. Then, when it is whole, by Beast's parser, which holds it against the grammar. Of the
// framing, whatever leaves a choice where a body ends is refused, since a proxy in front may have
// chosen otherwise: more than one Content-Length, and any Transfer-Encoding.
//
// Answers leave in the order of the requests: each request that was told has an entry in `pending_`
// until its answer is in the output queue.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/assert.h"
#include "base/unique_function.h"
#include "wire/http.h"
#include "wire/output_queue.h"

namespace spillway::wire {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using BeastError = beast::error_code;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view to_view(beast::string_view text) { return {text.data(), text.size()}; }

// What the framing of one message says, as far as Beast doesn't keep it.
struct Framing {
  int content_lengths = 0;
  int transfer_encodings = 0;
  int hosts = 0;
  std::optional<std::string> expect;
};

// Beast's parser for one message.
class Parser final : public http::basic_parser<true> {
 public:
  // on_body is called with each piece of the body.
  explicit Parser(UniqueFunction<void(std::string_view)>& on_body, std::size_t body_limit)
      : on_body_(on_body) {
    eager(true);
    header_limit(UINT32_MAX);  // the session bounds it before
    this->body_limit(body_limit);
  }

  RequestHead head;
  Framing framing;

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, BeastError&) override {
    head.method = to_view(method);
    head.target = to_view(target);
    head.version_minor = version % 10;
    head.headers.reserve(16);
  }
  void on_field_impl(http::field field, beast::string_view name, beast::string_view value,
                     BeastError&) override {
    if (in_body_) return;  // trailers: nothing here has a use for them
    switch (field) {
      case http::field::content_length:
        // "2, 2" is two of them, too.
        framing.content_lengths +=
            1 + static_cast<int>(std::count(value.begin(), value.end(), ','));
        break;
      case http::field::transfer_encoding:
        ++framing.transfer_encodings;
        break;
      case http::field::host:
        ++framing.hosts;
        break;
      case http::field::expect:
        framing.expect = to_view(value);
        break;
      default:
        break;
    }
    head.headers.push_back({std::string(to_view(name)), std::string(to_view(value))});
  }
  void on_header_impl(BeastError&) override { in_body_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(beast::string_view body, BeastError&) override {
    on_body_(to_view(body));
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, BeastError&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, BeastError&) override {
    on_body_(to_view(body));
    return body.size();
  }
  void on_finish_impl(BeastError&) override {}
  void on_response_impl(int, beast::string_view, int, BeastError&) override {}

  UniqueFunction<void(std::string_view)>& on_body_;
  bool in_body_ = false;
};

// A refusal of the message: the status to answer and why.
struct Refused {
  int status;
  std::string why;
};

Refused refusal_of(const BeastError& error) {
  if (error == http::error::body_limit) return {413, "the body is too large"};
  if (error == http::error::header_limit) return {431, "the headers are too large"};
  if (error == http::error::bad_version) return {505, "this server speaks HTTP/1.1 and HTTP/2"};
  return {400, "malformed request: " + error.message()};
}

std::optional<Refused> check_framing(const RequestHead& head, const Framing& framing) {
  if (framing.content_lengths > 1) return Refused{400, "more than one Content-Length"};
  if (framing.content_lengths + framing.transfer_encodings > 1)
    return Refused{400, "more than one of Content-Length and Transfer-Encoding"};
  // RFC 9112 section 6.3 lets a server ask for a length. Boost 1.81's chunk parser aborts on some
  // trailers (an assertion in parse_chunk_header, found by http1_session_fuzz), and no client of
  // the API sends chunks.
  if (framing.transfer_encodings > 0)
    return Refused{411, "Transfer-Encoding is not accepted: send Content-Length"};
  if (framing.hosts > 1 || (framing.hosts == 0 && head.version_minor > 0))
    return Refused{400, "exactly one Host header is needed"};
  if (framing.expect && head.version_minor > 0 &&
      !equal_ignoring_case(*framing.expect, "100-continue"))
    return Refused{417, "the only Expect that is understood is 100-continue"};
  return std::nullopt;
}

// "http://host/path" is what proxies are sent; the server's own name in it says nothing new.
void make_origin_form(std::string& target) {
  const auto scheme = target.find("://");
  if (target.empty() || target.front() == '/' || scheme == std::string::npos) return;
  const auto path = target.find_first_of("/?", scheme + 3);
  if (path == std::string::npos) {
    target = "/";
  } else {
    target.erase(0, path);
    if (target.front() == '?') target.insert(0, 1, '/');
  }
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

class Http1Session final : public ServerSession {
 public:
  Http1Session(RequestSink& sink, const HttpLimits& limits, const std::string& date)
      : sink_(sink), limits_(limits), date_(date) {
    tell_body_ = [this](std::string_view bytes) {
      if (Pending* pending = find(message_id_)) pending->continue_wanted = false;
      if (!bytes.empty()) sink_.on_body(message_id_, bytes);
    };
  }

  Status receive(std::string_view bytes) override {
    SPILLWAY_ASSERT(!failure_);
    if (held_.empty()) {
      const std::size_t taken = take(bytes);
      held_.assign(bytes.substr(taken));
    } else {
      held_.append(bytes);
      held_.erase(0, take(held_));
    }
    if (held_.empty() && held_.capacity() > kKeptCapacity) std::string().swap(held_);
    write_answers();
    if (failure_) return *failure_;
    return {};
  }

  bool wants_input() const override {
    if (failure_ || output_.size() >= limits_.unsent_bytes) return false;
    return in_message() || may_begin_message();
  }

  Receiving receiving() const override {
    if (failure_) return Receiving::kNothing;
    if (in_message()) return Receiving::kBody;
    return held_.empty() || !may_begin_message() ? Receiving::kNothing : Receiving::kHead;
  }

  void time_out() override {
    const auto what = receiving();
    if (what == Receiving::kNothing) return;
    fail({408, what == Receiving::kHead ? "the request's head took too long"
                                        : "the request's body took too long"});
    write_answers();
  }

  std::size_t drop_stalled() override { return 0; }

  void end_of_input() override {
    if (receiving() == Receiving::kNothing) return drain();
    fail({400, "the request ended before it was whole"});
    write_answers();
  }

  void respond(RequestId id, Response response) override {
    Pending* pending = find(id);
    SPILLWAY_ASSERT(pending != nullptr && !pending->response);
    if (response.close) last_message_ = true;
    // The client was not told to go on, and may send the body or not: only closing is clear.
    if (pending->continue_wanted) last_message_ = true;
    pending->response = std::move(response);
    write_answers();
  }

  void continue_body(RequestId id, SharedBytes bytes, bool last) override {
    Pending* pending = find(id);
    SPILLWAY_ASSERT(pending != nullptr && pending->response && pending->response->open);
    if (!bytes.empty()) pending->response->body.push_back(std::move(bytes));
    if (last) pending->response->open = false;
    write_answers();
  }

  std::size_t unsent_body(RequestId id) const override {
    const auto found = std::ranges::find(pending_, id, &Pending::id);
    if (found == pending_.end() || !found->response) return 0;
    std::size_t size = found->begun ? output_.size() : 0;
    for (const auto& part : found->response->body) size += part.size();
    return size;
  }

  std::size_t unsent() const override {
    std::size_t size = output_.size();
    for (const auto& pending : pending_) {
      if (!pending.response) continue;
      for (const auto& part : pending.response->body) size += part.size();
    }
    return size;
  }

  std::vector<std::string_view> pending_output() override { return output_.views(); }
  void sent(std::size_t bytes) override { output_.sent(bytes); }

  void drain() override {
    if (in_message() || held_.empty()) last_message_ = true;
    draining_ = true;  // a request whose head has begun is still answered
  }

  bool finished() const override {
    if (!pending_.empty() || !output_.empty()) return false;
    return failure_ || (last_message_ && !in_message()) || closed_;
  }

  std::size_t active_requests() const override { return pending_.size(); }

 private:
  static constexpr std::size_t kKeptCapacity = 4096;

  // A request that was told and whose answer has not been queued.
  struct Pending {
    RequestId id;
    bool keep_alive;
    bool http10;
    bool head_only;        // HEAD: the answer has no body
    bool continue_wanted;  // the client waits for 100 Continue
    std::optional<Response> response;
    bool begun = false;  // the head of an open answer is queued
    bool chunked = false;
  };

  bool in_message() const { return parser_.has_value(); }
  bool may_begin_message() const {
    return !last_message_ && pending_.size() < limits_.pipelined &&
           output_.size() < limits_.unsent_bytes;
  }

  Pending* find(RequestId id) {
    const auto found = std::find_if(pending_.begin(), pending_.end(),
                                    [id](const Pending& pending) { return pending.id == id; });
    return found == pending_.end() ? nullptr : &*found;
  }

  // Returns how much of `bytes` is done with.
  std::size_t take(std::string_view bytes) {
    std::string_view rest = bytes;
    while (!failure_ && !rest.empty()) {
      if (!in_message() && !may_begin_message()) break;
      const std::size_t taken = in_message() ? take_body(rest) : take_head(rest);
      if (taken == 0) break;
      rest.remove_prefix(taken);
    }
    if (failure_ || (last_message_ && !in_message())) return bytes.size();
    return bytes.size() - rest.size();
  }

  // `bytes` begins with a head. 0 while it isn't whole, or if it is refused.
  std::size_t take_head(std::string_view bytes) {
    for (;;) {
      const std::size_t line_end = bytes.find('\n', searched_);
      searched_ = line_end == std::string_view::npos ? bytes.size() : line_end + 1;
      if (searched_ > limits_.header_bytes) return refuse({431, "the headers are too large"});
      if (line_end == std::string_view::npos) return 0;
      if (line_end == line_ || bytes[line_end - 1] != '\r')
        return refuse({400, "a line of the head ends in LF without CR"});
      const std::size_t line_size = line_end - 1 - line_;
      // RFC 9112 section 2.2: empty lines before the request line are to be ignored.
      if (line_size == 0 && lines_ == 0) {
        searched_ = 0;
        return 2;
      }
      if (line_size > 0 && lines_ > 0 && (bytes[line_] == ' ' || bytes[line_] == '\t'))
        return refuse({400, "a header line is folded"});
      line_ = line_end + 1;
      if (line_size == 0) break;
      if (++lines_ > limits_.header_count + 1) return refuse({431, "too many headers"});
    }
    const std::size_t size = line_;
    line_ = searched_ = lines_ = 0;
    begin_message(bytes.substr(0, size));
    return failure_ ? 0 : size;
  }

  void begin_message(std::string_view head) {
    parser_.emplace(tell_body_, limits_.body_bytes);
    BeastError error;
    const std::size_t taken = parser_->put({head.data(), head.size()}, error);
    if (error) return fail(refusal_of(error));
    if (taken != head.size() || !parser_->is_header_done()) return fail({400, "malformed request"});
    if (auto refused = check_framing(parser_->head, parser_->framing)) return fail(*refused);
    RequestHead told = std::move(parser_->head);
    make_origin_form(told.target);
    message_id_ = ++last_id_;
    told_ = true;
    if (draining_ || !parser_->keep_alive()) last_message_ = true;
    pending_.push_back(
        {message_id_, parser_->keep_alive(), told.version_minor == 0, told.method == "HEAD",
         parser_->framing.expect && told.version_minor > 0 && !parser_->is_done(), std::nullopt});
    sink_.on_head(message_id_, std::move(told));
    end_message_if_whole();
  }

  std::size_t take_body(std::string_view bytes) {
    BeastError error;
    const std::size_t taken = parser_->put({bytes.data(), bytes.size()}, error);
    // A chunk's header or the trailers, in part. They have a head's bound.
    if (error == http::error::need_more) {
      if (bytes.size() - taken > limits_.header_bytes) fail({431, "the trailers are too large"});
      return taken;
    }
    if (error) {
      fail(refusal_of(error));
      return taken;
    }
    end_message_if_whole();
    return taken;
  }

  void end_message_if_whole() {
    if (!parser_->is_done()) return;
    parser_.reset();
    told_ = false;
    sink_.on_end(message_id_);
  }

  std::size_t refuse(const Refused& refused) {
    fail(refused);
    return 0;
  }

  // Ends the connection; the answer goes behind those of earlier requests.
  void fail(const Refused& refused) {
    bool answered = false;
    if (told_) {
      // Its answer may have been given before its body ended; a second one would be taken for the
      // next request's.
      const auto mine =
          std::find_if(pending_.begin(), pending_.end(),
                       [this](const Pending& pending) { return pending.id == message_id_; });
      answered = mine == pending_.end() || mine->response.has_value();
      if (!answered) pending_.erase(mine);
    }
    failure_ = Error{ErrorCode::kInvalid, refused.why};
    last_message_ = true;
    if (!answered) {
      auto response = text_response(refused.status, refused.why + "\n");
      pending_.push_back({++last_id_, false, false, false, false, std::move(response)});
    }
    if (std::exchange(told_, false) && !answered) sink_.on_abort(message_id_);
    parser_.reset();
    std::string().swap(held_);
  }

  // Queues the answers that are due.
  void write_answers() {
    std::size_t written = 0;
    for (auto& pending : pending_) {
      if (!pending.response) {
        if (pending.continue_wanted && told_ && pending.id == message_id_) {
          pending.continue_wanted = false;
          output_.append(kContinue);
        }
        break;
      }
      // Of several that are under way when the connection is to close, the last one says so.
      const bool last = written + 1 == pending_.size() && (last_message_ || !pending.keep_alive);
      if (!std::exchange(pending.begun, true)) write_head(pending, last);
      write_body(pending);
      if (pending.response->open) break;
      ++written;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(written));
  }

  void write_head(Pending& pending, bool last) {
    const Response& response = *pending.response;
    std::size_t size = 0;
    for (const auto& part : response.body) size += part.size();
    pending.chunked = response.open && !pending.http10;
    if (response.open && pending.http10) last = last_message_ = true;
    text_.clear();
    const auto out = std::back_inserter(text_);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    if (!date_.empty()) fmt::format_to(out, "Date: {}\r\n", date_);
    for (const auto& header : response.headers)
      fmt::format_to(out, "{}: {}\r\n", header.name, header.value);
    if (pending.chunked) {
      text_ += "Transfer-Encoding: chunked\r\n";
    } else if (has_body(response.status) && !response.open) {
      fmt::format_to(out, "Content-Length: {}\r\n", size);
    }
    if (last) {
      text_ += "Connection: close\r\n";
      closed_ = true;
    } else if (pending.http10) {
      text_ += "Connection: keep-alive\r\n";
    }
    text_ += "\r\n";
    output_.append(text_);
    if (text_.capacity() > kKeptCapacity) std::string().swap(text_);
  }

  // What there is of it.
  void write_body(Pending& pending) {
    Response& response = *pending.response;
    const bool wanted = !pending.head_only && has_body(response.status);
    for (const auto& part : std::exchange(response.body, {})) {
      if (!wanted || part.empty()) continue;
      if (pending.chunked) output_.append(fmt::format("{:x}\r\n", part.size()));
      output_.append(part);
      if (pending.chunked) output_.append("\r\n");
    }
    if (wanted && pending.chunked && !response.open) output_.append("0\r\n\r\n");
  }

  RequestSink& sink_;
  const HttpLimits limits_;
  const std::string& date_;
  UniqueFunction<void(std::string_view)> tell_body_;

  std::string held_;              // received and not parsed: part of a head or of a chunk's header
  std::size_t line_ = 0;          // where the head's current line begins in it
  std::size_t searched_ = 0;      // how far that line's end was looked for
  std::size_t lines_ = 0;         // whole lines of the head
  std::optional<Parser> parser_;  // from a message's whole head to its end
  RequestId message_id_ = 0;      // of the message that is being received
  bool told_ = false;             // it was told, and not ended
  RequestId last_id_ = 0;

  std::vector<Pending> pending_;
  OutputQueue output_;
  std::string text_;           // an answer's head while it is made
  bool last_message_ = false;  // no message after the current one
  bool draining_ = false;
  bool closed_ = false;  // an answer that says "Connection: close" is queued
  std::optional<Error> failure_;
};

}  // namespace

std::unique_ptr<ServerSession> make_http1_session(RequestSink& sink, const HttpLimits& limits,
                                                  const std::string& date) {
  return std::make_unique<Http1Session>(sink, limits, date);
}

}  // namespace spillway::wire
