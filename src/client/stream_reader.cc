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
                           ReaderOptions options, ReaderEvents& events)
    : loop_(loop), calls_(std::move(calls)), options_(std::move(options)), events_(events) {}

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
  for (const auto& [id, shard] : shards_) release(id);
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
    const auto round = round_;
    auto listed = co_await calls_->list_shards();
    if (stopping_) co_return;
    if (!listed.ok()) {
      const auto code = listed.error().code;
      if (code == ErrorCode::kNotFound && options_.missing_is_empty && round == round_ && tip_done_)
        loop_.post(std::exchange(tip_done_, nullptr));
      // kExists: it is being made.
      const bool missing = code == ErrorCode::kNotFound || code == ErrorCode::kExists;
      if (missing && first_list_) from_horizon_ = true;
      failed("", std::move(listed).error());
      co_await pause(missing ? options_.poll_interval : options_.retry_delay);
      continue;
    }
    succeeded("");
    if (first_list_ && !from_horizon_) skip(*listed);
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
      state->start = start_of(shard);
      events_.on_shard(shard.id);
      run(read_shard(*state));
    }
    first_list_ = false;
    discovered_ = true;
    co_return;
  }
}

void StreamReader::skip(const std::vector<Shard>& listed) {
  if (options_.from.type == IteratorType::kLatest) {
    for (const auto& shard : listed)
      if (!shard.open()) finished_.insert(shard.id);
  }
  if (options_.from_shard.empty()) return;
  // Ids don't tell which is the child: goes round until no further one is found.
  std::set<std::string> read{options_.from_shard};
  for (std::size_t before = 0; before != read.size();) {
    before = read.size();
    for (const auto& shard : listed)
      if (read.contains(shard.parent) || read.contains(shard.adjacent_parent))
        read.insert(shard.id);
  }
  for (const auto& shard : listed)
    if (!read.contains(shard.id)) finished_.insert(shard.id);
}

IteratorStart StreamReader::start_of(const Shard& shard) const {
  const auto& from = options_.from;
  if (const auto place = options_.places.find(shard.id); place != options_.places.end())
    return {IteratorType::kAfterSequenceNumber, place->second, {}};
  if (from_horizon_) return {};
  switch (from.type) {
    case IteratorType::kTrimHorizon:
      return {};
    case IteratorType::kAtTimestamp:
      // Of children too: their parent may have ended long before that time.
      return from;
    case IteratorType::kLatest:
      return first_list_ ? from : IteratorStart{};
    case IteratorType::kAtSequenceNumber:
    case IteratorType::kAfterSequenceNumber:
      return shard.id == options_.from_shard ? from : IteratorStart{};
  }
  return {};
}

void StreamReader::failed(const std::string& who, Error error) {
  if (!status_.ok() && who != failing_) return;
  failing_ = who;
  status_ = std::move(error);
}

void StreamReader::succeeded(const std::string& who) {
  if (!status_.ok() && who == failing_) status_ = {};
}

Task<Result<std::string>> StreamReader::iterator_of(ShardState& shard) {
  IteratorStart start = shard.start;
  if (!shard.last_sequence_number.empty()) {
    start.type = IteratorType::kAfterSequenceNumber;
    start.sequence_number = shard.last_sequence_number;
  }
  const WallTime asked = loop_.wall_now();
  auto iterator = co_await calls_->get_shard_iterator(shard.id, start);
  // Another LATEST would leave out what came since this one.
  if (iterator.ok() && shard.start.type == IteratorType::kLatest)
    shard.start = {IteratorType::kAtTimestamp, "", asked};
  co_return iterator;
}

Task<void> StreamReader::read_shard(ShardState& shard) {
  std::string iterator;
  while (!stopping_) {
    co_await while_held(shard);
    if (iterator.empty()) {
      auto fresh = co_await iterator_of(shard);
      if (fresh.ok()) {
        iterator = *std::move(fresh);
      } else {
        failed(shard.id, std::move(fresh).error());
        co_await pause(options_.retry_delay);
      }
      continue;
    }
    const auto round = round_;
    const auto began = loop_.mono_now();
    auto answer = co_await calls_->get_records(iterator);
    if (stopping_) co_return;
    if (!answer.ok()) {
      const auto code = answer.error().code;
      // The same iterator gives the same records again. One that the server doesn't take any more
      // is replaced by one behind the last record.
      if (code != ErrorCode::kIo && code != ErrorCode::kThrottled) iterator.clear();
      if (code == ErrorCode::kExpired) continue;
      failed(shard.id, std::move(answer).error());
      co_await pause(options_.retry_delay);
      continue;
    }
    succeeded(shard.id);
    const bool nothing = answer->records.empty() && answer->behind == milliseconds(0);
    iterator = take(shard, round, began, *std::move(answer));
    if (iterator.empty()) {
      const std::string id = shard.id;
      finished_.insert(id);
      shards_.erase(id);
      discovered_ = false;
      co_await discover();
      if (!stopping_) events_.on_end(id);
      co_return;
    }
    check_tip();
    if (nothing && !stopping_) co_await pause(options_.poll_interval);
  }
}

std::string StreamReader::take(ShardState& shard, std::uint64_t round, MonoTime began,
                               GetRecordsResult answer) {
  shard.behind = answer.behind;
  const bool at_tip = answer.behind == milliseconds(0);
  if (at_tip) shard.tip_round = round;
  if (!answer.records.empty()) {
    shard.last_sequence_number = answer.records.back().sequence_number;
    events_.on_records(shard.id, std::move(answer.records));
  }
  if (at_tip) events_.on_tip(shard.id, began);
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

void StreamReader::hold(const std::string& shard_id) {
  if (const auto found = shards_.find(shard_id); found != shards_.end()) found->second->held = true;
}

void StreamReader::release(const std::string& shard_id) {
  const auto found = shards_.find(shard_id);
  if (found == shards_.end()) return;
  found->second->held = false;
  if (auto released = std::exchange(found->second->released, nullptr)) released(true);
}

Task<void> StreamReader::while_held(ShardState& shard) {
  while (shard.held && !stopping_) {
    auto over = callback<bool>(
        [&shard](UniqueFunction<void(bool)> done) { shard.released = std::move(done); });
    co_await over;
  }
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
