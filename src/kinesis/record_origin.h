// The `Origin` of a record, which the API has of Spillway's own (docs/formats/origin.md).
#pragma once

#include "base/result.h"
#include "stream/origin.h"
#include "wire/document_writer.h"
#include "wire/shapes.h"

namespace spillway::kinesis {

// Whether records are told with their origins, where they have some.
enum class Origins : bool { kHidden, kTold };

// Whether a record of a put has one.
bool has_origin(const wire::Value& input);
// The one that a valid, present member gives a record. kInvalid where it contradicts itself.
Result<stream::Origin> read_origin(const wire::Value& value);
void write_origin(wire::DocumentWriter& to, const stream::Origin& origin);

}  // namespace spillway::kinesis
