// Ports that other machines reach, over real sockets: what comes there without a key, or over plain
// HTTP where that isn't taken.
#include "auth/sigv4.h"
#include "server/dispatch.h"
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Says what it is asked, and by whom.
class Witness final : public RequestHandler {
 public:
  std::unique_ptr<BodyReader> on_request(io::EventLoop&, Peer peer, wire::RequestHead,
                                         Responder responder) override {
    ++requests;
    wire::Response response;
    response.status = peer.exposed ? 201 : 200;
    responder.respond(std::move(response));
    return nullptr;
  }
  wire::Response refuse(Refusal why) override {
    return {.status = why == Refusal::kPlainHttp ? 403 : 503};
  }
  int requests = 0;
};

class ExposedPortTest : public KinesisApiTest {
 protected:
  // The whole answer of a server with these options to one request.
  std::string answer(RequestHandler& handler, HttpServerOptions options, wire::RequestHead head,
                     std::string_view body) {
    options.address = "127.0.0.1:0";
    HttpServer server(loops_, std::move(options), handler, metrics_, log_);
    EXPECT_TRUE(server.listen().ok());
    std::string request = fmt::format("{} {} HTTP/1.1\r\n", head.method, head.target);
    for (const auto& header : head.headers)
      request += fmt::format("{}: {}\r\n", header.name, header.value);
    request += fmt::format("Connection: close\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
    const std::string_view part = request;
    std::string got;
    std::array<char, 4096> buffer{};
    std::unique_ptr<io::ByteStream> client;
    const std::function<void()> read = [&] {
      client->read(buffer, [&](Result<std::size_t> size) {
        if (!size.ok() || *size == 0) return loop_.stop();
        got.append(buffer.data(), *size);
        read();
      });
    };
    loop_.connect(fmt::format("127.0.0.1:{}", server.port()),
                  [&](Result<std::unique_ptr<io::ByteStream>> stream) {
                    client = std::move(stream).value();
                    client->write({&part, 1}, [](const Status& sent) { EXPECT_TRUE(sent.ok()); });
                    read();
                  });
    loop_.run();
    client.reset();
    server.drain(seconds(0), [this] { loop_.stop(); });
    loop_.run();
    return got;
  }
  static wire::RequestHead head(std::string method) {
    wire::RequestHead head;
    head.method = std::move(method);
    head.target = "/";
    head.headers.push_back({"Host", "h"});
    return head;
  }

  std::array<io::EventLoop*, 1> loops_{&loop_};
};

TEST_F(ExposedPortTest, ItsHandlerIsTold) {
  Witness witness;
  EXPECT_THAT(answer(witness, {}, head("GET"), ""), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer(witness, {.exposed = true}, head("GET"), ""), StartsWith("HTTP/1.1 201"));
}

TEST_F(ExposedPortTest, PlainHttpIsRefusedWhereHttpsIsNeeded) {
  Witness witness;
  for (const std::string_view body : {"", "a body that nobody reads"}) {
    EXPECT_THAT(answer(witness, {.https_only = true}, head("POST"), body),
                StartsWith("HTTP/1.1 403"));
  }
  EXPECT_EQ(witness.requests, 0);
}

// Whatever becomes of the keys: a signature that nothing is held against opens nothing there.
TEST_F(ExposedPortTest, TheKinesisApiAsksForAKey) {
  auth::AuditOptions audit;
  audit.directory = directory_ + "/audit";
  auth::AuditLog audit_log(audit, disk_, clock_, workers_, metrics_, log_);
  Dispatch dispatch({}, loops_, *service_, std::make_shared<auth::KeyTable>(), audit_log, entropy_,
                    metrics_, log_);
  const auto ask = [&](bool exposed) {
    auto request = head("POST");
    request.headers.push_back({"Content-Type", "application/x-amz-json-1.1"});
    request.headers.push_back({"X-Amz-Target", "Kinesis_20131202.ListStreams"});
    auth::sign(request, "{}", {"AKIDANY", "any", ""}, "us-east-1", "kinesis", loop_.wall_now());
    return answer(dispatch, {.exposed = exposed}, std::move(request), "{}");
  };
  EXPECT_THAT(ask(false), StartsWith("HTTP/1.1 200"));
  const auto refused = ask(true);
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(refused, HasSubstr("UnrecognizedClientException"));
}

}  // namespace
}  // namespace spillway::server
