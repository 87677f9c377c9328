// What clients that don't take their answers cost, over real sockets.
#include "server/http_server.h"

#include "io/asio_loop.h"
#include "io/event_log.h"

namespace spillway::server {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLarge = 32 * kMiB;

// "/large" gets a body of kLarge, shared by all answers; any other path a small one.
class LargeAnswers final : public RequestHandler {
 public:
  std::unique_ptr<BodyReader> on_request(io::EventLoop&, Peer, wire::RequestHead head,
                                         Responder responder) override {
    wire::Response response;
    response.body.push_back(head.target == "/large" ? large_ : small_);
    responder.respond(std::move(response));
    return nullptr;
  }
  wire::Response refuse(Refusal) override { return {.status = 503}; }

 private:
  const SharedBytes large_ = SharedBytes::copy_of(std::string(kLarge, 'x'));
  const SharedBytes small_ = SharedBytes::copy_of("small");
};

class AnswerMemoryTest : public testing::Test {
 protected:
  AnswerMemoryTest() : server_(loops_, options(), handler_, metrics_, log_) {
    EXPECT_TRUE(server_.listen().ok());
  }
  ~AnswerMemoryTest() override {
    clients_.clear();
    server_.drain(seconds(0), [this] { loop_.stop(); });
    loop_.run();
  }
  static HttpServerOptions options() {
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    options.answer_memory = 2 * kLarge;
    return options;
  }

  // The status of the answer, of which a client that stays takes the first bytes and no more.
  std::string ask(std::string_view path) {
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path);
    const std::string_view part = request;
    std::array<char, 12> begin{};  // "HTTP/1.1 200"
    loop_.connect("127.0.0.1:" + std::to_string(server_.port()),
                  [&](Result<std::unique_ptr<io::ByteStream>> stream) {
                    clients_.push_back(std::move(stream).value());
                    auto& client = *clients_.back();
                    client.write({&part, 1}, [](const Status& sent) { EXPECT_TRUE(sent.ok()); });
                    client.read(begin, [this](Result<std::size_t> got) {
                      EXPECT_EQ(got.ok() ? *got : 0, 12u);
                      loop_.stop();
                    });
                  });
    loop_.run();
    return {begin.begin() + 9, begin.end()};
  }

  io::AsioLoop loop_;
  std::array<io::EventLoop*, 1> loops_{&loop_};
  LargeAnswers handler_;
  metrics::Registry metrics_;
  io::SilentLog log_;
  HttpServer server_;
  std::vector<std::unique_ptr<io::ByteStream>> clients_;
};

// Twice answer_memory, whatever the number of connections: an idle one is no reason for more.
TEST_F(AnswerMemoryTest, HasAHardBoundOverAllConnections) {
  std::size_t given = 0;
  for (int i = 0; i < 20; ++i) given += ask("/large") == "200" ? 1 : 0;
  EXPECT_GE(given, 4u);
  EXPECT_LE(given, 6u) << "the system itself has taken some of each";
  EXPECT_EQ(ask("/small"), "200") << "others are served";
  EXPECT_EQ(ask("/large"), "503");
  auto& refused =
      metrics_.counter("spillway_http_answers_refused_total", "", {{"listener", "api"}});
  EXPECT_EQ(refused.value(), 21 - given);
  clients_.clear();  // what they held is free again
  loop_.post([this] { loop_.stop(); });
  loop_.run();
  std::string later = "503";
  for (int i = 0; i < 1000 && later != "200"; ++i) later = ask("/large");
  EXPECT_EQ(later, "200");
}

}  // namespace
}  // namespace spillway::server
