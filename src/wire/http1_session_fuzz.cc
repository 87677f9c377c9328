// A server's side of HTTP/1.1, as http_session_fuzz.h feeds it.
#include "wire/http_session_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spillway::wire::fuzz_session(spillway::wire::make_http1_session, data, size);
  return 0;
}
