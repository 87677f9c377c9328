#include "stream/encrypted_batch.h"

#include <gtest/gtest.h>

#include "stream/record_batch.h"

namespace spillway::stream {
namespace {

constexpr BatchPlace kPlace{7, 9, 2};

AesKey key_of(unsigned char byte) {
  AesKey key;
  key.fill(byte);
  return key;
}

SharedBytes plain_batch(std::size_t room = kEncryptedBatchExtra) {
  RecordBatchBuilder builder(kBatchHeaderSize +
                             2 * RecordBatchBuilder::size_of(8, 5, false, false) + room);
  builder.add({"host1", "secret-1", std::nullopt, std::nullopt});
  builder.add({"host2", "secret-2", std::nullopt, std::nullopt});
  return std::move(builder).finish();
}

SharedBytes encrypted_batch() {
  return encrypt_batch(plain_batch(), kPlace, 3, key_of(1), GcmNonce{5});
}

TEST(EncryptedBatch, OpensToThePlainOne) {
  const std::string plain(plain_batch().view());
  const SharedBytes batch = encrypted_batch();
  EXPECT_EQ(batch.size(), plain.size() + kEncryptedBatchExtra);
  EXPECT_TRUE(is_encrypted(batch.view()));
  EXPECT_EQ(data_key_number(batch.view()), 3u);
  for (const char* hidden : {"secret", "host"})
    EXPECT_EQ(batch.view().find(hidden), std::string_view::npos) << hidden;
  const auto opened = decrypt_batch(batch.view(), kPlace, key_of(1));
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->view(), plain);
  RecordBatchReader reader(opened->view());
  EXPECT_EQ(reader.next()->partition_key, "host1");
  EXPECT_EQ(reader.next()->data, "secret-2");
}

TEST(EncryptedBatch, IsNoPlainOne) {
  const SharedBytes batch = encrypted_batch();
  RecordBatchReader reader(batch.view());
  EXPECT_FALSE(reader.next().has_value());
  EXPECT_FALSE(reader.ok());
  const SharedBytes plain = plain_batch();
  EXPECT_FALSE(is_encrypted(plain.view()));
  EXPECT_FALSE(data_key_number(plain.view()).has_value());
  EXPECT_FALSE(decrypt_batch(plain.view(), kPlace, key_of(1)).has_value());
}

TEST(EncryptedBatch, OpensNowhereElse) {
  const SharedBytes batch = encrypted_batch();
  for (const BatchPlace& other : {BatchPlace{8, 9, 2}, BatchPlace{7, 8, 2}, BatchPlace{7, 9, 1}})
    EXPECT_FALSE(decrypt_batch(batch.view(), other, key_of(1)).has_value());
  EXPECT_FALSE(decrypt_batch(batch.view(), kPlace, key_of(2)).has_value());
}

TEST(EncryptedBatch, OpensWithNoByteChangedOrMissing) {
  const std::string batch(encrypted_batch().view());
  ASSERT_TRUE(decrypt_batch(batch, kPlace, key_of(1)).has_value());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    for (const int bit : {1, 0x80}) {
      std::string other = batch;
      other[i] = static_cast<char>(other[i] ^ bit);
      EXPECT_FALSE(decrypt_batch(other, kPlace, key_of(1)).has_value()) << i;
    }
    EXPECT_FALSE(decrypt_batch(batch.substr(0, i), kPlace, key_of(1)).has_value()) << i;
    EXPECT_FALSE(decrypt_batch(batch.substr(i + 1), kPlace, key_of(1)).has_value()) << i;
  }
  EXPECT_FALSE(decrypt_batch(batch + '\0', kPlace, key_of(1)).has_value());
}

}  // namespace
}  // namespace spillway::stream
