#include "io/certificate.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>

namespace spillway::io {

namespace {

constexpr auto kBefore = std::chrono::hours(24);
constexpr auto kLife = std::chrono::hours(24) * 3650;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// Thrown nowhere: the first call that failed, kept until the end.
class Issuer {
 public:
  explicit Issuer(WallTime now) : now_(now) {}

  Owned<EVP_PKEY> make_key() { return Owned<EVP_PKEY>(check(EVP_EC_gen("P-256"), "make a key")); }

  // Signed by `authority` with its key; by itself where there is none.
  Owned<X509> make(const char* name, EVP_PKEY* key, X509* authority, EVP_PKEY* authority_key,
                   std::span<const std::pair<int, std::string>> extensions) {
    Owned<X509> certificate(check(X509_new(), "make a certificate"));
    if (failed()) return certificate;
    X509* const made = certificate.get();
    check(X509_set_version(made, X509_VERSION_3), "set the version");
    set_serial(made);
    set_times(made);
    X509_NAME* const subject = X509_get_subject_name(made);
    check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(name), -1, -1, 0),
          "set the name");
    check(X509_set_issuer_name(made,
                               authority != nullptr ? X509_get_subject_name(authority) : subject),
          "set the issuer");
    check(X509_set_pubkey(made, key), "set the key");
    X509V3_CTX context;
    X509V3_set_ctx(&context, authority != nullptr ? authority : made, made, nullptr, nullptr, 0);
    for (const auto& [kind, value] : extensions) {
      const Owned<X509_EXTENSION> extension(
          check(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()), value));
      if (failed()) return certificate;
      check(X509_add_ext(made, extension.get(), -1), value);
    }
    check(X509_sign(made, authority != nullptr ? authority_key : key, EVP_sha256()), "sign");
    return certificate;
  }

  std::string pem(X509* certificate) {
    return text([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
  }
  std::string pem(EVP_PKEY* key) {
    return text([&](BIO* bio) {
      return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }

 private:
  template <typename T>
  T check(T result, std::string_view what) {
    if (result || failed()) return result;
    std::array<char, 256> why{};
    ERR_error_string_n(ERR_get_error(), why.data(), why.size());
    error_ = fmt::format("{}: {}", what, why.data());
    return result;
  }

  void set_serial(X509* certificate) {
    std::array<unsigned char, 8> bytes{};
    check(RAND_bytes(bytes.data(), bytes.size()), "draw a number");
    std::uint64_t serial = 0;
    for (const auto byte : bytes) serial = serial << 8 | byte;
    check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1), "number it");
  }

  void set_times(X509* certificate) {
    const auto seconds_of = [](WallTime time) {
      return static_cast<std::time_t>(to_millis(time) / 1000);
    };
    check(ASN1_TIME_set(X509_getm_notBefore(certificate), seconds_of(now_ - kBefore)), "date it");
    check(ASN1_TIME_set(X509_getm_notAfter(certificate), seconds_of(now_ + kLife)), "date it");
  }

  template <typename Write>
  std::string text(Write write) {
    const Owned<BIO> bio(check(BIO_new(BIO_s_mem()), "write it"));
    if (failed()) return "";
    check(write(bio.get()), "write it");
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }

  const WallTime now_;
  std::string error_;
};

std::string alternative_names(std::span<const std::string> names) {
  std::string text;
  for (const auto& name : names) {
    std::array<unsigned char, 16> address{};
    const bool is_address = ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
                            ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", is_address ? "IP" : "DNS", name);
  }
  return text;
}

}  // namespace

Result<IssuedCertificate> issue_certificate(std::span<const std::string> names, WallTime now) {
  Issuer issuer(now);
  const auto authority_key = issuer.make_key();
  const auto key = issuer.make_key();
  const std::pair<int, std::string> of_authority[] = {
      {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
      {NID_key_usage, "critical,keyCertSign,cRLSign"},
      {NID_subject_key_identifier, "hash"}};
  const auto authority =
      issuer.make("Spillway local authority", authority_key.get(), nullptr, nullptr, of_authority);
  const std::pair<int, std::string> of_server[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, "serverAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid"},
      {NID_subject_alt_name, alternative_names(names)}};
  const auto certificate =
      issuer.make("spillway", key.get(), authority.get(), authority_key.get(), of_server);
  if (issuer.failed()) return Error{ErrorCode::kInvalid, "issue a certificate: " + issuer.error()};
  return IssuedCertificate{issuer.pem(authority.get()), issuer.pem(certificate.get()),
                           issuer.pem(key.get())};
}

}  // namespace spillway::io
