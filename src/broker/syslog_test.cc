#include "broker/syslog.h"

#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Without what every record has.
std::string fields_of(std::string_view text) {
  const auto record = read_syslog({std::string(text), false}, "192.0.2.7", from_millis(5));
  constexpr std::string_view kBegin = R"({"received":5,"peer":"192.0.2.7",)";
  EXPECT_TRUE(record.json.starts_with(kBegin) && record.json.ends_with('}')) << record.json;
  EXPECT_EQ(record.malformed, record.json.find(R"("malformed":true,"raw":)") == kBegin.size());
  return record.json.substr(kBegin.size(), record.json.size() - kBegin.size() - 1);
}

std::string key_of(std::string_view text) {
  return read_syslog({std::string(text), false}, "192.0.2.7", {}).key;
}

// The examples of RFC 5424, section 6.5, and others.
TEST(Syslog, ReadsRfc5424) {
  EXPECT_EQ(fields_of("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - "
                      "\xef\xbb\xbf'su root' failed"),
            R"("facility":"auth","severity":"crit","time":"2003-10-11T22:14:15.003Z",)"
            R"("host":"mymachine.example.com","app":"su","msgid":"ID47",)"
            R"("message":"'su root' failed")");
  EXPECT_EQ(
      fields_of("<165>1 2003-10-11T22:14:15.003Z h app 4711 - [a@1 x=\"1\" y=\"q\\\"\\]\\\\n\"]"
                "[b] text [c]"),
      R"("facility":"local4","severity":"notice","time":"2003-10-11T22:14:15.003Z",)"
      R"("host":"h","app":"app","pid":"4711",)"
      R"("data":{"a@1":{"x":"1","y":"q\"]\\n"},"b":{}},"message":"text [c]")");
  EXPECT_EQ(fields_of("<0>1 - - - - - [m ip=\"1\" ip=\"2\"]"),
            R"("facility":"kern","severity":"emerg","data":{"m":{"ip":["1","2"]}},"message":"")");
  EXPECT_EQ(fields_of("<191>1 - - - - - -  two spaces"),
            R"("facility":"local7","severity":"debug","message":" two spaces")");
}

TEST(Syslog, ReadsRfc3164AsItIsSent) {
  EXPECT_EQ(fields_of("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick"),
            R"("facility":"auth","severity":"crit","time":"Oct 11 22:14:15","host":"mymachine",)"
            R"("app":"su","message":"'su root' failed for lonvick")");
  EXPECT_EQ(fields_of("<13>Feb  5 17:32:18 10.0.0.99 sshd[42]: hello"),
            R"("facility":"user","severity":"notice","time":"Feb  5 17:32:18",)"
            R"("host":"10.0.0.99","app":"sshd","pid":"42","message":"hello")");
  EXPECT_EQ(fields_of("<13>2026-11-25T22:14:15.123456+00:00 web-1 app: hello"),
            R"("facility":"user","severity":"notice","time":"2026-11-25T22:14:15.123456+00:00",)"
            R"("host":"web-1","app":"app","message":"hello")");
  EXPECT_EQ(fields_of("<13>Feb  5 17:32:18 web-1 no tag: here"),
            R"("facility":"user","severity":"notice","time":"Feb  5 17:32:18","host":"web-1",)"
            R"("message":"no tag: here")");
}

TEST(Syslog, KeepsWhatItCannotRead) {
  for (const std::string text :
       {"hello", "<192>1 - - - - - -", "<>1 - - - - - -", "<1a>x", "<0001>1 - - - - - -",
        "<1>1 - - - - -", "<1>1 - - - - - [a", "<1>1 - - - - - [a x=1]", "<1>1 - - - - - [a x=]]",
        "<1>1 - - - - - [a][a]", "<1>1 - - - - - -x", "<1>hello", "<1>Foo  5 17:32:18 host app: x",
        "<1>Feb  5 17:32:18 host", "<1>", "<"})
    EXPECT_EQ(fields_of(text), R"("malformed":true,"raw":")" + text + "\"");
  EXPECT_EQ(fields_of("\xff\x01"), "\"malformed\":true,\"raw\":\"\xef\xbf\xbd\\u0001\"");
}

TEST(Syslog, ItsKeyIsTheHostOrThePeer) {
  EXPECT_EQ(key_of("<13>1 - web-1 - - - -"), "web-1");
  EXPECT_EQ(key_of("<13>1 - - - - - -"), "192.0.2.7");
  EXPECT_EQ(key_of("<13>1 - " + std::string(257, 'h') + " - - - -"), "192.0.2.7");
  EXPECT_EQ(key_of("hello"), "192.0.2.7");
}

TEST(Syslog, SaysWhatWasCut) {
  const auto record = read_syslog({"<13>1 - - - - - - x", true}, "p", {});
  EXPECT_TRUE(record.json.ends_with(R"("message":"x","cut":true})")) << record.json;
}

class SyslogFramerTest : public testing::Test {
 protected:
  // Each message, with a '~' where it was cut; the bytes come `step` at a time.
  static std::vector<std::string> framed(std::string_view bytes, std::size_t step) {
    SyslogFramer framer;
    std::vector<SyslogMessage> messages;
    for (std::size_t i = 0; i < bytes.size(); i += step)
      framer.take(bytes.substr(i, step), messages);
    framer.end(messages);
    std::vector<std::string> texts;
    texts.reserve(messages.size());
    for (auto& message : messages) texts.push_back(message.text + (message.cut ? "~" : ""));
    return texts;
  }
  static std::vector<std::string> framed(std::string_view bytes) {
    auto whole = framed(bytes, bytes.size() + 1);
    for (const std::size_t step : {1, 2, 3, 7}) EXPECT_EQ(framed(bytes, step), whole) << step;
    return whole;
  }
};

TEST_F(SyslogFramerTest, TakesBothFramings) {
  EXPECT_THAT(framed("<1>a\n<2>b\r\n\n<3>c"), ElementsAre("<1>a", "<2>b", "<3>c"));
  EXPECT_THAT(framed("4 <1>a6 <2>b\nc5 <3>c\n3 <4>"),
              ElementsAre("<1>a", "<2>b\nc", "<3>c", "<4>"));
  EXPECT_THAT(framed("4 <1>a<2>b\n4 <3>c"), ElementsAre("<1>a", "<2>b", "<3>c"));
  EXPECT_THAT(framed(std::string_view("<1>a\0\n", 6)), ElementsAre("<1>a"));
  EXPECT_THAT(framed("\n\n1 \n"), IsEmpty());
}

TEST_F(SyslogFramerTest, WhatIsNoLengthBeginsALine) {
  EXPECT_THAT(framed("12x\n0 a\n1234567890 a\n77\n"),
              ElementsAre("12x", "0 a", "1234567890 a", "77"));
  EXPECT_THAT(framed("12"), ElementsAre("12"));
}

TEST(SyslogFramerCut, SaysThatAMessageIsNotWhole) {
  const auto left_of = [](std::string_view bytes) {
    SyslogFramer framer;
    std::vector<SyslogMessage> messages;
    framer.take(bytes, messages);
    messages.clear();
    framer.cut(messages);
    return messages;
  };
  EXPECT_TRUE(left_of("<13>a\n").empty());
  EXPECT_TRUE(left_of("5 <13>a12").empty()) << "of a length";
  for (const std::string_view bytes : {"<13>a\n<13>b", "5 <13>a9 <13>b"}) {
    const auto messages = left_of(bytes);
    ASSERT_EQ(messages.size(), 1u) << bytes;
    EXPECT_EQ(messages.front().text, "<13>b");
    EXPECT_TRUE(messages.front().cut);
  }
}

TEST_F(SyslogFramerTest, CutsWhatIsTooLongOrEndsTooSoon) {
  const std::string longest(kSyslogBytesMax, 'x');
  EXPECT_THAT(framed(longest + "\nb\n", 5000), ElementsAre(longest, "b"));
  EXPECT_THAT(framed(longest + "yz\nb\n", 5000), ElementsAre(longest + "~", "b"));
  EXPECT_THAT(framed("65538 " + longest + "yz1 b", 5000), ElementsAre(longest + "~", "b"));
  EXPECT_THAT(framed("9 <1>a"), ElementsAre("<1>a~"));
}

}  // namespace
}  // namespace spillway::broker
