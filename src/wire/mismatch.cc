#include "wire/mismatch.h"

namespace spillway::wire {

namespace {

std::string_view class_of(Found found) {
  switch (found) {
    case Found::kBoolean:
      return "java.lang.Boolean";
    case Found::kNumber:
      return "com.amazon.coral.value.json.numbers.TruncatingBigNumber";
    case Found::kString:
      return "java.lang.String";
    case Found::kBlob:
      return "java.nio.HeapByteBuffer";
    case Found::kList:
    case Found::kMap:
      break;
  }
  return "";
}

std::string_view wanted(Kind kind) {
  switch (kind) {
    case Kind::kString:
      return "an String";
    case Kind::kInteger:
      return "an Integer";
    case Kind::kBoolean:
      return "an Boolean";
    case Kind::kBlob:
      return "a Blob";
    case Kind::kTimestamp:
      return "milliseconds since epoch";
    case Kind::kStructure:
    case Kind::kList:
    case Kind::kMap:
      break;
  }
  return "";
}

std::string message(Found found, Kind expected) {
  if (found == Found::kList) return "Start of list found where not expected";
  if (found == Found::kMap) return "Start of structure or map found where not expected.";
  if (expected == Kind::kStructure) return "Expected null";
  if (expected == Kind::kList) return "Expected list or null";
  if (expected == Kind::kMap) return "Expected map or null";
  return fmt::format("class {} can not be converted to {}", class_of(found), wanted(expected));
}

}  // namespace

Error mismatch(Found found, const Shape& expected) {
  return {ErrorCode::kInvalid, message(found, expected.kind)};
}

}  // namespace spillway::wire
