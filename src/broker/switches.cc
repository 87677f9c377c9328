#include "broker/switches.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/rfc3339.h"
#include "broker/json_object.h"

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
    : parts_(parts),
      broker_("broker:" + std::move(broker)),
      configured_(parts.streams.begin(), parts.streams.end()),
      streams_(configured_),
      glass_broken_(parts.metrics.gauge("spillway_broker_break_glass",
                                        "1 while a switch holds that was made without the grant "
                                        "that it took")) {
  targets_.reserve(parts.route.size());
  for (std::size_t place = 0; place < parts.route.size(); ++place)
    targets_.push_back(parts.route.link(place).target().name());
  stored_ = parts.state.of(std::string(kAllStreams), targets_);
  parts_.route.on_choice([this](const Choice& choice) { chosen(choice); });
  glass_broken_.set(stored_.break_glass ? 1 : 0);
  if (parts.approval == nullptr) return;
  if (parts.route.has_choice()) {
    cover_.emplace(std::span<const std::string>(targets_).subspan(1), parts.events, parts.metrics);
  }
  parts_.route.on_leave([this](std::size_t place) { return may_leave(place); });
  if (stored_.break_glass) {
    parts_.events.error("records go to a target that they were switched to without a grant",
                        {{"target", stored_.target}, {"by", stored_.by}, {"reason", stored_.why}});
  }
}

Result<Switches::Done> Switches::make(const Wish& wish) {
  if (wish.reason.empty())
    return Error{ErrorCode::kInvalid, "a switch needs a reason: the log is read by others"};
  if (!parts_.route.has_choice() && !wish.target.empty()) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("this broker has one target only, {}", targets_.front())};
  }
  fault_.clear();
  receipt_ = 0;
  asked_ = &wish;
  const auto before = stored_.generation;
  auto made = carry_out(wish);
  if (!made.ok())
    record_refusal(wish.accept.empty() ? wish.target : wish.accept, made.error().message);
  asked_ = nullptr;
  leave_ = {};
  if (!made.ok()) return std::move(made).error();
  return done(stored_.generation != before);
}

Status Switches::carry_out(const Wish& wish) {
  if (!wish.stream.empty() && std::ranges::find(streams_, wish.stream) == streams_.end()) {
    return Error{ErrorCode::kNotFound, fmt::format("this broker has no stream {}, only {}",
                                                   wish.stream, fmt::join(streams_, ", "))};
  }
  if (!wish.accept.empty()) return accept(wish);
  if (!wish.target.empty()) return hold(wish);
  release();
  return {};
}

Result<std::size_t> Switches::place_of(const std::string& target) const {
  const auto found = std::ranges::find(targets_, target);
  if (found != targets_.end()) return static_cast<std::size_t>(found - targets_.begin());
  return Error{ErrorCode::kNotFound,
               fmt::format("there is no target {}, only {}", target, fmt::join(targets_, ", "))};
}

Status Switches::hold(const Wish& wish) {
  SPILLWAY_ASSIGN(const auto place, place_of(wish.target));
  if (stored_.held && stored_.target == wish.target) return {};
  // No grant is used for what can't be done.
  const bool usable = parts_.route.kept().set_back[place].empty();
  if (usable && place > 0) SPILLWAY_TRY(approve(wish, wish.target));
  return parts_.route.hold(place, fmt::format("{} switched: {}", wish.who, wish.reason));
}

Status Switches::accept(const Wish& wish) {
  SPILLWAY_ASSIGN(const auto place, place_of(wish.accept));
  if (parts_.route.kept().set_back[place].empty()) return {};
  // No grant is used for what can't be done.
  if (may_accept_) SPILLWAY_TRY(may_accept_(place));
  if (place > 0) SPILLWAY_TRY(approve(wish, wish.accept));
  if (accepted_) {
    if (auto forgotten = accepted_(place); !forgotten.ok())
      note_fault("a restart may find it set back again: " + forgotten.error().message);
  }
  StreamSwitch next = stored_;
  next.set_back.erase(wish.accept);
  store(std::move(next));
  record(SwitchAction::kAccept, stored_.target, wish.accept, wish.reason);
  parts_.route.accept(place);
  return {};
}

void Switches::release() {
  parts_.route.release();
  // What was held while there were others changes no choice.
  if (!parts_.route.has_choice()) chosen(parts_.route.choice());
}

void Switches::record_set_back(std::size_t place, const std::string& found) {
  StreamSwitch next = stored_;
  next.set_back[targets_[place]] = found;
  store(std::move(next));
  record(SwitchAction::kSetBack, stored_.target, targets_[place], found);
}

void Switches::set_streams(std::vector<std::string> streams) {
  configured_ = std::move(streams);
  cover_streams();
}

void Switches::set_held(std::vector<std::string> streams) {
  if (streams == held_) return;
  held_ = std::move(streams);
  cover_streams();
}

void Switches::cover_streams() {
  streams_ = configured_;
  for (const auto& stream : held_)
    if (std::ranges::find(streams_, stream) == streams_.end()) streams_.push_back(stream);
  if (parts_.approval != nullptr) parts_.approval->set_streams(streams_);
}

// Of what a person asks for, of another target than the first.
Status Switches::approve(const Wish& wish, const std::string& target) {
  if (parts_.approval == nullptr) return {};
  if (wish.break_glass) {
    leave_.break_glass = true;
    parts_.events.error("a switch without a grant: the glass was broken",
                        {{"target", target}, {"by", wish.who}, {"reason", wish.reason}});
    return {};
  }
  if (!wish.proven) {
    return Error{ErrorCode::kDenied,
                 fmt::format("a switch to {} needs a grant, and whose it is has to be proven: "
                             "--key FILE, your private key; {}. Without any: --break-glass, which "
                             "is told to everybody",
                             target, parts_.approval->needed(target, "ed25519:…"))};
  }
  std::optional<Grant> handed;
  if (!wish.grant.empty()) {
    SPILLWAY_ASSIGN(handed, parse_grant(wish.grant));
  }
  look();
  const auto decision = parts_.approval->decide(target, wish.who, handed, parts_.loop.wall_now());
  leave_.grant = decision.grant;
  if (!decision.fault.empty()) note_fault(decision.fault);
  if (!decision.allowed) return Error{ErrorCode::kDenied, decision.why};
  if (handed && handed->id == decision.grant) {
    if (auto kept = parts_.approval->keep(wish.grant); !kept.ok())
      note_fault("the grant can't be kept: " + kept.error().message);
  }
  return {};
}

// From within the route, of a switch that nobody asked for.
bool Switches::may_leave(std::size_t place) {
  const auto decision = parts_.approval->decide(targets_[place], parts_.loop.wall_now());
  if (!decision.fault.empty()) note_fault(decision.fault);
  if (!decision.allowed) refuse_by_itself(targets_[place], decision);
  leave_.grant = decision.allowed ? decision.grant : "";
  return decision.allowed;
}

void Switches::look() {
  if (parts_.approval == nullptr) return;
  take_in_grants();
  const WallTime clock = parts_.loop.wall_now();
  std::vector<std::optional<WallTime>> until;
  until.reserve(targets_.size());
  for (std::size_t place = 1; place < targets_.size(); ++place) {
    parts_.route.permit(place, parts_.approval->permits(targets_[place], clock));
    until.push_back(parts_.approval->covered_until(targets_[place], clock));
  }
  if (!cover_) return;
  cover_->look(until, parts_.approval->now(clock), parts_.loop.mono_now());
  look_for_refusals(clock);
}

void Switches::take_in_grants() {
  const auto news = parts_.approval->look(parts_.loop.wall_now());
  for (const auto& fault : news.faults)
    parts_.events.error("a grant or revocation isn't as it should be", {{"error", fault}});
  for (const auto& event : news.events) append(event);
  if (auto told = parts_.approval->told(); !told.ok())
    parts_.events.error("the ledger of grants can't be written", {{"error", told.error().message}});
}

// Of what the route would do if it were permitted.
void Switches::look_for_refusals(WallTime clock) {
  const auto& kept = parts_.route.kept();
  if (!kept.used || kept.held) return;
  const auto closed = [&](std::size_t place) {
    return kept.set_back[place].empty() &&
           parts_.route.breaker(place).health().state == BreakerState::kClosed;
  };
  if (closed(*kept.used)) {
    refused_.clear();
    return;
  }
  if (closed(0)) return;
  for (std::size_t place = 1; place < targets_.size(); ++place) {
    if (!closed(place)) continue;
    if (parts_.approval->permits(targets_[place], clock)) return;
    refuse_by_itself(targets_[place], parts_.approval->decide(targets_[place], clock));
  }
}

// Once, for as long as it stays so.
void Switches::refuse_by_itself(const std::string& target, const Decision& decision) {
  std::string why = fmt::format("no switch to {} by itself: {}", target, decision.why);
  if (refused_ == why) return;
  refused_ = std::move(why);
  parts_.events.error("a switch needs a grant", {{"target", target}, {"error", refused_}});
  leave_.grant = decision.grant;
  const auto* const asked = std::exchange(asked_, nullptr);  // it is the broker's own
  record(SwitchAction::kRefuse, stored_.target, target, refused_);
  asked_ = asked;
  leave_ = {};
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
  next.break_glass = next.held && leave_.break_glass;
  store(std::move(next));
  if (released) {
    record(SwitchAction::kRelease, before.target, before.target,
           asked_ != nullptr ? asked_->reason : stored_.why);
  }
  if (stored_.target == before.target && released) return;
  const bool returns = stored_.target == targets_.front() && !stored_.held;
  const auto event = record(returns ? SwitchAction::kReturn : SwitchAction::kSwitch, before.target,
                            stored_.target, stored_.why);
  if (asked_ == nullptr) leave_ = {};
  if (switched_ && event.from != event.to) receipt_ = switched_(event);
}

void Switches::store(StreamSwitch next) {
  if (auto stored = parts_.state.set(std::string(kAllStreams), next); !stored.ok())
    note_fault("the switch can't be stored, a restart won't know of it: " + stored.error().message);
  ++next.generation;
  stored_ = std::move(next);
  glass_broken_.set(stored_.break_glass ? 1 : 0);
}

void Switches::store_used() {
  const auto& used = parts_.route.kept().used;
  if (!used || parts_.state.target_of(std::string(kAllStreams)) == targets_[*used]) return;
  StreamSwitch next = stored_;
  next.target = targets_[*used];
  next.since = parts_.loop.wall_now();
  next.why = parts_.route.choice().because;
  next.by = broker_;
  store(std::move(next));
}

void Switches::left(const std::string& target) {
  StreamSwitch next = stored_;
  next.since = parts_.loop.wall_now();
  next.why = fmt::format("the target {} is no longer configured", target);
  next.by = broker_;
  next.break_glass = false;
  store(std::move(next));
  const auto event = record(SwitchAction::kSwitch, target, stored_.target, stored_.why);
  if (switched_) switched_(event);
}

void Switches::record_refusal(const std::string& target, std::string why) {
  const MonoTime now = parts_.loop.mono_now();
  if (refusals_ == 0 || now - refusals_since_ >= kRefusalsWithin) {
    refusals_ = 0;
    refusals_since_ = now;
  }
  if (refusals_ == kRefusalsMax) {
    ++unrecorded_;
    return;
  }
  ++refusals_;
  if (const auto lacks = std::exchange(unrecorded_, 0); lacks > 0)
    why += fmt::format(" (the log lacks {} refusals before this one)", lacks);
  record(SwitchAction::kRefuse, stored_.target, target, why);
}

SwitchEvent Switches::record(SwitchAction action, const std::string& from, const std::string& to,
                             const std::string& reason) {
  SwitchEvent event;
  event.time = parts_.loop.wall_now();
  event.action = action;
  event.stream = kAllStreams;
  event.from = from;
  event.to = to;
  event.who = asked_ != nullptr ? asked_->who : broker_;
  event.reason = reason;
  if (action != SwitchAction::kRelease) {
    event.grant = leave_.grant;
    event.break_glass = leave_.break_glass;
  }
  if (asked_ != nullptr) event.request_id = asked_->request_id;
  append(event);
  return event;
}

void Switches::append(const SwitchEvent& event) {
  const auto recorded = parts_.log.append(event);
  if (!recorded.fault.empty()) note_fault(recorded.fault);
}

void Switches::note_fault(const std::string& fault) {
  parts_.events.error("not all of what was done is recorded", {{"error", fault}});
  if (asked_ == nullptr) return;
  if (!fault_.empty()) fault_ += "; ";
  fault_ += fault;
}

Switches::Done Switches::done(bool changed) {
  const auto& choice = parts_.route.choice();
  return {choice.target ? targets_[*choice.target] : "",
          stored_.held,
          changed,
          choice.because,
          std::exchange(fault_, {}),
          receipt_};
}

std::string Switches::status_json() const {
  JsonObject json;
  json.add("held", stored_.held).add("approval", parts_.approval != nullptr ? "grant" : "none");
  json.add("break_glass", stored_.break_glass);
  if (stored_.generation > 0) {
    json.add("since", rfc3339_millis(stored_.since));
    json.add("by", stored_.by).add("why", stored_.why);
  }
  if (cover_) json.add("grants_ending", cover_->ending());
  if (cover_ && cover_->until()) json.add("own_until", rfc3339_seconds(*cover_->until()));
  if (!refused_.empty()) json.add("refused", refused_);
  return json.text();
}

}  // namespace spillway::broker
