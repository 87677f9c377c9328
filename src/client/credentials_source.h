// Credentials that change while a client runs: from the environment, from AWS's shared credentials
// file, or from a command that prints them as a credential_process does.
//
// Those that end are fetched anew before they do, while requests go on with the ones that there
// are; what can't be fetched is tried again every kRetryAfter. The file is read again once a
// minute. One that takes the place of another goes on with what that one had, until it has fetched
// its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "client/credentials_text.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "io/process.h"

namespace spillway::client {

struct CredentialsPlace {
  enum class Kind {
    kEnvironment,  // "env": AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
    kFile,         // "file:PATH" or "file:PATH#PROFILE"
    kCommand,      // "command:TEXT", which /bin/sh runs
  };
  Kind kind = Kind::kEnvironment;
  std::string text;  // the file's path, or the command
  std::string profile = "default";
  friend bool operator==(const CredentialsPlace&, const CredentialsPlace&) = default;
};
// kInvalid says what forms there are.
Result<CredentialsPlace> parse_credentials_place(std::string_view text);

// How the message of a get() that found none begins.
inline constexpr std::string_view kNoCredentials = "no credentials";

// On one loop's thread, which a command is started on and must outlive it.
class CredentialsSource {
 public:
  static constexpr nanoseconds kCommandTime = seconds(30);
  static constexpr nanoseconds kRetryAfter = seconds(5);
  static constexpr nanoseconds kFileLook = seconds(60);
  // How long before their end others are fetched, at most a quarter of the time that they have.
  static constexpr nanoseconds kAheadMax = std::chrono::minutes(5);

  // `name`: of what the credentials are for, in the log.
  CredentialsSource(io::EventLoop& loop, io::Disk& disk, io::EventLog& log, CredentialsPlace place,
                    std::string name);
  // Not while a get() is under way: after close() there is none.
  ~CredentialsSource();

  const CredentialsPlace& place() const { return place_; }
  // get() gives these while none were fetched. Before the first get().
  void begin_with(TimedCredentials credentials) { current_ = std::move(credentials); }
  // Those that get() gives without waiting for others. nullopt: none.
  std::optional<TimedCredentials> current() const;
  // Those that are good now. kDenied says why there are none; kClosed.
  Task<Result<auth::Credentials>> get();
  // The endpoint denied what was signed with them: others may be there already. They are fetched
  // again kFileLook after the last time, and are used until then.
  void rejected();
  // Ends every get() under way with kClosed, from within, and each later one at once. A command
  // that runs is killed.
  void close();

 private:
  using Fetched = Result<TimedCredentials>;

  void fetch();
  Fetched read_environment() const;
  Fetched read_file() const;
  void start_command();
  void poll_command();
  void finish(Fetched fetched);
  bool good() const;

  io::EventLoop& loop_;
  io::Disk& disk_;
  io::EventLog& log_;
  const CredentialsPlace place_;
  const std::string name_;
  std::optional<TimedCredentials> current_;
  Error error_;                                // why there are none, where there are none
  MonoTime fetched_{};                         // or tried to
  MonoTime next_fetch_{};                      // not before, unless they have ended
  bool told_ = false;                          // of that it fails
  std::unique_ptr<io::ChildProcess> command_;  // that runs
  std::string output_;
  MonoTime command_until_{};
  const std::unique_ptr<io::Timer> timer_;  // of the looks at it
  std::vector<UniqueFunction<void(bool)>> waiting_;
  bool closed_ = false;
};

}  // namespace spillway::client
