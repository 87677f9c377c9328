#include "broker/spool_writer.h"

#include <utility>

#include "base/assert.h"

namespace spillway::broker {

SpoolWriter::SpoolWriter(io::EventLoop& loop, Spool& spool, std::string stream,
                         InputMetrics& counts)
    : loop_(loop),
      spool_(spool),
      stream_(std::move(stream)),
      counts_(counts),
      timer_(loop.make_timer()) {}

void SpoolWriter::put(std::vector<InputRecord> records, UniqueFunction<void()> done) {
  SPILLWAY_ASSERT(!busy() && !records.empty());
  put_to_ = stream_;
  records_ = std::move(records);
  done_ = std::move(done);
  try_put();
}

void SpoolWriter::close() {
  counts_.refused.add(records_.size());
  records_.clear();
  done_ = nullptr;
  timer_ = nullptr;
}

void SpoolWriter::try_put() {
  std::vector<stream::RecordView> views;
  views.reserve(records_.size());
  for (const auto& record : records_)
    views.push_back({record.key, record.data, std::nullopt, std::nullopt});
  spool_.put(put_to_, views, [self = shared_from_this()](Spool::Outcomes outcomes) {
    self->loop_.post([self, outcomes = std::move(outcomes)] { self->settle(outcomes); });
  });
}

void SpoolWriter::settle(const Spool::Outcomes& outcomes) {
  if (!busy()) return;  // closed meanwhile
  std::vector<InputRecord> left;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (!outcomes[i].ok()) left.push_back(std::move(records_[i]));
  counts_.records.add(records_.size() - left.size());
  records_ = std::move(left);
  if (!records_.empty()) return timer_->start(kRetryDelay, [this] { try_put(); });
  std::exchange(done_, nullptr)();
}

}  // namespace spillway::broker
