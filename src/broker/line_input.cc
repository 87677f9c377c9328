#include "broker/line_input.h"

#include <utility>

namespace spillway::broker {

LineInput::LineInput(std::unique_ptr<io::StandardInput> input, std::string stream, std::string key,
                     Parts parts)
    : input_(std::move(input)),
      key_(std::move(key)),
      parts_(parts),
      counts_(parts.metrics, "stdin"),
      writer_(std::make_shared<SpoolWriter>(parts.loop, parts.spool, std::move(stream), counts_)),
      deadline_(parts.loop.make_timer()) {}

void LineInput::start(UniqueFunction<void()> ended) {
  ended_ = std::move(ended);
  read();
}

void LineInput::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  parts_.loop.post([this, deadline, drained = std::move(drained)]() mutable {
    input_ = nullptr;
    ended_ = nullptr;
    drained_ = std::move(drained);
    deadline_->start(deadline, [this] {
      writer_->close();
      begun_.clear();
      go_on();
    });
    if (!writer_->busy()) go_on();
  });
}

void LineInput::read() {
  input_->read([this](const Result<std::string>& got) { take(got); });
}

void LineInput::take(const Result<std::string>& got) {
  std::vector<InputRecord> records;
  if (!got.ok()) parts_.log.error("standard input failed", {{"error", got.error().message}});
  // Its end, too, is no more than an input that is not read any more.
  if (!got.ok() || got->empty()) input_ = nullptr;
  std::string_view bytes = got.ok() ? std::string_view(*got) : std::string_view();
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    append(bytes.substr(0, newline));
    if (newline == std::string_view::npos) break;
    end_line(records);
    bytes.remove_prefix(newline + 1);
  }
  put(std::move(records));
}

void LineInput::append(std::string_view part) {
  const std::size_t room = kLineBytesMax - begun_.size();
  if (part.size() > room) cut_ = true;
  begun_ += part.substr(0, room);
}

void LineInput::end_line(std::vector<InputRecord>& records) {
  if (std::exchange(cut_, false)) counts_.malformed.add();
  if (!begun_.empty()) records.push_back({key_, std::exchange(begun_, {})});
}

void LineInput::put(std::vector<InputRecord> records) {
  if (records.empty()) return go_on();
  writer_->put(std::move(records), [this] { go_on(); });
}

void LineInput::go_on() {
  if (input_ != nullptr) return read();
  std::vector<InputRecord> last;
  end_line(last);
  if (!last.empty()) return put(std::move(last));
  deadline_->cancel();
  if (auto ended = std::exchange(ended_, nullptr)) ended();
  if (auto drained = std::exchange(drained_, nullptr)) drained();
}

}  // namespace spillway::broker
