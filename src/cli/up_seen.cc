#include "cli/up_seen.h"

#include "broker/telemetry_record.h"

namespace spillway::cli {
namespace {

// The fields stand last in a record, as JSON; the quotes of a text before them are escaped.
std::string fields_of(std::string_view json) {
  constexpr std::string_view kName = R"("fields":)";
  const auto at = json.find(kName);
  if (at == std::string_view::npos) return "";
  json.remove_prefix(at + kName.size());
  return std::string(json.substr(0, json.size() - 1));
}

}  // namespace

void UpSeen::add(const std::vector<client::Record>& records, const std::string& source) {
  for (const auto& record : records) {
    ++records_;
    bytes_ += record.data.size();
    if (record.arrival < started_) {
      ++records_before_;
    } else {
      ++new_records_;
      new_bytes_ += record.data.size();
    }
    const auto parsed = broker::parse_record(record.data);
    if (!parsed.ok()) continue;
    checker_.add(*parsed);
    const auto& stamp = parsed->stamp;
    if (source.empty() || stamp.source != source) continue;
    if (subjects_.size() >= kSubjectsShown && !subjects_.contains(stamp.subject)) continue;
    auto& seen = subjects_[stamp.subject];
    seen.records = stamp.seq;
    seen.fields = fields_of(record.data);
  }
}

void UpSeen::show(MonoTime now, const std::string& source, UpState& state) {
  if (now > shown_) {
    const double elapsed_s = static_cast<double>((now - shown_).count()) / 1e9;
    state.records_per_s = static_cast<double>(new_records_) / elapsed_s;
    state.bytes_per_s = static_cast<double>(new_bytes_) / elapsed_s;
  }
  shown_ = now;
  new_records_ = new_bytes_ = 0;
  state.records = records_;
  state.bytes = bytes_;
  state.records_before = records_before_;
  state.totals = checker_.totals_of(source);
  state.lost_before = checker_.totals().lost - state.totals.lost;
  state.subjects = subjects_;
}

void UpSeen::show_final(const std::string& source, UpState& state) const {
  state.records = records_;
  state.bytes = bytes_;
  state.records_before = records_before_;
  state.totals = checker_.final_totals_of(source);
  state.lost_before = checker_.final_totals().lost - state.totals.lost;
}

}  // namespace spillway::cli
