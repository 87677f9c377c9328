#include "cli/receipt_view.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "cli/json_members.h"
#include "cli/text_output.h"

namespace spillway::cli {
namespace {

using simdjson::dom::element;

Error no_receipt() {
  return {ErrorCode::kInvalid, "the admin port's answer is no receipt of a switch"};
}

// "resolved", or since when; what there never was needs no time.
std::string when(const element& matter) {
  const auto resolved = text_of(matter, "resolved");
  if (resolved.empty()) return "open";
  return number_of(matter, "records") == 0 ? "-" : resolved;
}

std::string matter_line(std::string_view what, const element& matter) {
  return fmt::format("  {:44}  {:>10}  {:>10}  {:>10}  {}\n", what, number_of(matter, "records"),
                     number_of(matter, "open"), number_of(matter, "missed_for_good"), when(matter));
}

}  // namespace

Result<std::string> receipt_list_view(std::string_view json) {
  simdjson::dom::parser parser;
  element answer;
  simdjson::dom::array receipts;
  if (parser.parse(json).get(answer) != simdjson::SUCCESS ||
      answer["receipts"].get(receipts) != simdjson::SUCCESS)
    return no_receipt();
  if (receipts.size() == 0) return std::string("no switch was made so far\n");
  std::string view;
  for (const auto& receipt : receipts) {
    view +=
        fmt::format("{:>4}  {}  {:6}  {} to {}  {:8}  by {}: {}\n", number_of(receipt, "id"),
                    text_of(receipt, "time"), text_of(receipt, "action"), text_of(receipt, "from"),
                    text_of(receipt, "to"), flag_of(receipt, "resolved") ? "resolved" : "open",
                    text_of(receipt, "who"), text_of(receipt, "reason"));
  }
  return view;
}

Result<std::string> receipt_view(std::string_view json) {
  simdjson::dom::parser parser;
  element receipt;
  element in_flight;
  element spool;
  element old_only;
  element new_only;
  simdjson::dom::array shards;
  if (parser.parse(json).get(receipt) != simdjson::SUCCESS ||
      receipt["in_flight"].get(in_flight) != simdjson::SUCCESS ||
      receipt["spool"].get(spool) != simdjson::SUCCESS ||
      receipt["old_only"].get(old_only) != simdjson::SUCCESS ||
      receipt["new_only"].get(new_only) != simdjson::SUCCESS ||
      receipt["shards"].get(shards) != simdjson::SUCCESS)
    return no_receipt();
  const auto from = text_of(receipt, "from");
  const auto to = text_of(receipt, "to");
  std::string view =
      fmt::format("{} {}: from {} to {}, {}, by {}\n{}\n\n", text_of(receipt, "action"),
                  number_of(receipt, "id"), from, to, text_of(receipt, "time"),
                  text_of(receipt, "who"), text_of(receipt, "reason"));
  view += fmt::format("  {:44}  {:>10}  {:>10}  {:>10}  {}\n", "", "RECORDS", "OPEN", "GONE",
                      "RESOLVED");
  view += matter_line(fmt::format("in flight to {}", from), in_flight);
  view += matter_line("in the spool alone", spool);
  view += matter_line(fmt::format("{} has, {} lacks", from, to), old_only);
  view += matter_line(fmt::format("{} has since, {} lacks", to, from), new_only);
  view +=
      fmt::format("\n{} were sent twice; {} had acknowledged {} of them\n",
                  number_of(in_flight, "sent_twice"), from, number_of(in_flight, "acknowledged"));
  if (number_of(old_only, "missed_for_good") + number_of(new_only, "missed_for_good") > 0)
    view += "GONE: no longer in the spool, so they won't be sent there any more\n";
  if (shards.size() == 0) return view;
  std::size_t width = 6;
  for (const auto& shard : shards) width = std::max(width, text_of(shard, "stream").size());
  view +=
      fmt::format("\nopen, by shard of the spool\n  {:{}}  {:>5}  {:>9}  {:>10}  {:>10}  {:>10}\n",
                  "STREAM", width, "SHARD", "IN FLIGHT", "SPOOL", "OLD ONLY", "NEW ONLY");
  for (const auto& shard : shards) {
    view +=
        fmt::format("  {:{}}  {:>5}", text_of(shard, "stream"), width, number_of(shard, "shard"));
    int column = 9;
    for (const auto* matter : {"in_flight", "spool", "old_only", "new_only"}) {
      element of;
      const bool there = shard[matter].get(of) == simdjson::SUCCESS;
      view += fmt::format("  {:>{}}", there ? number_of(of, "open") : 0, column);
      column = 10;
    }
    view += '\n';
  }
  return view;
}

}  // namespace spillway::cli
