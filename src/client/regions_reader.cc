#include "client/regions_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace spillway::client {
namespace {

constexpr nanoseconds kLookInterval = milliseconds(100);
// No region retains records for longer; a day for their clocks.
constexpr auto kRetainedMax = std::chrono::hours(8760 + 24);

// The calls of one region, and what its lists of shards say.
class ListedCalls final : public StreamCalls {
 public:
  using Listed = UniqueFunction<void(const std::vector<Shard>&)>;

  ListedCalls(StreamCalls& calls, Listed listed) : calls_(calls), listed_(std::move(listed)) {}

  Task<Result<std::vector<Shard>>> list_shards() override {
    auto shards = co_await calls_.list_shards();
    if (shards.ok()) listed_(*shards);
    co_return shards;
  }
  Task<Result<std::string>> get_shard_iterator(std::string shard_id, IteratorStart start) override {
    return calls_.get_shard_iterator(std::move(shard_id), std::move(start));
  }
  Task<Result<GetRecordsResult>> get_records(std::string iterator) override {
    return calls_.get_records(std::move(iterator));
  }

 private:
  StreamCalls& calls_;
  Listed listed_;
};

}  // namespace

class RegionsReader::Region final : public ReaderEvents {
 public:
  Region(RegionsReader& owner, std::size_t number, RegionSource source)
      : owner_(owner),
        number_(number),
        name_(std::move(source.name)),
        calls_(std::move(source.calls)) {}

  const std::string& name() const { return name_; }

  // Where LATEST is depends on whether the region answers now.
  Task<void> begin() {
    ReaderOptions options{.from = owner_.options_.from,
                          .poll_interval = owner_.options_.poll_interval,
                          .retry_delay = owner_.options_.retry_delay,
                          .missing_is_empty = owner_.options_.missing_is_empty};
    for (const auto& [id, place] : owner_.merge_.places(number_))
      if (!place.all.empty()) options.places.emplace(id, place.all);
    auto there = co_await calls_->list_shards();
    if (stopping_) co_return;
    if (owner_.resumed_ || !there.ok()) options.from = owner_.begin_;
    judge(there.ok() ? Status() : std::move(there).error());
    auto calls = std::make_unique<ListedCalls>(*calls_, [this](const std::vector<Shard>& shards) {
      heard_ = true;
      std::set<std::string> ids;
      for (const auto& shard : shards) ids.insert(shard.id);
      owner_.merge_.keep(number_, ids);
    });
    reader_.emplace(owner_.loop_, std::move(calls), std::move(options), *this);
    reader_->start();
    if (to_tip_) read_to_tip();
  }
  void read_to_tip() {
    to_tip_ = true;
    if (reader_) reader_->read_to_tip([this] { owner_.one_at_tip(); });
  }
  // While begin() is under way, its end is this one's, and `done` isn't called.
  void stop(UniqueFunction<void()> done) {
    stopping_ = true;
    if (reader_) reader_->stop(std::move(done));
  }
  void look() {
    if (!reader_) return;
    const Status& status = reader_->status();
    // Before it has said anything, what begin() met counts.
    if (heard_ || !status.ok()) judge(status);
  }
  void release() {
    if (!reader_) return;
    std::erase_if(held_, [this](const std::string& id) {
      if (owner_.merge_.holds(number_, id)) return false;
      reader_->release(id);
      return true;
    });
  }

 private:
  void judge(const Status& status) {
    // Others read, too: it answers.
    const bool away = !status.ok() && status.error().code != ErrorCode::kThrottled;
    if (std::exchange(away_, away) == away) return;
    owner_.merge_.set_away(number_, away);
    owner_.events_.on_region(name_, away ? status : Status());
  }

  void on_records(const std::string& shard_id, std::vector<Record> records) override {
    owner_.merge_.give(number_, shard_id, std::move(records), owner_.loop_.mono_now());
    if (owner_.merge_.holds(number_, shard_id)) {
      reader_->hold(shard_id);
      held_.insert(shard_id);
    }
    owner_.ready();
  }
  void on_shard(const std::string& shard_id) override { owner_.merge_.add(number_, shard_id); }
  void on_tip(const std::string& shard_id, MonoTime began) override {
    owner_.merge_.at_tip(number_, shard_id, began);
  }
  void on_end(const std::string& shard_id) override {
    owner_.merge_.remove(number_, shard_id);
    held_.erase(shard_id);
  }

  RegionsReader& owner_;
  const std::size_t number_;
  const std::string name_;
  const std::unique_ptr<StreamCalls> calls_;
  std::optional<StreamReader> reader_;
  std::set<std::string> held_;  // shards
  std::optional<bool> away_;    // none: not known yet
  bool heard_ = false;          // of it by reader_
  bool to_tip_ = false;
  bool stopping_ = false;
};

RegionsReader::RegionsReader(io::EventLoop& loop, std::vector<RegionSource> regions,
                             RegionsReaderOptions options, RegionsEvents& events)
    : loop_(loop),
      options_(std::move(options)),
      events_(events),
      merge_(regions.size(), options_.merge),
      begin_(options_.from),
      look_timer_(loop.make_timer()),
      ready_timer_(loop.make_timer()) {
  regions_.reserve(regions.size());
  for (auto& region : regions)
    regions_.push_back(std::make_unique<Region>(*this, regions_.size(), std::move(region)));
}

RegionsReader::~RegionsReader() = default;

Status RegionsReader::resume(RegionsState state) {
  if (state.stream != options_.stream) {
    return Error{ErrorCode::kInvalid, fmt::format("the places are those of a reader of {}, not {}",
                                                  state.stream, options_.stream)};
  }
  SPILLWAY_TRY(merge_.resume(state.seen));
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    if (const auto known = state.regions.extract(name(i))) merge_.resume(i, known.mapped());
  }
  others_ = std::move(state.regions);
  begin_ = {};
  if (state.begin) begin_ = {IteratorType::kAtTimestamp, "", *state.begin};
  resumed_ = true;
  return {};
}

void RegionsReader::start() {
  if (!resumed_ && begin_.type == IteratorType::kLatest)
    begin_ = {IteratorType::kAtTimestamp, "", loop_.wall_now()};
  running_ = regions_.size();
  for (const auto& region : regions_) {
    spillway::start(region->begin(), [this, region = region.get()] {
      // It began, or was stopped before it could.
      if (!stop_done_) return;
      if (--running_ == 0) loop_.post(std::exchange(stop_done_, nullptr));
    });
  }
  look();
}

const std::string& RegionsReader::name(std::size_t region) const {
  return regions_.at(region)->name();
}

void RegionsReader::ready() {
  if (merge_.ready() > 0) ready_timer_->start(nanoseconds(0), [this] { events_.on_ready(); });
}

void RegionsReader::look() {
  look_timer_->start(kLookInterval, [this] { look(); });
  for (const auto& region : regions_) region->look();
  merge_.look(loop_.mono_now());
  const auto gaps = merge_.counts().gaps_given_up;
  if (const auto more = gaps - std::exchange(gaps_told_, gaps); more > 0) events_.on_gaps(more);
  release();
  ready();
}

void RegionsReader::release() {
  for (const auto& region : regions_) region->release();
}

std::vector<RegionRecord> RegionsReader::take(std::size_t records_max, std::size_t bytes_max) {
  return merge_.take(records_max, bytes_max);
}

void RegionsReader::handled() {
  merge_.handled();
  release();
}

RegionsState RegionsReader::state() {
  RegionsState state{.stream = options_.stream, .begin = {}, .regions = others_, .seen = {}};
  if (begin_.type == IteratorType::kAtTimestamp) state.begin = begin_.timestamp;
  for (std::size_t i = 0; i < regions_.size(); ++i) state.regions[name(i)] = merge_.places(i);
  merge_.forget_idle(loop_.wall_now() - kRetainedMax);
  state.seen = merge_.seen();
  return state;
}

void RegionsReader::read_to_tip(UniqueFunction<void()> done) {
  tip_done_ = std::move(done);
  before_tip_ = regions_.size();
  for (const auto& region : regions_) region->read_to_tip();
}

void RegionsReader::one_at_tip() {
  if (--before_tip_ == 0 && tip_done_) std::exchange(tip_done_, nullptr)();
}

void RegionsReader::release_all() {
  merge_.release_all();
  ready();
}

void RegionsReader::stop(UniqueFunction<void()> done) {
  look_timer_->cancel();
  ready_timer_->cancel();
  tip_done_ = nullptr;
  stop_done_ = std::move(done);
  if (running_ == 0) return loop_.post(std::exchange(stop_done_, nullptr));
  for (const auto& region : regions_) {
    region->stop([this] {
      if (--running_ == 0) std::exchange(stop_done_, nullptr)();
    });
  }
}

}  // namespace spillway::client
