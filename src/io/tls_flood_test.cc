// A client of TLS 1.3 that asks for key updates without an end, against the server's side in
// memory.
#include <openssl/ssl.h>

#include "io/certificate.h"
#include "io/manual_loop.h"
#include "io/tls.h"

namespace spillway::io {
namespace {

constexpr std::size_t kKiB = 1024;

// The server's transport. It must outlive what is posted.
class MemoryStream final : public ByteStream {
 public:
  struct Ends {
    std::string to_server;
    std::string to_client;
    std::size_t taken = 0;  // by the server
    bool client_takes = true;
    MemoryStream* stream = nullptr;
  };
  MemoryStream(EventLoop& loop, Ends& ends) : loop_(loop), ends_(ends) { ends_.stream = this; }

  void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) override {
    into_ = into;
    read_done_ = std::move(done);
    give();
  }
  void write(std::span<const std::string_view> parts, UniqueFunction<void(Status)> done) override {
    for (const auto part : parts) ends_.to_client += part;
    if (ends_.client_takes)
      loop_.post([done = std::move(done)]() mutable { done({}); });
    else
      write_done_ = std::move(done);
  }
  void shut_down_write() override {}
  std::string peer_address() const override { return "127.0.0.1:1"; }

  void give() {
    if (!read_done_ || ends_.to_server.empty()) return;
    const std::size_t size = std::min(into_.size(), ends_.to_server.size());
    ends_.to_server.copy(into_.data(), size);
    ends_.to_server.erase(0, size);
    ends_.taken += size;
    loop_.post([done = std::exchange(read_done_, nullptr), size]() mutable { done(size); });
  }

 private:
  EventLoop& loop_;
  Ends& ends_;
  std::span<char> into_;
  UniqueFunction<void(Result<std::size_t>)> read_done_;
  UniqueFunction<void(Status)> write_done_;
};

class TlsFloodTest : public testing::Test {
 protected:
  TlsFloodTest()
      : context_(SSL_CTX_new(TLS_client_method())),
        ssl_(SSL_new(context_)),
        in_(BIO_new(BIO_s_mem())),
        out_(BIO_new(BIO_s_mem())) {
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    const auto issued =
        issue_certificate(std::vector<std::string>{"localhost"}, loop_.wall_now()).value();
    server_ = accept_tls(TlsContext::make(issued.certificate, issued.key).value(), loop_,
                         std::make_unique<MemoryStream>(loop_, ends_), "");
    read();
    while (SSL_do_handshake(ssl_) != 1) exchange();
    exchange();
    ends_.taken = 0;
  }
  ~TlsFloodTest() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  void read() {
    server_->read(received_, [this](Result<std::size_t> got) { got_ = std::move(got); });
  }
  // Carries what there is in both directions.
  void exchange() {
    std::array<char, 16 * kKiB> bytes;
    for (int size = 0; (size = BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()))) > 0;)
      ends_.to_server.append(bytes.data(), static_cast<std::size_t>(size));
    if (ends_.stream != nullptr) ends_.stream->give();
    loop_.run();
    if (!ends_.client_takes || ends_.to_client.empty()) return;
    BIO_write(in_, ends_.to_client.data(), static_cast<int>(ends_.to_client.size()));
    ends_.to_client.clear();
    if (SSL_is_init_finished(ssl_) == 0) return;
    EXPECT_LE(SSL_read(ssl_, bytes.data(), 1), 0);
  }
  // Until so many bytes were sent, or the server's read has ended.
  void flood(std::size_t most) {
    for (std::size_t sent = 0; sent < most && !got_;) {
      ASSERT_EQ(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED), 1);
      ASSERT_EQ(SSL_do_handshake(ssl_), 1);
      sent += static_cast<std::size_t>(BIO_pending(out_));
      exchange();
    }
  }

  ManualLoop loop_;
  MemoryStream::Ends ends_;
  std::unique_ptr<ByteStream> server_;
  std::array<char, 100> received_;
  std::optional<Result<std::size_t>> got_;

  SSL_CTX* const context_;
  SSL* const ssl_;
  BIO* const in_;  // of ssl_'s; so is out_
  BIO* const out_;
};

TEST_F(TlsFloodTest, WhoTakesNothingIsNotReadFurther) {
  ends_.client_takes = false;
  flood(1024 * kKiB);
  EXPECT_FALSE(got_.has_value()) << "it is for deadlines to end that";
  EXPECT_LT(ends_.taken, 128 * kKiB);
  EXPECT_LT(ends_.to_client.size(), 128 * kKiB);
}

TEST_F(TlsFloodTest, KeyUpdatesWithoutDataAreCutOff) {
  flood(1024 * kKiB);
  ASSERT_TRUE(got_.has_value());
  EXPECT_EQ(got_->error().code, ErrorCode::kInvalid);
  EXPECT_EQ(got_->error().message, "TLS: too much without any data");
  EXPECT_LT(ends_.taken, 300 * kKiB);
}

TEST_F(TlsFloodTest, WithDataBetweenThemTheyMayGoOn) {
  for (int i = 0; i < 4; ++i) {
    flood(128 * kKiB);
    ASSERT_FALSE(got_.has_value());
    ASSERT_EQ(SSL_write(ssl_, "x", 1), 1);
    exchange();
    ASSERT_TRUE(got_.has_value() && got_->ok());
    got_.reset();
    read();
  }
}

}  // namespace
}  // namespace spillway::io
