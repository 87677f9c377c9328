#include "client/stream_reader.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace spillway::client {
namespace {

class ClientCalls final : public StreamCalls {
 public:
  ClientCalls(KinesisClient& client, std::string stream)
      : client_(client), stream_(std::move(stream)) {}

  Task<Result<std::vector<Shard>>> list_shards() override { return client_.list_shards(stream_); }
  Task<Result<std::string>> get_shard_iterator(std::string shard_id, IteratorStart start) override {
    return client_.get_shard_iterator(stream_, std::move(shard_id), std::move(start));
  }
  Task<Result<GetRecordsResult>> get_records(std::string iterator) override {
    return client_.get_records(std::move(iterator));
  }

 private:
  KinesisClient& client_;
  const std::string stream_;
};

}  // namespace

std::unique_ptr<StreamCalls> stream_calls(KinesisClient& client, std::string stream) {
  return std::make_unique<ClientCalls>(client, std::move(stream));
}

StreamReader::StreamReader(io::EventLoop& loop, std::unique_ptr<StreamCalls> calls,
                           ReaderOptions options, OnRecords on_records)
    : loop_(loop),
      calls_(std::move(calls)),
      options_(options),
      on_records_(std::move(on_records)) {}

StreamReader::~StreamReader() { SPILLWAY_ASSERT(running_ == 0); }

void StreamReader::start() { run(discover()); }

void StreamReader::run(Task<void> task) {
  ++running_;
  spillway::start(std::move(task), [this] {
    --running_;
    if (running_ == 0 && stop_done_) loop_.post(std::exchange(stop_done_, nullptr));
  });
}

void StreamReader::read_to_tip(UniqueFunction<void()> done) {
  ++round_;
  tip_done_ = std::move(done);
  resume_all();
}

void StreamReader::stop(UniqueFunction<void()> done) {
  stopping_ = true;
  tip_done_ = nullptr;
  stop_done_ = std::move(done);
  resume_all();
  if (running_ == 0 && stop_done_) loop_.post(std::exchange(stop_done_, nullptr));
}

milliseconds StreamReader::behind() const {
  milliseconds most{0};
  for (const auto& [id, shard] : shards_) most = std::max(most, shard->behind);
  return most;
}

// Starts on the shards that aren't read yet, and whose parents were read to their end or have
// expired. Called anew when a shard has ended.
Task<void> StreamReader::discover() {
  while (!stopping_) {
    auto listed = co_await calls_->list_shards();
    if (stopping_) co_return;
    if (!listed.ok()) {
      const bool missing = listed.error().code == ErrorCode::kNotFound;
      status_ = std::move(listed).error();
      co_await pause(missing ? options_.poll_interval : options_.retry_delay);
      continue;
    }
    status_ = {};
    std::set<std::string> there;
    for (const auto& shard : *listed) there.insert(shard.id);
    const auto over = [&](const std::string& parent) {
      return parent.empty() || !there.contains(parent) || finished_.contains(parent);
    };
    for (const auto& shard : *listed) {
      if (shards_.contains(shard.id) || finished_.contains(shard.id) || !over(shard.parent) ||
          !over(shard.adjacent_parent))
        continue;
      auto& state = shards_[shard.id];
      state = std::make_unique<ShardState>();
      state->id = shard.id;
      run(read_shard(*state));
    }
    discovered_ = true;
    co_return;
  }
}

Task<Result<std::string>> StreamReader::iterator_of(ShardState& shard) {
  IteratorStart start;
  if (!shard.last_sequence_number.empty()) {
    start.type = IteratorType::kAfterSequenceNumber;
    start.sequence_number = shard.last_sequence_number;
  }
  auto iterator = co_await calls_->get_shard_iterator(shard.id, start);
  co_return iterator;
}

Task<void> StreamReader::read_shard(ShardState& shard) {
  std::string iterator;
  while (!stopping_) {
    if (iterator.empty()) {
      auto fresh = co_await iterator_of(shard);
      if (fresh.ok()) {
        iterator = *std::move(fresh);
      } else {
        status_ = std::move(fresh).error();
        co_await pause(options_.retry_delay);
      }
      continue;
    }
    const auto round = round_;
    auto answer = co_await calls_->get_records(iterator);
    if (stopping_) co_return;
    if (!answer.ok()) {
      // An expired iterator, or one whose answer was lost, is taken anew behind the last record.
      iterator.clear();
      if (answer.error().code == ErrorCode::kExpired) continue;
      status_ = std::move(answer).error();
      co_await pause(options_.retry_delay);
      continue;
    }
    status_ = {};
    const bool nothing = answer->records.empty() && answer->behind == milliseconds(0);
    iterator = take(shard, round, *std::move(answer));
    if (iterator.empty()) {
      const std::string id = shard.id;
      finished_.insert(id);
      shards_.erase(id);
      discovered_ = false;
      run(discover());
      co_return;
    }
    check_tip();
    if (nothing && !stopping_) co_await pause(options_.poll_interval);
  }
}

std::string StreamReader::take(ShardState& shard, std::uint64_t round, GetRecordsResult answer) {
  shard.behind = answer.behind;
  if (answer.records.empty()) {
    if (answer.behind == milliseconds(0)) shard.tip_round = round;
  } else {
    shard.last_sequence_number = answer.records.back().sequence_number;
    on_records_(shard.id, std::move(answer.records));
  }
  return std::move(answer.next_iterator).value_or("");
}

Task<void> StreamReader::pause(nanoseconds delay) {
  if (stopping_) co_return;
  auto over = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    const auto id = next_pause_++;
    auto& entry = pauses_[id];
    entry.timer = loop_.make_timer();
    entry.done = std::move(done);
    entry.timer->start(delay, [this, id] {
      auto ended = pauses_.extract(id);
      ended.mapped().done(true);
    });
  });
  co_await over;
}

void StreamReader::resume_all() {
  // Those that pause anew meanwhile are not among them.
  auto pauses = std::exchange(pauses_, {});
  for (auto& [id, entry] : pauses) {
    entry.timer->cancel();
    entry.done(true);
  }
}

void StreamReader::check_tip() {
  if (!tip_done_ || !discovered_) return;
  for (const auto& [id, shard] : shards_)
    if (shard->tip_round < round_) return;
  loop_.post(std::exchange(tip_done_, nullptr));
}

}  // namespace spillway::client
