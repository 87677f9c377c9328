#include "broker/telemetry_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace spillway::broker {

TelemetryChecker::Source& TelemetryChecker::source_of(const std::string& id) {
  const auto found = sources_.find(id);
  if (found != sources_.end()) return found->second;
  Source& source = sources_[id];
  const auto start = source_start(id);
  source.from_its_start = start && *start >= horizon_;
  return source;
}

void TelemetryChecker::add(const TelemetryRecord& record) {
  ++totals_.records;
  const auto& stamp = record.stamp;
  const auto more = record.ends ? record.ends->size() + 1 : 1;
  Source* source = nullptr;
  if (const auto found = sources_.find(stamp.source); found != sources_.end())
    source = &found->second;
  const bool known = source != nullptr && source->subjects.contains(stamp.subject) && !record.ends;
  if (!known) {
    if (remembered_ + more > kSubjectsMax) {
      ++totals_.unchecked;
      return;
    }
    remembered_ += more;
    source = &source_of(stamp.source);
  }
  auto [at, is_new] = source->subjects.try_emplace(stamp.subject);
  Subject& subject = at->second;
  if (is_new && !source->from_its_start) {
    subject.last = stamp.seq - 1;
    subject.dropped = subject.base_dropped = stamp.dropped;
  }
  const auto lost = subject.lost();
  const auto dropped = subject.dropped_here();
  const bool newer = stamp.seq > subject.last;
  if (newer) add_newer(subject, stamp);
  const bool late = !newer && add_older(subject, stamp);
  for (CheckedTotals* totals : {&totals_, &source->totals}) {
    totals->lost += subject.lost() - lost;  // modulo 2^64: either may be larger
    totals->dropped += subject.dropped_here() - dropped;
    if (late) ++totals->late;
    if (!newer && !late) ++totals->doubled;
  }
  ++source->totals.records;
  if (stamp.subject != kSourceSubject) ++source->totals.telemetry;
  if (record.ends) source->ends = record.ends;
}

void TelemetryChecker::add_newer(Subject& subject, const TelemetryStamp& stamp) {
  if (const auto gap = stamp.seq - subject.last - 1; gap > 0) {
    const auto dropped = stamp.dropped > subject.dropped ? stamp.dropped - subject.dropped : 0;
    if (gap > dropped)
      note(stamp, fmt::format("{} to {} missing, {} of them known to their source as dropped",
                              subject.last + 1, stamp.seq - 1, dropped));
    subject.gaps[subject.last + 1] = stamp.seq - 1;
    subject.missing += gap;
    if (subject.gaps.size() > kGapsMax) subject.gaps.erase(subject.gaps.begin());
  }
  subject.last = stamp.seq;
  subject.dropped = std::max(subject.dropped, stamp.dropped);
}

bool TelemetryChecker::add_older(Subject& subject, const TelemetryStamp& stamp) {
  const auto behind = subject.gaps.upper_bound(stamp.seq);
  const auto gap = behind == subject.gaps.begin() ? subject.gaps.end() : std::prev(behind);
  if (gap == subject.gaps.end() || gap->second < stamp.seq) {
    note(stamp, fmt::format("{} is there twice", stamp.seq));
    return false;
  }
  --subject.missing;
  const auto [first, last] = *gap;
  subject.gaps.erase(gap);
  if (first < stamp.seq) subject.gaps[first] = stamp.seq - 1;
  if (stamp.seq < last) subject.gaps[stamp.seq + 1] = last;
  return true;
}

void TelemetryChecker::add_ends(const Source& source, CheckedTotals& totals) {
  if (!source.ends) return;
  for (const auto& [name, end] : *source.ends) {
    const auto found = source.subjects.find(name);
    // Of an old source a subject may have expired as a whole.
    if (found == source.subjects.end() && !source.from_its_start) continue;
    const Subject none;
    const Subject& subject = found != source.subjects.end() ? found->second : none;
    const auto missing = end.seq > subject.last ? end.seq - subject.last : 0;
    const auto dropped = end.dropped > subject.dropped ? end.dropped - subject.dropped : 0;
    totals.dropped += dropped;
    totals.lost += missing > dropped ? missing - dropped : 0;
  }
}

CheckedTotals TelemetryChecker::final_totals() const {
  CheckedTotals totals = totals_;
  for (const auto& [id, source] : sources_) add_ends(source, totals);
  return totals;
}

CheckedTotals TelemetryChecker::totals_of(std::string_view source) const {
  const auto found = sources_.find(source);
  CheckedTotals totals = found != sources_.end() ? found->second.totals : CheckedTotals{};
  totals.unchecked = totals_.unchecked;
  return totals;
}

CheckedTotals TelemetryChecker::final_totals_of(std::string_view source) const {
  CheckedTotals totals = totals_of(source);
  if (const auto found = sources_.find(source); found != sources_.end())
    add_ends(found->second, totals);
  return totals;
}

bool TelemetryChecker::has_end(std::string_view source) const {
  const auto found = sources_.find(source);
  return found != sources_.end() && found->second.ends.has_value();
}

void TelemetryChecker::note(const TelemetryStamp& stamp, std::string what) {
  if (problems_.size() >= kProblemsMax) return;
  problems_.push_back(
      fmt::format("source {} subject {}: {}", stamp.source, stamp.subject, std::move(what)));
}

}  // namespace spillway::broker
