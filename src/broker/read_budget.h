// What senders may hold of the spool in memory, all together. Each may have a little at any time,
// whatever the others hold, so that none waits for another: a stream that its target doesn't take
// holds up no other one. What they want beyond that they share.
#pragma once

#include <cstddef>

namespace spillway::broker {

// On one thread.
class ReadBudget {
 public:
  // What each share has at least, in bytes, if so much is wanted.
  static constexpr std::size_t kShareMin = std::size_t{64} << 10;

  // Of a budget, which outlives it.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept;
    Share& operator=(Share&& other) noexcept;
    ~Share() { settle(0); }

    std::size_t bytes() const { return bytes_; }
    // So much is held after all, which may be more: a record that is larger.
    void settle(std::size_t bytes);

   private:
    friend class ReadBudget;
    Share(ReadBudget& budget, std::size_t bytes) : budget_(&budget) { settle(bytes); }

    ReadBudget* budget_ = nullptr;
    std::size_t bytes_ = 0;
  };

  // `bytes`: of all shares together, beyond kShareMin of each.
  explicit ReadBudget(std::size_t bytes) : bytes_(bytes) {}

  // `wanted`, or less where there isn't so much.
  Share take(std::size_t wanted);
  // How many shares hold something.
  std::size_t holders() const { return holders_; }
  // What each of those would have, and one more.
  std::size_t fair() const { return bytes_ / (holders_ + 1); }

 private:
  const std::size_t bytes_;
  std::size_t used_ = 0;
  std::size_t holders_ = 0;
};

}  // namespace spillway::broker
