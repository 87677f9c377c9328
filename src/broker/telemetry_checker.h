// Reads telemetry records and says whether one is missing or there twice, from what the records
// themselves say (telemetry_record.h): each source's counts per subject, and where they end.
//
// A shard's records must be given in their order; shards may be mixed in any way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/telemetry_record.h"

namespace spillway::broker {

struct CheckedTotals {
  std::uint64_t records = 0;    // given
  std::uint64_t telemetry = 0;  // of them, those that don't tell of their source itself
  std::uint64_t lost = 0;       // missing, and not known to their source as dropped
  std::uint64_t doubled = 0;    // there before
  std::uint64_t dropped = 0;    // by their source, because its buffer was full
  std::uint64_t late = 0;       // behind a later one of their subject, but there
  std::uint64_t unchecked = 0;  // beyond what is remembered

  bool complete() const { return lost == 0 && doubled == 0 && dropped == 0; }
};

class TelemetryChecker {
 public:
  // Bounds of what is remembered.
  static constexpr std::size_t kSubjectsMax = 200'000;  // of all sources
  static constexpr std::size_t kGapsMax = 1'000;        // of one subject; older ones stay lost
  static constexpr std::size_t kProblemsMax = 20;

  // Of sources that started before `horizon` the beginning may have expired: their counts are
  // taken up where they are met. Others must be there from their first record on.
  explicit TelemetryChecker(WallTime horizon) : horizon_(horizon) {}

  void add(const TelemetryRecord& record);
  // As far as is known while more may come.
  const CheckedTotals& totals() const { return totals_; }
  // Of one source; `unchecked` is of all.
  CheckedTotals totals_of(std::string_view source) const;
  // When all has been read: also what is missing at the ends of the sources that have told theirs.
  CheckedTotals final_totals() const;
  CheckedTotals final_totals_of(std::string_view source) const;
  // Whether this source has told its end.
  bool has_end(std::string_view source) const;
  // The first that were found, one line each: "source 0199… subject cpu: 5 to 7 missing". Some may
  // have come late since.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct Subject {
    std::uint64_t last = 0;     // the highest seq seen
    std::uint64_t dropped = 0;  // as that one said
    std::uint64_t base_dropped = 0;
    std::map<std::uint64_t, std::uint64_t> gaps;  // first → last seq missing
    std::uint64_t missing = 0;                    // in gaps, and in those no longer remembered

    std::uint64_t dropped_here() const { return dropped - base_dropped; }
    std::uint64_t lost() const { return missing > dropped_here() ? missing - dropped_here() : 0; }
  };
  struct Source {
    bool from_its_start = true;
    std::map<std::string, Subject, std::less<>> subjects;
    std::optional<SubjectEnds> ends;
    CheckedTotals totals;
  };

  Source& source_of(const std::string& id);
  void add_newer(Subject& subject, const TelemetryStamp& stamp);
  // Whether it was missed until now; otherwise it is there twice.
  bool add_older(Subject& subject, const TelemetryStamp& stamp);
  static void add_ends(const Source& source, CheckedTotals& totals);
  void note(const TelemetryStamp& stamp, std::string what);

  const WallTime horizon_;
  std::map<std::string, Source, std::less<>> sources_;
  std::size_t remembered_ = 0;  // subjects, and ends of subjects
  CheckedTotals totals_;
  std::vector<std::string> problems_;
};

}  // namespace spillway::broker
