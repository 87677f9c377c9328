#include "broker/batch_send.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace spillway::broker {

BatchSend::BatchSend(Parts parts, ShardBatch& batch)
    : parts_(std::move(parts)),
      batch_(batch),
      turns_(batch.entries().size()),
      pause_(parts_.loop) {}

Task<void> BatchSend::run() {
  while (!parts_.ends()) {
    TargetLink* const link = parts_.route.sendable();
    if (link == nullptr) {
      took_nothing_ = true;
      co_await pause_.wait(backoff_.next(parts_.random));
      continue;
    }
    begin(*link);
    co_await send_strands();
    if (!elsewhere_) break;
  }
}

void BatchSend::begin(TargetLink& to) {
  to_ = &to;
  set_backs_ = parts_.route.set_backs();
  elsewhere_ = false;
  progress_ = {};
  sent_.assign(batch_.entries().size(), false);
  const bool side_by_side = to.target().packing() == LanePacking::kPrefix;
  auto dealt = side_by_side ? deal_lanes(batch_.entries(), batch_.all(), parts_.request)
                            : std::vector<Pending>{batch_.all()};
  strands_.clear();
  for (auto& pending : dealt) {
    auto& strand = strands_.emplace_back(parts_.loop);
    strand.pending = std::move(pending);
    strand.most = parts_.request.records;
  }
}

Task<void> BatchSend::send_strands() {
  running_ = strands_.size();
  for (std::size_t strand = 0; strand < strands_.size(); ++strand) {
    start(send(strand), [this] {
      if (--running_ > 0) return;
      elsewhere_ = is_elsewhere();
      // Not from within what has ended the last one, which may be one of many that look() wakes.
      parts_.loop.post([this] { std::exchange(over_, nullptr)(true); });
    });
  }
  auto over = callback<bool>([this](UniqueFunction<void(bool)> done) { over_ = std::move(done); });
  co_await over;
  // What ended the last one may have shown that the target was set back: it may lack the others'.
  if (set_backs_ != parts_.route.set_backs()) elsewhere_ = true;
}

// Whether all of the batch has to be sent to another target than `to_`, or to that one again.
bool BatchSend::is_elsewhere() const {
  if (set_backs_ != parts_.route.set_backs()) return true;
  const auto* const link = parts_.route.sendable();
  return link != nullptr && link != to_;
}

Task<void> BatchSend::send(std::size_t strand) {
  Strand& of = strands_[strand];
  while (!of.pending.empty() && !is_elsewhere() && !parts_.ends()) {
    if (parts_.route.sendable() == nullptr) {
      took_nothing_ = true;
      co_await wait(strand);
      continue;
    }
    if (!to_->prepared(parts_.stream)) {
      const bool prepared = co_await prepare();
      if (!prepared) co_await wait(strand);
      continue;
    }
    auto sent = next_of_lanes(batch_.entries(), of.pending, to_->target().packing(),
                              {of.most, parts_.request.bytes});
    SPILLWAY_ASSERT(!sent.empty());
    const auto turn = turn_of(sent);
    if (turn > nanoseconds(0)) {
      co_await of.pause.wait(turn);
      continue;
    }
    co_await ask(strand, std::move(sent));
  }
}

Task<bool> BatchSend::prepare() {
  const bool prepared = co_await to_->prepare(parts_.stream);
  if (!prepared && !to_->preparing(parts_.stream)) took_nothing_ = true;
  co_return prepared;
}

nanoseconds BatchSend::turn_of(const Pending& sent) {
  std::size_t bytes = 0;
  for (const auto number : sent) {
    if (turns_[number]) continue;
    turns_[number] = true;
    const auto& entry = batch_.entries()[number];
    bytes += entry.data.size() + entry.partition_key.size();
  }
  return bytes > 0 ? parts_.turn(bytes) : nanoseconds(0);
}

Task<void> BatchSend::ask(std::size_t strand, Pending sent) {
  std::vector<client::PutEntry> entries;
  entries.reserve(sent.size());
  for (const auto number : sent) {
    entries.push_back(batch_.entries()[number]);
    if (!sent_[number]) ++progress_.sent;
    sent_[number] = true;
  }
  const MonoTime asked = parts_.loop.mono_now();
  auto result = co_await to_->put(parts_.stream, std::move(entries));
  if (result.ok()) {
    co_await answered(strand, std::move(sent), *std::move(result));
    co_return;
  }
  switch (result.error().code) {
    case ErrorCode::kInvalid:
      co_await refused(strand, std::move(sent), std::move(result).error().message);
      break;
    case ErrorCode::kClosed:
      if (parts_.loop.mono_now() - asked > kAnswered) took_nothing_ = true;
      break;
    default:
      took_nothing_ = true;
      co_await wait(strand);
  }
}

Task<void> BatchSend::answered(std::size_t strand, Pending sent, client::PutRecordsResult result) {
  Strand& of = strands_[strand];
  of.most = std::min(2 * of.most, parts_.request.records);
  const auto [left, refused] = judged(batch_.entries(), sent, result.outcomes);
  Pending given_up;
  given_up.reserve(refused.size());
  for (const auto& [number, why] : refused) {
    to_->give_up(parts_.stream, batch_.entries()[number], why);
    given_up.push_back(number);
  }
  batch_.give_up(given_up);
  progress_.acknowledged += sent.size() - left.size() - refused.size();
  if (left.size() < sent.size()) of.backoff.reset();
  if (left.size() == sent.size()) took_nothing_ = true;
  of.pending = pending_after(of.pending, sent, left);
  if (!left.empty()) co_await wait(strand);
}

Task<void> BatchSend::refused(std::size_t strand, Pending sent, std::string why) {
  Strand& of = strands_[strand];
  const auto& first = batch_.entries()[sent.front()];
  if (sent.size() > 1) {
    of.most = sent.size() / 2;
  } else if (to_->gives_up()) {
    to_->give_up(parts_.stream, first, why);
    batch_.give_up(sent);
    of.pending = pending_after(of.pending, sent, {});
  } else {
    co_await to_->try_canary(first.origin);
    if (!to_->gives_up()) co_await wait(strand);
  }
}

Pending BatchSend::left() const {
  if (elsewhere_) return batch_.all();
  Pending left;
  for (const auto& strand : strands_)
    left.insert(left.end(), strand.pending.begin(), strand.pending.end());
  std::ranges::sort(left);
  return left;
}

void BatchSend::look() {
  for (auto& strand : strands_) strand.pause.end();
  pause_.end();
}

void BatchSend::rerouted() {
  backoff_.reset();
  for (auto& strand : strands_) strand.backoff.reset();
  look();
}

Task<void> BatchSend::wait(std::size_t strand) {
  if (parts_.ends()) co_return;
  Strand& of = strands_[strand];
  co_await of.pause.wait(of.backoff.next(parts_.random));
}

}  // namespace spillway::broker
