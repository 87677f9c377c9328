#include "base/result.h"

#include <memory>

namespace spillway {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error{ErrorCode::kInvalid, "odd"};
  return number / 2;
}

Result<int> quarter(int number) {
  SPILLWAY_ASSIGN(const int halved, half(number));
  return half(halved);
}

Status check(int number) {
  SPILLWAY_TRY(Status(half(number).ok() ? Status() : Status(Error{ErrorCode::kIo, "no"})));
  return {};
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_TRUE(check(2).ok());
  EXPECT_EQ(check(1).error().code, ErrorCode::kIo);
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const auto value = std::move(result).value();
  EXPECT_EQ(*value, 7);
}

TEST(Result, ContextGoesBeforeTheCause) {
  EXPECT_EQ(context("open x", Error{ErrorCode::kIo, "EIO"}).message, "open x: EIO");
}

}  // namespace
}  // namespace spillway
