// HTTP/2 (RFC 9113) by prior knowledge, on nghttp2's memory interface.
//
// What a client may make the server hold is bounded: headers by HttpLimits (and by nghttp2: 64 KiB
// and 8 CONTINUATION frames), bodies by the windows below and by the owner, answers by
// unsent_bytes, queued SETTINGS and PING acknowledgements by kMaxUnsentAcks. What it may make the
// server do for nothing is bounded too: streams that end without an answer (rapid reset, whoever
// resets) or whose head is too large, and frames that bring no request forward (empty DATA,
// PRIORITY, WINDOW_UPDATE, SETTINGS, PING) end the connection with ENHANCE_YOUR_CALM when they are
// too many. Answers that it asks for and doesn't take are given up by drop_stalled().

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "wire/http.h"
#include "wire/output_queue.h"

namespace spillway::wire {
namespace {

// A body of 1 MiB arrives without waiting for a window; a connection holds at most 16 of them on
// their way, before the owner has taken any.
constexpr std::int32_t kStreamWindow = 1 << 20;
constexpr std::int32_t kConnectionWindow = 16 << 20;
constexpr std::uint32_t kMaxFrame = 64 << 10;
constexpr std::size_t kMaxUnsentAcks = 256;
constexpr std::size_t kMaxSettings = 32;
// Frames are made while less than this is unsent, so that small answers get between large ones.
constexpr std::size_t kOutputAhead = 256 << 10;
// As many streams as this may end unanswered, beyond those that were answered.
constexpr std::uint64_t kMaxWastedStreams = 200;
constexpr std::uint64_t kMaxIdleFrames = 10'000;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kHeaderBomb = 4;           // times the limit
constexpr std::size_t kTakenAtLeast = 64 << 10;  // between two calls of drop_stalled()
// Of a body behind the answer to its request.
constexpr std::size_t kUnwantedBytes = 64 << 10;

struct Stream {
  RequestHead head;              // until it is told
  std::size_t header_bytes = 0;  // as HTTP/2 counts them: 32 for each header, RFC 9113 6.5.2
  bool head_too_large = false;
  bool head_only = false;  // HEAD: the answer has no body
  bool told = false;       // on_head was called
  bool ended = false;      // on_end was called
  bool answered = false;   // or refused by the session
  bool aborted = false;
  std::size_t body_bytes = 0;
  std::optional<std::size_t> unwanted;  // bytes of it since the whole answer was sent
  // The answer's body, and how far it was sent.
  std::vector<SharedBytes> body;
  std::size_t part = 0;
  std::size_t offset = 0;
  std::size_t unsent = 0;
  std::size_t taken = 0;   // since the last look for stalled ones
  bool waited = false;     // for the client, at that look
  bool continues = false;  // more of it is to come
  bool deferred = false;   // nghttp2 waits for that

  bool open() const { return told && !answered && !aborted; }
};

class Http2Session final : public ServerSession {
 public:
  Http2Session(RequestSink& sink, const HttpLimits& limits, const std::string& date)
      : sink_(sink), limits_(limits), date_(date) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    SPILLWAY_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    SPILLWAY_ASSERT(nghttp2_option_new(&option) == 0);
    set_callbacks(callbacks);
    nghttp2_option_set_max_settings(option, kMaxSettings);
    nghttp2_option_set_max_outbound_ack(option, kMaxUnsentAcks);
    nghttp2_option_set_no_closed_streams(option, 1);
    const int made = nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    SPILLWAY_ASSERT(made == 0);
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kMaxFrame},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                               static_cast<std::uint32_t>(limits.header_bytes)},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    SPILLWAY_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                                            settings.size()) == 0);
    SPILLWAY_ASSERT(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                          kConnectionWindow) == 0);
    make_frames();
  }
  ~Http2Session() override { nghttp2_session_del(session_); }
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  Status receive(std::string_view bytes) override {
    SPILLWAY_ASSERT(!failure_);
    count_frames(bytes);
    const auto taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    make_frames();  // among them the GOAWAY with which nghttp2 answers a broken protocol
    if (taken < 0) {
      fail(nghttp2_strerror(static_cast<int>(taken)),
           taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    } else if (wasted_streams_ > kMaxWastedStreams + answered_streams_) {
      // Before the next: nghttp2 has a limit of its own, which says less.
      fail("too many streams were reset", NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (nghttp2_session_want_read(session_) == 0 &&
               (!streams_.empty() || !(draining_ || client_leaves_))) {
      fail("a frame broke the protocol", NGHTTP2_PROTOCOL_ERROR);  // nghttp2 sends why
    } else if (idle_frames_ > kMaxIdleFrames) {
      fail("too many frames brought no request forward", NGHTTP2_ENHANCE_YOUR_CALM);
    }
    make_frames();
    if (failure_) return *failure_;
    return {};
  }

  // Answers that wait for the client's windows don't stop it: the windows come by the same way.
  bool wants_input() const override { return !failure_ && output_.size() < limits_.unsent_bytes; }

  Receiving receiving() const override {
    if (failure_) return Receiving::kNothing;
    if (open_heads_ > 0) return Receiving::kHead;
    return open_bodies_ > 0 ? Receiving::kBody : Receiving::kNothing;
  }

  void time_out() override {
    if (receiving() == Receiving::kNothing) return;
    fail("a request took too long", NGHTTP2_NO_ERROR);
    make_frames();
  }

  std::size_t drop_stalled() override {
    if (failure_) return 0;
    // A stream may also wait for others: then the connection as a whole takes more.
    const bool all_stalled = std::exchange(taken_, 0) < kTakenAtLeast;
    std::size_t dropped = 0;
    for (auto& [id, stream] : streams_) {
      const bool waits = stream.answered && !stream.continues && stream.unsent > 0;
      const bool stalled =
          std::exchange(stream.taken, 0) < kTakenAtLeast &&
          (all_stalled || nghttp2_session_get_stream_remote_window_size(session_, id) <= 0);
      if (std::exchange(stream.waited, waits) && waits && stalled) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        ++dropped;
      }
    }
    return dropped;
  }

  void end_of_input() override {
    if (failure_) return;
    for (const auto& [id, stream] : streams_) {
      if (!stream.ended && !stream.answered)
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    drain();
    make_frames();
  }

  void respond(RequestId id, Response response) override {
    const auto found = streams_.find(static_cast<std::int32_t>(id));
    SPILLWAY_ASSERT(found != streams_.end() && found->second.open());
    ++answered_streams_;
    --active_;
    answer(found->first, found->second, std::move(response));
  }

  void continue_body(RequestId id, SharedBytes bytes, bool last) override {
    const auto found = streams_.find(static_cast<std::int32_t>(id));
    SPILLWAY_ASSERT(found != streams_.end() && found->second.continues);
    Stream& stream = found->second;
    if (last) stream.continues = false;
    if (!stream.head_only && !bytes.empty()) {
      stream.unsent += bytes.size();
      unsent_answers_ += bytes.size();
      stream.body.push_back(std::move(bytes));
    }
    // Fails only for a stream that is closing.
    if (std::exchange(stream.deferred, false))
      nghttp2_session_resume_data(session_, static_cast<std::int32_t>(id));
  }

  std::size_t unsent_body(RequestId id) const override {
    const auto found = streams_.find(static_cast<std::int32_t>(id));
    return found == streams_.end() ? 0 : found->second.unsent;
  }

  std::size_t unsent() const override { return unsent_answers_ + output_.size(); }

  std::vector<std::string_view> pending_output() override {
    make_frames();
    return output_.views();
  }
  void sent(std::size_t bytes) override { output_.sent(bytes); }

  void drain() override {
    if (std::exchange(draining_, true) || failure_) return;
    SPILLWAY_ASSERT(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                          nghttp2_session_get_last_proc_stream_id(session_),
                                          NGHTTP2_NO_ERROR, nullptr, 0) == 0);
    for (auto& [id, stream] : streams_) {
      if (std::exchange(stream.unwanted, std::nullopt))
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
  }

  bool finished() const override {
    if (!output_.empty()) return false;
    if (broken_) return true;
    if (nghttp2_session_want_write(session_) != 0) return false;
    // Without a failure: after a GOAWAY of either side, when no stream is left.
    return failure_ || (streams_.empty() && nghttp2_session_want_read(session_) == 0);
  }

  std::size_t active_requests() const override { return active_; }

 private:
  static Http2Session& self(void* user) { return *static_cast<Http2Session*>(user); }

  static void set_callbacks(nghttp2_session_callbacks* callbacks) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          self(user).on_begin_headers(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) {
          return self(user).on_header(*frame, {reinterpret_cast<const char*>(name), name_size},
                                      {reinterpret_cast<const char*>(value), value_size});
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          self(user).on_frame(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                      std::size_t size, void* user) {
          self(user).on_data(id, {reinterpret_cast<const char*>(data), size});
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
          self(user).on_stream_close(id);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          self(user).on_frame_sent(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_send_data_callback(
        callbacks, [](nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                      std::size_t size, nghttp2_data_source*, void* user) {
          return self(user).send_data(frame->hd.stream_id,
                                      {reinterpret_cast<const char*>(head), kFrameHead}, size);
        });
  }

  // Here, since nghttp2 tells nobody of the frames that it ignores.
  void count_frames(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t passed = std::min(bytes.size(), until_frame_);
      bytes.remove_prefix(passed);
      until_frame_ -= passed;
      for (; until_frame_ == 0 && !bytes.empty(); bytes.remove_prefix(1)) {
        // Its length is in the first three bytes.
        if (frame_head_ < 3) frame_size_ = frame_size_ << 8 | static_cast<unsigned char>(bytes[0]);
        if (++frame_head_ < kFrameHead) continue;
        ++idle_frames_;
        frame_head_ = 0;
        until_frame_ = std::exchange(frame_size_, 0);
      }
    }
  }

  Stream* find(std::int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : &found->second;
  }

  void on_begin_headers(const nghttp2_frame& frame) {
    if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) return;  // trailers
    Stream& stream = streams_[frame.hd.stream_id];
    stream.head.version_major = 2;
    stream.head.version_minor = 0;
    stream.head.headers.reserve(16);
    ++open_heads_;
  }

  // What nghttp2 is to do: go on, or reset the stream.
  int on_header(const nghttp2_frame& frame, std::string_view name, std::string_view value) {
    if (frame.hd.type != NGHTTP2_HEADERS) return 0;
    Stream* stream = find(frame.hd.stream_id);
    if (stream == nullptr) return 0;
    stream->header_bytes += name.size() + value.size() + 32;  // trailers too
    // A byte that names an entry of HPACK's table may stand for 4 KiB, each of which is looked at:
    // a head far over its limit isn't read on to be told so.
    if (stream->header_bytes > kHeaderBomb * limits_.header_bytes)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (frame.headers.cat != NGHTTP2_HCAT_REQUEST || stream->head_too_large) return 0;
    if (stream->header_bytes > limits_.header_bytes ||
        stream->head.headers.size() >= limits_.header_count) {
      stream->head_too_large = true;
      stream->head.headers.clear();
    } else if (name == ":method") {
      stream->head.method = value;
      stream->head_only = value == "HEAD";
    } else if (name == ":path") {
      stream->head.target = value;
    } else if (name != ":scheme") {
      stream->head.headers.push_back({std::string(name), std::string(value)});
    }
    return 0;
  }

  void on_frame(const nghttp2_frame& frame) {
    if (frame.hd.type == NGHTTP2_GOAWAY) client_leaves_ = true;
    if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
    Stream* stream = find(frame.hd.stream_id);
    if (stream == nullptr) return;
    const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
      --open_heads_;
      idle_frames_ = 0;
      if (unsent_answers_ >= limits_.unsent_bytes) {
        // Not handled in any way, which tells the client that it may simply repeat it.
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        stream->answered = true;
      } else if (stream->head_too_large) {
        ++wasted_streams_;  // it was read for nothing
        refuse(frame.hd.stream_id, *stream, 431, "the headers are too large\n");
      } else {
        stream->told = true;
        ++active_;
        ++open_bodies_;
        sink_.on_head(id_of(frame), std::move(stream->head));
      }
    }
    if (end && stream->told && !stream->aborted) {
      stream->ended = true;
      --open_bodies_;
      sink_.on_end(id_of(frame));
    }
  }

  void on_data(std::int32_t id, std::string_view bytes) {
    Stream* stream = find(id);
    if (stream == nullptr || !stream->told || stream->aborted || bytes.empty()) return;
    idle_frames_ = 0;
    if (stream->unwanted && (*stream->unwanted += bytes.size()) > kUnwantedBytes) {
      stream->unwanted.reset();
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    }
    stream->body_bytes += bytes.size();
    if (stream->body_bytes <= limits_.body_bytes)
      return sink_.on_body(static_cast<RequestId>(id), bytes);
    const bool was_open = stream->open();
    abort(id, *stream);
    if (was_open) refuse(id, *stream, 413, "the body is too large\n");
  }

  void on_stream_close(std::int32_t id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    Stream& stream = found->second;
    if (!stream.told && !stream.answered) --open_heads_;  // reset before its head was whole
    if (!stream.answered) ++wasted_streams_;
    unsent_answers_ -= stream.unsent;
    abort(id, stream);
    streams_.erase(found);
  }

  // Tells the owner, if it still waits for an end or the session for an answer.
  void abort(std::int32_t id, Stream& stream) {
    if (!stream.told || stream.aborted) return;
    const bool open = stream.open();
    stream.aborted = true;
    if (!stream.ended) --open_bodies_;
    if (open) --active_;
    if (open || !stream.ended || stream.continues) sink_.on_abort(static_cast<RequestId>(id));
  }

  void on_frame_sent(const nghttp2_frame& frame) {
    const bool ends = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    if (!ends || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
    // The whole answer is on its way. A client that still sends its request may stop (RFC 9113
    // section 8.1). But curl before 8.0 takes that for a failure while it has something to send:
    // what is short may come.
    Stream* stream = find(frame.hd.stream_id);
    if (stream == nullptr ||
        nghttp2_session_get_stream_remote_close(session_, frame.hd.stream_id) != 0)
      return;
    if (stream->told && !stream->aborted && !draining_)
      stream->unwanted = 0;
    else
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
  }

  static RequestId id_of(const nghttp2_frame& frame) {
    return static_cast<RequestId>(frame.hd.stream_id);
  }

  void refuse(std::int32_t id, Stream& stream, int status, std::string_view why) {
    answer(id, stream, text_response(status, why));
  }

  void answer(std::int32_t id, Stream& stream, Response response) {
    stream.answered = true;
    const bool bodiless = response.status == 204 || response.status == 304;
    for (const auto& part : response.body) stream.unsent += part.size();
    const std::string status = fmt::to_string(response.status);
    const std::string length = fmt::to_string(stream.unsent);
    for (auto& header : response.headers) {
      std::transform(header.name.begin(), header.name.end(), header.name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    }
    std::vector<nghttp2_nv> fields;
    fields.reserve(response.headers.size() + 3);
    const auto add = [&fields](std::string_view name, std::string_view value) {
      // nghttp2 copies both; its type has no const.
      fields.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                        reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                        name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    };
    add(":status", status);
    if (!date_.empty()) add("date", date_);
    for (const auto& header : response.headers) add(header.name, header.value);
    stream.continues = response.open && !bodiless;
    if (!bodiless && !stream.continues) add("content-length", length);
    if (bodiless || stream.head_only) stream.unsent = 0;
    unsent_answers_ += stream.unsent;
    stream.body = std::move(response.body);
    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session*, std::int32_t stream_id, std::uint8_t*,
                                std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
                                void* user) -> ssize_t {
      Stream* sending = self(user).find(stream_id);
      if (sending == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      if (sending->unsent == 0 && sending->continues) {
        sending->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
      }
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      if (sending->unsent <= room && !sending->continues) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(std::min(sending->unsent, room));
    };
    // Fails only for a stream that is closing: its on_stream_close is on the way.
    nghttp2_submit_response(session_, id, fields.data(), fields.size(),
                            stream.unsent == 0 && !stream.continues ? nullptr : &provider);
    if (response.close) drain();
  }

  // Puts one DATA frame into the output.
  int send_data(std::int32_t id, std::string_view frame_head, std::size_t size) {
    Stream* stream = find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (output_.size() >= kOutputAhead) return NGHTTP2_ERR_WOULDBLOCK;
    idle_frames_ = 0;
    output_.append(frame_head);
    stream->unsent -= size;
    unsent_answers_ -= size;
    stream->taken += size;
    taken_ += size;
    while (size > 0) {
      SharedBytes& part = stream->body[stream->part];
      const std::size_t now = std::min(size, part.size() - stream->offset);
      output_.append(part, stream->offset, now);
      size -= now;
      stream->offset += now;
      if (stream->offset == part.size()) {
        part = SharedBytes();
        ++stream->part;
        stream->offset = 0;
      }
    }
    if (stream->part == stream->body.size()) {
      stream->body.clear();
      stream->part = 0;
    }
    return 0;
  }

  // Not from within nghttp2's callbacks, which forbid it.
  void make_frames() {
    while (!broken_ && output_.size() < kOutputAhead) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_, &bytes);
      if (size < 0) {
        broken_ = true;
        return fail(nghttp2_strerror(static_cast<int>(size)), NGHTTP2_INTERNAL_ERROR);
      }
      if (size == 0) return;
      output_.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    }
  }

  void fail(std::string why, std::uint32_t code) {
    if (failure_) return;
    failure_ = Error{ErrorCode::kInvalid, std::move(why)};
    nghttp2_session_terminate_session(session_, code);
    for (auto& [id, stream] : streams_) abort(id, stream);
  }

  static constexpr std::size_t kFrameHead = 9;

  RequestSink& sink_;
  const HttpLimits limits_;
  const std::string& date_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<std::int32_t, Stream> streams_;
  OutputQueue output_;
  std::size_t active_ = 0;          // told and neither answered nor aborted
  std::size_t open_heads_ = 0;      // begun and not whole
  std::size_t open_bodies_ = 0;     // told, and neither ended nor aborted
  std::size_t unsent_answers_ = 0;  // bytes of bodies not yet in output_
  std::size_t taken_ = 0;           // of all streams, as Stream::taken
  std::uint64_t answered_streams_ = 0;
  std::uint64_t wasted_streams_ = 0;
  std::uint64_t idle_frames_ = 0;              // since a request came forward
  std::size_t until_frame_ = kPreface.size();  // bytes until the next one begins
  std::size_t frame_head_ = 0;                 // bytes of its head that are here
  std::size_t frame_size_ = 0;
  bool draining_ = false;
  bool client_leaves_ = false;  // it sent a GOAWAY
  bool broken_ = false;         // nghttp2 can't make frames any more
  std::optional<Error> failure_;
};

}  // namespace

std::unique_ptr<ServerSession> make_http2_session(RequestSink& sink, const HttpLimits& limits,
                                                  const std::string& date) {
  return std::make_unique<Http2Session>(sink, limits, date);
}

}  // namespace spillway::wire
