#include "sim/reader_machine.h"

#include <utility>

#include "base/assert.h"
#include "client/regions_state.h"

namespace spillway::sim {

namespace {

constexpr nanoseconds kEndWithin = seconds(60);
constexpr std::size_t kBytesMax = std::size_t{1} << 20;

}  // namespace

ReaderMachine::ReaderMachine(Parts parts, client::RegionsReaderOptions options, Random random)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      random_(random),
      handling_(parts_.stage.loop.make_timer()),
      committing_(parts_.stage.loop.make_timer()) {}

ReaderMachine::~ReaderMachine() { SPILLWAY_ASSERT(reader_ == nullptr); }

Status ReaderMachine::start() {
  std::vector<client::RegionSource> sources;
  sources.reserve(parts_.links.size());
  for (std::size_t place = 0; place < parts_.links.size(); ++place) {
    sources.push_back({std::string(1, static_cast<char>('a' + place)),
                       sim_stream_calls(*parts_.links[place], options_.stream)});
  }
  reader_ = std::make_unique<client::RegionsReader>(parts_.stage.loop, std::move(sources), options_,
                                                    *this);
  if (!committed_.empty()) {
    SPILLWAY_ASSIGN(auto state, client::decode_regions_state(committed_));
    SPILLWAY_TRY(reader_->resume(std::move(state)));
  }
  reader_->start();
  commit();
  return {};
}

void ReaderMachine::crash() {
  if (!reader_) return;
  handling_->cancel();
  committing_->cancel();
  batch_.clear();
  parts_.model.reader_crashed();
  copies_ += reader_->counts().copies;
  bool ended = false;
  reader_->stop([&ended] { ended = true; });
  for (auto* link : parts_.links) link->close();
  const bool in_time = parts_.stage.run_until(kEndWithin, [&ended] { return ended; });
  SPILLWAY_ASSERT(in_time);
  parts_.stage.loop.run_posted();
  reader_.reset();
}

void ReaderMachine::on_region(const std::string& name, const Status& status) {
  parts_.stage.history.add(name);
  parts_.stage.history.add(status.ok() ? "there" : status.error().message);
}

void ReaderMachine::on_ready() {
  if (!batch_.empty()) return;
  batch_ = reader_->take(1 + random_.below(200), kBytesMax);
  if (batch_.empty()) return;
  handling_->start(nanoseconds(random_.between(0, random_.one_in(10) ? 3'000'000'000 : 20'000'000)),
                   [this] { handle(); });
}

void ReaderMachine::handle() {
  for (const auto& record : batch_) {
    parts_.stage.history.add(record.record.data);
    parts_.model.handed_over(record);
  }
  batch_.clear();
  reader_->handled();
  on_ready();
}

// Also while a batch is being handled: the state tells of none of it.
void ReaderMachine::commit() {
  committed_ = encode(reader_->state());
  parts_.model.committed();
  ++commits_;
  committing_->start(nanoseconds(random_.between(100'000'000, 4'000'000'000)),
                     [this] { commit(); });
}

}  // namespace spillway::sim
