#include <nghttp2/nghttp2.h>

#include "base/bytes.h"
#include "wire/http.h"
#include "wire/session_recorder.h"

namespace spillway::wire {
namespace {

using Answers = SessionRecorder::Answers;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::uint32_t kDefaultWindow = 65535;

// RFC 9113 section 6.
enum Type : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9
};
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kAck = 1;
constexpr std::uint8_t kEndHeaders = 4;

// Frames as a client sends them.

std::string number(std::uint32_t value, int bytes = 4) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text.push_back(static_cast<char>(value >> shift));
  return text;
}

std::string frame(Type type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string text = number(static_cast<std::uint32_t>(payload.size()), 3);
  text.push_back(static_cast<char>(type));
  text.push_back(static_cast<char>(flags));
  return text + number(stream) + std::string(payload);
}

// HPACK's literal without indexing, new name (RFC 7541 section 6.2.2).
std::string header(std::string_view name, std::string_view value) {
  const auto length = [](std::size_t size) {  // of 7 bits and more
    if (size < 127) return std::string(1, static_cast<char>(size));
    std::string text("\x7f");
    for (size -= 127; size >= 128; size >>= 7) text.push_back(static_cast<char>(size % 128 | 128));
    return text + static_cast<char>(size);
  };
  return std::string(1, '\0') + length(name.size()) + std::string(name) + length(value.size()) +
         std::string(value);
}

std::string head_of(std::string_view method, std::string_view path) {
  return header(":method", method) + header(":scheme", "http") + header(":path", path) +
         header(":authority", "h");
}

std::string request(std::uint32_t stream, std::string_view method, std::string_view path,
                    std::optional<std::string_view> body = std::nullopt) {
  const std::uint8_t flags = kEndHeaders | (body ? 0 : kEndStream);
  std::string text = frame(kHeaders, flags, stream, head_of(method, path));
  if (body) text += frame(kData, kEndStream, stream, *body);
  return text;
}

std::string begin() { return std::string(kPreface) + frame(kSettings, 0, 0, ""); }

// What a server sent, frame by frame.

struct Frame {
  Type type;
  std::uint8_t flags;
  std::uint32_t stream;
  std::string payload;
};

std::vector<Frame> frames_in(std::string_view output) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(output[i]));
  };
  std::vector<Frame> frames;
  while (!output.empty()) {
    if (output.size() < 9) {
      ADD_FAILURE() << "the output ends within a frame's head";
      break;
    }
    const std::uint32_t size = at(0) << 16 | at(1) << 8 | at(2);
    const std::uint32_t stream = at(5) << 24 | at(6) << 16 | at(7) << 8 | at(8);
    frames.push_back({static_cast<Type>(at(3)), static_cast<std::uint8_t>(at(4)), stream,
                      std::string(output.substr(9, size))});
    output.remove_prefix(std::min<std::size_t>(output.size(), 9 + size));
  }
  return frames;
}

std::uint32_t number_in(std::string_view payload, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i)
    value = value << 8 | static_cast<unsigned char>(payload.at(i));
  return value;
}

// A stream's answer, put together from its frames.
struct Answer {
  std::string status;
  std::string body;
  bool ended = false;
  std::optional<std::uint32_t> reset;  // the error code
};

struct Heard {
  std::map<std::uint32_t, Answer> answers;
  std::optional<std::uint32_t> goaway;                    // the error code of the last one
  std::string debug;                                      // and what it says beside
  std::map<std::uint32_t, std::uint64_t> window_updates;  // by stream, summed
  int settings_acks = 0;
  int ping_acks = 0;
};

Heard heard_in(std::string_view output) {
  Heard heard;
  nghttp2_hd_inflater* inflater = nullptr;
  EXPECT_EQ(nghttp2_hd_inflate_new(&inflater), 0);
  for (const auto& part : frames_in(output)) {
    Answer* answer = part.stream != 0 ? &heard.answers[part.stream] : nullptr;
    switch (part.type) {
      case kHeaders: {
        std::string_view block = part.payload;
        while (!block.empty()) {
          nghttp2_nv field;
          int flags = 0;
          const auto taken = nghttp2_hd_inflate_hd2(
              inflater, &field, &flags, reinterpret_cast<const std::uint8_t*>(block.data()),
              block.size(), 1);
          if (taken <= 0) break;
          block.remove_prefix(static_cast<std::size_t>(taken));
          if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.namelen == 7 && *field.name == ':')
            answer->status.assign(reinterpret_cast<char*>(field.value), field.valuelen);
        }
        nghttp2_hd_inflate_end_headers(inflater);
        answer->ended = (part.flags & kEndStream) != 0;
        break;
      }
      case kData:
        answer->body += part.payload;
        answer->ended = (part.flags & kEndStream) != 0;
        break;
      case kReset:
        answer->reset = number_in(part.payload, 0);
        break;
      case kGoaway:
        heard.goaway = number_in(part.payload, 4);
        heard.debug = part.payload.substr(8);
        break;
      case kWindowUpdate:
        heard.window_updates[part.stream] += number_in(part.payload, 0);
        break;
      case kSettings:
        heard.settings_acks += part.flags & kAck;
        break;
      case kPing:
        heard.ping_acks += part.flags & kAck;
        break;
      default:
        break;
    }
  }
  nghttp2_hd_inflate_del(inflater);
  return heard;
}

// The requests of this table are whole and good, or are refused without harm to the connection.
struct Case {
  const char* name;
  std::string input;  // behind the preface and SETTINGS
  std::vector<std::string> requests;
  std::vector<std::string> statuses;  // of streams 1, 3, …
  // nghttp2 counts a CONTINUATION frame for every piece that its head comes in, up to 8.
  std::size_t smallest_piece = 1;
};

std::vector<Case> cases() {
  const std::string split = head_of("POST", "/split");
  return {
      {"without a body", request(1, "GET", "/a"), {"GET /a "}, {"200"}},
      {"with a body", request(1, "POST", "/b", "hello"), {"POST /b hello"}, {"200"}},
      {"with an empty body", request(1, "POST", "/b", ""), {"POST /b "}, {"200"}},
      {"several",
       request(1, "GET", "/a") + request(3, "POST", "/b", "x") + request(5, "GET", "/c"),
       {"GET /a ", "POST /b x", "GET /c "},
       {"200", "200", "200"}},
      {"interleaved",
       frame(kHeaders, kEndHeaders, 1, head_of("POST", "/1")) + frame(kData, 0, 1, "a") +
           frame(kHeaders, kEndHeaders, 3, head_of("POST", "/2")) +
           frame(kData, kEndStream, 3, "b") + frame(kData, kEndStream, 1, "c"),
       {"POST /2 b", "POST /1 ac"},
       {"200", "200"}},
      {"a head in pieces",
       frame(kHeaders, kEndStream, 1, split.substr(0, 5)) +
           frame(kContinuation, kEndHeaders, 1, split.substr(5)),
       {"POST /split "},
       {"200"},
       2},
      {"padding",
       frame(kHeaders, kEndHeaders | 8, 1,
             std::string(1, '\3') + head_of("POST", "/p") + std::string(3, '\0')) +
           frame(kData, kEndStream | 8, 1, std::string(1, '\2') + "hi" + std::string(2, '\0')),
       {"POST /p hi"},
       {"200"}},
      {"trailers",
       frame(kHeaders, kEndHeaders, 1, head_of("POST", "/t")) + frame(kData, 0, 1, "x") +
           frame(kHeaders, kEndHeaders | kEndStream, 1, header("x-sum", "1")),
       {"POST /t x"},
       {"200"}},
      {"PRIORITY and frames of a type that nobody knows",
       frame(kPriority, 0, 1, std::string(4, '\0') + "\x10") +
           frame(static_cast<Type>(77), 0, 0, "?") + request(1, "GET", "/a"),
       {"GET /a "},
       {"200"}},
      {"too many headers",
       frame(kHeaders, kEndHeaders | kEndStream, 1,
             [] {
               std::string text = head_of("GET", "/many");
               for (int i = 0; i < 20; ++i) text += header("x", "y");
               return text;
             }()) +
           request(3, "GET", "/a"),
       {"GET /a "},
       {"431", "200"}},
      {"a header that is too large",
       frame(kHeaders, kEndHeaders | kEndStream, 1,
             head_of("GET", "/large") + header("x", std::string(600, 'y'))) +
           request(3, "GET", "/a"),
       {"GET /a "},
       {"431", "200"}},
      {"a body over the limit",
       request(1, "POST", "/b", std::string(101, 'x')) + request(3, "GET", "/a"),
       {"aborted POST /b ", "GET /a "},
       {"413", "200"}},
      {"a body at the limit",
       request(1, "POST", "/b", std::string(100, 'x')),
       {"POST /b " + std::string(100, 'x')},
       {"200"}},
  };
}

HttpLimits small_limits() {
  HttpLimits limits;
  limits.header_bytes = 600;
  limits.header_count = 12;
  limits.body_bytes = 100;
  return limits;
}

TEST(Http2, ReadsTheSameHoweverItsInputIsCut) {
  for (const auto& test : cases()) {
    const std::string input = begin() + test.input;
    const auto check = [&](const SessionRecorder& got, std::string_view how) {
      SCOPED_TRACE(fmt::format("{}, {}", test.name, how));
      EXPECT_THAT(got.failure, IsEmpty());
      ASSERT_EQ(got.requests.size(), test.requests.size());
      for (std::size_t i = 0; i < test.requests.size(); ++i) {
        // Of a refused body, a part may have been told, depending on how it came.
        if (test.requests[i].starts_with("aborted"))
          EXPECT_THAT(got.requests[i], testing::StartsWith(test.requests[i]));
        else
          EXPECT_EQ(got.requests[i], test.requests[i]);
      }
      const auto heard = heard_in(got.output);
      EXPECT_EQ(heard.settings_acks, 1);
      EXPECT_EQ(heard.goaway, std::nullopt);
      std::uint32_t stream = 1;
      for (const auto& status : test.statuses) {
        ASSERT_TRUE(heard.answers.contains(stream));
        EXPECT_EQ(heard.answers.at(stream).status, status);
        EXPECT_TRUE(heard.answers.at(stream).ended);
        stream += 2;
      }
    };
    SessionRecorder whole(make_http2_session, small_limits());
    whole.feed(input);
    check(whole, "whole");
    for (const std::size_t piece : {1, 2, 3, 7}) {
      if (piece < test.smallest_piece) continue;
      SessionRecorder pieces(make_http2_session, small_limits());
      pieces.feed(input, piece);
      check(pieces, fmt::format("in pieces of {}", piece));
    }
    for (std::size_t cut = 1; cut < input.size(); ++cut) {
      SessionRecorder two(make_http2_session, small_limits());
      two.feed(input.substr(0, cut));
      two.feed(input.substr(cut));
      check(two, fmt::format("cut at {}", cut));
    }
  }
}

TEST(Http2, TellsItsLimitsBeforeAnythingArrives) {
  SessionRecorder recorder(make_http2_session, small_limits());
  recorder.take_output();
  const auto frames = frames_in(recorder.output);
  ASSERT_THAT(frames, testing::Not(IsEmpty()));
  EXPECT_EQ(frames[0].type, kSettings);
  EXPECT_THAT(frames[0].payload,
              HasSubstr(number(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2) + number(256)));
  EXPECT_THAT(frames[0].payload,
              HasSubstr(number(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 2) + number(600)));
}

// A client that breaks the protocol, or asks too much, ends its connection with a GOAWAY that says
// why.
struct Violation {
  const char* name;
  std::string input;
  std::uint32_t code;
};

std::string repeated(int times, std::string (*make)(std::uint32_t stream)) {
  std::string text;
  for (int i = 0; i < times; ++i) text += make(1 + 2 * static_cast<std::uint32_t>(i));
  return text;
}

std::vector<Violation> violations() {
  return {
      {"a rapid reset",
       repeated(600,
                [](std::uint32_t stream) {
                  return frame(kHeaders, kEndHeaders, stream, head_of("POST", "/")) +
                         frame(kReset, 0, stream, number(8));
                }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of heads that are too large",
       repeated(600,
                [](std::uint32_t stream) {
                  std::string head = head_of("GET", "/");
                  for (int i = 0; i < 200; ++i) head += header("x", "");
                  return frame(kHeaders, kEndHeaders | kEndStream, stream, head);
                }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of PINGs",
       repeated(10'300, [](std::uint32_t) { return frame(kPing, 0, 0, "12345678"); }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of SETTINGS",
       repeated(10'300, [](std::uint32_t) { return frame(kSettings, 0, 0, ""); }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of PRIORITY",
       repeated(10'300,
                [](std::uint32_t stream) { return frame(kPriority, 0, stream, number(0) + "x"); }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of frames that nobody knows",
       repeated(10'300, [](std::uint32_t) { return frame(static_cast<Type>(0x77), 0, 0, "12"); }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"a flood of empty DATA",
       frame(kHeaders, kEndHeaders, 1, head_of("POST", "/")) +
           repeated(10'300, [](std::uint32_t) { return frame(kData, 0, 1, ""); }),
       NGHTTP2_ENHANCE_YOUR_CALM},
      {"an endless head",
       frame(kHeaders, 0, 1, head_of("GET", "/")) +
           repeated(20, [](std::uint32_t) { return frame(kContinuation, 0, 1, header("x", "y")); }),
       NGHTTP2_PROTOCOL_ERROR},
      {"HPACK that no table has", frame(kHeaders, kEndHeaders, 1, "\xff\xff\x7f"),
       NGHTTP2_COMPRESSION_ERROR},
      {"a stream of the server's", request(2, "GET", "/"), NGHTTP2_PROTOCOL_ERROR},
      {"DATA before HEADERS", frame(kData, 0, 1, "x"), NGHTTP2_PROTOCOL_ERROR},
      {"a frame between HEADERS and CONTINUATION",
       frame(kHeaders, 0, 1, head_of("GET", "/")) + frame(kPing, 0, 0, "12345678"),
       NGHTTP2_PROTOCOL_ERROR},
      {"a PING that is too short", frame(kPing, 0, 0, "1"), NGHTTP2_FRAME_SIZE_ERROR},
      {"a frame that is too long", frame(kHeaders, kEndHeaders, 1, std::string(70'000, 'x')),
       NGHTTP2_FRAME_SIZE_ERROR},
      {"a window beyond 2^31", frame(kWindowUpdate, 0, 0, number(0x7fffffff)),
       NGHTTP2_FLOW_CONTROL_ERROR},
  };
}

TEST(Http2, ViolationsEndTheConnectionAndSayWhy) {
  for (const auto& test : violations()) {
    SCOPED_TRACE(test.name);
    SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
    EXPECT_FALSE(recorder.feed(begin() + test.input, 1000));
    recorder.take_output();
    const auto heard = heard_in(recorder.output);
    EXPECT_EQ(heard.goaway, test.code) << recorder.failure;
    EXPECT_THAT(recorder.open, IsEmpty()) << "nobody waits for an answer any more";
    EXPECT_FALSE(recorder.session->wants_input());
    EXPECT_TRUE(recorder.session->finished());
  }
}

TEST(Http2, AHeadFarOverItsLimitIsNotReadOn) {
  HttpLimits limits;
  limits.header_bytes = 600;
  SessionRecorder recorder(make_http2_session, limits);
  ASSERT_TRUE(
      recorder.feed(begin() + frame(kHeaders, kEndHeaders | kEndStream, 1,
                                    head_of("GET", "/") + header("x", std::string(500, 'y')))));
  ASSERT_TRUE(recorder.feed(
      frame(kHeaders, kEndHeaders | kEndStream, 3,
            head_of("GET", "/") + header("x", std::string(3000, 'y')) + header("a", "b"))));
  ASSERT_TRUE(recorder.feed(request(5, "GET", "/next")));
  auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].status, "431");
  EXPECT_EQ(heard.answers[3].reset, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(heard.answers[5].status, "200");
  EXPECT_EQ(recorder.session->receiving(), Receiving::kNothing);
}

TEST(Http2, TrailersFarOverTheLimitAreNotReadOn) {
  HttpLimits limits;
  limits.header_bytes = 600;
  SessionRecorder recorder(make_http2_session, limits);
  ASSERT_TRUE(recorder.feed(begin() + frame(kHeaders, kEndHeaders, 1, head_of("POST", "/")) +
                            frame(kHeaders, kEndHeaders | kEndStream, 1,
                                  header("x", std::string(3000, 'y')) + header("a", "b"))));
  ASSERT_TRUE(recorder.feed(request(3, "GET", "/next")));
  auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].reset, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(heard.answers[3].status, "200");
  EXPECT_THAT(recorder.requests, ElementsAre("aborted POST / ", "GET /next "));
}

TEST(Http2, ResetsThatFollowAnswersAreNoFlood) {
  SessionRecorder recorder(make_http2_session);
  recorder.feed(begin());
  // nghttp2 itself ends the connection at 1000 of them in 30 seconds, whatever came before them.
  for (std::uint32_t stream = 1; stream < 1800; stream += 2) {
    ASSERT_TRUE(recorder.feed(request(stream, "GET", "/")));
    ASSERT_TRUE(recorder.feed(frame(kReset, 0, stream, number(NGHTTP2_CANCEL))));
  }
  EXPECT_EQ(recorder.requests.size(), 900u);
}

TEST(Http2, StreamsBeyondTheLimit) {
  HttpLimits limits;
  limits.streams = 3;
  std::string input;
  for (std::uint32_t stream = 1; stream <= 9; stream += 2) input += request(stream, "GET", "/");
  // Of a client that hasn't read the limit yet: refused, to be repeated.
  SessionRecorder unaware(make_http2_session, limits, Answers::kByHand);
  EXPECT_TRUE(unaware.feed(begin() + input));
  EXPECT_EQ(unaware.open.size(), 3u);
  auto heard = heard_in(unaware.output);
  for (const std::uint32_t stream : {7u, 9u})
    EXPECT_EQ(heard.answers[stream].reset, NGHTTP2_REFUSED_STREAM) << stream;
  // Of one that has acknowledged it: a violation.
  SessionRecorder aware(make_http2_session, limits, Answers::kByHand);
  EXPECT_FALSE(aware.feed(begin() + frame(kSettings, kAck, 0, "") + input));
  EXPECT_EQ(heard_in(aware.output).goaway, NGHTTP2_PROTOCOL_ERROR);
}

TEST(Http2, AnswersWaitForTheClientsWindows) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/large") + request(3, "GET", "/small"));
  const std::string large(200'000, 'x');
  recorder.answer(1, large);
  auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].body.size(), kDefaultWindow);
  EXPECT_FALSE(heard.answers[1].ended);
  // Room on the stream alone, then on the connection.
  recorder.feed(frame(kWindowUpdate, 0, 1, number(1'000'000)));
  EXPECT_EQ(heard_in(recorder.output).answers[1].body.size(), kDefaultWindow);
  recorder.feed(frame(kWindowUpdate, 0, 0, number(50'000)));
  EXPECT_EQ(heard_in(recorder.output).answers[1].body.size(), kDefaultWindow + 50'000);
  recorder.answer(3, "small");
  recorder.feed(frame(kWindowUpdate, 0, 0, number(1'000'000)));
  heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].body, large);
  EXPECT_TRUE(heard.answers[1].ended);
  EXPECT_EQ(heard.answers[3].body, "small");
  EXPECT_TRUE(heard.answers[3].ended);
}

// A client that holds back what it asked for, on one stream or on all, among others that it takes.
TEST(Http2, AnswersThatTheClientDoesNotTakeAreGivenUp) {
  const std::string large(300'000, 'x');
  const auto window = [](std::uint32_t stream, std::uint32_t size) {
    return frame(kWindowUpdate, 0, stream, number(size));
  };
  struct Look {
    const char* name;
    std::string before;  // what arrives before the second look
    std::size_t dropped;
  };
  const Look looks[] = {
      {"nothing is taken", "", 2},
      {"a byte is, and PINGs come", window(0, 1) + window(1, 1) + frame(kPing, 0, 0, "12345678"),
       2},
      {"one stream is taken, and the other waits for the connection",
       window(0, 70'000) + window(1, 100'000), 0},
      {"one stream is taken, and the other has no window", window(0, 300'000) + window(1, 235'000),
       1},
      {"both are, slowly", window(0, 140'000) + window(1, 70'000) + window(3, 70'000), 0},
  };
  for (const auto& look : looks) {
    SCOPED_TRACE(look.name);
    SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
    recorder.feed(begin() + request(1, "GET", "/1") + request(3, "GET", "/3"));
    recorder.answer(1, large);
    recorder.answer(3, large);
    EXPECT_EQ(recorder.session->drop_stalled(), 0u) << "they have only begun";
    ASSERT_TRUE(recorder.feed(look.before));
    EXPECT_EQ(recorder.session->drop_stalled(), look.dropped);
    recorder.take_output();
    std::size_t resets = 0;
    for (const auto& [stream, answer] : heard_in(recorder.output).answers)
      resets += answer.reset == NGHTTP2_CANCEL ? 1 : 0;
    EXPECT_EQ(resets, look.dropped);
    EXPECT_TRUE(recorder.failure.empty()) << "the connection goes on";
  }
}

TEST(Http2, AnOpenAnswerMayWait) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/feed"));
  recorder.begin_answer(1, std::string(100'000, 'x'));
  for (int look = 0; look < 3; ++look) EXPECT_EQ(recorder.session->drop_stalled(), 0u);
  recorder.go_on(1, "end", true);
  EXPECT_EQ(recorder.session->drop_stalled(), 0u);
  EXPECT_EQ(recorder.session->drop_stalled(), 1u) << "it is an answer like others now";
}

TEST(Http2, GivesWindowsBackAsBodiesArrive) {
  SessionRecorder recorder(make_http2_session);
  std::string input = begin() + frame(kSettings, kAck, 0, "") +
                      frame(kHeaders, kEndHeaders, 1, head_of("POST", "/"));
  const std::string part(60'000, 'x');
  for (int i = 0; i < 250; ++i) input += frame(kData, 0, 1, part);  // 15 MB
  ASSERT_TRUE(recorder.feed(input, 10'000));
  const auto heard = heard_in(recorder.output);
  EXPECT_GT(heard.window_updates.at(1), 10'000'000u);
  EXPECT_GT(heard.window_updates.at(0), 10'000'000u);
  recorder.feed(frame(kData, kEndStream, 1, ""));
  ASSERT_EQ(recorder.requests.size(), 1u);
  EXPECT_EQ(recorder.requests[0].size(), 7 + 250 * part.size());
}

TEST(Http2, PingsAreAnswered) {
  SessionRecorder recorder(make_http2_session);
  recorder.feed(begin() + frame(kPing, 0, 0, "abcdefgh"));
  EXPECT_EQ(heard_in(recorder.output).ping_acks, 1);
  EXPECT_THAT(recorder.output, HasSubstr("abcdefgh"));
}

TEST(Http2, ADrainAnswersWhatIsUnderWay) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/1") +
                frame(kHeaders, kEndHeaders, 3, head_of("POST", "/3")));
  recorder.session->drain();
  recorder.take_output();
  EXPECT_EQ(heard_in(recorder.output).goaway, NGHTTP2_NO_ERROR);
  EXPECT_FALSE(recorder.session->finished());
  recorder.feed(request(5, "GET", "/late"));
  EXPECT_FALSE(recorder.open.contains(5)) << "the client was told not to";
  recorder.answer(1, "one");
  EXPECT_FALSE(recorder.session->finished());
  recorder.feed(frame(kData, kEndStream, 3, "body"));
  EXPECT_THAT(recorder.requests, ElementsAre("GET /1 ", "POST /3 body"));
  recorder.answer(3, "three");
  EXPECT_TRUE(recorder.session->finished());
  const auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers.at(1).body, "one");
  EXPECT_EQ(heard.answers.at(3).body, "three");
}

TEST(Http2, AnIdleConnectionDrainsAtOnce) {
  SessionRecorder recorder(make_http2_session);
  recorder.feed(begin() + request(1, "GET", "/"));
  EXPECT_FALSE(recorder.session->finished());
  recorder.session->drain();
  recorder.take_output();
  EXPECT_TRUE(recorder.session->finished());
}

TEST(Http2, ATimeoutEndsTheConnection) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/1") +
                frame(kHeaders, kEndHeaders, 3, head_of("POST", "/3")) + frame(kData, 0, 3, "x"));
  EXPECT_EQ(recorder.session->receiving(), Receiving::kBody);
  recorder.session->time_out();
  recorder.take_output();
  EXPECT_THAT(recorder.requests, Contains("aborted POST /3 x"));
  EXPECT_THAT(recorder.open, IsEmpty());
  EXPECT_EQ(heard_in(recorder.output).goaway, NGHTTP2_NO_ERROR);
  EXPECT_TRUE(recorder.session->finished());
}

TEST(Http2, AClientThatSendsNothingMoreStillGetsItsAnswers) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/1") +
                frame(kHeaders, kEndHeaders, 3, head_of("POST", "/3")) + frame(kData, 0, 3, "x"));
  recorder.session->end_of_input();
  recorder.take_output();
  EXPECT_THAT(recorder.requests, ElementsAre("GET /1 ", "aborted POST /3 x"));
  EXPECT_FALSE(recorder.session->finished());
  recorder.answer(1, "one");
  const auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers.at(1).body, "one");
  EXPECT_EQ(heard.answers.at(3).reset, NGHTTP2_CANCEL);
  EXPECT_TRUE(recorder.session->finished());
}

TEST(Http2, ARequestThatTheClientResetsIsAborted) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + frame(kHeaders, kEndHeaders, 1, head_of("POST", "/1")) +
                frame(kData, 0, 1, "x") + frame(kReset, 0, 1, number(NGHTTP2_CANCEL)));
  EXPECT_THAT(recorder.requests, ElementsAre("aborted POST /1 x"));
  EXPECT_EQ(recorder.session->active_requests(), 0u);
  EXPECT_EQ(recorder.session->receiving(), Receiving::kNothing);
}

TEST(Http2, AnOpenAnswerGoesOnAsFarAsTheWindowReaches) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/feed") + request(3, "GET", "/other"));
  recorder.begin_answer(1, "");
  recorder.go_on(1, "one ");
  recorder.answer(3, "other");
  recorder.go_on(1, "two ");
  auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].body, "one two ");
  EXPECT_FALSE(heard.answers[1].ended);
  EXPECT_TRUE(heard.answers[3].ended);
  recorder.go_on(1, std::string(100'000, 'x'));
  const std::size_t held = 100'000 + 13 - kDefaultWindow;  // 13 bytes went before
  EXPECT_EQ(recorder.session->unsent_body(1), held);
  recorder.feed(frame(kWindowUpdate, 0, 1, number(1'000'000)) +
                frame(kWindowUpdate, 0, 0, number(1'000'000)));
  EXPECT_EQ(recorder.session->unsent_body(1), 0u);
  recorder.go_on(1, "end", true);
  heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers[1].body.size(), 100'000u + 8 + 3);
  EXPECT_TRUE(heard.answers[1].ended);
  EXPECT_THAT(recorder.requests, ElementsAre("GET /feed ", "GET /other "));
}

TEST(Http2, AnOpenAnswerCanEndWithoutMore) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/feed"));
  recorder.begin_answer(1, "all");
  recorder.go_on(1, "", true);
  const auto heard = heard_in(recorder.output);
  EXPECT_EQ(heard.answers.at(1).body, "all");
  EXPECT_TRUE(heard.answers.at(1).ended);
}

TEST(Http2, AnOpenAnswerThatTheClientResetsIsAborted) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kByHand);
  recorder.feed(begin() + request(1, "GET", "/feed"));
  recorder.begin_answer(1, "one");
  recorder.feed(frame(kReset, 0, 1, number(NGHTTP2_CANCEL)));
  EXPECT_THAT(recorder.requests, ElementsAre("GET /feed ", "aborted GET /feed "));
}

TEST(Http2, AnEarlyAnswerStopsABodyThatIsLong) {
  SessionRecorder recorder(make_http2_session, {}, Answers::kAtHead);
  recorder.feed(begin() + frame(kHeaders, kEndHeaders, 1, head_of("POST", "/1")) +
                frame(kHeaders, kEndHeaders, 3, head_of("POST", "/3")));
  recorder.take_output();
  const std::string piece(std::size_t{16} << 10, 'x');
  for (int i = 0; i < 4; ++i) recorder.feed(frame(kData, i == 3 ? kEndStream : 0, 1, piece));
  for (int i = 0; i < 4; ++i) recorder.feed(frame(kData, 0, 3, piece));
  recorder.take_output();
  for (const std::uint32_t id : {1, 3}) {
    EXPECT_EQ(heard_in(recorder.output).answers.at(id).status, "200");
    EXPECT_EQ(heard_in(recorder.output).answers.at(id).reset, std::nullopt) << "some comes on";
  }
  recorder.feed(frame(kData, 0, 3, "x"));
  recorder.take_output();
  EXPECT_EQ(heard_in(recorder.output).answers.at(3).reset, NGHTTP2_NO_ERROR)
      << "RFC 9113 section 8.1";
}

}  // namespace
}  // namespace spillway::wire
