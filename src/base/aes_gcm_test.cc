#include "base/aes_gcm.h"

#include <gtest/gtest.h>

#include <string>

#include "base/digest.h"

namespace spillway {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

template <typename Array>
Array array_of(std::string_view hex) {
  const std::string bytes = from_hex(hex);
  Array array{};
  EXPECT_EQ(bytes.size(), array.size());
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

struct Vector {
  std::string_view key;
  std::string_view nonce;
  std::string_view bound;
  std::string_view plain;
  std::string_view encrypted;
  std::string_view tag;
};

constexpr std::string_view kZeroKey =
    "0000000000000000000000000000000000000000000000000000000000000000";
constexpr std::string_view kKey =
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", test cases 13 to 16.
constexpr Vector kVectors[] = {
    {kZeroKey, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, "000000000000000000000000", "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(AesGcm, GivesThePublishedResults) {
  for (const auto& vector : kVectors) {
    const auto key = array_of<AesKey>(vector.key);
    const auto nonce = array_of<GcmNonce>(vector.nonce);
    const std::string plain = from_hex(vector.plain);
    std::string in_place = plain;
    const auto tag = gcm_encrypt(key, nonce, from_hex(vector.bound), in_place, in_place.data());
    EXPECT_EQ(to_hex(in_place), vector.encrypted);
    EXPECT_EQ(to_hex(tag), vector.tag);
    EXPECT_TRUE(gcm_decrypt(key, nonce, from_hex(vector.bound), in_place, tag, in_place.data()));
    EXPECT_EQ(in_place, plain);
  }
}

TEST(AesGcm, OpensNothingThatWasChanged) {
  const Vector& vector = kVectors[3];
  const auto key = array_of<AesKey>(vector.key);
  const auto nonce = array_of<GcmNonce>(vector.nonce);
  const auto tag = array_of<GcmTag>(vector.tag);
  const std::string bound = from_hex(vector.bound);
  const std::string encrypted = from_hex(vector.encrypted);
  std::string out(encrypted.size(), 'x');
  const auto opens = [&](const AesKey& k, const GcmNonce& n, std::string_view b, std::string_view e,
                         const GcmTag& t) { return gcm_decrypt(k, n, b, e, t, out.data()); };
  ASSERT_TRUE(opens(key, nonce, bound, encrypted, tag));
  for (std::size_t i = 0; i < encrypted.size(); ++i) {
    std::string other = encrypted;
    other[i] = static_cast<char>(other[i] ^ 1);
    out.assign(out.size(), 'x');
    EXPECT_FALSE(opens(key, nonce, bound, other, tag));
    EXPECT_EQ(out, std::string(out.size(), '\0')) << "no plaintext is left behind";
  }
  const auto flipped = [](auto array, std::size_t i) {
    array[i] ^= 0x80;
    return array;
  };
  for (std::size_t i = 0; i < key.size(); ++i)
    EXPECT_FALSE(opens(flipped(key, i), nonce, bound, encrypted, tag));
  for (std::size_t i = 0; i < nonce.size(); ++i)
    EXPECT_FALSE(opens(key, flipped(nonce, i), bound, encrypted, tag));
  for (std::size_t i = 0; i < tag.size(); ++i)
    EXPECT_FALSE(opens(key, nonce, bound, encrypted, flipped(tag, i)));
  EXPECT_FALSE(opens(key, nonce, bound.substr(1), encrypted, tag));
  EXPECT_FALSE(opens(key, nonce, "", encrypted, tag));
}

}  // namespace
}  // namespace spillway
