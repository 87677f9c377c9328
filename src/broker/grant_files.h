// The grants and revocations that a broker has at hand: files in its data directory, one text each
// (docs/formats/grant.md), put there by `spillway grant` or by hand.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/grant.h"
#include "io/disk.h"

namespace spillway::broker {

inline constexpr std::size_t kGrantFilesMax = 10'000;

struct GrantFiles {
  std::vector<Grant> grants;  // by name of their files
  std::vector<Revocation> revocations;
  std::vector<std::string> faults;  // files that are neither, and why; they stop nothing
};

// Those in `directory`; none where there is no such directory. Whether their approvers are listed
// is for check() and GrantLedger::revoke() to say.
Result<GrantFiles> read_grant_files(io::Disk& disk, const std::string& directory);

// The same, looked at again and again. Files are compared by what is in them: another one may take
// a name between two looks. One thread; calls block on the disk.
class GrantFolder {
 public:
  GrantFolder(io::Disk& disk, std::string directory)
      : disk_(disk), directory_(std::move(directory)) {}

  // An error leaves what is known.
  Status look();
  const GrantFiles& files() const { return files_; }

 private:
  struct Known {
    std::string text;
    std::variant<Grant, Revocation> meaning;
  };
  // `before`: what the file was, if it was there; understood anew only where it has changed.
  Result<Known> look_at(const std::string& path, const Known* before);

  io::Disk& disk_;
  const std::string directory_;
  std::map<std::string, Known> known_;  // by name of their files
  GrantFiles files_;
};

// Stores a grant's text, durably, as DIRECTORY/ID.grant, or a revocation's as
// DIRECTORY/ID.SIGNER.revocation; the path. kInvalid and so on as parse_grant(). Storing the same
// again changes nothing, nor does a second revocation by the same signer; another grant of that id
// is kExists.
Result<std::string> store_grant_file(io::Disk& disk, const std::string& directory,
                                     std::string_view text);

}  // namespace spillway::broker
