#include "broker/line_joiner.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool stands_for(char example, char c) {
  if (is_digit(example)) return is_digit(c);
  if (is_letter(example)) return is_letter(c);
  return example == c;
}

}  // namespace

std::vector<FollowedLine> LineJoiner::join(std::vector<FollowedLine> lines, MonoTime now) {
  if (!example_ && !begun_) return lines;
  if (!lines.empty()) last_came_ = now;
  std::vector<FollowedLine> ended;
  ended.reserve(lines.size() + 1);
  for (auto& line : lines) {
    if (begun_ && goes_on_with(line)) {
      begun_->text += '\n';
      begun_->text += line.text;
      begun_->cut = begun_->cut || line.cut;
      begun_->behind = line.behind;
      continue;
    }
    if (begun_) ended.push_back(*std::move(begun_));
    begun_ = std::move(line);
  }
  if (begun_ && (!example_ || now - last_came_ >= kWait)) {
    ended.push_back(*std::move(begun_));
    begun_.reset();
  }
  return ended;
}

bool LineJoiner::begins(std::string_view line) const {
  if (!example_) return true;
  if (example_->empty()) return !line.starts_with(' ') && !line.starts_with('\t');
  return line.size() >= example_->size() &&
         std::ranges::equal(*example_, line.substr(0, example_->size()), stands_for);
}

bool LineJoiner::goes_on_with(const FollowedLine& line) const {
  const bool same_file =
      line.begin.file_id == begun_->begin.file_id && line.begin.offset >= begun_->behind.offset;
  const bool fits = begun_->text.size() + 1 + line.text.size() <= kBytesMax;
  return same_file && fits && !begins(line.text);
}

}  // namespace spillway::broker
