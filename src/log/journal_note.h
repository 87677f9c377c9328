// Which of a journal's files is the newest, noted outside of it: without that, a file that is gone,
// and that no other goes on behind, would look as if it had never been.
//
// The note is the name of an empty file in the journal's directory, EPOCH-SIZE-AFTER.newest (16
// hexadecimal digits each): it takes no space that a full disk would refuse, and is replaced by a
// rename.
//
// Invariants (also docs/formats/journal.md):
// - A file is noted once its header, its size and its name are durable, and before its first frame
//   is written, but for the copy with which a start begins one. So there may be one newer file than
//   the note says, with no frame that isn't in an older one too.
// - The file that is noted is neither renamed nor removed before the note says another one, or is
//   gone: then nothing is in the journal that a snapshot doesn't cover.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/disk.h"

namespace spillway::log {

struct NewestFile {
  std::uint64_t epoch = 0;
  std::uint64_t size = 0;   // in bytes, at least
  std::uint64_t after = 0;  // the last frame that was synced when it was noted
};

// nullopt: not the name of a note.
std::optional<NewestFile> newest_of(std::string_view name);
// Durably replaces `before`, where there is one, by `now`. kNoSpace: nothing was changed. After
// any other error it may be either.
Status note_newest(io::Disk& disk, const std::string& directory,
                   const std::optional<NewestFile>& before, const NewestFile& now);
// Durably removes the note.
Status forget_newest(io::Disk& disk, const std::string& directory, const NewestFile& noted);

}  // namespace spillway::log
