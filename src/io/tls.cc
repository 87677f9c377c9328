#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <span>
#include <vector>

#include "base/assert.h"

namespace spillway::io {

namespace {

// What is read at once: enough for a request as most are, so that a connection on which little
// comes holds little; and a record of TLS, once a read has filled that.
constexpr std::size_t kFirstReadBytes = 4 << 10;
constexpr std::size_t kReadBytes = 16 << 10;
constexpr int kUnsentMax = 64 << 10;  // encrypted behind a write; beyond, nothing is read
// Read on end without a byte for the reader. A record has 16 KiB, a handshake a few of them; what
// goes on with key updates alone costs a derivation of keys each, and has no use.
constexpr std::size_t kSilentMax = std::size_t{256} << 10;
constexpr std::string_view kProtocols("\x02h2\x08http/1.1", 12);

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string openssl_error() {
  std::array<char, 256> text{};
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason was given";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

// A key behind a password is refused: nobody is there to be asked.
int no_password(char*, int, int, void*) { return -1; }

Owned<BIO> bio_of(std::string_view bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, chosen_size,
                            reinterpret_cast<const unsigned char*>(kProtocols.data()),
                            static_cast<unsigned int>(kProtocols.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

class Context final : public TlsContext {
 public:
  explicit Context(Owned<SSL_CTX> context) : context_(std::move(context)) {}
  SSL_CTX* get() const { return context_.get(); }

 private:
  const Owned<SSL_CTX> context_;
};

// What the stream's calls and the transport's callbacks work on. The TlsStream (before, a client's
// handshake) owns it; a callback that destroys that leaves it alive until it has returned.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<TlsContext> context, EventLoop& loop,
          std::unique_ptr<ByteStream> transport)
      : context_(std::move(context)),
        loop_(loop),
        transport_(std::move(transport)),
        peer_(transport_->peer_address()),
        ssl_(SSL_new(static_cast<Context&>(*context_).get())),
        in_(BIO_new(BIO_s_mem())),
        out_(BIO_new(BIO_s_mem())) {
    SPILLWAY_ASSERT(ssl_ != nullptr && in_ != nullptr && out_ != nullptr);
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);  // which owns them now
  }

  void accept(std::string_view received) {
    SSL_set_accept_state(ssl_.get());
    feed(received);
  }
  // `done` is told when the handshake is over, or has failed.
  void connect(const std::string& host, std::string_view protocol,
               UniqueFunction<void(Status)> done) {
    SSL_set_connect_state(ssl_.get());
    expect_peer(host);
    protocol_ = protocol;
    const std::string offered = static_cast<char>(protocol.size()) + protocol_;
    SPILLWAY_ASSERT(SSL_set_alpn_protos(ssl_.get(),
                                        reinterpret_cast<const unsigned char*>(offered.data()),
                                        static_cast<unsigned int>(offered.size())) == 0);
    connect_done_ = std::move(done);
    post_advance();
  }

  void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) {
    into_ = into;
    read_done_ = std::move(done);
    post_advance();
  }
  void write(std::span<const std::string_view> parts, UniqueFunction<void(Status)> done) {
    parts_.assign(parts.begin(), parts.end());
    write_done_ = std::move(done);
    post_advance();
  }
  void shut_down_write() {
    shutting_down_ = true;
    post_advance();
  }
  // Nothing is called any more.
  void close() {
    closed_ = true;
    transport_ = nullptr;
    connect_done_ = nullptr;
    read_done_ = nullptr;
    write_done_ = nullptr;
  }
  const std::string& peer() const { return peer_; }

 private:
  void post_advance() {
    if (std::exchange(advance_is_due_, true)) return;
    loop_.post([self = shared_from_this()] {
      self->advance_is_due_ = false;
      self->advance();
    });
  }

  void feed(std::string_view bytes) {
    // A memory BIO takes all of it.
    SPILLWAY_ASSERT(BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) ==
                    static_cast<int>(bytes.size()));
  }

  // Goes as far as what is there allows. Calls back last, since that may end everything.
  void advance() {
    if (closed_) return;
    const auto self = shared_from_this();
    shake_hands();
    encrypt();
    send();
    if (wrote_all() && write_done_) {
      auto done = std::exchange(write_done_, nullptr);
      done(write_error_ ? Status(*write_error_) : failure_ ? Status(*failure_) : Status());
      if (closed_) return;
    }
    tell_connected();
    if (closed_) return;
    give();
    if (closed_) return;
    send();  // what reading brought about: an alert, a key update
    receive();
  }

  void shake_hands() {
    if (failure_ || SSL_is_init_finished(ssl_.get())) return;
    forget_errors();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return check_protocol();
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (judge(result, "handshake") && verdict != X509_V_OK) {
      failure_ =
          Error{ErrorCode::kDenied, fmt::format("the server's certificate is not trusted: {}",
                                                X509_verify_cert_error_string(verdict))};
    }
  }

  // Of a client.
  void expect_peer(const std::string& host) {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) == 1) return;
    forget_errors();  // it is no address
    SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SPILLWAY_ASSERT(SSL_set1_host(ssl_.get(), host.c_str()) == 1 &&
                    SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1);
  }
  void check_protocol() {
    if (protocol_.empty()) return;
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    const std::string_view name(reinterpret_cast<const char*>(chosen), size);
    if (name == protocol_ || (name.empty() && protocol_ == "http/1.1")) return;
    failure_ =
        Error{ErrorCode::kUnsupported, fmt::format("the server doesn't speak {}", protocol_)};
  }

  // OpenSSL keeps errors by thread: one that another connection left would be taken for ours
  // (SSL_get_error(3)).
  static void forget_errors() { ERR_clear_error(); }

  // Whether it is an error, rather than that more must arrive.
  bool judge(int result, std::string_view what) {
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return false;
    failure_ = Error{ErrorCode::kInvalid, fmt::format("TLS {}: {}", what, openssl_error())};
    return true;
  }

  void encrypt() {
    if (failure_ || !SSL_is_init_finished(ssl_.get())) return;
    for (const auto part : parts_) {
      std::size_t written = 0;
      if (part.empty()) continue;
      forget_errors();
      const int result = SSL_write_ex(ssl_.get(), part.data(), part.size(), &written);
      if (result != 1 && judge(result, "write")) return;
      SPILLWAY_ASSERT(result != 1 ||
                      written == part.size());  // no partial writes, and room for all
    }
    parts_.clear();
    if (!shutting_down_ || std::exchange(told_end_, true)) return;
    forget_errors();
    SSL_shutdown(ssl_.get());
  }

  bool wrote_all() const {
    return write_error_ ||
           (!sending_now_ && (parts_.empty() || failure_) && BIO_pending(out_) == 0);
  }

  void send() {
    if (sending_now_ || write_error_) return;
    const auto size = static_cast<std::size_t>(BIO_pending(out_));
    if (size == 0) {
      if (told_end_ && !std::exchange(shut_down_, true)) transport_->shut_down_write();
      return;
    }
    sending_.resize(size);
    SPILLWAY_ASSERT(BIO_read(out_, sending_.data(), static_cast<int>(size)) ==
                    static_cast<int>(size));
    sending_now_ = true;
    sending_view_ = sending_;
    transport_->write({&sending_view_, 1}, [this](Status status) {
      sending_now_ = false;
      if (!status.ok()) write_error_ = std::move(status).error();
      advance();
    });
  }

  // As much as there is and the reader has room for; 0 at the peer's end.
  std::optional<Result<std::size_t>> decrypt() {
    std::size_t size = 0;
    while (size < into_.size()) {
      std::size_t got = 0;
      forget_errors();
      const int result = SSL_read_ex(ssl_.get(), into_.data() + size, into_.size() - size, &got);
      size += got;
      silent_ = size > 0 ? 0 : silent_;
      if (result == 1) continue;
      if (size > 0) break;  // the reason comes with the next read
      if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
      judge(result, "read");
      return std::nullopt;
    }
    return size;
  }

  void tell_connected() {
    if (!connect_done_) return;
    std::optional<Status> outcome;
    if (failure_) {
      if (wrote_all() || read_error_) outcome = *failure_;
    } else if (SSL_is_init_finished(ssl_.get())) {
      outcome = Status();
    } else if (read_error_ || write_error_) {
      outcome = read_error_ ? *read_error_ : *write_error_;
    } else if (ended_) {
      outcome = Error{ErrorCode::kIo, "the server closed the connection in the handshake"};
    }
    if (outcome) std::exchange(connect_done_, nullptr)(*std::move(outcome));
  }

  // Answers a read, if there is something to answer.
  void give() {
    if (!read_done_) return;
    std::optional<Result<std::size_t>> answer;
    if (!failure_ && SSL_is_init_finished(ssl_.get())) {
      answer = decrypt();
    }
    // Who does this may take no alert either.
    if (!answer && !failure_ && silent_ > kSilentMax) {
      failure_ = Error{ErrorCode::kInvalid, "TLS: too much without any data"};
      answer = *failure_;
    }
    if (!answer && failure_ && (wrote_all() || read_error_)) answer = *failure_;
    if (!answer && read_error_) answer = *read_error_;
    if (!answer && ended_) answer = std::size_t{0};
    if (!answer) return;
    auto done = std::exchange(read_done_, nullptr);
    done(std::move(*answer));
  }

  // Reads on while somebody waits for what comes: a reader, or the handshake.
  void receive() {
    const bool wanted = read_done_ || !SSL_is_init_finished(ssl_.get());
    if (receiving_ || ended_ || read_error_ || failure_ || !wanted) return;
    // A peer may ask for more than it takes, with key updates: the end of this write goes on here.
    if (sending_now_ && BIO_pending(out_) > kUnsentMax) return;
    receiving_ = true;
    transport_->read(received_, [this](Result<std::size_t> got) {
      receiving_ = false;
      if (!got.ok()) {
        read_error_ = std::move(got).error();
      } else if (*got == 0) {
        ended_ = true;
      } else {
        silent_ += *got;
        feed({received_.data(), *got});
        if (*got == received_.size()) received_.resize(kReadBytes);
      }
      advance();
    });
  }

  const std::shared_ptr<TlsContext> context_;
  EventLoop& loop_;
  std::unique_ptr<ByteStream> transport_;
  const std::string peer_;
  const Owned<SSL> ssl_;
  BIO* const in_;
  BIO* const out_;

  std::string protocol_;  // that a client asks for
  UniqueFunction<void(Status)> connect_done_;
  std::span<char> into_;
  UniqueFunction<void(Result<std::size_t>)> read_done_;
  std::vector<std::string_view> parts_;  // not encrypted yet
  UniqueFunction<void(Status)> write_done_;
  std::vector<char> received_ = std::vector<char>(kFirstReadBytes);
  std::size_t silent_ = 0;  // bytes read since the last one for the reader
  std::string sending_;
  std::string_view sending_view_;

  bool advance_is_due_ = false;
  bool receiving_ = false;
  bool sending_now_ = false;
  bool ended_ = false;          // the transport's end
  bool shutting_down_ = false;  // our end is wanted
  bool told_end_ = false;       // and said in TLS
  bool shut_down_ = false;      // and told the transport
  bool closed_ = false;
  std::optional<Error> failure_;      // of TLS
  std::optional<Error> read_error_;   // of the transport
  std::optional<Error> write_error_;  // likewise
};

class TlsStream final : public ByteStream {
 public:
  explicit TlsStream(std::shared_ptr<Session> session) : session_(std::move(session)) {}
  ~TlsStream() override { session_->close(); }

  void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) override {
    session_->read(into, std::move(done));
  }
  void write(std::span<const std::string_view> parts, UniqueFunction<void(Status)> done) override {
    session_->write(parts, std::move(done));
  }
  void shut_down_write() override { session_->shut_down_write(); }
  std::string peer_address() const override { return session_->peer(); }

 private:
  const std::shared_ptr<Session> session_;
};

class Handshake final : public TlsHandshake {
 public:
  explicit Handshake(std::shared_ptr<Session> session) : session_(std::move(session)) {}
  ~Handshake() override {
    if (session_) session_->close();
  }

  void begin(const std::string& host, std::string_view protocol,
             UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) {
    session_->connect(host, protocol, [this, done = std::move(done)](Status status) mutable {
      if (!status.ok()) return done(std::move(status).error());
      done(std::unique_ptr<ByteStream>(
          std::make_unique<TlsStream>(std::exchange(session_, nullptr))));
    });
  }

 private:
  std::shared_ptr<Session> session_;  // nullptr once it has been handed over
};

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::make(std::string_view certificate_chain,
                                                     std::string_view key) {
  ERR_clear_error();
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  SPILLWAY_ASSERT(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  const auto chain = bio_of(certificate_chain);
  const Owned<X509> first(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!first || SSL_CTX_use_certificate(context.get(), first.get()) != 1)
    return Error{ErrorCode::kInvalid, "no certificate in PEM: " + openssl_error()};
  while (auto* more = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    SSL_CTX_add0_chain_cert(context.get(), more);  // owns it
  ERR_clear_error();                               // that of the end
  const auto key_bio = bio_of(key);
  const Owned<EVP_PKEY> private_key(
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr));
  if (!private_key) return Error{ErrorCode::kInvalid, "no private key in PEM: " + openssl_error()};
  if (SSL_CTX_use_PrivateKey(context.get(), private_key.get()) != 1)
    return Error{ErrorCode::kInvalid, "the key is not the certificate's: " + openssl_error()};
  return std::shared_ptr<TlsContext>(std::make_shared<Context>(std::move(context)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::make_client(std::string_view authorities) {
  ERR_clear_error();
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  SPILLWAY_ASSERT(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  if (authorities.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1)
      return Error{ErrorCode::kInvalid, "whom this system trusts: " + openssl_error()};
    return std::shared_ptr<TlsContext>(std::make_shared<Context>(std::move(context)));
  }
  const auto chain = bio_of(authorities);
  std::size_t trusted = 0;
  while (const auto one = Owned<X509>(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), one.get()) != 1)
      return Error{ErrorCode::kInvalid, "a certificate to trust: " + openssl_error()};
    ++trusted;
  }
  if (trusted == 0) return Error{ErrorCode::kInvalid, "no certificate in PEM: " + openssl_error()};
  ERR_clear_error();  // that of the end
  return std::shared_ptr<TlsContext>(std::make_shared<Context>(std::move(context)));
}

std::unique_ptr<ByteStream> accept_tls(std::shared_ptr<TlsContext> context, EventLoop& loop,
                                       std::unique_ptr<ByteStream> transport,
                                       std::string_view received) {
  auto session = std::make_shared<Session>(std::move(context), loop, std::move(transport));
  session->accept(received);
  return std::make_unique<TlsStream>(std::move(session));
}

std::unique_ptr<TlsHandshake> connect_tls(
    std::shared_ptr<TlsContext> context, EventLoop& loop, std::unique_ptr<ByteStream> transport,
    const std::string& host, std::string_view protocol,
    UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) {
  auto handshake = std::make_unique<Handshake>(
      std::make_shared<Session>(std::move(context), loop, std::move(transport)));
  handshake->begin(host, protocol, std::move(done));
  return handshake;
}

}  // namespace spillway::io
