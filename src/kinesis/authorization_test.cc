#include "kinesis/authorization.h"

#include "kinesis/operation.h"

namespace spillway::kinesis {
namespace {

// Every operation has its row: without one, asking about it is an assertion.
TEST(Authorization, KnowsEveryOperation) {
  std::vector<std::string_view> data_plane;
  for (const auto& operation : operations())
    if (is_data_plane(operation.name)) data_plane.push_back(operation.name);
  EXPECT_THAT(data_plane, testing::ElementsAre("GetRecords", "GetShardIterator", "PutRecord",
                                               "PutRecords", "SubscribeToShard"));
}

TEST(ResourcePolicies, FollowTheTextOfEachResource) {
  const std::string text =
      R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}})";
  auth::AccessRequest request;
  request.action = "kinesis:PutRecord";
  ResourcePolicies policies;
  EXPECT_EQ(policies.find(1, ""), nullptr);
  const auto first = policies.find(1, text);
  EXPECT_EQ(first->decide(request).outcome, auth::Outcome::kAllow);
  EXPECT_EQ(policies.find(1, text), first) << "parsed once";
  auto deny = text;
  deny.replace(deny.find("Allow"), 5, "Deny");
  EXPECT_EQ(policies.find(1, deny)->decide(request).outcome, auth::Outcome::kExplicitDeny);
  EXPECT_EQ(policies.find(2, "no policy")->decide(request).outcome, auth::Outcome::kExplicitDeny)
      << "what can't be read may be what denies";
}

}  // namespace
}  // namespace spillway::kinesis
