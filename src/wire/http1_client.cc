// HTTP/1.1, the client's side: one request at a time. Beast parses heads; bodies are framed here
// (RFC 9112 section 6.3), since Beast's own chunk parser aborts on some trailers.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/assert.h"
#include "wire/http_client.h"

namespace spillway::wire {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view to_view(beast::string_view text) { return {text.data(), text.size()}; }

// Parses one head, without the body behind it.
class HeadParser final : public http::basic_parser<false> {
 public:
  HeadParser() {
    header_limit(UINT32_MAX);  // the session bounds it before
    skip(true);
  }

  ClientResponse response;
  int version_minor = 1;

 private:
  void on_request_impl(http::verb, beast::string_view, beast::string_view, int,
                       beast::error_code&) override {}
  void on_response_impl(int code, beast::string_view, int version, beast::error_code&) override {
    response.status = code;
    version_minor = version % 10;
  }
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    response.headers.push_back({std::string(to_view(name)), std::string(to_view(value))});
  }
  void on_header_impl(beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code&) override {
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body,
                                 beast::error_code&) override {
    return body.size();
  }
  void on_finish_impl(beast::error_code&) override {}
};

// Where an answer is, and what comes next of it.
enum class Phase {
  kHead,
  kSized,       // `left_` bytes of body
  kUntilClose,  // body until the connection ends
  kChunkSize,   // a line "SIZE[;extension]"
  kChunk,       // `left_` bytes of a chunk
  kChunkEnd,    // the empty line behind it
  kTrailers,    // lines until an empty one
};

class Http1Client final : public ClientSession {
 public:
  Http1Client(ResponseSink& sink, const ClientLimits& limits) : sink_(sink), limits_(limits) {}

  std::size_t capacity() const override {
    return closing_ || under_way_ || !pending_output_empty() ? 0 : 1;
  }
  bool closing() const override { return closing_; }

  void send(RequestId id, RequestHead head, SharedBytes body, BodyWay way) override {
    SPILLWAY_ASSERT(capacity() == 1);
    under_way_ = id;
    way_ = way;
    head_only_ = head.method == "HEAD";
    out_head_ = fmt::format("{} {} HTTP/1.1\r\n", head.method, head.target);
    for (const auto& header : head.headers)
      fmt::format_to(std::back_inserter(out_head_), "{}: {}\r\n", header.name, header.value);
    fmt::format_to(std::back_inserter(out_head_), "Content-Length: {}\r\n\r\n", body.size());
    out_body_ = std::move(body);
    out_sent_ = 0;
  }

  void cancel(RequestId id) override {
    if (under_way_ != id) return;
    under_way_.reset();
    closing_ = true;
  }

  Status receive(std::string_view bytes) override {
    if (!under_way_) {
      // An answer to nothing, as a server sends that closes an idle connection (408).
      closing_ = true;
      return Error{ErrorCode::kCorrupt, "the server sent bytes that nobody asked for"};
    }
    if (held_.empty()) {
      held_.assign(bytes.substr(take_all(bytes)));
    } else {
      held_.append(bytes);
      held_.erase(0, take_all(held_));
    }
    // Bytes behind the answer would be taken for that of the next request.
    if (complete_ && !held_.empty()) closing_ = true;
    if (failure_) {
      tell_failure();
      return *failure_;
    }
    if (complete_) tell_answer();
    return {};
  }

  void end_of_input(std::string_view why) override {
    closing_ = true;
    if (!under_way_) return;
    if (phase_ == Phase::kUntilClose) return tell_answer();
    failure_ = Error{ErrorCode::kIo, fmt::format("{} before the answer was whole", why)};
    tell_failure();
  }

  std::vector<std::string_view> pending_output() override {
    std::vector<std::string_view> views;
    std::size_t skip = out_sent_;
    for (const std::string_view part : {std::string_view(out_head_), out_body_.view()}) {
      const std::size_t sent = std::min(skip, part.size());
      skip -= sent;
      if (sent < part.size()) views.push_back(part.substr(sent));
    }
    return views;
  }

  void sent(std::size_t bytes) override {
    out_sent_ += bytes;
    SPILLWAY_ASSERT(out_sent_ <= out_head_.size() + out_body_.size());
    if (out_sent_ < out_head_.size() + out_body_.size()) return;
    out_head_.clear();
    out_body_ = SharedBytes();
    out_sent_ = 0;
  }

 private:
  bool pending_output_empty() const { return out_head_.empty(); }

  struct Step {
    std::size_t taken;
    bool more;  // there may be more to take
  };

  // How much of `bytes` is done with.
  std::size_t take_all(std::string_view bytes) {
    std::size_t taken = 0;
    while (!complete_ && !failure_) {
      const auto step = take(bytes.substr(taken));
      taken += step.taken;
      if (!step.more) break;
    }
    return taken;
  }

  Step take(std::string_view bytes) {
    switch (phase_) {
      case Phase::kHead:
        return take_head(bytes);
      case Phase::kSized:
      case Phase::kChunk:
      case Phase::kUntilClose:
        return take_body(bytes);
      case Phase::kChunkSize:
      case Phase::kChunkEnd:
      case Phase::kTrailers:
        return take_line(bytes);
    }
    return {0, false};
  }

  Step take_head(std::string_view bytes) {
    const std::size_t end = bytes.find("\r\n\r\n");
    const std::size_t size = end == std::string_view::npos ? bytes.size() : end + 4;
    if (size > limits_.header_bytes)
      return refuse(ErrorCode::kUnsupported, "its head is too large");
    if (end == std::string_view::npos) return {0, false};
    HeadParser parser;
    beast::error_code error;
    parser.put({bytes.data(), size}, error);
    if (error || !parser.is_header_done())
      return refuse(ErrorCode::kCorrupt, error ? error.message() : "its head is malformed");
    response_ = std::move(parser.response);
    if (response_.status == 101) return refuse(ErrorCode::kCorrupt, "it switches protocols");
    if (response_.status < 200)
      return {size, true};  // 100 Continue and the like: the answer follows
    keep_alive_ = parser.keep_alive() && parser.version_minor > 0;
    begin_body();
    return {size, true};
  }

  bool as_it_comes() const { return way_ == BodyWay::kAsItComes && response_.status == 200; }

  // RFC 9112 section 6.3.
  void begin_body() {
    std::optional<std::uint64_t> length;
    bool chunked = false;
    for (const auto& header : response_.headers) {
      if (equal_ignoring_case(header.name, "transfer-encoding")) {
        if (!equal_ignoring_case(header.value, "chunked") || chunked)
          return fail(ErrorCode::kUnsupported, "its Transfer-Encoding is not chunked");
        chunked = true;
      } else if (equal_ignoring_case(header.name, "content-length")) {
        std::uint64_t value = 0;
        const char* const end = header.value.data() + header.value.size();
        const auto parsed = std::from_chars(header.value.data(), end, value);
        if (parsed.ec != std::errc() || parsed.ptr != end || (length && *length != value))
          return fail(ErrorCode::kCorrupt, "its Content-Length is not a number");
        length = value;
      }
    }
    if (head_only_ || response_.status == 204 || response_.status == 304) {
      complete_ = true;
    } else if (chunked) {
      phase_ = Phase::kChunkSize;
    } else if (!length) {
      phase_ = Phase::kUntilClose;
      closing_ = true;
    } else if (*length > limits_.body_bytes && !as_it_comes()) {
      fail(ErrorCode::kUnsupported, "its body is too large");
    } else if (*length == 0) {
      complete_ = true;
    } else {
      phase_ = Phase::kSized;
      left_ = *length;
      if (!as_it_comes()) response_.body.reserve(left_);
    }
  }

  Step take_body(std::string_view bytes) {
    const std::size_t now =
        phase_ == Phase::kUntilClose ? bytes.size() : std::min<std::size_t>(bytes.size(), left_);
    if (as_it_comes()) {
      if (now > 0) sink_.on_body(*under_way_, bytes.substr(0, now));
      if (!under_way_) return {now, false};  // cancelled from inside
    } else if (response_.body.size() + now > limits_.body_bytes) {
      return refuse(ErrorCode::kUnsupported, "its body is too large");
    } else {
      response_.body.append(bytes.substr(0, now));
    }
    if (phase_ == Phase::kUntilClose) return {now, false};
    left_ -= now;
    if (left_ > 0) return {now, false};
    if (phase_ == Phase::kSized) complete_ = true;
    if (phase_ == Phase::kChunk) phase_ = Phase::kChunkEnd;
    return {now, true};
  }

  Step take_line(std::string_view bytes) {
    const std::size_t end = bytes.find("\r\n");
    line_bytes_ = std::max(line_bytes_, std::min(bytes.size(), end));
    if (line_bytes_ > limits_.header_bytes)
      return refuse(ErrorCode::kUnsupported, "a line of its body's framing is too long");
    if (end == std::string_view::npos) return {0, false};
    const std::string_view line = bytes.substr(0, end);
    line_bytes_ = 0;
    if (phase_ == Phase::kChunkEnd) {
      if (!line.empty()) return refuse(ErrorCode::kCorrupt, "a chunk is longer than it says");
      phase_ = Phase::kChunkSize;
    } else if (phase_ == Phase::kTrailers) {
      trailer_bytes_ += line.size() + 2;
      if (trailer_bytes_ > limits_.header_bytes)
        return refuse(ErrorCode::kUnsupported, "its trailers are too large");
      if (line.empty()) complete_ = true;
    } else {
      const char* const last = line.data() + line.size();
      const auto parsed = std::from_chars(line.data(), last, left_, 16);
      const bool ends = parsed.ptr == last || *parsed.ptr == ';' || *parsed.ptr == ' ';
      if (parsed.ec != std::errc() || !ends)
        return refuse(ErrorCode::kCorrupt, "a chunk's size is not a number");
      phase_ = left_ > 0 ? Phase::kChunk : Phase::kTrailers;
      trailer_bytes_ = 0;
    }
    return {end + 2, true};
  }

  void tell_answer() {
    phase_ = Phase::kHead;
    complete_ = false;
    if (!keep_alive_) closing_ = true;
    const RequestId id = *std::exchange(under_way_, std::nullopt);
    sink_.on_response(id, std::exchange(response_, {}));
  }

  void tell_failure() {
    closing_ = true;
    if (under_way_) sink_.on_failure(*std::exchange(under_way_, std::nullopt), *failure_);
  }

  Step refuse(ErrorCode code, std::string_view why) {
    fail(code, why);
    return {0, false};
  }
  void fail(ErrorCode code, std::string_view why) {
    failure_ = Error{code, fmt::format("the server's answer can't be used: {}", why)};
  }

  ResponseSink& sink_;
  const ClientLimits limits_;
  std::optional<RequestId> under_way_;
  BodyWay way_ = BodyWay::kWhole;
  bool head_only_ = false;
  bool closing_ = false;
  bool keep_alive_ = true;
  std::optional<Error> failure_;

  Phase phase_ = Phase::kHead;
  std::string held_;  // received and not taken
  std::uint64_t left_ = 0;
  std::size_t line_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  ClientResponse response_;
  bool complete_ = false;  // response_ is whole

  std::string out_head_;  // empty: all was sent
  SharedBytes out_body_;
  std::size_t out_sent_ = 0;  // of both
};

}  // namespace

const std::string* ClientResponse::find(std::string_view name) const {
  const auto found = std::find_if(headers.begin(), headers.end(), [name](const Header& header) {
    return equal_ignoring_case(header.name, name);
  });
  return found == headers.end() ? nullptr : &found->value;
}

std::unique_ptr<ClientSession> make_http1_client(ResponseSink& sink, const ClientLimits& limits) {
  return std::make_unique<Http1Client>(sink, limits);
}

}  // namespace spillway::wire
