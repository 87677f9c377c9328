// Arbitrary bodies against every input shape, as CBOR of both kinds: decoded and validated, or
// refused.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "wire/kinesis_shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spillway::wire;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const Format format : {Format::kCbor, Format::kRpcCbor}) {
    for (const auto& input : kinesis::operation_inputs()) {
      const auto value = decode_cbor(body, *input.shape, format);
      if (!value.ok()) continue;
      SPILLWAY_ASSERT(value->children.size() == input.shape->members.size());
      SPILLWAY_ASSERT(violations(*value).size() <= 10);
    }
  }
  return 0;
}
