// HTTP/2 by prior knowledge, the client's side, on nghttp2's memory interface.

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "wire/http_client.h"
#include "wire/output_queue.h"

namespace spillway::wire {
namespace {

constexpr std::int32_t kStreamWindow = 16 << 20;  // an answer of GetRecords without waiting
constexpr std::int32_t kConnectionWindow = 32 << 20;
// Frames are made while less than this is unsent.
constexpr std::size_t kOutputAhead = 256 << 10;

struct Exchange {
  RequestId id = 0;
  SharedBytes body;  // of the request
  std::size_t body_sent = 0;
  BodyWay way = BodyWay::kWhole;
  ClientResponse response;
  std::size_t header_bytes = 0;
  std::optional<Error> failure;  // found in the answer, and told when the stream has ended
  bool final_head = false;       // a head that isn't 1xx is here
  bool cancelled = false;
};

class Http2Client final : public ClientSession {
 public:
  Http2Client(ResponseSink& sink, const ClientLimits& limits) : sink_(sink), limits_(limits) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    SPILLWAY_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    SPILLWAY_ASSERT(nghttp2_option_new(&option) == 0);
    set_callbacks(callbacks);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, 256);
    const int made = nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    SPILLWAY_ASSERT(made == 0);
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                               static_cast<std::uint32_t>(limits.header_bytes)},
    };
    SPILLWAY_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                                            settings.size()) == 0);
    SPILLWAY_ASSERT(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                          kConnectionWindow) == 0);
  }
  ~Http2Client() override { nghttp2_session_del(session_); }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  std::size_t capacity() const override {
    if (closing()) return 0;
    const std::size_t most = std::min<std::size_t>(
        limits_.streams,
        nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
    return most - std::min(most, exchanges_.size());
  }

  bool closing() const override {
    return closing_ || nghttp2_session_check_request_allowed(session_) == 0;
  }

  void send(RequestId id, RequestHead head, SharedBytes body, BodyWay way) override {
    SPILLWAY_ASSERT(capacity() > 0);
    const std::string length = fmt::to_string(body.size());
    std::vector<nghttp2_nv> fields;
    fields.reserve(head.headers.size() + 5);
    const auto add = [&fields](std::string_view name, std::string_view value) {
      // nghttp2 copies both; its type has no const.
      fields.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                        name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    };
    add(":method", head.method);
    add(":scheme", "http");
    for (const auto& header : head.headers)
      if (equal_ignoring_case(header.name, "host")) add(":authority", header.value);
    add(":path", head.target);
    for (auto& header : head.headers) {
      std::transform(header.name.begin(), header.name.end(), header.name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
      if (header.name != "host") add(header.name, header.value);
    }
    add("content-length", length);

    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session*, std::int32_t stream, std::uint8_t* to,
                                std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
                                void* user) -> ssize_t {
      return self(user).read_body(stream, {reinterpret_cast<char*>(to), room}, *flags);
    };
    const std::int32_t stream =
        nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                               body.empty() ? nullptr : &provider, nullptr);
    SPILLWAY_ASSERT(stream > 0);  // capacity() said that there is a stream's number left
    Exchange& exchange = exchanges_[stream];
    exchange.id = id;
    exchange.body = std::move(body);
    exchange.way = way;
  }

  void cancel(RequestId id) override {
    for (auto& [stream, exchange] : exchanges_) {
      if (exchange.id != id || exchange.cancelled) continue;
      exchange.cancelled = true;
      // Fails only where memory is out.
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
      return;
    }
  }

  Status receive(std::string_view bytes) override {
    const auto taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) {
      Error error{ErrorCode::kCorrupt, fmt::format("the server does not speak HTTP/2: {}",
                                                   nghttp2_strerror(static_cast<int>(taken)))};
      end(error);
      return error;
    }
    if (nghttp2_session_want_read(session_) == 0 && !exchanges_.empty()) {
      Error error{ErrorCode::kIo, "the server ended the HTTP/2 connection"};
      end(error);
      return error;
    }
    return {};
  }

  void end_of_input(std::string_view why) override {
    end({ErrorCode::kIo, fmt::format("{} before the answer was whole", why)});
  }

  std::vector<std::string_view> pending_output() override {
    while (output_.size() < kOutputAhead) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_, &bytes);
      if (size <= 0) {
        if (size < 0) end({ErrorCode::kIo, nghttp2_strerror(static_cast<int>(size))});
        break;
      }
      output_.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    }
    return output_.views();
  }
  void sent(std::size_t bytes) override { output_.sent(bytes); }

 private:
  static Http2Client& self(void* user) { return *static_cast<Http2Client*>(user); }

  static void set_callbacks(nghttp2_session_callbacks* callbacks) {
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) {
          self(user).on_header(frame->hd.stream_id,
                               {reinterpret_cast<const char*>(name), name_size},
                               {reinterpret_cast<const char*>(value), value_size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                      std::size_t size, void* user) {
          self(user).on_data(stream, {reinterpret_cast<const char*>(data), size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, std::int32_t stream, std::uint32_t code, void* user) {
          self(user).on_stream_close(stream, code);
          return 0;
        });
  }

  Exchange* find(std::int32_t stream) {
    const auto found = exchanges_.find(stream);
    return found == exchanges_.end() ? nullptr : &found->second;
  }

  ssize_t read_body(std::int32_t stream, std::span<char> to, std::uint32_t& flags) {
    Exchange* exchange = find(stream);
    if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t size = std::min(to.size(), exchange->body.size() - exchange->body_sent);
    std::copy_n(exchange->body.view().data() + exchange->body_sent, size, to.data());
    exchange->body_sent += size;
    if (exchange->body_sent == exchange->body.size()) {
      flags |= NGHTTP2_DATA_FLAG_EOF;
      exchange->body = SharedBytes();
      exchange->body_sent = 0;
    }
    return static_cast<ssize_t>(size);
  }

  void on_header(std::int32_t stream, std::string_view name, std::string_view value) {
    Exchange* exchange = find(stream);
    if (exchange == nullptr || exchange->failure) return;
    exchange->header_bytes += name.size() + value.size() + 32;
    if (exchange->header_bytes > limits_.header_bytes)
      return give_up(stream, *exchange, "its head is too large");
    if (name == ":status") {
      // nghttp2 has checked that it is three digits.
      std::from_chars(value.data(), value.data() + value.size(), exchange->response.status);
      exchange->final_head = exchange->response.status >= 200;
    } else if (exchange->final_head && !name.starts_with(':')) {
      exchange->response.headers.push_back({std::string(name), std::string(value)});
    }
  }

  void on_data(std::int32_t stream, std::string_view bytes) {
    Exchange* exchange = find(stream);
    if (exchange == nullptr || exchange->failure || exchange->cancelled) return;
    if (exchange->way == BodyWay::kAsItComes && exchange->response.status == 200)
      return sink_.on_body(exchange->id, bytes);
    if (exchange->response.body.size() + bytes.size() > limits_.body_bytes)
      return give_up(stream, *exchange, "its body is too large");
    exchange->response.body.append(bytes);
  }

  void give_up(std::int32_t stream, Exchange& exchange, std::string_view why) {
    exchange.failure =
        Error{ErrorCode::kUnsupported, fmt::format("the server's answer can't be used: {}", why)};
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  }

  void on_stream_close(std::int32_t stream, std::uint32_t code) {
    const auto found = exchanges_.find(stream);
    if (found == exchanges_.end()) return;
    // A server that has answered may reset the rest of the request with NO_ERROR (RFC 9113 8.1).
    Exchange exchange = std::move(found->second);
    exchanges_.erase(found);
    if (exchange.cancelled) return;
    if (exchange.failure) return sink_.on_failure(exchange.id, *std::move(exchange.failure));
    if (code == NGHTTP2_NO_ERROR && exchange.final_head)
      return sink_.on_response(exchange.id, std::move(exchange.response));
    const bool refused = code == NGHTTP2_REFUSED_STREAM;
    sink_.on_failure(exchange.id, {refused ? ErrorCode::kThrottled : ErrorCode::kIo,
                                   fmt::format("the server ended the request's stream: {}",
                                               nghttp2_http2_strerror(code))});
  }

  void end(const Error& error) {
    closing_ = true;
    for (auto& [stream, exchange] : std::exchange(exchanges_, {}))
      if (!exchange.cancelled) sink_.on_failure(exchange.id, error);
  }

  ResponseSink& sink_;
  const ClientLimits limits_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Exchange> exchanges_;  // by stream
  OutputQueue output_;
  bool closing_ = false;
};

}  // namespace

std::unique_ptr<ClientSession> make_http2_client(ResponseSink& sink, const ClientLimits& limits) {
  return std::make_unique<Http2Client>(sink, limits);
}

}  // namespace spillway::wire
