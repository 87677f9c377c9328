#include "auth/policy.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace spillway::auth {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equal_characters(char a, char b, bool ignore_case) {
  return a == b || (ignore_case && lower(a) == lower(b));
}

bool matches_any(std::string_view text, const std::vector<std::string>& patterns,
                 bool ignore_case = false) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return matches_pattern(text, pattern, ignore_case);
  });
}

bool contains(const std::vector<std::string>& texts, std::string_view text) {
  return std::ranges::find(texts, text) != texts.end();
}

}  // namespace

bool matches_pattern(std::string_view text, std::string_view pattern, bool ignore_case) {
  // At a mismatch the last * takes one character more: no earlier one can do better.
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_took = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      star_took = at;
    } else if (in_pattern < pattern.size() &&
               (pattern[in_pattern] == '?' ||
                equal_characters(text[at], pattern[in_pattern], ignore_case))) {
      ++at;
      ++in_pattern;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      at = ++star_took;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', in_pattern) == std::string_view::npos;
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  // Of a link-local address the part behind % names the interface.
  const std::string address(text.substr(0, std::min(slash, text.find('%'))));
  AddressRange range;
  range.v6 = address.find(':') != std::string::npos;
  if (::inet_pton(range.v6 ? AF_INET6 : AF_INET, address.c_str(), range.bytes.data()) != 1)
    return std::nullopt;
  const int bits_max = range.v6 ? 128 : 32;
  range.prefix_bits = bits_max;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), range.prefix_bits);
    if (error != std::errc{} || end != digits.end() || range.prefix_bits < 0 ||
        range.prefix_bits > bits_max)
      return std::nullopt;
  }
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (range.v6 && range.prefix_bits >= 96 &&
      std::memcmp(range.bytes.data(), kMapped, sizeof kMapped) == 0) {
    range.v6 = false;
    range.prefix_bits -= 96;
    std::memmove(range.bytes.data(), range.bytes.data() + sizeof kMapped, 4);
  }
  return range;
}

bool AddressRange::contains(const AddressRange& address) const {
  if (v6 != address.v6) return false;
  const auto whole = static_cast<std::size_t>(prefix_bits / 8);
  if (std::memcmp(bytes.data(), address.bytes.data(), whole) != 0) return false;
  const int rest = prefix_bits % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return ((bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

bool Policy::holds(const Condition& condition, const AccessRequest& request) {
  std::string_view value;
  switch (condition.key) {
    case ContextKey::kPrincipalAccount:
      value = request.account;
      break;
    case ContextKey::kPrincipalArn:
      value = request.principal;
      break;
    case ContextKey::kRequestedRegion:
      value = request.region;
      break;
    case ContextKey::kSecureTransport:
      value = request.secure ? "true" : "false";
      break;
    case ContextKey::kSourceIp:
      value = request.source_ip;
      break;
    case ContextKey::kUserAgent:
      value = request.user_agent;
      break;
    case ContextKey::kUsername:
      value = request.user;
      break;
  }
  bool any = false;
  switch (condition.test) {
    case Test::kEquals:
    case Test::kIsTrue:
      any = contains(condition.texts, value);
      break;
    case Test::kEqualsIgnoringCase:
      any = std::ranges::any_of(condition.texts, [value](const std::string& text) {
        return std::ranges::equal(text, value, {}, lower, lower);
      });
      break;
    case Test::kLike:
      any = matches_any(value, condition.texts);
      break;
    case Test::kInRange: {
      const auto address = AddressRange::parse(value);
      any = address && std::ranges::any_of(condition.ranges, [&](const AddressRange& range) {
              return range.contains(*address);
            });
      break;
    }
  }
  return any != condition.negated;
}

bool Policy::concerns(const Statement& statement, const AccessRequest& request) {
  if (!statement.principals) return true;
  const auto& principals = *statement.principals;
  const bool by_name = principals.anybody || contains(principals.arns, request.principal);
  const bool by_account = contains(principals.accounts, request.account);
  if (statement.not_principals) return !by_name && !by_account;
  // A permission for a whole account is one for its identity policies to hand on.
  return by_name || (by_account && !statement.allows);
}

bool Policy::applies(const Statement& statement, const AccessRequest& request) {
  return matches_any(request.action, statement.actions.any_of, true) != statement.actions.negated &&
         matches_any(request.resource, statement.resources.any_of) != statement.resources.negated &&
         concerns(statement, request) &&
         std::ranges::all_of(statement.conditions, [&request](const Condition& condition) {
           return holds(condition, request);
         });
}

Decision Policy::decide(const AccessRequest& request) const {
  Decision decision;
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    const auto& statement = statements_[i];
    if (statement.allows && decision.outcome == Outcome::kAllow) continue;
    if (!applies(statement, request)) continue;
    if (!statement.allows) return {Outcome::kExplicitDeny, i};
    decision = {Outcome::kAllow, i};
  }
  return decision;
}

JointDecision decide(const Policy* identity, const Policy* resource, const AccessRequest& request) {
  const Outcome by_identity =
      identity != nullptr ? identity->decide(request).outcome : Outcome::kAllow;
  if (by_identity == Outcome::kExplicitDeny || resource == nullptr) return {by_identity, false};
  const Outcome by_resource = resource->decide(request).outcome;
  if (by_resource == Outcome::kExplicitDeny) return {by_resource, true};
  if (by_identity == Outcome::kAllow) return {by_identity, false};
  return {by_resource, by_resource == Outcome::kAllow};
}

}  // namespace spillway::auth
