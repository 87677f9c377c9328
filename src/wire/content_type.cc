#include "wire/content_type.h"

namespace spillway::wire {

std::string_view content_type_of(Format format) {
  switch (format) {
    case Format::kJson:
      return "application/x-amz-json-1.1";
    case Format::kCbor:
      return "application/x-amz-cbor-1.1";
    case Format::kRpcCbor:
      return "application/cbor";
  }
  return "";
}

}  // namespace spillway::wire
