#include "broker/read_budget.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

std::size_t shared_part(std::size_t bytes) {
  return bytes - std::min(bytes, ReadBudget::kShareMin);
}

}  // namespace

ReadBudget::Share::Share(Share&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

ReadBudget::Share& ReadBudget::Share::operator=(Share&& other) noexcept {
  if (this == &other) return *this;
  settle(0);
  budget_ = std::exchange(other.budget_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void ReadBudget::Share::settle(std::size_t bytes) {
  if (budget_ == nullptr) return;
  budget_->used_ -= shared_part(bytes_);
  budget_->used_ += shared_part(bytes);
  budget_->holders_ -= bytes_ > 0 ? 1 : 0;
  budget_->holders_ += bytes > 0 ? 1 : 0;
  bytes_ = bytes;
}

ReadBudget::Share ReadBudget::take(std::size_t wanted) {
  const std::size_t left = bytes_ - std::min(used_, bytes_);
  return {*this, std::min(wanted, kShareMin + left)};
}

}  // namespace spillway::broker
