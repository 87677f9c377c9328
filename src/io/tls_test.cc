// Both sides of TLS against each other, over real sockets.
#include "io/tls.h"

#include "io/asio_loop.h"
#include "io/certificate.h"

namespace spillway::io {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TlsTest : public testing::Test {
 protected:
  // A server that answers what it is sent, in capital letters; without `secure` one that knows no
  // TLS.
  void serve(std::vector<std::string> names, bool secure = true) {
    issued_ = issue_certificate(names, loop_.wall_now()).value();
    const auto context = TlsContext::make(issued_.certificate, issued_.key).value();
    listener_ = loop_
                    .listen("127.0.0.1:0", false,
                            [this, context, secure](std::unique_ptr<ByteStream> stream) {
                              served_ = secure ? accept_tls(context, loop_, std::move(stream), "")
                                               : std::move(stream);
                              served_->read(received_, [this, secure](Result<std::size_t> got) {
                                if (!got.ok()) return;
                                answer(secure ? std::string_view(received_.data(), *got)
                                              : "HTTP/1.1 400 Bad Request\r\n\r\n");
                              });
                            })
                    .value();
  }
  void answer(std::string_view text) {
    answer_.clear();
    for (const char c : text) answer_ += static_cast<char>(std::toupper(c));
    const std::string_view part = answer_;
    served_->write({&part, 1}, [](const Status&) {});
  }

  // What a client that asks for `host` is told: the answer to "hello", or why there is none.
  std::string ask(const std::string& host, std::string_view authority,
                  std::string_view protocol = "http/1.1") {
    const auto trust = TlsContext::make_client(authority).value();
    std::string told;
    loop_.connect("127.0.0.1:" + std::to_string(listener_->port()),
                  [&](Result<std::unique_ptr<ByteStream>> stream) {
                    handshake_ = connect_tls(
                        trust, loop_, std::move(stream).value(), host, protocol,
                        [&](Result<std::unique_ptr<ByteStream>> secured) {
                          handshake_ = nullptr;
                          if (!secured.ok()) {
                            told = fmt::format("{}: {}", static_cast<int>(secured.error().code),
                                               secured.error().message);
                            return loop_.stop();
                          }
                          asked_ = *std::move(secured);
                          exchange(told);
                        });
                  });
    loop_.run();
    asked_ = nullptr;
    served_ = nullptr;
    return told;
  }
  void exchange(std::string& told) {
    static constexpr std::string_view kHello = "hello";
    asked_->write({&kHello, 1}, [](const Status& written) { EXPECT_TRUE(written.ok()); });
    asked_->read(answered_, [&](Result<std::size_t> got) {
      told = got.ok() ? std::string(answered_.data(), *got) : got.error().message;
      loop_.stop();
    });
  }
  static std::string error(ErrorCode code, std::string_view text) {
    return fmt::format("{}: {}", static_cast<int>(code), text);
  }

  AsioLoop loop_;
  IssuedCertificate issued_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<ByteStream> served_;
  std::unique_ptr<ByteStream> asked_;
  std::unique_ptr<TlsHandshake> handshake_;
  std::array<char, 100> received_;
  std::array<char, 100> answered_;
  std::string answer_;
};

TEST_F(TlsTest, AServerIsWhoItsCertificateNames) {
  serve({"localhost", "127.0.0.1", "::1"});
  for (const char* host : {"localhost", "127.0.0.1", "::1"})
    EXPECT_EQ(ask(host, issued_.authority), "HELLO") << host;
  for (const char* host : {"other.host", "localhost.example", "127.0.0.2"}) {
    EXPECT_THAT(ask(host, issued_.authority),
                StartsWith(error(ErrorCode::kDenied, "the server's certificate is not trusted: ")))
        << host;
  }
}

TEST_F(TlsTest, OnlyThoseWhoAreTrustedVouchForIt) {
  serve({"localhost"});
  const auto other =
      issue_certificate(std::vector<std::string>{"localhost"}, loop_.wall_now()).value();
  EXPECT_THAT(ask("localhost", other.authority),
              StartsWith(error(ErrorCode::kDenied, "the server's certificate is not trusted: ")));
  EXPECT_EQ(ask("localhost", other.authority + issued_.authority), "HELLO");
  EXPECT_THAT(ask("localhost", ""),
              StartsWith(error(ErrorCode::kDenied, "the server's certificate is not trusted: ")))
      << "this system doesn't";
}

TEST_F(TlsTest, BothVersionsOfHttpAreSpoken) {
  serve({"localhost"});
  EXPECT_EQ(ask("localhost", issued_.authority, "h2"), "HELLO");
  EXPECT_EQ(ask("localhost", issued_.authority, "spdy/3"),
            error(ErrorCode::kUnsupported, "the server doesn't speak spdy/3"));
}

TEST_F(TlsTest, AServerWithoutTlsIsToldApart) {
  serve({"localhost"}, false);
  EXPECT_THAT(ask("localhost", issued_.authority),
              StartsWith(error(ErrorCode::kInvalid, "TLS handshake: ")));
}

TEST_F(TlsTest, AServerThatHangsUpInTheHandshakeSaysNothingOfWhatItWasAsked) {
  serve({"localhost"});
  listener_ = loop_
                  .listen("127.0.0.1:0", false,
                          [this](std::unique_ptr<ByteStream> stream) {
                            served_ = std::move(stream);
                            served_->shut_down_write();
                          })
                  .value();
  EXPECT_EQ(ask("localhost", issued_.authority),
            error(ErrorCode::kIo, "the server closed the connection in the handshake"));
}

TEST_F(TlsTest, AHandshakeCanBeCalledOff) {
  serve({"localhost"});
  const auto trust = TlsContext::make_client(issued_.authority).value();
  loop_.connect("127.0.0.1:" + std::to_string(listener_->port()),
                [&](Result<std::unique_ptr<ByteStream>> stream) {
                  handshake_ =
                      connect_tls(trust, loop_, std::move(stream).value(), "localhost", "h2",
                                  [](const auto&) { FAIL() << "nobody waits for it"; });
                  loop_.post([this] {
                    handshake_ = nullptr;
                    loop_.post([this] { loop_.stop(); });
                  });
                });
  loop_.run();
}

TEST_F(TlsTest, AuthoritiesThatAreNoneAreRefused) {
  const auto refused = TlsContext::make_client("nothing of the kind");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("no certificate in PEM"));
}

}  // namespace
}  // namespace spillway::io
