// Arbitrary heads: a verdict, always; and what was signed, in the header or in the query string, is
// accepted whatever stands in it.
#include <cstddef>
#include <cstdint>

#include "auth/canonical_request.h"
#include "auth/sigv4.h"
#include "base/assert.h"

using namespace spillway;

namespace {

// RFC 9110 section 5.6.2: the sessions let no other name of a header through.
bool is_token(std::string_view name) {
  return name.find_first_not_of(
             "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
         std::string_view::npos;
}

bool accepted(const std::variant<auth::Caller, auth::AuthError>& verdict) {
  return std::holds_alternative<auth::Caller>(verdict);
}

// Signed for the day of `now` below, with X-Amz-Signature behind everything else.
wire::RequestHead presigned(wire::RequestHead head) {
  head.target += head.target.find('?') == std::string::npos ? '?' : '&';
  const std::string target = head.find("x-amz-target") != nullptr ? "%3Bx-amz-target" : "";
  head.target +=
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2F"
      "kinesis%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host" +
      target;
  std::string canonical;
  std::string_view missing;
  auth::append_canonical_request(canonical, head, target.empty() ? "host" : "host;x-amz-target",
                                 to_hex(sha256("")), missing);
  head.target += "&X-Amz-Signature=" +
                 auth::signature_of(
                     auth::derive_key("secret", "20150830", "us-east-1", "kinesis"),
                     auth::string_to_sign("20150830T123600Z",
                                          "20150830/us-east-1/kinesis/aws4_request", canonical));
  return head;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/";
  // Lines "name:value"; the first without a colon is the target.
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    const std::size_t colon = line.find(':', 1);
    if (colon == std::string_view::npos) {
      head.target = line;
    } else {
      head.headers.push_back(
          {std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
    }
  }
  const auto now = from_millis(1'440'938'160'000);
  const auth::Credentials credentials{"AKIDEXAMPLE", "secret", ""};
  const auto keys = std::make_shared<auth::KeyTable>(
      std::vector<auth::Key>{{"AKIDEXAMPLE", "secret", "", std::nullopt}});
  auth::Verifier strict("us-east-1", "kinesis", keys);
  auth::Verifier open("us-east-1", "kinesis", std::make_shared<auth::KeyTable>());
  const auto hash = sha256("");
  const auto verdict = strict.verify(head, hash, now);
  // Nothing that was not signed with the key is accepted, and what the strict one accepts the open
  // one does too.
  if (accepted(verdict)) SPILLWAY_ASSERT(accepted(open.verify(head, hash, now)));

  std::erase_if(head.headers, [](const wire::Header& header) {
    return wire::equal_ignoring_case(header.name, "authorization") ||
           wire::equal_ignoring_case(header.name, "x-amz-date") ||
           wire::equal_ignoring_case(header.name, "x-amz-security-token") ||
           wire::equal_ignoring_case(header.name, "x-amz-content-sha256") ||
           (header.name != ":authority" && !is_token(header.name));
  });
  if (head.target.find("X-Amz-") != std::string::npos) return 0;
  if (head.find("host") == nullptr && head.find(":authority") == nullptr)
    head.headers.push_back({"Host", "h"});
  SPILLWAY_ASSERT(accepted(strict.verify(presigned(head), hash, now)));
  // A header that appears twice is signed by its first value, once for each name in the list.
  auth::sign(head, "", credentials, "us-east-1", "kinesis", now);
  SPILLWAY_ASSERT(accepted(strict.verify(head, hash, now)));
  return 0;
}
