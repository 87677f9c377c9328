#include "cli/region_list.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(RegionList, NamesAndEndpoints) {
  const auto regions = parse_regions("http://127.0.0.1:4566,b-2=https://b.example,c");
  ASSERT_TRUE(regions.ok());
  ASSERT_EQ(regions->size(), 3u);
  EXPECT_EQ((*regions)[0].name, "127.0.0.1:4566");
  EXPECT_EQ((*regions)[0].url, "http://127.0.0.1:4566");
  EXPECT_EQ((*regions)[1].name, "b-2");
  EXPECT_EQ((*regions)[1].url, "https://b.example");
  EXPECT_EQ((*regions)[2].name, "c");
  EXPECT_EQ((*regions)[2].url, "");
}

TEST(RegionList, TellsAmazonKinesis) {
  const auto regions = parse_regions(
      "a=http://a:1,b=amazon:https://kinesis.eu-west-1.amazonaws.com,amazon:http://c:1");
  ASSERT_TRUE(regions.ok()) << regions.error().message;
  ASSERT_EQ(regions->size(), 3u);
  EXPECT_FALSE((*regions)[0].amazon);
  EXPECT_TRUE((*regions)[1].amazon);
  EXPECT_EQ((*regions)[1].url, "https://kinesis.eu-west-1.amazonaws.com");
  EXPECT_TRUE((*regions)[2].amazon);
  EXPECT_EQ((*regions)[2].name, "c:1");
}

TEST(RegionList, WhatIsNoneIsRefused) {
  std::string many = "http://a:1";
  for (int i = 2; i < 20; ++i) many += ",http://a:" + std::to_string(i);
  for (const std::string& text :
       {std::string(), std::string("a b"), std::string("http://a:1,"), std::string("=http://a:1"),
        std::string("a b=http://a:1"), std::string("a=http://a:1,a=http://b:1"), std::string("a,a"),
        std::string("http://a:1,http://a:1"), std::string("a="), std::string("a=amazon:"), many}) {
    const auto regions = parse_regions(text);
    ASSERT_FALSE(regions.ok()) << text;
    EXPECT_EQ(regions.error().code, ErrorCode::kInvalid);
    EXPECT_NE(regions.error().message.find("NAME=URL"), std::string::npos);
  }
}

}  // namespace
}  // namespace spillway::cli
