#include "wire/protobuf.h"

#include <gmock/gmock.h>

#include <limits>

namespace spillway::wire {
namespace {

TEST(Protobuf, ReadsWhatItWrites) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  std::string message;
  append_integer(message, 1, kMost);
  append_fixed32(message, 2, 0x01020304);
  append_fixed64(message, 3, kMost - 1);
  const auto begun = begin_message(message, 200);
  append_bytes(message, 1, std::string(300, 'x'));
  end_message(message, begun);

  ProtobufReader reader(message);
  ProtobufField field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.integer, kMost);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.type, WireType::kFixed32);
  EXPECT_EQ(field.integer, 0x01020304u);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.type, WireType::kFixed64);
  EXPECT_EQ(field.integer, kMost - 1);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 200u);
  ProtobufReader inner(field.bytes);
  ASSERT_TRUE(inner.next(field));
  EXPECT_EQ(field.bytes, std::string(300, 'x'));
  EXPECT_FALSE(inner.next(field));
  EXPECT_TRUE(inner.ok());
  EXPECT_FALSE(reader.next(field));
  EXPECT_TRUE(reader.ok());
}

TEST(Protobuf, IsWholeOnlyAtTheEndOfAField) {
  std::string message;
  append_bytes(message, 1, "abc");
  append_fixed64(message, 2, 7);
  for (std::size_t size = 1; size < message.size(); ++size) {
    ProtobufReader reader(std::string_view(message).substr(0, size));
    for (ProtobufField field; reader.next(field);) {
    }
    EXPECT_EQ(reader.ok(), size == 5) << size;
  }
}

TEST(Protobuf, TakesNoGroupsAndNoFieldZero) {
  const std::string_view messages[] = {"\x0b", "\x0c", "\x0e", {"\x00\x01", 2}};
  for (const auto message : messages) {
    ProtobufReader reader(message);
    ProtobufField field;
    EXPECT_FALSE(reader.next(field));
    EXPECT_FALSE(reader.ok());
  }
}

}  // namespace
}  // namespace spillway::wire
