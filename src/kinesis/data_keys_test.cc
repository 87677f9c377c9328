#include "kinesis/data_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <set>

#include "io/posix_disk.h"

namespace spillway::kinesis {
namespace {

class DataKeysTest : public testing::Test {
 protected:
  DataKeysTest() {
    char pattern[] = "/tmp/spillway-keys-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    master_keys_ = std::make_unique<auth::MasterKeys>(
        auth::MasterKeyOptions{directory_, "us-east-1", "000000000000"}, disk_, clock_, entropy_,
        log_);
    master_keys_->configure({});
    stream_.id = 7;
    stream_.name = "s";
  }
  ~DataKeysTest() override { std::filesystem::remove_all(directory_); }

  void start(DataKeys& keys) {
    stream_.encryption.keys.push_back(
        keys.make(stream_, auth::kDefaultMasterKey, clock_.wall_now()).value());
  }

  std::string directory_;
  io::PosixDisk disk_;
  io::SystemClock clock_;
  io::SystemEntropy entropy_;
  io::SilentLog log_;
  std::unique_ptr<auth::MasterKeys> master_keys_;
  stream::StreamInfo stream_;
};

TEST_F(DataKeysTest, EachIsANewOneAndStaysTheSame) {
  DataKeys keys(*master_keys_, entropy_);
  start(keys);
  start(keys);
  const auto first = keys.find(stream_, 1).value();
  const auto second = keys.current(stream_).value();
  EXPECT_EQ(first->number(), 1u);
  EXPECT_EQ(second->number(), 2u);
  EXPECT_NE(first->key(), second->key());
  EXPECT_EQ(keys.find(stream_, 2).value(), second) << "it is kept open";
  DataKeys later(*master_keys_, entropy_);
  EXPECT_EQ(later.find(stream_, 1).value()->key(), first->key());
  EXPECT_EQ(keys.find(stream_, 3).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(keys.find(stream_, 0).error().code, ErrorCode::kCorrupt);
}

TEST_F(DataKeysTest, NoNumberComesTwiceWhateverBecomesOfTheKey) {
  DataKeys keys(*master_keys_, entropy_);
  const auto lost = keys.make(stream_, auth::kDefaultMasterKey, clock_.wall_now()).value();
  const auto kept = keys.make(stream_, auth::kDefaultMasterKey, clock_.wall_now()).value();
  EXPECT_GT(kept.number, lost.number) << "its change failed, and its batches may be on their way";
  stream_.encryption.keys.push_back({100, clock_.wall_now(), ""});
  EXPECT_EQ(keys.make(stream_, auth::kDefaultMasterKey, clock_.wall_now())->number, 101u);
}

TEST_F(DataKeysTest, AKeyOpensForItsStreamAndNumberAlone) {
  DataKeys keys(*master_keys_, entropy_);
  start(keys);
  stream::StreamInfo other = stream_;
  other.id = 8;
  EXPECT_EQ(keys.current(other).error().code, ErrorCode::kCorrupt);
  other = stream_;
  other.encryption.keys[0].number = 2;
  EXPECT_EQ(keys.current(other).error().code, ErrorCode::kCorrupt);
}

TEST_F(DataKeysTest, AMasterKeyTakesItsDataKeysWithIt) {
  DataKeys keys(*master_keys_, entropy_);
  start(keys);
  ASSERT_TRUE(keys.current(stream_).ok());
  master_keys_->configure({{"k", {"alias/aws/kinesis"}, "env:SPILLWAY_TEST_NO_SUCH_VARIABLE"},
                           {"data-directory", {}, "file:" + directory_ + "/master.key", true}});
  EXPECT_EQ(keys.current(stream_).error().code, ErrorCode::kClosed);
  master_keys_->configure({});
  EXPECT_TRUE(keys.current(stream_).ok());
}

TEST_F(DataKeysTest, NoNonceComesTwice) {
  std::set<GcmNonce> seen;
  for (const std::uint64_t start : {std::uint64_t{5}, std::uint64_t{6}, UINT64_MAX}) {
    OpenDataKey key(1, AesKey{}, start);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(key.next_nonce()).second);
  }
}

TEST_F(DataKeysTest, MoreThanAreKeptOpenWork) {
  DataKeys keys(*master_keys_, entropy_);
  for (stream_.id = 1; stream_.id <= 10'050; ++stream_.id) {
    stream_.encryption.keys.clear();
    start(keys);
    ASSERT_TRUE(keys.current(stream_).ok());
  }
}

}  // namespace
}  // namespace spillway::kinesis
