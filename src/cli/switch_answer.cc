#include "cli/switch_answer.h"

#include <simdjson.h>

#include "cli/text_output.h"

namespace spillway::cli {
namespace {

using simdjson::dom::element;

// False: it is there, and no text.
bool take_text(element done, std::string_view name, std::string& to) {
  element member;
  if (done[name].get(member) != simdjson::SUCCESS) return true;
  std::string_view text;
  if (member.get(text) != simdjson::SUCCESS) return false;
  to = printable(text);
  return true;
}

bool take_streams(element done, std::string& to) {
  element member;
  if (done["streams"].get(member) != simdjson::SUCCESS) return true;
  simdjson::dom::array streams;
  if (member.get(streams) != simdjson::SUCCESS) return false;
  for (const auto stream : streams) {
    std::string_view name;
    if (stream.get(name) != simdjson::SUCCESS) return false;
    to += (to.empty() ? "" : ", ") + printable(name);
  }
  return true;
}

}  // namespace

Error not_a_broker() { return {ErrorCode::kCorrupt, "what answers there is no broker"}; }

Result<SwitchAnswer> parse_switch_answer(std::string_view body) {
  simdjson::dom::parser parser;
  element done;
  SwitchAnswer answer;
  const bool is_one = parser.parse(body.data(), body.size()).get(done) == simdjson::SUCCESS &&
                      done["held"].get(answer.held) == simdjson::SUCCESS &&
                      done["changed"].get(answer.changed) == simdjson::SUCCESS &&
                      done["target"].is_string();
  if (!is_one || !take_text(done, "broker", answer.broker) || !take_streams(done, answer.streams) ||
      !take_text(done, "target", answer.target) || !take_text(done, "because", answer.because) ||
      !take_text(done, "fault", answer.fault))
    return not_a_broker();
  if (done["receipt"].get(answer.receipt) != simdjson::SUCCESS) answer.receipt = 0;
  return answer;
}

}  // namespace spillway::cli
