#include "server/spool_salvage.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "broker/cursors.h"
#include "broker/spool_samples.h"
#include "engine/embedded/embedded_engine.h"
#include "io/posix_disk.h"
#include "io/recording_log.h"
#include "stream/record_batch.h"

namespace spillway::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Steps that the test takes.
class HeldWorkers final : public io::Workers {
 public:
  std::unique_ptr<io::Worker> start(io::WorkerOptions, UniqueFunction<io::Step()> step) override {
    class Held final : public io::Worker {
      void wake() override {}
    };
    step_ = std::move(step);
    return std::make_unique<Held>();
  }
  void run() {
    while (step_() == io::Step::kAgain) {
    }
  }

 private:
  UniqueFunction<io::Step()> step_;
};

// A spool on the disk, of streams "s" and "t" of a shard each, which is set aside and salvaged into
// one in memory.
class SpoolSalvageTest : public broker::SpoolTest {
 protected:
  SpoolSalvageTest() {
    char pattern[] = "/tmp/spillway-salvage-XXXXXX";
    data_ = mkdtemp(pattern);
    open_old();
    for (const std::string& name :
         {std::string(broker::Spool::kCursorStream), std::string("s"), std::string("t")})
      make(name);
  }
  ~SpoolSalvageTest() override {
    old_.reset();
    std::filesystem::remove_all(data_);
  }

  void open_old() {
    old_.reset();
    engine::EmbeddedOptions options;
    options.directory = spool_directory(data_);
    options.journal_file_bytes = 65'536;
    old_ = engine::open_embedded_engine(options,
                                        {disk_, clock_, threads_, entropy_, silent_, old_metrics_})
               .value();
  }
  // What the journal holds goes into a segment, and the file that held it is used again: what is
  // there of it from then on is in segment and snapshot alone.
  void seal_and_use_again() {
    open_old();
    const std::filesystem::path snapshots = spool_directory(data_) + "/snapshots";
    const auto copied = [&] {
      const std::filesystem::directory_iterator files(snapshots);
      return std::any_of(begin(files), end(files),
                         [](const auto& file) { return file.path().extension() == ".copy"; });
    };
    while (!copied()) std::this_thread::yield();
    open_old();
  }
  void make(const std::string& name) {
    std::promise<bool> made;
    old_->update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          stream::CatalogChange change;
          auto& stream = change.put.emplace_back();
          stream.id = catalog.next_id;
          stream.name = name;
          stream.retention_hours = 1'000'000;
          stream.shards.push_back({.id = catalog.next_id + 1, .last_hash_key = kUint128Max});
          change.ids_used = 2;
          shards_[name] = catalog.next_id + 1;
          return change;
        },
        [&](const auto& outcome) { made.set_value(outcome.ok()); });
    EXPECT_TRUE(made.get_future().get());
  }
  void append(const std::string& stream, SharedBytes batch) {
    std::promise<bool> done;
    old_->append({{shards_.at(stream), 1, std::move(batch)}},
                 [&](const auto& outcomes) { done.set_value(outcomes[0].ok()); });
    EXPECT_TRUE(done.get_future().get());
  }
  // A record "STREAM NUMBER", with 500 bytes more.
  void spool(const std::string& stream, int first, int end) {
    for (int number = first; number < end; ++number) {
      const std::string data = fmt::format("{} {} {}", stream, number, std::string(500, 'x'));
      stream::RecordBatchBuilder builder(stream::kBatchHeaderSize + 64 + data.size());
      builder.add({.partition_key = "k", .data = data});
      append(stream, std::move(builder).finish());
    }
  }
  void deliver(const std::string& stream, std::uint64_t before) {
    broker::CursorRecord record;
    record.cursors[{shards_.at(stream), "a"}].next = {before};
    const std::string data = broker::encode(record);
    stream::RecordBatchBuilder builder(stream::kBatchHeaderSize + 64 + data.size());
    builder.add({.partition_key = "", .data = data});
    append(std::string(broker::Spool::kCursorStream), std::move(builder).finish());
  }
  std::string newest(const std::string& folder, const std::string& suffix) {
    std::string last;
    for (const auto& entry :
         std::filesystem::directory_iterator(spool_directory(data_) + "/" + folder)) {
      const std::string path = entry.path();
      if (path.ends_with(suffix)) last = std::max(last, path);
    }
    EXPECT_FALSE(last.empty());
    return last;
  }
  // One bit, at what is found of `text`, or from the end.
  static void flip(const std::string& path, const std::string& text, std::size_t from_end = 0) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const std::size_t at = text.empty() ? bytes.size() - from_end : bytes.find(text);
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  // The numbers of those of "s" that are in the new spool afterwards.
  std::vector<int> salvage() {
    old_.reset();
    EXPECT_TRUE(set_spool_aside(disk_, data_, WallTime{}).ok());
    auto salvage = SpoolSalvage::make(data_, {disk_, held_, log_, metrics_}).value();
    const bool any = !salvage->streams().empty();
    bool opened = false;
    ::spillway::start(
        spool_->open(loop_, salvage->streams()),
        UniqueFunction<void(Status)>([&](const Status& status) { opened = status.ok(); }));
    loop_.run();
    EXPECT_TRUE(opened);
    salvage->start(*spool_);
    held_.run();
    salvage->stop();
    std::vector<int> numbers;
    if (!any) return numbers;
    for (const auto& shard : spool_->shards_of("s")) {
      engine_.read({shard.id, {}}, [&](const Result<stream::ReadResult>& read) {
        for (const auto& batch : read->batches) {
          stream::RecordBatchReader reader(batch.payload);
          while (const auto record = reader.next())
            numbers.push_back(std::stoi(std::string(record->data.substr(2))));
        }
      });
    }
    return numbers;
  }
  std::vector<std::string> directories() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(data_))
      names.push_back(entry.path().filename());
    return names;
  }

  io::PosixDisk disk_;
  io::ThreadWorkers threads_;
  metrics::Registry old_metrics_;
  std::string data_;
  std::unique_ptr<stream::Engine> old_;
  std::map<std::string, stream::ShardId> shards_;
  HeldWorkers held_;
  io::RecordingLog log_;
};

std::vector<int> range(int first, int end) {
  std::vector<int> numbers;
  for (int number = first; number < end; ++number) numbers.push_back(number);
  return numbers;
}

TEST_F(SpoolSalvageTest, OfADamagedJournalAllButWhatIsHitAndWhatWasDelivered) {
  spool("s", 0, 10);
  spool("t", 0, 3);
  deliver("s", 4);
  spool("s", 10, 20);
  flip(newest("journal", ".journal"), "s 12 ");
  auto expected = range(4, 20);
  std::erase(expected, 12);
  EXPECT_EQ(salvage(), expected);
  EXPECT_THAT(directories(), ElementsAre("spool.salvaged-0"));
  EXPECT_THAT(log_.text, HasSubstr("records=18 damages=1"));
  EXPECT_EQ(log_.errors, 0);
}

TEST_F(SpoolSalvageTest, OfASegmentWithoutItsFooterAllOfIt) {
  spool("s", 0, 20);
  seal_and_use_again();
  spool("s", 20, 30);
  old_.reset();
  flip(newest("segments", ".segment"), "", 30);
  EXPECT_EQ(salvage(), range(0, 30));
  EXPECT_THAT(log_.text, HasSubstr("records=30 damages=1"));
  EXPECT_EQ(log_.errors, 0);
}

TEST_F(SpoolSalvageTest, OfASegmentThatIsGoneItTellsHowMuchItWas) {
  spool("s", 0, 20);
  seal_and_use_again();
  spool("s", 20, 30);
  old_.reset();
  std::filesystem::remove(newest("segments", ".segment"));
  // A start wrote the last one again, which is in the journal still.
  EXPECT_EQ(salvage(), range(19, 30));
  EXPECT_THAT(log_.text,
              AllOf(HasSubstr("records=11"), HasSubstr("are lost"), HasSubstr("records_max=20")));
  EXPECT_EQ(log_.errors, 1);
}

TEST_F(SpoolSalvageTest, WhatNoStreamIsKnownOfStaysAndIsCounted) {
  spool("s", 0, 20);
  seal_and_use_again();
  spool("s", 20, 30);
  old_.reset();
  flip(newest("snapshots", ".snapshot"), "", 1);
  flip(newest("snapshots", ".copy"), "", 1);
  EXPECT_THAT(salvage(), IsEmpty());
  EXPECT_THAT(directories(), ElementsAre("spool.partly-salvaged-0"));
  EXPECT_THAT(log_.text, AllOf(HasSubstr("can't name any more"), HasSubstr("records=31")))
      << "and one that is there twice";
}

}  // namespace
}  // namespace spillway::server
