#include "broker/grant_files.h"

#include "base/rfc3339.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

const WallTime kNow = *parse_rfc3339("2020-11-25T14:00:00Z");

class GrantFilesTest : public testing::Test {
 protected:
  GrantFilesTest() { seed_.fill(1); }
  std::string grant_text(int number, std::string reason = "r") const {
    return *sign_grant({fmt::format("{:032x}", number),
                        {},
                        "telemetry",
                        "b",
                        "broker:edge-1",
                        kNow,
                        kNow + seconds(1),
                        false,
                        std::move(reason)},
                       seed_);
  }
  std::string revocation_text(int number, std::string reason = "r") const {
    return *sign_revocation({fmt::format("{:032x}", number), {}, kNow, std::move(reason)}, seed_);
  }

  Ed25519Seed seed_;
  log::CrashDisk disk_;
};

TEST_F(GrantFilesTest, ReadsWhatIsStored) {
  EXPECT_TRUE(read_grant_files(disk_, "grants")->grants.empty());
  const auto path = store_grant_file(disk_, "grants", " " + grant_text(2) + "\n");
  EXPECT_EQ(*path, "grants/00000000000000000000000000000002.grant");
  ASSERT_TRUE(store_grant_file(disk_, "grants", grant_text(1)).ok());
  ASSERT_TRUE(store_grant_file(disk_, "grants", revocation_text(2)).ok());
  const auto files = read_grant_files(disk_, "grants");
  EXPECT_THAT(files->grants,
              testing::ElementsAre(*parse_grant(grant_text(1)), *parse_grant(grant_text(2))));
  EXPECT_THAT(files->revocations, testing::ElementsAre(*parse_revocation(revocation_text(2))));
  EXPECT_TRUE(files->faults.empty());
}

TEST_F(GrantFilesTest, StoringAgainChangesNothingAndAnotherOneIsRefused) {
  ASSERT_TRUE(store_grant_file(disk_, "grants", grant_text(1)).ok());
  const auto changes = disk_.changes();
  EXPECT_TRUE(store_grant_file(disk_, "grants", grant_text(1)).ok());
  EXPECT_EQ(disk_.changes(), changes);
  EXPECT_EQ(store_grant_file(disk_, "grants", grant_text(1, "s")).error().code, ErrorCode::kExists);
  EXPECT_EQ(store_grant_file(disk_, "grants", "spillway-grant-1").error().code,
            ErrorCode::kInvalid);
}

TEST_F(GrantFilesTest, AFileThatIsNoneStopsNothing) {
  ASSERT_TRUE(store_grant_file(disk_, "grants", grant_text(1)).ok());
  disk_.put("grants/bad.grant", "x");
  disk_.put("grants/long.revocation", std::string(2 * kGrantTextMax, 'x'));
  disk_.put("grants/notes.txt", "x");
  const auto files = read_grant_files(disk_, "grants");
  EXPECT_EQ(files->grants.size(), 1u);
  EXPECT_THAT(files->faults,
              testing::ElementsAre(testing::HasSubstr("grants/bad.grant: this is no whole grant"),
                                   testing::HasSubstr("grants/long.revocation")));
}

TEST_F(GrantFilesTest, AFolderIsLookedAtAgainAndAgain) {
  GrantFolder folder(disk_, "grants");
  EXPECT_TRUE(folder.look().ok());
  EXPECT_TRUE(folder.files().grants.empty());
  disk_.put("grants/1.grant", grant_text(1).substr(0, 40));  // that is being copied
  ASSERT_TRUE(store_grant_file(disk_, "grants", grant_text(2)).ok());
  EXPECT_TRUE(folder.look().ok());
  EXPECT_THAT(folder.files().grants, testing::ElementsAre(*parse_grant(grant_text(2))));
  EXPECT_EQ(folder.files().faults.size(), 1u);
  disk_.put("grants/1.grant", grant_text(1));
  ASSERT_TRUE(store_grant_file(disk_, "grants", revocation_text(2)).ok());
  EXPECT_TRUE(folder.look().ok());
  EXPECT_EQ(folder.files().grants.size(), 2u);
  EXPECT_EQ(folder.files().revocations.size(), 1u);
  EXPECT_TRUE(folder.files().faults.empty());
  ASSERT_TRUE(disk_.remove("grants/1.grant").ok());
  EXPECT_TRUE(folder.look().ok());
  EXPECT_THAT(folder.files().grants, testing::ElementsAre(*parse_grant(grant_text(2))));
}

TEST_F(GrantFilesTest, AFileThatTakesTheNameOfAnotherIsReadAnew) {
  GrantFolder folder(disk_, "grants");
  disk_.put("grants/1.grant", grant_text(1));
  disk_.put("grants/1.revocation", revocation_text(1));
  EXPECT_TRUE(folder.look().ok());
  disk_.put("grants/1.grant", grant_text(2));
  disk_.put("grants/1.revocation", revocation_text(2));
  EXPECT_TRUE(folder.look().ok());
  EXPECT_THAT(folder.files().grants, testing::ElementsAre(*parse_grant(grant_text(2))));
  EXPECT_THAT(folder.files().revocations,
              testing::ElementsAre(*parse_revocation(revocation_text(2))));
}

TEST_F(GrantFilesTest, ARevocationKeepsNoneOfAnotherSignerOut) {
  ASSERT_TRUE(store_grant_file(disk_, "grants", revocation_text(1)).ok());
  const auto theirs = store_grant_file(disk_, "grants", revocation_text(1, "again"));
  ASSERT_TRUE(theirs.ok());
  EXPECT_EQ(read_grant_files(disk_, "grants")->revocations,
            std::vector{*parse_revocation(revocation_text(1))})
      << "one by each signer, the first";
  seed_.fill(2);
  const auto ours = store_grant_file(disk_, "grants", revocation_text(1));
  ASSERT_TRUE(ours.ok());
  EXPECT_NE(*theirs, *ours);
  EXPECT_EQ(read_grant_files(disk_, "grants")->revocations.size(), 2u);
  disk_.put(*ours, std::string(2 * kGrantTextMax, 'x'));
  EXPECT_TRUE(store_grant_file(disk_, "grants", revocation_text(1)).ok());
  EXPECT_EQ(read_grant_files(disk_, "grants")->revocations.size(), 2u);
}

}  // namespace
}  // namespace spillway::broker
