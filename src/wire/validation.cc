#include "wire/shapes.h"

namespace spillway::wire {

namespace {

// The patterns of the service model that inputs use, each matched by hand: requests are validated
// on the hot path.
template <typename Holds>
bool all_of(std::string_view text, Holds holds) {
  return std::all_of(text.begin(), text.end(), holds);
}
// No functions, of which all_of() would call one for each character.
constexpr auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
constexpr auto is_name_character = [](char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '-';
};
constexpr auto is_lower_or_digit = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
constexpr auto is_hex_digit = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
constexpr auto is_no_space = [](char c) { return c != ' ' && (c < '\t' || c > '\r'); };

bool is_number(std::string_view text, std::size_t digits_max) {
  if (text == "0") return true;
  return !text.empty() && text.size() <= digits_max && text[0] != '0' && all_of(text, is_digit);
}

// arn:aws.*:kinesis:.*:\d{12}:stream/\S+
bool is_stream_arn(std::string_view text) {
  if (!text.starts_with("arn:aws")) return false;
  const std::size_t service = text.find(":kinesis:");
  const std::size_t resource = text.rfind(":stream/");
  if (service == std::string_view::npos || resource == std::string_view::npos) return false;
  const std::string_view name = text.substr(resource + 8);
  if (name.empty() || !all_of(name, is_no_space) || resource < service + 9 + 13) return false;
  return text[resource - 13] == ':' && all_of(text.substr(resource - 12, 12), is_digit);
}

// Behind what arn:aws.*:kinesis:.*:\d{12}: matches at its earliest; nullopt where nothing does.
std::optional<std::string_view> behind_account(std::string_view arn) {
  const std::size_t service = arn.find(":kinesis:");
  if (!arn.starts_with("arn:aws") || service == std::string_view::npos) return std::nullopt;
  for (std::size_t at = service + 9; at + 14 <= arn.size(); ++at) {
    if (arn[at] == ':' && arn[at + 13] == ':' && all_of(arn.substr(at + 1, 12), is_digit))
      return arn.substr(at + 14);
  }
  return std::nullopt;
}

// arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+
bool is_resource_arn(std::string_view text) {
  const auto resource = behind_account(text);
  if (!resource || resource->size() < 8) return false;
  const std::size_t at = resource->rfind("stream/", resource->size() - 8);
  return at != std::string_view::npos && all_of(resource->substr(at + 7), is_no_space);
}

// ^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/NAME\/consumer\/NAME:[0-9]+
bool is_consumer_arn(std::string_view text) {
  const auto resource = behind_account(text);
  if (!resource) return false;
  const std::size_t consumer = resource->rfind("/consumer/");
  if (consumer == std::string_view::npos) return false;
  const std::size_t stream = resource->substr(0, consumer).rfind("stream/");
  if (stream == std::string_view::npos) return false;
  const auto is_name = [](std::string_view name) {
    return !name.empty() && all_of(name, is_name_character);
  };
  const std::string_view last = resource->substr(consumer + 10);
  const std::size_t colon = last.find(':');
  return colon != std::string_view::npos && is_name(last.substr(0, colon)) &&
         is_name(resource->substr(stream + 7, consumer - stream - 7)) && colon + 1 < last.size() &&
         all_of(last.substr(colon + 1), is_digit);
}

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern == "[a-zA-Z0-9_.-]+") return !text.empty() && all_of(text, is_name_character);
  if (pattern == "0|([1-9]\\d{0,38})") return is_number(text, 39);
  if (pattern == "0|([1-9]\\d{0,128})") return is_number(text, 129);
  if (pattern == "0|([1-9]\\d{0,18})") return is_number(text, 19);
  if (pattern == "[1-9]\\d{0,18}") return text != "0" && is_number(text, 19);
  if (pattern == "[0-9a-f]{32}") return text.size() == 32 && all_of(text, is_hex_digit);
  if (pattern == "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+") return is_stream_arn(text);
  if (pattern == "arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+") return is_resource_arn(text);
  if (pattern.ends_with("\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+")) return is_consumer_arn(text);
  if (pattern == "[a-z0-9]{20}-[a-z0-9]{3}") {
    return text.size() == 24 && text[20] == '-' && all_of(text.substr(0, 20), is_lower_or_digit) &&
           all_of(text.substr(21), is_lower_or_digit);
  }
  return false;
}

std::string lower_camel(std::string_view name) {
  std::string path(name);
  if (!path.empty() && path[0] >= 'A' && path[0] <= 'Z')
    path[0] = static_cast<char>(path[0] | 0x20);
  return path;
}

// In the order in which the API tells of them.
enum class Constraint { kPattern, kEnum, kMax, kMin };
constexpr Constraint kConstraints[] = {Constraint::kPattern, Constraint::kEnum, Constraint::kMax,
                                       Constraint::kMin};

// How long it is, or how many it has; a number's value.
std::int64_t measure(const Value& value) {
  switch (value.shape->kind) {
    case Kind::kString:
      return utf16_length(value.text);
    case Kind::kBlob:
      return static_cast<std::int64_t>(blob_size(value));
    case Kind::kInteger:
      return value.integer;
    case Kind::kList:
      return static_cast<std::int64_t>(value.children.size());
    case Kind::kMap:
      return static_cast<std::int64_t>(value.children.size() / 2);
    case Kind::kBoolean:
    case Kind::kTimestamp:
    case Kind::kStructure:
      break;
  }
  return 0;
}

bool satisfies(const Value& value, Constraint constraint) {
  const Shape& shape = *value.shape;
  switch (constraint) {
    case Constraint::kPattern:
      return shape.pattern.empty() || matches(shape.pattern, value.text);
    case Constraint::kEnum:
      return shape.values.empty() ||
             std::ranges::find(shape.values, value.text) != shape.values.end();
    case Constraint::kMax:
      return !shape.max || measure(value) <= *shape.max;
    case Constraint::kMin:
      return !shape.min || measure(value) >= *shape.min;
  }
  return true;
}

bool satisfies_all(const Value& value) {
  const Shape& shape = *value.shape;
  if (!satisfies(value, Constraint::kPattern) || !satisfies(value, Constraint::kEnum)) return false;
  if (!shape.min && !shape.max) return true;
  const auto measured = measure(value);
  return measured >= shape.min.value_or(measured) && measured <= shape.max.value_or(measured);
}

// As the API words it; empty where the shape hasn't got it.
std::string wording(const Shape& shape, Constraint constraint) {
  const std::string_view what = shape.kind == Kind::kInteger ? "value" : "length";
  switch (constraint) {
    case Constraint::kPattern:
      if (shape.pattern.empty()) break;
      return fmt::format("Member must satisfy regular expression pattern: {}", shape.pattern);
    case Constraint::kEnum:
      if (shape.values.empty()) break;
      return fmt::format("Member must satisfy enum value set: [{}]", fmt::join(shape.values, ", "));
    case Constraint::kMax:
      if (!shape.max) break;
      return fmt::format("Member must have {} less than or equal to {}", what, *shape.max);
    case Constraint::kMin:
      if (!shape.min) break;
      return fmt::format("Member must have {} greater than or equal to {}", what, *shape.min);
  }
  return "";
}

std::string wording_of_all(const Shape& shape) {
  std::string all;
  for (const auto constraint : kConstraints) {
    const auto one = wording(shape, constraint);
    if (!one.empty()) all += (all.empty() ? "" : ", ") + one;
  }
  return all;
}

constexpr std::size_t kShownMax = 1024;  // bytes of a value that a message repeats

// As Java prints it. May be longer than kShownMax, but not by much more than one element.
std::string shown(const Value& value) {
  if (!value.present) return "null";
  switch (value.shape->kind) {
    case Kind::kString:
      return std::string(value.text.substr(0, kShownMax + 1));
    case Kind::kBlob: {
      const std::size_t size = blob_size(value);
      return fmt::format("java.nio.HeapByteBuffer[pos=0 lim={} cap={}]", size, size);
    }
    case Kind::kInteger:
      return fmt::format("{}", value.integer);
    case Kind::kList: {
      if (value.shape->element->kind == Kind::kStructure && !value.children.empty()) return "[…]";
      std::string list = "[";
      for (std::size_t i = 0; i < value.children.size() && list.size() <= kShownMax; ++i)
        list += (i == 0 ? "" : ", ") + shown(value.children[i]);
      return list + ']';
    }
    case Kind::kMap: {
      std::string map = "{";
      for (std::size_t i = 0; i + 1 < value.children.size() && map.size() <= kShownMax; i += 2) {
        map += (i == 0 ? "" : ", ") + shown(value.children[i]) + '=' + shown(value.children[i + 1]);
      }
      return map + '}';
    }
    case Kind::kBoolean:
    case Kind::kTimestamp:
    case Kind::kStructure:
      break;
  }
  return "";
}

// Its first kShownMax bytes, without a part of a character.
std::string_view cut(std::string_view text) {
  if (text.size() <= kShownMax) return text;
  std::size_t size = kShownMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

// Whether nothing is violated. Most requests are good, and need no paths to say so.
bool is_good(const Value& value) {
  if (!satisfies_all(value)) return false;
  const Shape& shape = *value.shape;
  for (std::size_t i = 0; i < value.children.size(); ++i) {
    const Value& child = value.children[i];
    const bool optional = shape.kind == Kind::kStructure && !shape.members[i].required;
    if (child.present ? !is_good(child) : !optional) return false;
  }
  return true;
}

class Validator {
 public:
  explicit Validator(std::size_t most) : most_(most) {}

  // A value that is present.
  void check(const Value& value, const std::string& path) {
    for (const auto constraint : kConstraints)
      if (!satisfies(value, constraint)) add(value, path, wording(*value.shape, constraint));
    if (value.shape->kind == Kind::kStructure) check_members(value, path);
    if (value.shape->kind == Kind::kList) check_list(value, path);
    if (value.shape->kind == Kind::kMap) check_map(value, path);
  }

  std::vector<std::string> found_;

 private:
  bool full() const { return found_.size() >= most_; }

  void add(const Value& value, std::string_view path, std::string_view constraint) {
    if (full()) return;
    found_.push_back(fmt::format("Value '{}' at '{}' failed to satisfy constraint: {}",
                                 cut(shown(value)), path, constraint));
  }

  void add_null(std::string_view path) {
    if (full()) return;
    found_.push_back(fmt::format(
        "Value null at '{}' failed to satisfy constraint: Member must not be null", path));
  }

  void check_members(const Value& value, const std::string& path) {
    for (std::size_t i = 0; i < value.children.size() && !full(); ++i) {
      const Member& member = value.shape->members[i];
      const Value& child = value.children[i];
      if (!child.present && !member.required) continue;
      const std::string at = (path.empty() ? "" : path + ".") + lower_camel(member.name);
      if (child.present) {
        check(child, at);
      } else {
        add_null(at);
      }
    }
  }

  // Structures are told of one by one, other elements all at once.
  void check_list(const Value& value, const std::string& path) {
    const bool structures = value.shape->element->kind == Kind::kStructure;
    bool good = true;
    for (std::size_t i = 0; i < value.children.size() && !full(); ++i) {
      const Value& element = value.children[i];
      if (!element.present) {
        add_null(fmt::format("{}.{}.member", path, i + 1));
      } else if (structures) {
        if (!is_good(element)) check(element, fmt::format("{}.{}.member", path, i + 1));
      } else {
        good = good && satisfies_all(element);
      }
    }
    if (!good) {
      add(value, path,
          fmt::format("Member must satisfy constraint: [{}]",
                      wording_of_all(*value.shape->element)));
    }
  }

  void check_map(const Value& value, const std::string& path) {
    bool good_keys = true;
    bool good_values = true;
    for (std::size_t i = 0; i + 1 < value.children.size() && !full(); i += 2) {
      const Value& key = value.children[i];
      const Value& element = value.children[i + 1];
      good_keys = good_keys && satisfies_all(key);
      if (element.present) {
        good_values = good_values && satisfies_all(element);
      } else {
        add_null(fmt::format("{}.{}.member", path, cut(key.text)));
      }
    }
    if (!good_keys) {
      add(value, path,
          fmt::format("Map keys must satisfy constraint: [{}]", wording_of_all(*value.shape->key)));
    }
    if (!good_values) {
      add(value, path,
          fmt::format("Map value must satisfy constraint: [{}]",
                      wording_of_all(*value.shape->element)));
    }
  }

  const std::size_t most_;
};

}  // namespace

std::int64_t utf16_length(std::string_view text) {
  std::int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

std::vector<std::string> violations(const Value& value, std::size_t most) {
  if (is_good(value)) return {};
  Validator validator(most);
  validator.check(value, "");
  return std::move(validator.found_);
}

}  // namespace spillway::wire
