#include "broker/statsd.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

// "TYPE VALUE VALUE @RATE #TAGS" of each of its types, or "none".
std::string read(std::string_view line) {
  const auto all = read_statsd(line);
  if (!all) return "none";
  std::string text;
  for (const auto& samples : *all) {
    EXPECT_TRUE(line.starts_with(samples.name)) << line;
    text += fmt::format("{}{}", text.empty() ? "" : "; ", statsd_type_name(samples.type));
    for (const auto& value : samples.values) {
      if (samples.type == StatsdType::kSet) {
        text += fmt::format(" {}", value.text);
      } else {
        text += fmt::format(" {}{}", value.relative ? "by " : "", value.number);
      }
    }
    if (samples.rate < 1) text += fmt::format(" @{}", samples.rate);
    if (!samples.tags.empty()) text += " #" + samples.tags;
  }
  return text;
}

TEST(Statsd, ReadsEveryType) {
  EXPECT_EQ(read("gorets:1|c"), "counter 1");
  EXPECT_EQ(read("gorets:-2.5|c|@0.1"), "counter -2.5 @0.1");
  EXPECT_EQ(read("fuel.level:0.5|g"), "gauge 0.5");
  EXPECT_EQ(read("fuel.level:+4|g"), "gauge by 4");
  EXPECT_EQ(read("fuel.level:-10|g"), "gauge by -10");
  EXPECT_EQ(read("glork:320|ms|@1"), "timer 320");
  EXPECT_EQ(read("song.length:240|h|@0.5"), "histogram 240 @0.5");
  EXPECT_EQ(read("a b/c:1e3|d"), "distribution 1000");
  EXPECT_EQ(read("users:a:b c|s"), "set a:b c");
}

TEST(Statsd, ReadsWhatDogStatsdAdds) {
  EXPECT_EQ(read("users:1|c|@0.5|#country:china"), "counter 1 @0.5 #country:china");
  EXPECT_EQ(read("users:1|c|#b:2,a,,b:2,c:x:y|@0.5"), "counter 1 @0.5 #a,b:2,c:x:y");
  EXPECT_EQ(read("users:1:2:-3|ms|#a:b"), "timer 1 2 -3 #a:b");
  EXPECT_EQ(read("users:1|c|#a:b|c:ci-83f|T1656581400|e:it-1,pn-x"), "counter 1 #a:b");
  EXPECT_EQ(read("users:1|c|#"), "counter 1");
}

TEST(Statsd, ReadsSeveralTypesOfAName) {
  EXPECT_EQ(read("foo:1|c:200|ms|@0.1:+3|g"), "counter 1; timer 200 @0.1; gauge by 3");
  EXPECT_EQ(read("foo:a|s:b|s"), "set a; set b");
}

TEST(Statsd, RefusesWhatIsNone) {
  for (const std::string_view line : {"",
                                      "foo",
                                      "foo:",
                                      "foo:1",
                                      "foo:1|",
                                      "foo:1|x",
                                      ":1|c",
                                      "foo:|c",
                                      "foo:x|c",
                                      "foo:1x|c",
                                      "foo:inf|c",
                                      "foo:nan|g",
                                      "foo:1e999|c",
                                      "foo:++1|g",
                                      "foo:1|c|@",
                                      "foo:1|c|@0",
                                      "foo:1|c|@1.5",
                                      "foo:1|c|@-1",
                                      "foo:1|c|@x",
                                      "foo:1::2|c",
                                      "foo:|s",
                                      "foo:1|c:",
                                      "foo:1|c:2",
                                      "foo:1\t|c",
                                      "foo:1|c|#\x01",
                                      "f\xff:1|c",
                                      "_e{5,4}:title|text",
                                      "_sc|Redis|2"})
    EXPECT_EQ(read(line), "none") << line;
  EXPECT_EQ(read(std::string(256, 'n') + ":1|c"), "counter 1");
  EXPECT_EQ(read(std::string(257, 'n') + ":1|c"), "none");
  EXPECT_EQ(read("foo:1|c|#" + std::string(kStatsdTagsBytesMax + 1, 't')), "none");
}

}  // namespace
}  // namespace spillway::broker
