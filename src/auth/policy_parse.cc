#include <simdjson.h>

#include <set>

#include "auth/policy.h"
#include "base/nearest_name.h"

namespace spillway::auth {

namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kDepthMax = 16;  // a policy has 6

Error invalid(std::string_view where, std::string_view message) {
  return {ErrorCode::kInvalid, fmt::format("{}: {}", where, message)};
}

Error unknown(std::string_view where, std::string_view what, std::string_view name,
              const std::vector<std::string_view>& known) {
  const std::string_view shown = name.substr(0, 100);
  return invalid(
      where, fmt::format("{} \"{}\" is not known here{}", what, shown, did_you_mean(shown, known)));
}

std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return result;
}

bool is_account(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The members of an object by name; an error where one is there twice or isn't known.
Result<std::map<std::string_view, dom::element>> members_of(
    dom::element from, std::string_view where, const std::vector<std::string_view>& known) {
  dom::object object;
  if (from.get_object().get(object) != simdjson::SUCCESS)
    return invalid(where, "must be an object");
  std::map<std::string_view, dom::element> members;
  for (const auto member : object) {
    if (std::ranges::find(known, member.key) == known.end())
      return unknown(where, "element", member.key, known);
    if (!members.emplace(member.key, member.value).second)
      return invalid(where, fmt::format("{} is there twice", member.key));
  }
  return members;
}

// One text, or a list of them; a switch counts as its text.
Result<std::vector<std::string>> texts_of(dom::element from, std::string_view where) {
  const auto text_of = [where](dom::element element) -> Result<std::string> {
    std::string_view text;
    if (element.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
    bool flag = false;
    if (element.get_bool().get(flag) == simdjson::SUCCESS)
      return std::string(flag ? "true" : "false");
    return invalid(where, "must be a text or a list of texts");
  };
  dom::array list;
  std::vector<std::string> texts;
  if (from.get_array().get(list) != simdjson::SUCCESS) {
    SPILLWAY_ASSIGN(auto text, text_of(from));
    texts.push_back(std::move(text));
    return texts;
  }
  for (const auto element : list) {
    SPILLWAY_ASSIGN(auto text, text_of(element));
    texts.push_back(std::move(text));
  }
  if (texts.empty()) return invalid(where, "must not be an empty list");
  return texts;
}

Status no_variables(const std::vector<std::string>& texts, std::string_view where) {
  for (const auto& text : texts)
    if (text.find("${") != std::string::npos)
      return invalid(where, fmt::format("\"{}\": policy variables are not offered here", text));
  return {};
}

}  // namespace

// Reads a parsed document into statements.
class PolicyReader {
 public:
  using Key = Policy::ContextKey;
  using Test = Policy::Test;

  explicit PolicyReader(PolicyKind kind) : kind_(kind) {}

  Result<std::vector<Policy::Statement>> read(dom::element root) {
    SPILLWAY_ASSIGN(const auto members,
                    members_of(root, "the policy", {"Version", "Id", "Statement"}));
    if (const auto version = members.find("Version"); version != members.end()) {
      std::string_view text;
      if (version->second.get_string().get(text) != simdjson::SUCCESS ||
          (text != "2012-10-17" && text != "2008-10-17"))
        return invalid("Version", "must be \"2012-10-17\" or \"2008-10-17\"");
    }
    const auto found = members.find("Statement");
    if (found == members.end()) return invalid("the policy", "has no Statement");
    std::vector<Policy::Statement> statements;
    dom::array list;
    if (found->second.get_array().get(list) != simdjson::SUCCESS) {
      SPILLWAY_ASSIGN(auto statement, read_statement(found->second, "Statement"));
      statements.push_back(std::move(statement));
      return statements;
    }
    for (const auto element : list) {
      if (statements.size() == kPolicyStatementsMax)
        return invalid("Statement", fmt::format("has more than {}", kPolicyStatementsMax));
      SPILLWAY_ASSIGN(auto statement,
                      read_statement(element, fmt::format("Statement[{}]", statements.size())));
      statements.push_back(std::move(statement));
    }
    if (statements.empty()) return invalid("Statement", "must not be an empty list");
    return statements;
  }

 private:
  using Members = std::map<std::string_view, dom::element>;

  Result<Policy::Statement> read_statement(dom::element from, const std::string& where) {
    SPILLWAY_ASSIGN(const auto members,
                    members_of(from, where,
                               {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
                                "Resource", "NotResource", "Condition"}));
    Policy::Statement statement;
    if (const auto sid = members.find("Sid"); sid != members.end()) {
      std::string_view text;
      if (sid->second.get_string().get(text) != simdjson::SUCCESS)
        return invalid(where, "Sid must be a text");
      statement.sid = text;
    }
    const auto effect = members.find("Effect");
    std::string_view text;
    if (effect == members.end() || effect->second.get_string().get(text) != simdjson::SUCCESS ||
        (text != "Allow" && text != "Deny"))
      return invalid(where, "Effect must be \"Allow\" or \"Deny\"");
    statement.allows = text == "Allow";
    SPILLWAY_ASSIGN(statement.actions, read_patterns(members, "Action", where));
    for (const auto& action : statement.actions.any_of) {
      if (action != "*" && (action.find(':') == std::string::npos || action.starts_with(':')))
        return invalid(where, fmt::format("the action \"{}\" must be \"*\" or like "
                                          "\"kinesis:PutRecord\"",
                                          action.substr(0, 100)));
    }
    SPILLWAY_ASSIGN(statement.resources, read_patterns(members, "Resource", where));
    SPILLWAY_TRY(no_variables(statement.resources.any_of, where));
    for (const auto& resource : statement.resources.any_of) {
      if (resource != "*" && !resource.starts_with("arn:"))
        return invalid(where, fmt::format("the resource \"{}\" must be \"*\" or an ARN",
                                          resource.substr(0, 100)));
    }
    SPILLWAY_TRY(read_principals(members, where, statement));
    if (const auto condition = members.find("Condition"); condition != members.end())
      SPILLWAY_TRY(read_conditions(condition->second, where + ".Condition", statement));
    return statement;
  }

  // NAME or NotNAME, one of which must be there.
  Result<Policy::Patterns> read_patterns(const Members& members, const std::string& name,
                                         const std::string& where) {
    const auto positive = members.find(name);
    const auto negative = members.find("Not" + name);
    if ((positive == members.end()) == (negative == members.end()))
      return invalid(where, fmt::format("must have one of {0} and Not{0}", name));
    const auto& found = positive != members.end() ? *positive : *negative;
    Policy::Patterns patterns;
    patterns.negated = positive == members.end();
    SPILLWAY_ASSIGN(patterns.any_of, texts_of(found.second, fmt::format("{}.{}", where, name)));
    return patterns;
  }

  Status read_principals(const Members& members, const std::string& where,
                         Policy::Statement& statement) {
    const auto positive = members.find("Principal");
    const auto negative = members.find("NotPrincipal");
    if (kind_ == PolicyKind::kIdentity) {
      if (positive == members.end() && negative == members.end()) return {};
      return invalid(where, "the policy of an access key has no Principal");
    }
    if ((positive == members.end()) == (negative == members.end()))
      return invalid(where, "must have one of Principal and NotPrincipal");
    statement.not_principals = positive == members.end();
    const auto from = (positive != members.end() ? positive : negative)->second;
    auto& principals = *(statement.principals = Policy::Principals{});
    std::string_view everybody;
    if (from.get_string().get(everybody) == simdjson::SUCCESS) {
      if (everybody != "*") return invalid(where, "a Principal is \"*\" or {\"AWS\": …}");
      principals.anybody = true;
      return {};
    }
    SPILLWAY_ASSIGN(const auto kinds, members_of(from, where + ".Principal", {"AWS"}));
    if (kinds.empty()) return invalid(where, "Principal must not be empty");
    SPILLWAY_ASSIGN(auto names, texts_of(kinds.begin()->second, where + ".Principal"));
    for (auto& name : names) SPILLWAY_TRY(add_principal(std::move(name), where, principals));
    return {};
  }

  // "*", an account's 12 digits or its :root, or the ARN of a user or role.
  static Status add_principal(std::string name, const std::string& where, Policy::Principals& to) {
    if (name == "*") {
      to.anybody = true;
      return {};
    }
    if (is_account(name)) {
      to.accounts.push_back(std::move(name));
      return {};
    }
    const std::string_view text = name;
    constexpr std::string_view kIam = "arn:aws:iam::";
    constexpr std::string_view kSts = "arn:aws:sts::";
    const bool in_place = (text.starts_with(kIam) || text.starts_with(kSts)) &&
                          text.size() > kIam.size() + 13 && text[kIam.size() + 12] == ':' &&
                          is_account(text.substr(kIam.size(), 12));
    if (!in_place || text.find_first_of("*?") != std::string_view::npos) {
      return invalid(where, fmt::format("the principal \"{}\" must be \"*\", an account's 12 "
                                        "digits, or an ARN like arn:aws:iam::000000000000:user/"
                                        "alice, without wildcards",
                                        text.substr(0, 100)));
    }
    if (text.ends_with(":root")) {
      to.accounts.emplace_back(text.substr(kIam.size(), 12));
    } else {
      to.arns.push_back(std::move(name));
    }
    return {};
  }

  Status read_conditions(dom::element from, const std::string& where,
                         Policy::Statement& statement) {
    std::vector<std::string_view> operators;
    for (const auto& row : kOperators) operators.push_back(row.name);
    SPILLWAY_ASSIGN(const auto by_operator, members_of(from, where, operators));
    for (const auto& [name, keys] : by_operator) {
      const auto* const row = std::ranges::find(kOperators, name, &OperatorRow::name);
      dom::object object;
      if (keys.get_object().get(object) != simdjson::SUCCESS)
        return invalid(where, fmt::format("{} must be an object", name));
      std::set<std::string> seen;
      for (const auto member : object) {
        // Whether both count or one, and which, nobody could tell.
        if (!seen.insert(lowered(member.key)).second)
          return invalid(where, fmt::format("{}: {} is there twice", name,
                                            std::string_view(member.key).substr(0, 100)));
        auto condition =
            read_condition(*row, member.key, member.value, fmt::format("{}.{}", where, name));
        if (!condition.ok()) return std::move(condition).error();
        statement.conditions.push_back(*std::move(condition));
      }
    }
    return {};
  }

  struct OperatorRow {
    std::string_view name;
    Test test;
    bool negated;
  };
  static constexpr OperatorRow kOperators[] = {
      {"ArnEquals", Test::kLike, false},
      {"ArnLike", Test::kLike, false},
      {"ArnNotEquals", Test::kLike, true},
      {"ArnNotLike", Test::kLike, true},
      {"Bool", Test::kIsTrue, false},
      {"IpAddress", Test::kInRange, false},
      {"NotIpAddress", Test::kInRange, true},
      {"StringEquals", Test::kEquals, false},
      {"StringEqualsIgnoreCase", Test::kEqualsIgnoringCase, false},
      {"StringLike", Test::kLike, false},
      {"StringNotEquals", Test::kEquals, true},
      {"StringNotEqualsIgnoreCase", Test::kEqualsIgnoringCase, true},
      {"StringNotLike", Test::kLike, true},
  };

  struct KeyRow {
    std::string_view name;
    Key key;
  };
  static constexpr KeyRow kKeys[] = {
      {"aws:PrincipalAccount", Key::kPrincipalAccount},
      {"aws:PrincipalArn", Key::kPrincipalArn},
      {"aws:RequestedRegion", Key::kRequestedRegion},
      {"aws:SecureTransport", Key::kSecureTransport},
      {"aws:SourceIp", Key::kSourceIp},
      {"aws:UserAgent", Key::kUserAgent},
      {"aws:username", Key::kUsername},
  };

  // Which keys an operator can judge.
  static bool suits(const OperatorRow& row, Key key) {
    if (row.test == Test::kInRange || key == Key::kSourceIp)
      return row.test == Test::kInRange && key == Key::kSourceIp;
    if (row.test == Test::kIsTrue || key == Key::kSecureTransport)
      return row.test == Test::kIsTrue && key == Key::kSecureTransport;
    return !row.name.starts_with("Arn") || key == Key::kPrincipalArn;
  }

  static Result<Policy::Condition> read_condition(const OperatorRow& row, std::string_view name,
                                                  dom::element value, const std::string& where) {
    const auto* const known = std::ranges::find_if(kKeys, [name](const KeyRow& key) {
      return lowered(key.name) == lowered(name);  // as in IAM, case doesn't count
    });
    if (known == std::end(kKeys)) {
      std::vector<std::string_view> names;
      for (const auto& key : kKeys) names.push_back(key.name);
      return unknown(where, "the key", name, names);
    }
    if (!suits(row, known->key))
      return invalid(where, fmt::format("{} can't judge {}", row.name, known->name));
    Policy::Condition condition;
    condition.key = known->key;
    condition.test = row.test;
    condition.negated = row.negated;
    SPILLWAY_ASSIGN(condition.texts, texts_of(value, where));
    SPILLWAY_TRY(no_variables(condition.texts, where));
    for (auto& text : condition.texts) {
      if (row.test == Test::kIsTrue) {
        text = lowered(text);
        if (text != "true" && text != "false")
          return invalid(where, fmt::format("\"{}\" must be true or false", text));
      }
      if (row.test != Test::kInRange) continue;
      const auto range = AddressRange::parse(text);
      if (!range) {
        return invalid(where, fmt::format("\"{}\" is no address or range like 203.0.113.0/24 or "
                                          "2001:db8::/32",
                                          text));
      }
      condition.ranges.push_back(*range);
    }
    return condition;
  }

  const PolicyKind kind_;
};

Result<Policy> Policy::parse(std::string_view json, PolicyKind kind) {
  if (json.size() > kPolicyBytesMax)
    return invalid("the policy", fmt::format("is larger than {} bytes", kPolicyBytesMax));
  dom::parser parser;
  dom::element root;
  auto error = parser.allocate(kPolicyBytesMax + 1, kDepthMax);
  if (error == simdjson::SUCCESS) error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS)
    return invalid("the policy", fmt::format("is no JSON: {}", simdjson::error_message(error)));
  Policy policy;
  SPILLWAY_ASSIGN(policy.statements_, PolicyReader(kind).read(root));
  return policy;
}

}  // namespace spillway::auth
