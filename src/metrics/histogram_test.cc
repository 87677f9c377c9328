#include "metrics/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace spillway::metrics {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.99), nanoseconds{0});
}

// The promise of the header, over nine decades.
TEST(Histogram, QuantilesAreWithinTheirBucket) {
  for (std::int64_t ns = 1'000; ns < 3'600'000'000'000; ns += ns / 7 + 13) {
    Histogram histogram;
    histogram.record(nanoseconds{ns});
    histogram.record(nanoseconds{3'600'000'000'000});  // so that max() doesn't cap the answer
    const auto shown = histogram.quantile(0.5).count();
    EXPECT_GE(shown, ns);
    EXPECT_LE(static_cast<double>(shown), static_cast<double>(ns) * 1.032) << ns;
  }
}

TEST(Histogram, AgreesWithSortedValues) {
  constexpr std::uint64_t kSeed = 42;
  Random random(kSeed);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const auto ns =
        static_cast<std::int64_t>(std::exp2(10.0 + static_cast<double>(random.below(2500)) / 100));
    values.push_back(ns);
    histogram.record(nanoseconds{ns});
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(values.size()) + 0.5);
    const auto exact = static_cast<double>(values[rank - 1]);
    const auto shown = static_cast<double>(histogram.quantile(q).count());
    EXPECT_GE(shown, exact) << q << " seed " << kSeed;
    EXPECT_LE(shown, exact * 1.032) << q << " seed " << kSeed;
  }
  EXPECT_EQ(histogram.quantile(1), histogram.max());
  EXPECT_EQ(histogram.max().count(), values.back());
  EXPECT_EQ(histogram.count(), values.size());
}

TEST(Histogram, ClampsWhatDoesNotFit) {
  Histogram histogram;
  histogram.record(nanoseconds{-5});
  histogram.record(std::chrono::hours{100});
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.count_up_to(nanoseconds{-1}), 0u);
  EXPECT_EQ(histogram.count_up_to(nanoseconds{0}), 1u);
  EXPECT_EQ(histogram.count_up_to(std::chrono::hours{200}), 2u);
  EXPECT_EQ(histogram.max(), std::chrono::hours{100});
}

TEST(Histogram, MergeAddsEverything) {
  Histogram a, b;
  a.record(milliseconds{1});
  b.record(milliseconds{5});
  b.record(milliseconds{9});
  a.merge(b);
  EXPECT_EQ(a.count(), 3u);
  EXPECT_EQ(a.sum(), milliseconds{15});
  EXPECT_EQ(a.max(), milliseconds{9});
  EXPECT_EQ(a.count_up_to(milliseconds{2}), 1u);
}

}  // namespace
}  // namespace spillway::metrics
