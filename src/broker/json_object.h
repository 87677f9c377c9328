// One JSON object, written member by member.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace spillway::broker {

// `text` in quotes, escaped. Bytes that aren't UTF-8 become U+FFFD, so that what comes out always
// is.
void append_json_text(std::string& to, std::string_view text);

class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view text);
  JsonObject& add(std::string_view name, const char* text) {
    return add(name, std::string_view(text));
  }
  // Two decimals; null where it isn't finite.
  JsonObject& add(std::string_view name, double number);
  template <std::integral T>
  JsonObject& add(std::string_view name, T number) {
    begin(name);
    members_ += std::to_string(number);
    return *this;
  }
  JsonObject& add(std::string_view name, bool value) {
    return add_raw(name, value ? "true" : "false");
  }
  // `json`: a whole value.
  JsonObject& add_raw(std::string_view name, std::string_view json);

  // Without the braces, so that it can be put behind other members: "a":1,"b":2
  const std::string& members() const { return members_; }
  std::string text() const { return "{" + members_ + "}"; }

 private:
  void begin(std::string_view name);
  std::string members_;
};

class JsonArray {
 public:
  void add(double number);  // as JsonObject::add()
  void add_raw(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
  }
  std::string text() const { return text_ + "]"; }

 private:
  std::string text_ = "[";
};

}  // namespace spillway::broker
