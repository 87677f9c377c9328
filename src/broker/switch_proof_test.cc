#include "broker/switch_proof.h"

#include <gmock/gmock.h>

#include "broker/grant.h"
#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

class SwitchProofTest : public testing::Test {
 protected:
  SwitchProofTest() { seed_.fill(3); }
  SwitchClaim claim() const { return {"edge", proofs_.challenge(), "b", "drill"}; }
  Status take(const SwitchClaim& claim, const std::string& signature) {
    return proofs_.take(claim, holder_, signature);
  }

  Ed25519Seed seed_;
  CountingEntropy entropy_;
  SwitchProofs proofs_{"edge", entropy_};
  const std::string holder_ = [] {
    Ed25519Seed seed;
    seed.fill(3);
    return to_string(ed25519_public(seed));
  }();
};

TEST_F(SwitchProofTest, CountsOnce) {
  const auto first = claim();
  const auto signature = sign_switch(first, seed_);
  EXPECT_TRUE(take(first, signature).ok());
  EXPECT_EQ(take(first, signature).error().code, ErrorCode::kExpired);
  EXPECT_TRUE(take(claim(), sign_switch(claim(), seed_)).ok());
}

TEST_F(SwitchProofTest, IsOfWhatWasSigned) {
  const auto signature = sign_switch(claim(), seed_);
  void (*const changes[])(SwitchClaim&) = {
      [](SwitchClaim& claim) { claim.broker = "core"; },
      [](SwitchClaim& claim) { claim.target = "c"; },
      [](SwitchClaim& claim) { claim.target.clear(); },
      [](SwitchClaim& claim) { claim.accept = "b"; },
      [](SwitchClaim& claim) { claim.reason = "dri"; },
  };
  for (const auto change : changes) {
    auto changed = claim();
    change(changed);
    EXPECT_EQ(take(changed, signature).error().code, ErrorCode::kDenied);
  }
  EXPECT_TRUE(take(claim(), signature).ok()) << "who fails spoils nothing for others";
}

TEST_F(SwitchProofTest, IsOfTheHoldersKey) {
  Ed25519Seed other;
  other.fill(4);
  EXPECT_EQ(take(claim(), sign_switch(claim(), other)).error().code, ErrorCode::kDenied);
  EXPECT_EQ(take(claim(), "AAAA").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(proofs_.take(claim(), "alice", sign_switch(claim(), seed_)).error().code,
            ErrorCode::kInvalid);
}

}  // namespace
}  // namespace spillway::broker
