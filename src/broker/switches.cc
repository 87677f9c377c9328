#include "broker/switches.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace spillway::broker {

Switching::Kept kept_of(const StreamSwitch& state, std::span<const std::string> targets) {
  const auto place = [targets](const std::string& name) {
    return static_cast<std::size_t>(std::ranges::find(targets, name) - targets.begin());
  };
  Switching::Kept kept;
  kept.used = place(state.target);
  if (state.held) kept.held = fmt::format("{} switched: {}", state.by, state.why);
  kept.set_back.resize(targets.size());
  for (const auto& [name, found] : state.set_back) kept.set_back[place(name)] = found;
  return kept;
}

Switches::Switches(Parts parts, std::string broker)
    : parts_(parts), broker_("broker:" + std::move(broker)) {
  targets_.reserve(parts.route.size());
  for (std::size_t place = 0; place < parts.route.size(); ++place)
    targets_.push_back(parts.route.link(place).target().name());
  stored_ = parts.state.of(std::string(kAllStreams), targets_);
  parts_.route.on_choice([this](const Choice& choice) { chosen(choice); });
}

Result<Switches::Done> Switches::make(const Wish& wish) {
  if (wish.reason.empty())
    return Error{ErrorCode::kInvalid, "a switch needs a reason: the log is read by others"};
  if (!parts_.route.has_choice()) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("this broker has one target only, {}", targets_.front())};
  }
  fault_.clear();
  asked_ = &wish;
  const auto before = stored_.generation;
  Status made;
  if (wish.target.empty()) {
    parts_.route.release();
  } else if (const auto found = std::ranges::find(targets_, wish.target); found == targets_.end()) {
    made = Error{ErrorCode::kNotFound, fmt::format("there is no target {}, only {}", wish.target,
                                                   fmt::join(targets_, ", "))};
  } else if (!stored_.held || stored_.target != wish.target) {
    made = parts_.route.hold(static_cast<std::size_t>(found - targets_.begin()),
                             fmt::format("{} switched: {}", wish.who, wish.reason));
  }
  if (!made.ok()) record(SwitchAction::kRefuse, stored_.target, wish.target, made.error().message);
  asked_ = nullptr;
  if (!made.ok()) return std::move(made).error();
  return done(stored_.generation != before);
}

// From within the route, before it goes by the choice.
void Switches::chosen(const Choice& choice) {
  const auto& kept = parts_.route.kept();
  if (!kept.used) return;
  StreamSwitch next = stored_;
  next.target = targets_[*kept.used];
  next.held = kept.held.has_value();
  const StreamSwitch before = stored_;
  if (next.target == before.target && next.held == before.held) return;
  const bool released = before.held && !next.held;
  next.since = parts_.loop.wall_now();
  next.why = asked_ != nullptr && !released ? asked_->reason : choice.because;
  next.by = asked_ != nullptr ? asked_->who : broker_;
  if (auto stored = parts_.state.set(std::string(kAllStreams), next); !stored.ok())
    note_fault("the switch can't be stored, a restart won't know of it: " + stored.error().message);
  ++next.generation;
  stored_ = std::move(next);
  if (released) {
    record(SwitchAction::kRelease, before.target, before.target,
           asked_ != nullptr ? asked_->reason : stored_.why);
  }
  if (stored_.target == before.target && released) return;
  const bool returns = stored_.target == targets_.front() && !stored_.held;
  record(returns ? SwitchAction::kReturn : SwitchAction::kSwitch, before.target, stored_.target,
         stored_.why);
}

void Switches::record(SwitchAction action, const std::string& from, const std::string& to,
                      const std::string& reason) {
  SwitchEvent event;
  event.time = parts_.loop.wall_now();
  event.action = action;
  event.stream = kAllStreams;
  event.from = from;
  event.to = to;
  event.who = asked_ != nullptr ? asked_->who : broker_;
  event.reason = reason;
  if (asked_ != nullptr) event.request_id = asked_->request_id;
  const auto recorded = parts_.log.append(event);
  if (!recorded.fault.empty()) note_fault(recorded.fault);
}

void Switches::note_fault(const std::string& fault) {
  parts_.events.error("a switch was made without all of its records", {{"error", fault}});
  if (!fault_.empty()) fault_ += "; ";
  fault_ += fault;
}

Switches::Done Switches::done(bool changed) {
  const auto& choice = parts_.route.choice();
  return {choice.target ? targets_[*choice.target] : "", stored_.held, changed, choice.because,
          std::exchange(fault_, {})};
}

}  // namespace spillway::broker
