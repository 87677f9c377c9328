// Arbitrary bodies against every input shape: decoded and validated, or refused.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "wire/kinesis_shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spillway::wire;
  std::string body(reinterpret_cast<const char*>(data), size);
  body.reserve(size + kJsonPadding);
  for (const auto& input : kinesis::operation_inputs()) {
    const auto value = decode_json(body, *input.shape);
    if (!value.ok()) continue;
    SPILLWAY_ASSERT(value->children.size() == input.shape->members.size());
    SPILLWAY_ASSERT(violations(*value).size() <= 10);
  }
  return 0;
}
