#include "wire/shapes.h"

namespace spillway::wire {

namespace {

// The patterns of the service model that inputs use, each matched by hand: requests are validated
// on the hot path.
bool all_of(std::string_view text, bool (*holds)(char)) {
  return std::all_of(text.begin(), text.end(), holds);
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '-';
}
bool is_lower_or_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); }
bool is_no_space(char c) { return c != ' ' && (c < '\t' || c > '\r'); }

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
  if (pattern == "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+") return is_stream_arn(text);
  if (pattern == "arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+") return is_resource_arn(text);
  if (pattern.ends_with("\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+")) return is_consumer_arn(text);
  if (pattern == "[a-z0-9]{20}-[a-z0-9]{3}") {
    return text.size() == 24 && text[20] == '-' && all_of(text.substr(0, 20), is_lower_or_digit) &&
           all_of(text.substr(21), is_lower_or_digit);
  }
  return false;
}

// Java counts UTF-16 units: a character outside the basic plane counts twice.
std::int64_t utf16_length(std::string_view text) {
  std::int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

std::string lower_camel(std::string_view name) {
  std::string path(name);
  if (!path.empty() && path[0] >= 'A' && path[0] <= 'Z')
    path[0] = static_cast<char>(path[0] | 0x20);
  return path;
}

class Validator {
 public:
  explicit Validator(std::size_t most) : most_(most) {}

  void check(const Value& value, const std::string& path) {
    if (found_.size() >= most_ || !value.present) return;
    const Shape& shape = *value.shape;
    switch (shape.kind) {
      case Kind::kString:
        check_length(value.text, utf16_length(value.text), shape, path);
        check_text(value.text, shape, path);
        break;
      case Kind::kBlob: {
        const std::size_t size = blob_size(value);
        const auto length = static_cast<std::int64_t>(size);
        if ((shape.max && length > *shape.max) || (shape.min && length < *shape.min)) {
          check_length(fmt::format("java.nio.HeapByteBuffer[pos=0 lim={} cap={}]", size, size),
                       length, shape, path);
        }
        break;
      }
      case Kind::kInteger:
        check_range(value.integer, shape, path);
        break;
      case Kind::kBoolean:
      case Kind::kTimestamp:
        break;
      case Kind::kStructure:
        for (std::size_t i = 0; i < shape.members.size(); ++i) {
          const Member& member = shape.members[i];
          if (member.required && !value.children[i].present) {
            add("null", join(path, lower_camel(member.name)), "Member must not be null");
          } else if (value.children[i].present) {
            check(value.children[i], join(path, lower_camel(member.name)));
          }
        }
        break;
      case Kind::kList:
        check_length(value.children.empty() ? "[]" : "[…]",
                     static_cast<std::int64_t>(value.children.size()), shape, path);
        for (std::size_t i = 0; i < value.children.size() && found_.size() < most_; ++i) {
          // A path is made only for an element that needs one.
          Validator element(1);
          element.check(value.children[i], "");
          if (!element.found_.empty() || !value.children[i].present)
            check_element(value.children[i], fmt::format("{}.{}.member", path, i + 1));
        }
        break;
      case Kind::kMap:
        check_map(value, path);
        break;
    }
  }

  std::vector<std::string> found_;

 private:
  static std::string join(const std::string& path, const std::string& name) {
    return path.empty() ? name : path + "." + name;
  }

  void add(std::string_view shown, std::string_view path, std::string_view constraint) {
    if (found_.size() >= most_) return;
    found_.push_back(fmt::format(
        "Value {} at '{}' failed to satisfy constraint: {}",
        shown == "null" ? std::string("null") : fmt::format("'{}'", shown.substr(0, 1024)), path,
        constraint));
  }

  void check_element(const Value& value, const std::string& path) {
    if (!value.present) return add("null", path, "Member must not be null");
    check(value, path);
  }

  void check_length(std::string_view shown, std::int64_t length, const Shape& shape,
                    const std::string& path) {
    if (shape.max && length > *shape.max)
      add(shown, path, fmt::format("Member must have length less than or equal to {}", *shape.max));
    if (shape.min && length < *shape.min)
      add(shown, path,
          fmt::format("Member must have length greater than or equal to {}", *shape.min));
  }

  void check_range(std::int64_t number, const Shape& shape, const std::string& path) {
    if (shape.max && number > *shape.max)
      add(fmt::format("{}", number), path,
          fmt::format("Member must have value less than or equal to {}", *shape.max));
    if (shape.min && number < *shape.min)
      add(fmt::format("{}", number), path,
          fmt::format("Member must have value greater than or equal to {}", *shape.min));
  }

  void check_text(std::string_view text, const Shape& shape, const std::string& path) {
    if (!shape.pattern.empty() && !matches(shape.pattern, text))
      add(text, path,
          fmt::format("Member must satisfy regular expression pattern: {}", shape.pattern));
    if (!shape.values.empty() &&
        std::find(shape.values.begin(), shape.values.end(), text) == shape.values.end())
      add(text, path,
          fmt::format("Member must satisfy enum value set: [{}]", fmt::join(shape.values, ", ")));
  }

  void check_map(const Value& value, const std::string& path) {
    const Shape& shape = *value.shape;
    check_length("{…}", static_cast<std::int64_t>(value.children.size() / 2), shape, path);
    for (std::size_t i = 0; i + 1 < value.children.size(); i += 2) {
      check_length(value.children[i].text, utf16_length(value.children[i].text), *shape.key, path);
      check_element(value.children[i + 1],
                    fmt::format("{}.{}.member", path, value.children[i].text.substr(0, 200)));
    }
  }

  const std::size_t most_;
};

}  // namespace

std::vector<std::string> violations(const Value& value, std::size_t most) {
  Validator validator(most);
  validator.check(value, "");
  return std::move(validator.found_);
}

}  // namespace spillway::wire
