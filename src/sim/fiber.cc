#include "sim/fiber.h"

#include <bit>
#include <cstdint>

#include "base/assert.h"

namespace spillway::sim {

namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;

}  // namespace

Fiber::Fiber(UniqueFunction<void(Fiber&)> function)
    : function_(std::move(function)),
      stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {}

Fiber::~Fiber() { SPILLWAY_ASSERT(!in_the_middle_); }

// makecontext(3) hands over integers alone.
void Fiber::enter(unsigned high, unsigned low) {
  auto* const fiber =
      std::bit_cast<Fiber*>(static_cast<std::uintptr_t>(std::uint64_t{high} << 32 | low));
  fiber->function_(*fiber);
  fiber->in_the_middle_ = false;
  // The context ends here; uc_link goes on outside.
}

bool Fiber::resume() {
  if (!in_the_middle_) {
    SPILLWAY_ASSERT(getcontext(&inside_) == 0);
    inside_.uc_stack.ss_sp = stack_.get();
    inside_.uc_stack.ss_size = kStackBytes;
    inside_.uc_link = &outside_;
    const auto address = std::uint64_t{std::bit_cast<std::uintptr_t>(this)};
    makecontext(&inside_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
                static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
    in_the_middle_ = true;
  }
  SPILLWAY_ASSERT(swapcontext(&outside_, &inside_) == 0);
  return in_the_middle_;
}

void Fiber::pause() { SPILLWAY_ASSERT(swapcontext(&inside_, &outside_) == 0); }

}  // namespace spillway::sim
