#include "base/task.h"

#include "base/shared_bytes.h"

namespace spillway {
namespace {

Task<int> add(int a, int b) { co_return a + b; }

Task<int> sum_up_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum = co_await add(sum, i);
  co_return sum;
}

using Later = UniqueFunction<void(std::unique_ptr<int>)>;

Task<int> wait_for(Later& slot) {
  auto value =
      co_await callback<std::unique_ptr<int>>([&slot](Later done) { slot = std::move(done); });
  co_return *value;
}

TEST(Task, ReturnsThroughManyLevelsWithoutGrowingTheStack) {
  int result = 0;
  start(sum_up_to(60'000), UniqueFunction<void(int)>([&](int sum) { result = sum; }));
  EXPECT_EQ(result, 1'800'030'000);
}

TEST(Task, GoesOnInsideTheCallbackThatItWaitsFor) {
  Later slot;
  int result = 0;
  start(wait_for(slot), UniqueFunction<void(int)>([&](int value) { result = value; }));
  EXPECT_EQ(result, 0);
  slot(std::make_unique<int>(7));
  EXPECT_EQ(result, 7);
}

TEST(Task, DoesNotRunUnlessStarted) {
  Later slot;
  { auto task = wait_for(slot); }
  EXPECT_FALSE(slot);
}

TEST(UniqueFunction, HoldsWhatCanOnlyBeMoved) {
  auto seven = std::make_unique<int>(7);
  UniqueFunction<int(int)> add_seven = [seven = std::move(seven)](int n) { return n + *seven; };
  auto moved = std::move(add_seven);
  EXPECT_FALSE(add_seven);  // NOLINT(bugprone-use-after-move): an empty one is what is tested
  EXPECT_EQ(moved(1), 8);
}

TEST(SharedBytes, SharesUntilTheLastIsGone) {
  SharedBytes copy;
  EXPECT_TRUE(copy.empty());
  {
    auto bytes = SharedBytes::copy_of("abc");
    copy = bytes;
    EXPECT_EQ(copy.view().data(), bytes.view().data());
  }
  EXPECT_EQ(copy.view(), "abc");
}

TEST(SharedBytes, IsFilledByItsSoleOwner) {
  auto bytes = SharedBytes::uninitialized(0, 8);
  bytes.mutable_data()[0] = 'x';
  bytes.resize(1);
  EXPECT_EQ(bytes.view(), "x");
  EXPECT_EQ(bytes.capacity(), 8u);
  EXPECT_DEATH(bytes.resize(9), "assertion failed");
}

}  // namespace
}  // namespace spillway
