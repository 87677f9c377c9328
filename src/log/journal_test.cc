#include "log/journal.h"

#include <cstdio>
#include <functional>

#include "log/crash_disk.h"
#include "log/journal_scan.h"

namespace spillway::log {
namespace {

constexpr char kDirectory[] = "d";
constexpr std::uint64_t kFileBytes = 16384;

Entry batch_of(std::uint64_t first, std::string_view payload) {
  Entry entry;
  entry.batch.shard = 7;
  entry.batch.first = first;
  entry.batch.count = 1;
  entry.batch.arrival_ms = static_cast<std::int64_t>(1000 + first);
  entry.batch.owner = SharedBytes::copy_of(payload);
  entry.batch.payload = entry.batch.owner.view();
  return entry;
}

std::string payload_of(std::uint64_t frame) {
  return fmt::format("{}{}", frame, std::string(300 * (frame % 4), 'x'));
}

struct Written {
  CrashDisk disk;
  std::vector<std::uint64_t> offsets;  // of the frames, in their files
  std::string last_path;

  // Frames 1 … count, in files of kFileBytes.
  explicit Written(std::uint64_t count) {
    const auto journal =
        Journal::start(disk, {kDirectory, kFileBytes, 100}, JournalContent{}, 0, 42).value();
    std::uint64_t offset = kFileHeaderSize;
    for (std::uint64_t number = 1; number <= count; ++number) {
      const Entry entry = batch_of(number, payload_of(number));
      if (!journal->fits(entry.stored_size())) {
        EXPECT_TRUE(journal->next_file().ok());
        offset = kFileHeaderSize;
      }
      EXPECT_TRUE(journal->append({&entry, 1}).ok());
      offsets.push_back(offset);
      offset += frame_space(entry.stored_size());
    }
    last_path = fmt::format("d/{:016x}.journal", journal->current_epoch());
  }
  Result<JournalContent> read(std::uint64_t after = 0) {
    return read_journal(disk, kDirectory, after);
  }
  // As a build left it that notes nothing.
  void forget_note() { ASSERT_TRUE(forget_newest(disk, kDirectory, *read()->noted).ok()); }
};

std::string error_of(const Result<JournalContent>& content, ErrorCode code) {
  if (content.ok()) return "no error";
  EXPECT_EQ(content.error().code, code) << content.error().message;
  return content.error().message;
}

TEST(Journal, ReadsWhatWasWrittenAcrossFiles) {
  Written written(50);
  for (const std::uint64_t after : {0, 1, 20, 49, 50, 60}) {
    const auto content = written.read(after);
    ASSERT_TRUE(content.ok()) << content.error().message;
    EXPECT_GT(content->used.size() + content->covered.size(), 1u);
    ASSERT_EQ(content->frames.size(), after >= 50 ? 0 : 50 - after);
    for (const auto& frame : content->frames) {
      EXPECT_EQ(frame.number, after + 1 + static_cast<std::uint64_t>(&frame - &content->frames[0]));
      ASSERT_EQ(frame.entries.size(), 1u);
      EXPECT_EQ(frame.entries[0].batch.payload, payload_of(frame.number));
      EXPECT_EQ(frame.entries[0].batch.shard, 7u);
    }
  }
}

TEST(Journal, TakesTheSpareBeforeItMakesAFile) {
  CrashDisk disk;
  const JournalOptions options{kDirectory, kFileBytes, 2};
  disk.put("d/spare", "of a run that was cut short");
  const auto journal = Journal::start(disk, options, JournalContent{}, 0, 42).value();
  EXPECT_FALSE(journal->wants_spare());
  const std::string half(kFileBytes / 2, 'x');
  const Entry first = batch_of(1, half);
  ASSERT_TRUE(journal->append({&first, 1}).ok());
  EXPECT_TRUE(journal->wants_spare());
  ASSERT_TRUE(make_spare(disk, options).ok());
  journal->add_spare();
  EXPECT_FALSE(journal->wants_spare());

  const std::uint64_t changes = disk.changes();
  ASSERT_TRUE(journal->next_file().ok());
  EXPECT_EQ(disk.changes() - changes, 6u);  // a name, a header, a note, and their syncs: no zeros
  const Entry second = batch_of(2, half);
  ASSERT_TRUE(journal->append({&second, 1}).ok());
  EXPECT_FALSE(journal->wants_spare());  // as many files as may be
  EXPECT_EQ(journal->next_file().error().code, ErrorCode::kThrottled);
  EXPECT_EQ(journal_paths(disk, kDirectory)->size(), 2u);
  EXPECT_EQ(read_journal(disk, kDirectory, 0)->frames.size(), 2u);
}

// Wherever the making of a file meets a full disk: it can be tried again, or is over for good where
// a sync failed; never in between.
TEST(Journal, ANextFileWithoutSpaceIsTriedAgainUnlessASyncFailed) {
  int tried_again = 0;
  int final = 0;
  for (std::uint64_t calls = 0;; ++calls) {
    CrashDisk disk;
    const auto journal =
        Journal::start(disk, {kDirectory, kFileBytes, 3}, JournalContent{}, 0, 42).value();
    disk.fail_after(calls, ErrorCode::kNoSpace);
    const auto moved = journal->next_file();
    if (moved.ok()) break;
    if (moved.error().code == ErrorCode::kIo) {
      ++final;
      continue;
    }
    EXPECT_EQ(moved.error().code, ErrorCode::kNoSpace);
    ++tried_again;
    disk.never_fail();
    EXPECT_TRUE(journal->next_file().ok()) << "after " << calls << " calls";
  }
  EXPECT_EQ(tried_again, 4);  // the name, the zeros, the header, the note
  EXPECT_EQ(final, 3);        // the syncs of header, name and note
}

TEST(Journal, ASpareThatFindsNoSpaceLeavesNothing) {
  CrashDisk disk;
  const JournalOptions options{kDirectory, kFileBytes, 2};
  for (const std::uint64_t calls : {0, 1, 2}) {
    disk.fail_after(calls, ErrorCode::kNoSpace);
    EXPECT_EQ(make_spare(disk, options).error().code, ErrorCode::kNoSpace);
    EXPECT_FALSE(disk.open("d/spare", io::OpenMode::kRead).ok());
  }
}

TEST(Journal, ATornLastFrameIsLeftOutWhereverItWasCut) {
  Written written(6);
  const std::string whole = written.disk.content(written.last_path);
  const std::size_t end = written.offsets[5] + kFrameHeaderSize + kEntryHeaderSize +
                          payload_of(6).size();  // behind it is padding, which nothing covers
  for (std::size_t cut = written.offsets[5]; cut <= end; ++cut) {
    std::string& content = written.disk.content(written.last_path);
    content = whole;
    std::fill(content.begin() + static_cast<std::ptrdiff_t>(cut), content.end(), '\0');
    const auto read = written.read();
    ASSERT_TRUE(read.ok()) << cut << ": " << read.error().message;
    EXPECT_EQ(read->frames.size(), cut == end ? 6u : 5u) << cut;
  }
}

TEST(Journal, DamageBeforeAValidFrameIsToldWithFileAndOffset) {
  Written written(6);
  const std::string whole = written.disk.content(written.last_path);
  for (std::size_t at = written.offsets[2]; at < written.offsets[3]; ++at) {
    const bool is_padding =
        at >= written.offsets[2] + kFrameHeaderSize + kEntryHeaderSize + payload_of(3).size();
    std::string& content = written.disk.content(written.last_path);
    content = whole;
    content[at] = static_cast<char>(content[at] ^ 0x10);
    const auto read = written.read();
    ASSERT_EQ(read.ok(), is_padding) << at;
    if (!is_padding) {
      EXPECT_THAT(error_of(read, ErrorCode::kCorrupt),
                  testing::HasSubstr(
                      fmt::format("{}, byte {}: damaged", written.last_path, written.offsets[2])));
    }
  }
}

TEST(Journal, ADamagedFileHeaderIsToldWhereFramesFollowIt) {
  Written written(3);
  const std::string whole = written.disk.content(written.last_path);
  for (std::size_t at = 0; at < 36; ++at) {
    std::string& content = written.disk.content(written.last_path);
    content = whole;
    content[at] = static_cast<char>(content[at] ^ 0x10);
    const auto read = written.read();
    ASSERT_FALSE(read.ok()) << "byte " << at << " of the header: its frames are gone";
    EXPECT_THAT(read.error().message, testing::HasSubstr(written.last_path));
  }
  // Without frames, and not noted, it is a file whose making was cut short.
  written.disk.content(written.last_path) = whole;
  written.forget_note();
  std::string& content = written.disk.content(written.last_path);
  content = std::string(kFileBytes, '\0');
  const auto read = written.read();
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->frames.empty());
}

// As the file that a start, which was cut short itself, began to use again.
TEST(Journal, WithoutAFileHeaderATornFrameIsNoLoss) {
  Written written(3);
  written.forget_note();
  std::string& content = written.disk.content(written.last_path);
  content[0] = static_cast<char>(content[0] ^ 0x10);
  EXPECT_FALSE(written.read(2).ok()) << "frame 3 is whole";
  content[written.offsets[2] + kFrameHeaderSize] ^= 1;
  const auto read = written.read(2);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(read->used.empty());
}

TEST(Journal, ANewerVersionIsRefusedWhateverElseItChanged) {
  Written written(3);
  written.disk.content(written.last_path)[8] = 2;
  EXPECT_THAT(error_of(written.read(), ErrorCode::kUnsupported),
              testing::AllOf(testing::HasSubstr(written.last_path),
                             testing::HasSubstr("version 2; this program knows version 1")));
}

TEST(Journal, AMissingFileIsTold) {
  Written written(50);
  const auto files = written.read()->used.size();
  ASSERT_GT(files, 2u);
  ASSERT_TRUE(written.disk.remove(fmt::format("d/{:016x}.journal", 2)).ok());
  EXPECT_THAT(error_of(written.read(), ErrorCode::kCorrupt),
              testing::HasSubstr("those between are missing"));
  const auto names = written.disk.list(kDirectory).value();
  for (const auto& name : names)
    ASSERT_TRUE(written.disk.remove(io::join_path(kDirectory, name)).ok());
  EXPECT_TRUE(written.read(0).ok()) << "nothing was ever written";
  EXPECT_THAT(error_of(written.read(1), ErrorCode::kCorrupt),
              testing::HasSubstr("no file is there, though frames through 1 were written"));
}

// What nothing goes on behind is missed all the same.
TEST(Journal, DamageToTheNewestFileIsToldByItsNote) {
  struct Case {
    std::string what;
    std::function<void(Written&)> damage;
  };
  const auto content = [](Written& written) -> std::string& {
    return written.disk.content(written.last_path);
  };
  const std::vector<Case> cases = {
      {"is gone",
       [](Written& written) { ASSERT_TRUE(written.disk.remove(written.last_path).ok()); }},
      {"has 0 bytes of 16384", [&](Written& written) { content(written).clear(); }},
      {"has 16383 bytes of 16384",
       [&](Written& written) { content(written).resize(kFileBytes - 1); }},
      {"has lost its header", [&](Written& written) { content(written).assign(kFileBytes, '\0'); }},
  };
  for (const std::uint64_t frames : {3, 50}) {  // in one file, and in several
    for (const auto& [what, damage] : cases) {
      Written written(frames);
      damage(written);
      for (const std::uint64_t after : {std::uint64_t{0}, frames}) {
        EXPECT_THAT(error_of(written.read(after), ErrorCode::kCorrupt),
                    testing::AllOf(testing::HasSubstr(written.last_path), testing::HasSubstr(what)))
            << "of " << frames << " frames, after " << after;
      }
    }
  }
}

// Wherever a start, or a move to the next file, is cut short: nobody takes it for damage, and the
// loss of the newest file that holds something is noticed, whatever was being made beside it.
TEST(Journal, TheNoteIsRightWhateverAPowerCutLeaves) {
  constexpr std::uint64_t kSeed = 20261126;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Random random(kSeed);
  int lost = 0;
  for (int round = 0; round < 400; ++round) {
    CrashDisk disk;
    std::uint64_t after = 0;    // a snapshot's
    std::uint64_t written = 0;  // frames that were synced
    for (int start = 0; start < 4; ++start) {
      const auto content = read_journal(disk, kDirectory, after);
      ASSERT_TRUE(content.ok()) << "round " << round << ": " << content.error().message;
      ASSERT_GE(after + content->frames.size(), written) << "round " << round;
      if (random.one_in(2)) disk.fail_after(random.below(10));
      auto journal = Journal::start(disk, {kDirectory, kFileBytes, 3}, *content, after, 42);
      const std::uint64_t found = after + content->frames.size();
      if (journal.ok() && random.one_in(2)) {  // what was found is sealed
        after = found;
        (*journal)->release_through(content->last_epoch);
      }
      if (!disk.failed() && random.one_in(2)) disk.fail_after(random.below(40));
      for (int number = 0; journal.ok() && number < 30; ++number) {
        const Entry entry = batch_of((*journal)->next_frame(), payload_of(number));
        if (!(*journal)->fits(entry.stored_size())) {
          (*journal)->release_through((*journal)->current_epoch() - 1);
          after = (*journal)->next_frame() - 1;
          if (!(*journal)->next_file().ok()) break;
        }
        if (!(*journal)->append({&entry, 1}).ok()) break;
        written = (*journal)->next_frame() - 1;
      }
      disk.cut_power(random);
    }
    const auto content = read_journal(disk, kDirectory, after);
    ASSERT_TRUE(content.ok()) << "round " << round << ": " << content.error().message;
    if (content->used.empty()) continue;
    ++lost;
    ASSERT_TRUE(
        disk.remove(fmt::format("{}/{:016x}.journal", kDirectory, content->used.back())).ok());
    const auto without = read_journal(disk, kDirectory, after);
    EXPECT_TRUE(!without.ok() || without->frames.size() == content->frames.size())
        << "round " << round;
  }
  EXPECT_GT(lost, 100);
}

// It noted nothing, and may have used the noted file again.
TEST(Journal, WhatAnOlderBuildWentOnWithIsNoDamage) {
  Written written(50);
  const auto noted = written.read()->noted.value();
  ASSERT_TRUE(written.disk.remove(written.last_path).ok());
  ASSERT_FALSE(written.read(50).ok());
  CrashDisk other;
  const auto journal = Journal::start(other, {kDirectory, kFileBytes, 4},
                                      JournalContent{.last_epoch = noted.epoch}, 50, 42)
                           .value();
  const Entry entry = batch_of(51, "x");
  ASSERT_TRUE(journal->append({&entry, 1}).ok());
  const std::string path = fmt::format("{}/{:016x}.journal", kDirectory, noted.epoch + 1);
  written.disk.put(path, other.content(path));
  const auto content = written.read(50);
  ASSERT_TRUE(content.ok()) << content.error().message;
  EXPECT_EQ(content->frames.size(), 1u);
}

// Every start adds a file, and crashes come one after the other; the disk must not fill with them.
TEST(Journal, FilesThatStartsHaveAddedAreRemovedAgain) {
  constexpr std::uint32_t kFilesMax = 2;
  CrashDisk disk;
  std::uint64_t after = 0;
  std::size_t most = 0;
  for (int start = 0; start < 6; ++start) {
    const auto content = read_journal(disk, kDirectory, after).value();
    const auto journal =
        Journal::start(disk, {kDirectory, kFileBytes, kFilesMax}, content, after, 42).value();
    // What it found is sealed, and then files are used one after the other.
    if (!content.frames.empty()) {
      after = content.frames.back().number;
      journal->release_through(content.last_epoch);
    }
    for (int number = 0; number < 40; ++number) {
      const Entry entry = batch_of(number, payload_of(number));
      if (!journal->fits(entry.stored_size())) {
        const std::uint64_t full = journal->current_epoch();
        after = journal->next_frame() - 1;
        journal->release_through(full - 1);
        ASSERT_TRUE(journal->next_file().ok());
      }
      ASSERT_TRUE(journal->append({&entry, 1}).ok());
    }
    after = std::min(after, journal->next_frame() - 2);
    most = std::max(most, journal_paths(disk, kDirectory)->size());
  }
  EXPECT_LE(most, kFilesMax + 1);
}

TEST(Journal, WhatAClientHidesInItsPayloadIsNoFrame) {
  // A frame as the journal would write it next, but for the salt, which no client knows; placed so
  // that it stands at a sector's beginning.
  FrameBuilder builder;
  const Entry forged = batch_of(99, "forged");
  std::string frame(kSectorSize - kFrameHeaderSize - kEntryHeaderSize, 'x');
  for (const auto part : builder.build({1, 0}, 99, {&forged, 1})) frame += part;
  CrashDisk disk;
  const auto journal =
      Journal::start(disk, {kDirectory, kFileBytes, 4}, JournalContent{}, 0, 42).value();
  const Entry entry = batch_of(1, frame);
  ASSERT_TRUE(journal->append({&entry, 1}).ok());
  // The frame that carries it is torn: what it holds must not make that look like damage.
  std::string& content = disk.content("d/0000000000000001.journal");
  content[kFileHeaderSize + kFrameHeaderSize] ^= 1;
  const auto read = read_journal(disk, kDirectory, 0);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(read->frames.empty());
}

}  // namespace
}  // namespace spillway::log
