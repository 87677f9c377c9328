#include <charconv>
#include <optional>

#include "base/assert.h"
#include "client/load_connection.h"

namespace spillway::client {

namespace {

// What the head of an answer says that matters here: where the body begins and how long it is.
struct AnswerHead {
  int status = 0;
  std::size_t head_size = 0;
  std::size_t body_size = 0;
};

Result<AnswerHead> parse_answer_head(std::string_view head) {
  AnswerHead answer;
  answer.head_size = head.size();
  if (head.size() < 12 || !head.starts_with("HTTP/1."))
    return Error{ErrorCode::kInvalid, "the answer does not begin with an HTTP/1 status line"};
  std::from_chars(head.data() + 9, head.data() + 12, answer.status);
  std::size_t line = head.find("\r\n");
  while (line != std::string_view::npos && line + 2 < head.size()) {
    const std::size_t begin = line + 2;
    line = head.find("\r\n", begin);
    const std::string_view header = head.substr(begin, line - begin);
    const std::size_t colon = header.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = header.substr(0, colon);
    if (wire::equal_ignoring_case(name, "content-length")) {
      std::string_view value = header.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      std::from_chars(value.data(), value.data() + value.size(), answer.body_size);
    } else if (wire::equal_ignoring_case(name, "transfer-encoding")) {
      return Error{ErrorCode::kUnsupported,
                   "the endpoint answers in chunks, which the load generator does not read"};
    }
  }
  return answer;
}

class Http1LoadConnection final : public LoadConnection {
 public:
  explicit Http1LoadConnection(std::unique_ptr<io::ByteStream> stream)
      : stream_(std::move(stream)), buffer_(kReadSize, '\0') {}

  void send(const PreparedRequest& request, LoadDone done) override {
    SPILLWAY_ASSERT(!done_);
    done_ = std::move(done);
    received_ = 0;
    written_ = false;
    head_.reset();
    out_ = request.http1_bytes;
    stream_->write(std::span(&out_, 1), [this](Status written) {
      if (!written.ok()) return finish(std::move(written).error());
      written_ = true;
      if (answer_) finish(*std::exchange(answer_, std::nullopt));
    });
    read_more();
  }

 private:
  static constexpr std::size_t kReadSize = 256 * 1024;

  void read_more() {
    if (buffer_.size() - received_ < kReadSize / 4) buffer_.resize(buffer_.size() * 2);
    stream_->read(std::span(buffer_).subspan(received_), [this](Result<std::size_t> got) {
      if (!got.ok()) return finish(std::move(got).error());
      if (*got == 0) return finish(Error{ErrorCode::kIo, "the server closed the connection"});
      received_ += *got;
      on_bytes();
    });
  }

  void on_bytes() {
    const std::string_view bytes(buffer_.data(), received_);
    if (!head_) {
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) return read_more();
      auto head = parse_answer_head(bytes.substr(0, end + 4));
      if (!head.ok()) return finish(std::move(head).error());
      head_ = *head;
      if (const std::size_t needed = head_->head_size + head_->body_size; buffer_.size() < needed)
        buffer_.resize(needed + kReadSize);
    }
    if (received_ < head_->head_size + head_->body_size) return read_more();
    const LoadResponse answer{head_->status,
                              std::string_view(buffer_).substr(head_->head_size, head_->body_size)};
    // An answer may overtake the end of our own write; the next request has to wait for that.
    if (written_) return finish(answer);
    answer_ = answer;
  }

  void finish(Result<LoadResponse> result) {
    if (!done_) return;  // the other direction has failed already
    auto done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  std::unique_ptr<io::ByteStream> stream_;
  std::string buffer_;
  std::size_t received_ = 0;
  bool written_ = false;
  std::string_view out_;
  std::optional<AnswerHead> head_;
  std::optional<LoadResponse> answer_;
  LoadDone done_;
};

}  // namespace

std::unique_ptr<LoadConnection> make_http1_load_connection(std::unique_ptr<io::ByteStream> stream) {
  return std::make_unique<Http1LoadConnection>(std::move(stream));
}

}  // namespace spillway::client
