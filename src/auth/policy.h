// IAM policy documents: what an access key may do (identity policies), and who may do what to a
// stream or consumer (resource policies of PutResourcePolicy). A document is parsed once into an
// immutable Policy; deciding is a pure function of it and of a request.
//
// The language is that of the "IAM JSON policy reference" in the AWS IAM User Guide, without policy
// variables; what isn't known is refused, since a condition that is passed over would allow too
// much or deny too little. docs/access.md lists it all.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spillway::auth {

inline constexpr std::size_t kPolicyBytesMax = 20'480;
inline constexpr std::size_t kPolicyStatementsMax = 100;

enum class PolicyKind { kIdentity, kResource };  // only the latter has principals

// What is asked: may this caller do that? Views.
struct AccessRequest {
  std::string_view action;     // "kinesis:PutRecord"
  std::string_view resource;   // an ARN; "*" where the action concerns no single resource
  std::string_view principal;  // "arn:aws:iam::000000000000:user/alice"
  std::string_view account;    // of the principal
  std::string_view user;       // "alice"
  std::string_view source_ip;  // without its port; an IPv4 address may come as ::ffff:192.0.2.1
  std::string_view user_agent;
  std::string_view region;  // that was called
  bool secure = false;      // over TLS
};

enum class Outcome { kImplicitDeny, kAllow, kExplicitDeny };

struct Decision {
  Outcome outcome = Outcome::kImplicitDeny;
  std::size_t statement = 0;  // that decided, counted from 0; not of an implicit deny
};

// Whether `text` matches a pattern with * (any characters) and ? (any one).
bool matches_pattern(std::string_view text, std::string_view pattern, bool ignore_case = false);

// Addresses with a common prefix: "203.0.113.0/24", "2001:db8::/32", or a single one.
struct AddressRange {
  bool v6 = false;
  std::array<unsigned char, 16> bytes{};  // of IPv4 the first four
  int prefix_bits = 0;

  static std::optional<AddressRange> parse(std::string_view text);
  // `address` is a single one, as parse() makes it.
  bool contains(const AddressRange& address) const;
};

class Policy {
 public:
  // kInvalid says which statement, and what is wrong with it.
  static Result<Policy> parse(std::string_view json, PolicyKind kind);

  // A statement that denies wins over any that allows.
  Decision decide(const AccessRequest& request) const;
  // Its Sid; empty where it has none.
  const std::string& sid(std::size_t statement) const { return statements_[statement].sid; }

 private:
  friend class PolicyReader;

  enum class ContextKey {
    kPrincipalAccount,
    kPrincipalArn,
    kRequestedRegion,
    kSecureTransport,
    kSourceIp,
    kUserAgent,
    kUsername,
  };
  enum class Test { kEquals, kEqualsIgnoringCase, kLike, kInRange, kIsTrue };

  // One operator on one key: any of its values, or (negated) none of them.
  struct Condition {
    ContextKey key{};
    Test test{};
    bool negated = false;
    std::vector<std::string> texts;    // of kIsTrue: "true" or "false"
    std::vector<AddressRange> ranges;  // of kInRange
  };

  struct Principals {
    bool anybody = false;
    std::vector<std::string> accounts;
    std::vector<std::string> arns;
  };

  struct Patterns {
    bool negated = false;  // NotAction, NotResource
    std::vector<std::string> any_of;
  };

  struct Statement {
    std::string sid;
    bool allows = false;
    Patterns actions;
    Patterns resources;
    std::optional<Principals> principals;  // nullopt: an identity policy's
    bool not_principals = false;
    std::vector<Condition> conditions;  // all of them
  };

  static bool holds(const Condition& condition, const AccessRequest& request);
  static bool concerns(const Statement& statement, const AccessRequest& request);
  static bool applies(const Statement& statement, const AccessRequest& request);

  std::vector<Statement> statements_;
};

// An identity's and a resource's policy together, within one account: either of them allows, and
// either of them denies. nullptr for `identity`: it allows everything; for `resource`: there is
// none.
struct JointDecision {
  Outcome outcome = Outcome::kImplicitDeny;
  bool by_resource = false;  // it was the resource's policy that decided
};
JointDecision decide(const Policy* identity, const Policy* resource, const AccessRequest& request);

}  // namespace spillway::auth
