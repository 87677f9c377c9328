// Answers that are given as they come, over both versions of HTTP. What both clients do with whole
// ones is in server/client_test.cc.
#include "wire/http_client.h"

namespace spillway::wire {
namespace {

using testing::ElementsAre;

struct Told final : ResponseSink {
  void on_body(RequestId id, std::string_view bytes) override {
    body += bytes;
    if (cancel_inside) client->cancel(id);
  }
  void on_response(RequestId, ClientResponse response) override {
    ended.push_back(fmt::format("{} '{}'", response.status, response.body));
  }
  void on_failure(RequestId, Error error) override { ended.push_back(error.message); }

  ClientSession* client = nullptr;
  bool cancel_inside = false;
  std::string body;
  std::vector<std::string> ended;
};

const RequestHead kHead{.method = "POST", .target = "/", .headers = {{"Host", "here"}}};

struct Http1Case {
  std::string answer;
  std::string body;
  std::string ended;
};

TEST(Http1Client, AnswersAsTheyCome) {
  const Http1Case cases[] = {
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
       "abc0123456789", "200 ''"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", "200 ''"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", "200 ''"},
      {"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n", "",
       "400 'why'"},
  };
  for (const auto& one : cases) {
    for (std::size_t cut = 0; cut <= one.answer.size(); ++cut) {
      Told told;
      const auto client = make_http1_client(told, {.body_bytes = 4});
      client->send(1, kHead, SharedBytes::copy_of("body"), BodyWay::kAsItComes);
      for (const auto& part : {one.answer.substr(0, cut), one.answer.substr(cut)}) {
        if (part.empty()) continue;
        ASSERT_TRUE(client->receive(part).ok()) << one.answer << cut;
      }
      EXPECT_EQ(told.body, one.body) << cut;
      EXPECT_THAT(told.ended, ElementsAre(one.ended)) << cut;
    }
  }
}

TEST(Http1Client, AnAnswerThatComesMayBeCancelledFromInside) {
  Told told;
  told.cancel_inside = true;
  const auto client = make_http1_client(told, {});
  told.client = client.get();
  client->send(1, kHead, {}, BodyWay::kAsItComes);
  EXPECT_TRUE(
      client->receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n")
          .ok());
  EXPECT_EQ(told.body, "a");
  EXPECT_TRUE(client->closing());
  EXPECT_TRUE(told.ended.empty());
}

// The server's side: keeps the answers that it is asked for open.
struct Asked final : RequestSink {
  void on_head(RequestId id, RequestHead) override { ids.push_back(id); }
  void on_body(RequestId, std::string_view) override {}
  void on_end(RequestId) override {}
  void on_abort(RequestId) override {}
  std::vector<RequestId> ids;
};

template <typename From, typename To>
void pass(From& from, To& to) {
  for (auto parts = from.pending_output(); !parts.empty(); parts = from.pending_output()) {
    std::size_t size = 0;
    for (const auto part : parts) {
      ASSERT_TRUE(to.receive(part).ok());
      size += part.size();
    }
    from.sent(size);
  }
}

TEST(Http2Client, AnswersAsTheyComeBesideWholeOnes) {
  const std::string date;
  Asked asked;
  Told told;
  const auto server = make_http2_session(asked, {}, date);
  const auto client = make_http2_client(told, {.body_bytes = 4});
  const auto settle = [&] {
    for (int i = 0; i < 4; ++i) {
      pass(*client, *server);
      pass(*server, *client);
    }
  };
  settle();
  for (const auto way : {BodyWay::kAsItComes, BodyWay::kWhole, BodyWay::kAsItComes})
    client->send(static_cast<RequestId>(way == BodyWay::kWhole), kHead,
                 SharedBytes::copy_of("body"), way);
  settle();
  ASSERT_EQ(asked.ids.size(), 3u);
  server->respond(asked.ids[0], {.body = {SharedBytes::copy_of("first ")}, .open = true});
  server->respond(asked.ids[1], {.body = {SharedBytes::copy_of("all")}});
  server->respond(asked.ids[2], {.status = 400, .body = {SharedBytes::copy_of("why")}});
  settle();
  EXPECT_EQ(told.body, "first ");
  EXPECT_THAT(told.ended, ElementsAre("200 'all'", "400 'why'"));
  server->continue_body(asked.ids[0], SharedBytes::copy_of(std::string(100'000, 'x')), false);
  settle();
  EXPECT_EQ(told.body, "first " + std::string(100'000, 'x'));
  server->continue_body(asked.ids[0], {}, true);
  settle();
  EXPECT_THAT(told.ended, ElementsAre("200 'all'", "400 'why'", "200 ''"));
}

}  // namespace
}  // namespace spillway::wire
