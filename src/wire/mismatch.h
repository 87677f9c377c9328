// What the API says of a value that isn't of its shape's type.
#pragma once

#include "base/result.h"
#include "wire/shapes.h"

namespace spillway::wire {

// What stands in the body.
enum class Found { kBoolean, kNumber, kString, kBlob, kList, kMap };

// In the words that AWS's clients know, which are Java's.
Error mismatch(Found found, const Shape& expected);

}  // namespace spillway::wire
