#include "client/credentials_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/assert.h"

namespace spillway::client {
namespace {

using Kind = CredentialsPlace::Kind;

constexpr nanoseconds kLookInterval = milliseconds(20);
constexpr nanoseconds kFetchInterval = seconds(1);  // of those that end at once

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

Result<CredentialsPlace> parse_credentials_place(std::string_view text) {
  constexpr std::string_view kFile = "file:";
  constexpr std::string_view kCommand = "command:";
  if (text == "env") return CredentialsPlace{};
  if (text.starts_with(kCommand) && text.size() > kCommand.size())
    return CredentialsPlace{Kind::kCommand, std::string(text.substr(kCommand.size()))};
  if (text.starts_with(kFile)) {
    text.remove_prefix(kFile.size());
    const auto hash = std::min(text.find('#'), text.size());
    CredentialsPlace place{Kind::kFile, std::string(text.substr(0, hash))};
    if (hash < text.size()) place.profile = text.substr(hash + 1);
    if (!place.text.empty() && !place.profile.empty()) return place;
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("\"{}\" is no source of credentials: write env, file:PATH, "
                           "file:PATH#PROFILE or command:…",
                           text)};
}

CredentialsSource::CredentialsSource(io::EventLoop& loop, io::Disk& disk, io::EventLog& log,
                                     CredentialsPlace place, std::string name)
    : loop_(loop),
      disk_(disk),
      log_(log),
      place_(std::move(place)),
      name_(std::move(name)),
      error_{ErrorCode::kDenied, "they were not fetched yet"},
      timer_(loop.make_timer()) {}

CredentialsSource::~CredentialsSource() { SPILLWAY_ASSERT(waiting_.empty()); }

Task<Result<auth::Credentials>> CredentialsSource::get() {
  // The wall clock, which says when they end, may have been set, or this machine have slept.
  const bool ended_early = current_ && !good() && loop_.mono_now() >= fetched_ + kRetryAfter;
  if (!closed_ && !command_ && (ended_early || loop_.mono_now() >= next_fetch_)) fetch();
  // More than once where others took longer to be fetched than they last.
  while (!closed_ && !good() && command_) {
    auto over = callback<bool>(
        [this](UniqueFunction<void(bool)> done) { waiting_.push_back(std::move(done)); });
    co_await over;
  }
  if (closed_) co_return Error{ErrorCode::kClosed, "the client was closed"};
  if (!good()) co_return context(kNoCredentials, error_);
  co_return current_->keys;
}

std::optional<TimedCredentials> CredentialsSource::current() const {
  return good() ? current_ : std::nullopt;
}

void CredentialsSource::rejected() { next_fetch_ = std::min(next_fetch_, fetched_ + kFileLook); }

void CredentialsSource::close() {
  closed_ = true;
  timer_->cancel();
  command_.reset();
  for (auto& done : std::exchange(waiting_, {})) done(false);
}

bool CredentialsSource::good() const {
  return current_ && (!current_->until || loop_.wall_now() < *current_->until);
}

void CredentialsSource::fetch() {
  switch (place_.kind) {
    case Kind::kEnvironment:
      return finish(read_environment());
    case Kind::kFile:
      return finish(read_file());
    case Kind::kCommand:
      return start_command();
  }
}

CredentialsSource::Fetched CredentialsSource::read_environment() const {
  TimedCredentials credentials{.keys = {variable("AWS_ACCESS_KEY_ID"),
                                        variable("AWS_SECRET_ACCESS_KEY"),
                                        variable("AWS_SESSION_TOKEN")}};
  if (credentials.keys.access_key.empty() || credentials.keys.secret_key.empty())
    return Error{ErrorCode::kDenied, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"};
  return credentials;
}

CredentialsSource::Fetched CredentialsSource::read_file() const {
  auto text = io::read_file(disk_, place_.text, kCredentialsTextMax);
  if (!text.ok()) return std::move(text).error();
  auto keys = parse_credentials_file(*text, place_.profile);
  if (!keys.ok()) return context(place_.text, std::move(keys).error());
  return TimedCredentials{*std::move(keys)};
}

// What it says besides is for a person who runs it by hand.
void CredentialsSource::start_command() {
  auto command = io::spawn({"/bin/sh", "-c", fmt::format("{{ {}\n}} 2>/dev/null", place_.text)});
  if (!command.ok()) return finish(std::move(command).error());
  command_ = *std::move(command);
  output_.clear();
  command_until_ = loop_.mono_now() + kCommandTime;
  poll_command();
}

void CredentialsSource::poll_command() {
  const auto end = command_->poll();  // before reading, so that nothing comes after
  output_ += command_->read_output();
  std::optional<Fetched> fetched;
  if (output_.size() > kCredentialsTextMax) {
    fetched = Error{ErrorCode::kInvalid, "the command printed more than credentials"};
  } else if (end && !end->clean()) {
    fetched = Error{ErrorCode::kDenied, fmt::format("the command: {}", end->description())};
  } else if (end) {
    fetched = parse_process_credentials(output_);
    if (!fetched->ok()) fetched = context("the command", std::move(*fetched).error());
  } else if (loop_.mono_now() >= command_until_) {
    fetched = Error{ErrorCode::kDenied,
                    fmt::format("the command took longer than {} s",
                                std::chrono::duration_cast<seconds>(kCommandTime).count())};
  }
  if (!fetched) return timer_->start(kLookInterval, [this] { poll_command(); });
  command_.reset();
  finish(*std::move(fetched));
}

void CredentialsSource::finish(Fetched fetched) {
  output_.clear();
  const MonoTime now = loop_.mono_now();
  fetched_ = now;
  if (fetched.ok()) {
    current_ = *std::move(fetched);
    next_fetch_ = place_.kind == Kind::kFile ? now + kFileLook : MonoTime::max();
    if (current_->until) {
      const nanoseconds left = *current_->until - loop_.wall_now();
      next_fetch_ = now + std::max(left - std::min(left / 4, kAheadMax), kFetchInterval);
    }
    error_ = {ErrorCode::kDenied, "they have ended"};
    if (std::exchange(told_, false)) log_.info("there are credentials again", {{"for", name_}});
  } else {
    error_ = {ErrorCode::kDenied, std::move(fetched).error().message};
    next_fetch_ = now + kRetryAfter;
    if (!std::exchange(told_, true))
      log_.error("no credentials", {{"for", name_}, {"reason", error_.message}});
  }
  for (auto& done : std::exchange(waiting_, {})) done(true);
}

}  // namespace spillway::client
