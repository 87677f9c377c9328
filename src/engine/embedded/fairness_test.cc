// A hot shard beside others.
#include "engine/embedded/embedded_engine_fixture.h"

namespace spillway::engine {
namespace {

// Who was answered, in order; from the engine's threads.
class Answers {
 public:
  UniqueFunction<void(std::vector<Result<stream::Appended>>)> of(std::string name) {
    return [this, name = std::move(name)](const std::vector<Result<stream::Appended>>& outcomes) {
      const std::lock_guard lock(mutex_);
      names_.push_back(outcomes.front().ok() ? name : name + " refused");
      changed_.notify_all();
    };
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return names_.size() >= count; });
    return names_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> names_;
};

class FairnessTest : public EmbeddedEngineTest {
 protected:
  FairnessTest() {
    disk_.fault.match = "journal";
    options_.journal_file_bytes = std::uint64_t{1} << 20;
    options_.queue_bytes = 64 * 1024;
    options_.shard_frame_bytes = 4096;
  }
  // Ends what is held, so that the engine can stop.
  ~FairnessTest() override { release(); }

  // From now on nothing becomes durable: one append's frame is under way.
  void hold(stream::ShardId shard) {
    disk_.fault.hold_sync = true;
    put(shard, 1000, "hot");
    disk_.fault.held.wait(false);
  }
  void release() {
    disk_.fault.hold_sync = false;
    disk_.fault.hold_sync.notify_all();
  }
  void put(stream::ShardId shard, std::size_t size, const std::string& name) {
    std::vector<stream::AppendItem> items;
    items.push_back(item(shard, std::string(size, 'x')));
    engine_->append(std::move(items), answers_.of(name));
  }

  Answers answers_;
};

TEST_F(FairnessTest, AHotShardsBacklogDoesNotKeepOthersWaiting) {
  ASSERT_TRUE(open().ok());
  const auto hot = create_stream("hot");
  const auto cold = create_stream("cold");
  hold(hot);
  for (int i = 0; i < 19; ++i) put(hot, 1000, "hot");
  put(cold, 10, "cold");
  release();
  const auto names = answers_.wait_for(21);
  const auto at = std::ranges::find(names, "cold") - names.begin();
  EXPECT_LE(at, 7) << "in the next frame, of which the hot shard has its share";
  EXPECT_EQ(std::ranges::count(names, "hot"), 20);
  EXPECT_EQ(read_all(hot).size(), 20u);
}

TEST_F(FairnessTest, AHotShardLeavesRoomInTheQueueForOthers) {
  ASSERT_TRUE(open().ok());
  const auto hot = create_stream("hot");
  const auto cold = create_stream("cold");
  hold(hot);
  for (int i = 0; i < 99; ++i) put(hot, 1000, "hot");
  for (const auto& name : answers_.wait_for(60)) EXPECT_EQ(name, "hot refused");
  put(cold, 1000, "cold");
  put(hot, 1000, "hot");
  release();
  const auto names = answers_.wait_for(102);
  EXPECT_EQ(std::ranges::count(names, "cold"), 1);
  const auto taken = static_cast<std::size_t>(std::ranges::count(names, "hot"));
  EXPECT_GE(taken, 25u);
  EXPECT_LE(taken, 40u) << "about half of 64 KiB";
  EXPECT_EQ(read_all(hot).size(), taken);
}

}  // namespace
}  // namespace spillway::engine
