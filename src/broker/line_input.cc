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
    drain_now(deadline, std::move(drained));
  });
}

void LineInput::drain_now(nanoseconds deadline, UniqueFunction<void()> drained) {
  ended_ = nullptr;
  drained_ = std::move(drained);
  deadline_->start(deadline, [this] {
    input_ = nullptr;
    writer_->close();
    end();
  });
  // Its read may have taken from a pipe what nobody else could read any more.
  if (reading_) return input_->end();
  if (!writer_->busy()) go_on();
}

void LineInput::read() {
  reading_ = true;
  input_->read([this](const Result<std::string>& got) { take(got); });
}

void LineInput::take(const Result<std::string>& got) {
  reading_ = false;
  if (!got.ok() && got.error().code != ErrorCode::kClosed)
    parts_.log.error("standard input failed", {{"error", got.error().message}});
  std::vector<InputRecord> records;
  std::string_view bytes = got.ok() ? std::string_view(*got) : std::string_view();
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    append(bytes.substr(0, newline));
    if (newline == std::string_view::npos) break;
    end_line(records);
    bytes.remove_prefix(newline + 1);
  }
  if (got.ok() && got->empty()) end_line(records);
  if (!got.ok() || got->empty()) input_ = nullptr;
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
  if (input_ != nullptr && !drained_) return read();
  end();
}

void LineInput::end() {
  if (!std::exchange(begun_, {}).empty()) counts_.refused.add();
  deadline_->cancel();
  if (auto ended = std::exchange(ended_, nullptr)) ended();
  if (auto drained = std::exchange(drained_, nullptr)) drained();
}

}  // namespace spillway::broker
