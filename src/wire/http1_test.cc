#include "wire/http.h"
#include "wire/session_recorder.h"

namespace spillway::wire {
namespace {

using Answers = SessionRecorder::Answers;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string without_continue(std::string output) {
  const auto at = output.find(kContinue);
  return at == std::string::npos ? output : output.erase(at, kContinue.size());
}

// The statuses of the answers in `output`, which holds nothing else.
std::vector<int> statuses_of(std::string_view output, bool head_only = false) {
  std::vector<int> statuses;
  while (!output.empty()) {
    const auto head_end = output.find("\r\n\r\n");
    EXPECT_TRUE(output.starts_with("HTTP/1.1 ") && head_end != std::string_view::npos) << output;
    if (head_end == std::string_view::npos) break;
    statuses.push_back(std::stoi(std::string(output.substr(9, 3))));
    const std::string_view head = output.substr(0, head_end);
    output.remove_prefix(head_end + 4);
    const auto length = head.find("Content-Length: ");
    if (length == std::string_view::npos || head_only) continue;
    output.remove_prefix(std::stoul(std::string(head.substr(length + 16))));
  }
  return statuses;
}

// Small, so that the table's texts are small.
HttpLimits small_limits() {
  HttpLimits limits;
  limits.header_bytes = 300;
  limits.header_count = 5;
  limits.body_bytes = 50;
  limits.pipelined = 3;
  return limits;
}

struct Case {
  const char* name;
  std::string input;
  std::vector<std::string> requests;  // as SessionRecorder has them
  std::vector<int> statuses;
  bool stays_open = true;
};

std::vector<Case> cases() {
  const std::string host = "Host: h\r\n";
  const std::string get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string post = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
  return {
      {"a request without a body", get, {"GET /a "}, {200}},
      {"a body", post, {"POST /b hello"}, {200}},
      {"an empty body",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
       {"POST / "},
       {200}},
      {"names in any case",
       "POST / HTTP/1.1\r\nhOST: h\r\ncontent-LENGTH: 1\r\n\r\nx",
       {"POST / x"},
       {200}},
      {"pipelined", get + post + get, {"GET /a ", "POST /b hello", "GET /a "}, {200, 200, 200}},
      {"more than may wait",
       get + get + get + get + get + get,
       {"GET /a ", "GET /a ", "GET /a ", "GET /a ", "GET /a ", "GET /a "},
       {200, 200, 200, 200, 200, 200}},
      {"empty lines before a request", "\r\n\r\n" + get, {"GET /a "}, {200}},
      {"the absolute form", "GET http://x:1/a?b HTTP/1.1\r\nHost: h\r\n\r\n", {"GET /a?b "}, {200}},
      {"the absolute form without a path",
       "GET http://x HTTP/1.1\r\nHost: h\r\n\r\n",
       {"GET / "},
       {200}},
      {"a body that looks like a request",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 28\r\n\r\n" + get,
       {"POST / " + get},
       {200}},
      {"an expectation",
       "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
       {"POST / ab"},
       {200}},
      {"close",
       "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + get,
       {"GET / "},
       {200},
       false},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n" + get, {"GET / "}, {200}, false},
      {"HTTP/1.0, kept",
       "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
       {"GET / ", "GET /a "},
       {200, 200}},

      {"no request", "hello\r\n\r\n", {}, {400}, false},
      {"a bad request behind a good one",
       get + "hello\r\n\r\n" + get,
       {"GET /a "},
       {200, 400},
       false},
      {"another version", "GET / HTTP/3.0\r\n" + host + "\r\n", {}, {505}, false},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", {}, {400}, false},
      {"two Hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", {}, {400}, false},
      {"a bare LF", "GET / HTTP/1.1\nHost: h\n\n", {}, {400}, false},
      {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", {}, {400}, false},
      {"a folded line", "GET / HTTP/1.1\r\nHost: h\r\n\tx\r\n\r\n", {}, {400}, false},
      {"two lengths",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
       {},
       {400},
       false},
      {"a list of lengths",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1, 1\r\n\r\nx",
       {},
       {400},
       false},
      {"a length with a sign",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\nx",
       {},
       {400},
       false},
      {"chunks",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
       {},
       {411},
       false},
      {"a coding that is none, behind a tab",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\tchunked\r\n\r\n",
       {},
       {411},
       false},
      {"a space before the colon",
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n",
       {},
       {400},
       false},
      {"a name with a control character",
       "POST / HTTP/1.1\r\n" + host + "Content-Length\x0b: 1\r\n\r\nx",
       {},
       {400},
       false},
      {"a CR within a value",
       "POST / HTTP/1.1\r\n" + host + "A: b\rContent-Length: 1\r\n\r\n",
       {},
       {400},
       false},
      {"a CR before the CRLF", "POST / HTTP/1.1\r\n" + host + "A: b\r\r\n\r\n", {}, {400}, false},
      {"a first header that begins with a space",
       "POST / HTTP/1.1\r\n Content-Length: 1\r\n" + host + "\r\nx",
       {},
       {400},
       false},
      {"a length in hexadecimal",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x1\r\n\r\nx",
       {},
       {400},
       false},
      {"chunks and a length",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       {},
       {400},
       false},
      {"another expectation",
       "POST / HTTP/1.1\r\n" + host + "Expect: more\r\nContent-Length: 1\r\n\r\nx",
       {},
       {417},
       false},
      {"a body at the limit",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 50\r\n\r\n" + std::string(50, 'x'),
       {"POST / " + std::string(50, 'x')},
       {200}},
      {"a body over the limit",
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 51\r\n\r\n" + std::string(51, 'x'),
       {},
       {413},
       false},
      {"as many headers as may be",
       "GET / HTTP/1.1\r\n" + host + "A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n",
       {"GET / "},
       {200}},
      {"one header more",
       "GET / HTTP/1.1\r\n" + host + "A: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n",
       {},
       {431},
       false},
      {"a head at the limit",
       "GET /" + std::string(300 - 27, 'x') + " HTTP/1.1\r\n" + host + "\r\n",
       {"GET /" + std::string(300 - 27, 'x') + " "},
       {200}},
      {"a head over the limit",
       "GET /" + std::string(300 - 26, 'x') + " HTTP/1.1\r\n" + host + "\r\n",
       {},
       {431},
       false},
  };
}

void check(const Case& test, const SessionRecorder& got, std::string_view how) {
  SCOPED_TRACE(fmt::format("{}, {}", test.name, how));
  EXPECT_EQ(got.requests, test.requests);
  EXPECT_EQ(statuses_of(without_continue(got.output)), test.statuses);
  EXPECT_EQ(got.session->finished(), !test.stays_open);
  EXPECT_EQ(got.session->active_requests(), 0u);
}

TEST(Http1, ReadsTheSameHoweverItsInputIsCut) {
  for (const auto& test : cases()) {
    SessionRecorder whole(make_http1_session, small_limits());
    whole.feed(test.input);
    check(test, whole, "whole");
    for (const std::size_t piece : {1, 2, 3, 7}) {
      SessionRecorder pieces(make_http1_session, small_limits());
      pieces.feed(test.input, piece);
      check(test, pieces, fmt::format("in pieces of {}", piece));
      EXPECT_EQ(without_continue(pieces.output), without_continue(whole.output)) << test.name;
    }
    for (std::size_t cut = 1; cut < test.input.size(); ++cut) {
      SessionRecorder two(make_http1_session, small_limits());
      if (two.feed(test.input.substr(0, cut))) two.feed(test.input.substr(cut));
      check(test, two, fmt::format("cut at {}", cut));
    }
  }
}

TEST(Http1, AnswersInTheOrderOfTheRequests) {
  SessionRecorder recorder(make_http1_session, small_limits(), Answers::kByHand);
  for (const char* path : {"/1", "/2", "/3", "/4"})
    recorder.feed(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path));
  EXPECT_EQ(recorder.session->active_requests(), 3u) << "the fourth has to wait";
  EXPECT_FALSE(recorder.session->wants_input());
  recorder.answer(3, "third");
  recorder.answer(2, "second");
  EXPECT_THAT(recorder.output, IsEmpty()) << "the first is not answered yet";
  EXPECT_FALSE(recorder.session->wants_input());
  recorder.answer(1, "first");
  EXPECT_THAT(statuses_of(recorder.output), ElementsAre(200, 200, 200));
  EXPECT_LT(recorder.output.find("first"), recorder.output.find("second"));
  EXPECT_LT(recorder.output.find("second"), recorder.output.find("third"));
  EXPECT_TRUE(recorder.session->wants_input());
}

TEST(Http1, StopsReadingWhileTooMuchIsUnsent) {
  HttpLimits limits;
  limits.unsent_bytes = 1000;
  SessionRecorder recorder(make_http1_session, limits, Answers::kByHand);
  ASSERT_TRUE(recorder.session->receive("GET / HTTP/1.1\r\nHost: h\r\n\r\n").ok());
  Response response;
  response.body.push_back(SharedBytes::copy_of(std::string(2000, 'x')));
  recorder.open.clear();
  recorder.session->respond(1, std::move(response));
  EXPECT_FALSE(recorder.session->wants_input());
  recorder.take_output();
  EXPECT_TRUE(recorder.session->wants_input());
}

TEST(Http1, TellsAClientToGoOnOnlyWhenItWaits) {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  SessionRecorder waits(make_http1_session);
  waits.feed(head);
  EXPECT_EQ(waits.output, kContinue);
  waits.feed("ab");
  EXPECT_THAT(waits.requests, ElementsAre("POST / ab"));

  SessionRecorder has_sent(make_http1_session);
  has_sent.feed(head + "ab");
  EXPECT_THAT(statuses_of(has_sent.output), ElementsAre(200));

  // Answered instead: whether the body still comes is not known, so nothing may follow.
  SessionRecorder refused(make_http1_session, {}, Answers::kAtHead);
  refused.feed(head);
  EXPECT_THAT(statuses_of(refused.output), ElementsAre(200));
  EXPECT_THAT(refused.output, HasSubstr("Connection: close"));
}

TEST(Http1, AnAnswerMayComeBeforeTheBodyEnds) {
  SessionRecorder recorder(make_http1_session, {}, Answers::kAtHead);
  recorder.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
  EXPECT_THAT(statuses_of(recorder.output), ElementsAre(200));
  recorder.feed("cdGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(recorder.requests, ElementsAre("POST / abcd", "GET /next "));
  EXPECT_THAT(statuses_of(recorder.output), ElementsAre(200, 200));
}

TEST(Http1, AnOpenAnswerGoesOnInChunks) {
  SessionRecorder recorder(make_http1_session, {}, Answers::kByHand);
  recorder.feed("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  recorder.answer(2, "second");
  recorder.begin_answer(1, "");
  EXPECT_THAT(recorder.output, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(recorder.output, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(recorder.output, EndsWith("\r\n\r\n")) << "an empty chunk would end the body";
  recorder.output.clear();
  recorder.go_on(1, "0123456789abcdef");
  EXPECT_EQ(recorder.output, "10\r\n0123456789abcdef\r\n");
  EXPECT_EQ(recorder.session->active_requests(), 2u);
  recorder.go_on(1, "x", true);
  EXPECT_THAT(recorder.output, HasSubstr("1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK"));
  EXPECT_THAT(recorder.output, EndsWith("second"));
  EXPECT_EQ(recorder.session->active_requests(), 0u);
  EXPECT_TRUE(recorder.session->wants_input());
}

TEST(Http1, AnOpenAnswerOfVersion10EndsWithTheConnection) {
  SessionRecorder recorder(make_http1_session, {}, Answers::kByHand);
  recorder.feed("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  recorder.begin_answer(1, "first ");
  recorder.go_on(1, "second");
  EXPECT_THAT(recorder.output, EndsWith("\r\n\r\nfirst second"));
  EXPECT_THAT(recorder.output, Not(HasSubstr("chunked")));
  EXPECT_THAT(recorder.output, HasSubstr("Connection: close"));
  EXPECT_FALSE(recorder.session->finished());
  recorder.go_on(1, "", true);
  EXPECT_TRUE(recorder.session->finished());
}

TEST(Http1, TellsHowMuchOfAnOpenAnswerWaits) {
  SessionRecorder recorder(make_http1_session, {}, Answers::kByHand);
  recorder.feed("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  recorder.begin_answer(2, "behind");
  EXPECT_EQ(recorder.session->unsent_body(2), 6u);
  recorder.begin_answer(1, "");
  EXPECT_EQ(recorder.session->unsent_body(1), 0u);
  recorder.session->continue_body(1, SharedBytes::copy_of(std::string(5000, 'x')), false);
  EXPECT_GE(recorder.session->unsent_body(1), 5000u);
  recorder.take_output();
  EXPECT_EQ(recorder.session->unsent_body(1), 0u);
}

TEST(Http1, AnswersToHeadHaveNoBody) {
  SessionRecorder recorder(make_http1_session);
  recorder.feed("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(statuses_of(recorder.output, true), ElementsAre(200, 200));
  EXPECT_THAT(recorder.output, HasSubstr("Content-Length: 7\r\n"));
}

// How a connection ends: at a point of a request, by the server's drain, a timeout, or the client.
enum class End { kDrain, kTimeOut, kEndOfInput };
struct Ending {
  const char* name;
  std::string input;  // then the end
  End end;
  std::string rest;                   // and what still comes
  std::vector<std::string> requests;  // in all
  std::vector<int> statuses;
  bool finished = true;
};

TEST(Http1, EndsAsItShould) {
  const std::string get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
  const Ending endings[] = {
      {"drained before any request", "", End::kDrain, get, {}, {}},
      {"drained between requests", get, End::kDrain, get, {"GET / "}, {200}},
      {"drained within a head",
       "GET / HT",
       End::kDrain,
       "TP/1.1\r\nHost: h\r\n\r\n" + get,
       {"GET / "},
       {200}},
      {"drained within a body", head + "ab", End::kDrain, "cd" + get, {"POST / abcd"}, {200}},
      {"timed out before any request", "", End::kTimeOut, get, {"GET / "}, {200}, false},
      {"timed out within a head", "GET / HT", End::kTimeOut, "", {}, {408}},
      {"timed out within a body", head + "ab", End::kTimeOut, "", {"aborted POST / ab"}, {408}},
      {"timed out within a second head", get + "GET", End::kTimeOut, "", {"GET / "}, {200, 408}},
      {"ended before any request", "", End::kEndOfInput, "", {}, {}},
      {"ended between requests", get, End::kEndOfInput, "", {"GET / "}, {200}},
      {"ended within a head", "GET / HT", End::kEndOfInput, "", {}, {400}},
      {"ended within a body", head + "ab", End::kEndOfInput, "", {"aborted POST / ab"}, {400}},
      {"ended within a second head", get + "GET", End::kEndOfInput, "", {"GET / "}, {200, 400}},
  };
  for (const auto& test : endings) {
    SCOPED_TRACE(test.name);
    SessionRecorder recorder(make_http1_session);
    recorder.feed(test.input);
    if (test.end == End::kDrain) recorder.session->drain();
    if (test.end == End::kTimeOut) recorder.session->time_out();
    if (test.end == End::kEndOfInput) recorder.session->end_of_input();
    recorder.take_output();
    recorder.feed(test.rest);
    EXPECT_EQ(recorder.requests, test.requests);
    EXPECT_EQ(statuses_of(recorder.output), test.statuses);
    EXPECT_EQ(recorder.session->finished(), test.finished);
    if (!test.statuses.empty() && test.statuses.back() != 200) {
      EXPECT_THAT(recorder.output, HasSubstr("Connection: close"));
    }
  }
}

TEST(Http1, RequestsUnderWayAreAnsweredBeforeTheEnd) {
  for (const End end : {End::kDrain, End::kEndOfInput}) {
    SessionRecorder recorder(make_http1_session, {}, Answers::kByHand);
    recorder.feed("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    if (end == End::kDrain) recorder.session->drain();
    if (end == End::kEndOfInput) recorder.session->end_of_input();
    EXPECT_FALSE(recorder.session->finished());
    recorder.answer(1, "one");
    EXPECT_FALSE(recorder.session->finished());
    EXPECT_THAT(recorder.output, testing::Not(HasSubstr("Connection: close")));
    recorder.answer(2, "two");
    EXPECT_TRUE(recorder.session->finished());
    EXPECT_THAT(recorder.output, HasSubstr("Connection: close"));
    EXPECT_THAT(statuses_of(recorder.output), ElementsAre(200, 200));
  }
}

TEST(Http1, TellsProtocolsApart) {
  EXPECT_EQ(detect_protocol(""), std::nullopt);
  const std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (std::size_t size = 1; size < preface.size(); ++size) {
    EXPECT_EQ(detect_protocol(preface.substr(0, size)), std::nullopt) << size;
    const std::string other = std::string(preface.substr(0, size)) + "?";
    EXPECT_EQ(detect_protocol(other), Protocol::kHttp1) << size;
  }
  EXPECT_EQ(detect_protocol(preface), Protocol::kHttp2);
  EXPECT_EQ(detect_protocol("\x16\x03\x01"), Protocol::kTls);
  EXPECT_EQ(detect_protocol("POST / HTTP/1.1"), Protocol::kHttp1);
}

}  // namespace
}  // namespace spillway::wire
