#pragma once

#include <string_view>

#include "wire/document_writer.h"

namespace spillway::wire {

// The media type of a request, an answer or an event that is written so.
std::string_view content_type_of(Format format);

}  // namespace spillway::wire
