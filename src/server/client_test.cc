// The Kinesis client on real sockets, over both versions of HTTP. The answers come from a script in
// place of the operations: a real region can't be made to fail, to be silent or to answer nonsense
// at the right moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>

#include "client/kinesis_client.h"
#include "io/asio_loop.h"
#include "io/event_log.h"
#include "io/manual_loop.h"
#include "io/posix_disk.h"
#include "server/http_server.h"
#include "wire/kinesis_shapes.h"

namespace spillway::server {
namespace {

using client::KinesisClient;
using client::PutEntry;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

struct Scripted {
  int status = 200;
  std::string body;
  bool silent = false;  // never answered
  std::string content_type = "application/x-amz-json-1.1";
};

// Answers request after request from the script, and 500 behind its end.
class Script final : public RequestHandler {
 public:
  std::unique_ptr<BodyReader> on_request(io::EventLoop&, Peer, wire::RequestHead head,
                                         Responder responder) override {
    const std::string target(head.find("x-amz-target")->substr(sizeof("Kinesis_20131202")));
    return std::make_unique<Reader>(*this, target, std::move(responder));
  }
  wire::Response refuse(Refusal) override { return {.status = 503}; }

  std::deque<Scripted> steps;
  std::vector<std::string> asked;  // "Operation BODY"
  std::vector<Responder> unanswered;
  UniqueFunction<void()> on_silence;

 private:
  class Reader final : public BodyReader {
   public:
    Reader(Script& script, std::string operation, Responder responder)
        : script_(script), asked_(std::move(operation) + " "), responder_(std::move(responder)) {}
    void on_body(std::string_view bytes) override { asked_ += bytes; }
    void on_end() override { script_.answer(std::move(asked_), std::move(responder_)); }

   private:
    Script& script_;
    std::string asked_;
    Responder responder_;
  };

  void answer(std::string request, Responder responder) {
    asked.push_back(std::move(request));
    Scripted step{.status = 500};
    if (!steps.empty()) {
      step = std::move(steps.front());
      steps.pop_front();
    }
    if (step.silent) {
      unanswered.push_back(std::move(responder));
      if (on_silence) on_silence();
      return;
    }
    wire::Response response;
    response.status = step.status;
    response.headers = {{"Content-Type", step.content_type}};
    response.body.push_back(SharedBytes::copy_of(step.body));
    responder.respond(std::move(response));
  }
};

class ClientTest : public testing::TestWithParam<bool> {
 protected:
  ClientTest() : server_(loops_, options(), script_, metrics_, log_) {
    EXPECT_TRUE(server_.listen().ok());
  }
  ~ClientTest() override {
    client_.reset();
    script_.unanswered.clear();
    server_.drain(seconds(1), [this] { loop_.stop(); });
    loop_.run();
  }
  static HttpServerOptions options() {
    HttpServerOptions options;
    options.address = "127.0.0.1:0";
    return options;
  }
  void make_client(nanoseconds request_timeout = seconds(30),
                   std::shared_ptr<client::CredentialsSource> source = nullptr, bool cbor = false) {
    client::ClientOptions options;
    options.endpoint =
        client::parse_endpoint(fmt::format("http://127.0.0.1:{}", server_.port())).value();
    options.credentials = {"any", "any"};
    options.source = std::move(source);
    options.http2 = GetParam();
    options.request_timeout = request_timeout;
    options.cbor = cbor;
    options.attempts_max = 3;
    options.backoff_first = milliseconds(1);
    client_.emplace(loop_, options, Random(1));
  }
  // Runs the loop until the call has ended.
  template <typename T>
  T wait(Task<T> call) {
    std::optional<T> result;
    loop_.post([&] {
      start(std::move(call), UniqueFunction<void(T)>([&](T ended) {
              result.emplace(std::move(ended));
              loop_.stop();
            }));
    });
    loop_.run();
    return *std::move(result);
  }
  static Scripted put(std::initializer_list<const char*> numbers) {
    std::string records;
    for (const std::string_view number : numbers) {
      if (!records.empty()) records += ',';
      records +=
          number.empty()
              ? R"({"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow"})"
              : fmt::format(R"({{"SequenceNumber":"{}","ShardId":"s"}})", number);
    }
    return {200, fmt::format(R"({{"FailedRecordCount":0,"Records":[{}]}})", records), false};
  }
  template <typename Write>
  static Scripted in_cbor(int status, Write write) {
    wire::DocumentWriter to(wire::Format::kCbor);
    to.open_map();
    write(to);
    to.close_map();
    return {status, std::string(std::move(to).finish().view()), false,
            "application/x-amz-cbor-1.1"};
  }
  static std::vector<PutEntry> entries(std::initializer_list<const char*> keys) {
    std::vector<PutEntry> all;
    for (const char* key : keys) all.push_back({key, "data", std::nullopt});
    return all;
  }
  // The numbers and errors of a put, in the order of its records.
  static std::vector<std::string> outcomes_of(const client::PutRecordsResult& result) {
    std::vector<std::string> all;
    for (const auto& outcome : result.outcomes) {
      all.push_back((outcome.ok() ? outcome.sequence_number : outcome.error_code) +
                    (outcome.unknown ? " unknown" : ""));
    }
    return all;
  }

  io::AsioLoop loop_;
  io::EventLoop* const loops_[1] = {&loop_};
  Script script_;
  metrics::Registry metrics_;
  io::SilentLog log_;
  HttpServer server_;
  std::optional<KinesisClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Http, ClientTest, testing::Bool(),
                         [](const auto& about) { return about.param ? "Version2" : "Version1"; });

TEST_P(ClientTest, FailuresOfTheServerAndThrottlesAreTriedAgain) {
  make_client();
  script_.steps = {{500, R"({"__type":"InternalFailure"})", false},
                   {400, R"({"__type":"LimitExceededException","message":"wait"})", false},
                   {200, R"({"StreamNames":["a"],"HasMoreStreams":false})", false}};
  EXPECT_THAT(wait(client_->list_streams()).value(), ElementsAre("a"));
  EXPECT_EQ(script_.asked.size(), 3u);
}

TEST_P(ClientTest, TheLastErrorIsToldWhenNoTrySucceeds) {
  make_client();
  script_.steps = {{503, "busy", false}, {503, "busy", false}, {502, "<html>", false}};
  const auto answer = wait(client_->list_streams());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  EXPECT_THAT(answer.error().message, StartsWith("ListStreams: HTTP 502 from http://127.0.0.1:"));
  EXPECT_THAT(answer.error().message, HasSubstr("<html>"));
}

TEST_P(ClientTest, WhatCannotSucceedLaterIsToldAtOnce) {
  const struct {
    int status;
    const char* type;
    ErrorCode code;
  } kCases[] = {
      {400, "com.amazonaws.kinesis#ResourceNotFoundException", ErrorCode::kNotFound},
      {400, "ResourceInUseException", ErrorCode::kExists},
      {400, "ExpiredIteratorException", ErrorCode::kExpired},
      {400, "AccessDeniedException", ErrorCode::kDenied},
      {403, "SomethingNew", ErrorCode::kDenied},
      {400, "UnknownOperationException", ErrorCode::kUnsupported},
      {400, "ValidationException", ErrorCode::kInvalid},
      {400, "KMSDisabledException", ErrorCode::kDenied},
      {400, "SomethingNew", ErrorCode::kCorrupt},
  };
  make_client();
  for (const auto& row : kCases) {
    script_.steps = {{row.status, fmt::format(R"({{"__type":"{}","message":"why"}})", row.type)}};
    const auto answer = wait(client_->list_streams());
    ASSERT_FALSE(answer.ok()) << row.type;
    EXPECT_EQ(answer.error().code, row.code) << row.type;
    EXPECT_THAT(answer.error().message, HasSubstr(": why")) << row.type;
  }
  EXPECT_EQ(script_.asked.size(), std::size(kCases));
}

TEST_P(ClientTest, AnAnswerThatIsNotTheApisIsTold) {
  make_client();
  for (const char* body : {"", "hello", "[]", R"({"StreamNames":7})", R"({"StreamNames":["a")"}) {
    script_.steps = {{200, body, false}};
    const auto answer = wait(client_->list_streams());
    ASSERT_FALSE(answer.ok()) << body;
    EXPECT_EQ(answer.error().code, ErrorCode::kCorrupt) << body;
  }
  script_.steps = {put({"1"})};
  EXPECT_EQ(wait(client_->put_records("s", entries({"a", "b"}))).error().code, ErrorCode::kCorrupt);
}

TEST_P(ClientTest, EveryPageOfAListIsAsked) {
  make_client();
  script_.steps = {{200, R"({"StreamNames":["a","b"],"HasMoreStreams":true})", false},
                   {200, R"({"StreamNames":["c"],"HasMoreStreams":false})", false}};
  EXPECT_THAT(wait(client_->list_streams()).value(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(script_.asked,
              ElementsAre("ListStreams {}", R"(ListStreams {"ExclusiveStartStreamName":"b"})"));
}

TEST_P(ClientTest, FailedRecordsAloneAreSentAgainInTheirOrder) {
  make_client();
  script_.steps = {put({"1", "", "2", ""}), put({"3", ""}), put({"4"})};
  const auto result = wait(client_->put_records("s", entries({"a", "b", "c", "d"}))).value();
  EXPECT_EQ(result.failed, 0u);
  EXPECT_THAT(outcomes_of(result), ElementsAre("1", "3", "2", "4"));
  ASSERT_EQ(script_.asked.size(), 3u);
  const std::string& second = script_.asked[1];
  EXPECT_LT(second.find(R"("PartitionKey":"b")"), second.find(R"("PartitionKey":"d")"));
  EXPECT_EQ(second.find(R"("PartitionKey":"a")"), std::string::npos);
  EXPECT_EQ(script_.asked[2].find(R"("PartitionKey":"b")"), std::string::npos);
}

TEST_P(ClientTest, RecordsThatGoOnFailingKeepTheirOwnErrors) {
  make_client();
  script_.steps = {put({"1", ""}), put({""}), put({""})};
  const auto result = wait(client_->put_records("s", entries({"a", "b"}))).value();
  EXPECT_EQ(result.failed, 1u);
  EXPECT_THAT(outcomes_of(result), ElementsAre("1", "ProvisionedThroughputExceededException"));
}

TEST_P(ClientTest, ARecordWhoseTryHadNoAnswerMayBeStored) {
  make_client(milliseconds(100));
  script_.steps = {put({"1", "", ""}), {.silent = true}, put({"2", ""})};
  const auto result = wait(client_->put_records("s", entries({"a", "b", "c"}))).value();
  EXPECT_EQ(result.failed, 1u);
  // The third is throttled in the end, but the silent try may have put it.
  EXPECT_THAT(outcomes_of(result),
              ElementsAre("1", "2", "ProvisionedThroughputExceededException unknown"));
}

TEST_P(ClientTest, AnErrorBehindALostAnswerSaysThatRecordsMayBeStored) {
  make_client(milliseconds(100));
  script_.steps = {{.silent = true}, {400, R"({"__type":"ValidationException"})", false}};
  const auto result = wait(client_->put_records("s", entries({"a"})));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
}

TEST_P(ClientTest, CloseEndsCallsThatWaitForAnAnswer) {
  make_client();
  script_.steps = {{.silent = true}};
  script_.on_silence = [this] { loop_.post([this] { client_->close(); }); };
  EXPECT_EQ(wait(client_->list_streams()).error().code, ErrorCode::kClosed);
  EXPECT_EQ(wait(client_->list_streams()).error().code, ErrorCode::kClosed);
  EXPECT_EQ(script_.asked.size(), 1u);
}

TEST_P(ClientTest, AnEndpointWithoutAServerIsToldAfterTheTriesForIt) {
  client::ClientOptions options;
  options.endpoint = client::parse_endpoint("http://127.0.0.1:1").value();
  options.credentials = {"any", "any"};
  options.http2 = GetParam();
  options.attempts_max_unconnected = 2;
  options.backoff_first = milliseconds(1);
  client_.emplace(loop_, options, Random(1));
  const auto answer = wait(client_->list_streams());
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kIo);
  EXPECT_THAT(answer.error().message, HasSubstr("127.0.0.1:1"));
  EXPECT_FALSE(client_->ever_connected());
}

TEST_P(ClientTest, TheSourceIsToldOfCredentialsThatWereDenied) {
  io::PosixDisk disk;
  io::SilentLog log;
  io::ManualLoop source_loop;  // the environment isn't waited for
  const auto source = std::make_shared<client::CredentialsSource>(
      source_loop, disk, log, client::CredentialsPlace{}, "test");
  make_client(seconds(30), source);
  script_.steps = {{400, R"({"__type":"ExpiredTokenException","message":"old"})", false},
                   {200, R"({"StreamNames":[],"HasMoreStreams":false})", false}};
  ::setenv("AWS_ACCESS_KEY_ID", "ONE", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  EXPECT_EQ(wait(client_->list_streams()).error().code, ErrorCode::kDenied);
  ::setenv("AWS_ACCESS_KEY_ID", "TWO", 1);
  source_loop.run(client::CredentialsSource::kFileLook);
  EXPECT_TRUE(wait(client_->list_streams()).ok());
  EXPECT_EQ(wait(source->get()).value().access_key, "TWO");
  client_.reset();
  ::unsetenv("AWS_ACCESS_KEY_ID");
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
}

TEST_P(ClientTest, RecordsComeBackAsTheyWerePut) {
  make_client();
  script_.steps = {{200,
                    R"({"Records":[{"SequenceNumber":"7","PartitionKey":"kä\"","Data":"aGkA",)"
                    R"("ApproximateArrivalTimestamp":1700000000.123}],"NextShardIterator":"n",)"
                    R"("MillisBehindLatest":250})",
                    false},
                   {200,
                    R"({"Records":[],"MillisBehindLatest":0,"ChildShards":[{"ShardId":"c",)"
                    R"("ParentShards":["a","b"],"HashKeyRange":{"StartingHashKey":"0",)"
                    R"("EndingHashKey":"9"}}]})",
                    false}};
  const auto first = wait(client_->get_records("i")).value();
  ASSERT_EQ(first.records.size(), 1u);
  EXPECT_EQ(first.records[0].sequence_number, "7");
  EXPECT_EQ(first.records[0].partition_key, "kä\"");
  EXPECT_EQ(first.records[0].data, std::string("hi\0", 3));
  EXPECT_EQ(to_millis(first.records[0].arrival), 1'700'000'000'123);
  EXPECT_EQ(first.next_iterator, "n");
  EXPECT_EQ(first.behind, milliseconds(250));
  const auto second = wait(client_->get_records("n", 5)).value();
  EXPECT_THAT(second.records, IsEmpty());
  EXPECT_FALSE(second.next_iterator);
  ASSERT_EQ(second.children.size(), 1u);
  EXPECT_THAT(second.children[0].parents, ElementsAre("a", "b"));
  EXPECT_EQ(script_.asked.back(), R"(GetRecords {"ShardIterator":"n","Limit":5})");
}

TEST_P(ClientTest, OriginsArePutAndRead) {
  make_client();
  const stream::Origin origin{{0xab}, 143, 17, 15};
  const std::string text = R"("Origin":{"Producer":"ab000000000000000000000000000000",)"
                           R"("Lane":143,"Sequence":"17","Previous":"15"})";
  script_.steps = {put({"1", "2"})};
  std::vector<PutEntry> entries{{"a", "", std::nullopt, origin}, {"b", "", std::nullopt}};
  EXPECT_TRUE(wait(client_->put_records("s", entries)).ok());
  EXPECT_THAT(script_.asked.back(), HasSubstr(R"({"Data":"","PartitionKey":"a",)" + text + "},"));
  EXPECT_THAT(script_.asked.back(), HasSubstr(R"({"Data":"","PartitionKey":"b"}])"));

  const auto answer = [](const std::string& more) {
    return fmt::format(R"({{"Records":[{{"SequenceNumber":"7","PartitionKey":"k","Data":""{}}}]}})",
                       more);
  };
  script_.steps = {{200, answer("," + text)}, {200, answer("")}};
  EXPECT_EQ(wait(client_->get_records("i")).value().records[0].origin, origin);
  EXPECT_FALSE(wait(client_->get_records("i")).value().records[0].origin);
  for (const auto& [from, to] :
       {std::pair{R"("15")", R"("17")"}, std::pair{"143", "256"}, std::pair{R"("ab)", R"("xx)"}}) {
    std::string wrong = text;
    wrong.replace(wrong.find(from), std::string_view(from).size(), to);
    script_.steps = {{200, answer("," + wrong)}};
    EXPECT_EQ(wait(client_->get_records("i")).error().code, ErrorCode::kCorrupt) << wrong;
  }
}

TEST_P(ClientTest, PutsInCborWhereTheServerKnowsIt) {
  make_client(seconds(30), nullptr, true);
  script_.steps.push_back(in_cbor(200, [](wire::DocumentWriter& to) {
    to.number("FailedRecordCount", 1).key("Records").open_list();
    to.open_map().text("SequenceNumber", "7").text("ShardId", "s").close_map();
    to.open_map().text("ErrorCode", "ValidationException").text("ErrorMessage", "why").close_map();
    to.close_list();
  }));
  script_.steps.push_back(in_cbor(400, [](wire::DocumentWriter& to) {
    to.text("__type", "ns#ValidationException").text("message", "not so");
  }));
  const std::vector<PutEntry> entries{{"a", std::string("hi\0", 3), "9" + std::string(37, '0'),
                                       stream::Origin{{0xab}, 143, 17, 15}},
                                      {"b", "", std::nullopt}};
  // The last failure is the last answer to what failed.
  const auto result = wait(client_->put_records("s", entries)).value();
  EXPECT_THAT(outcomes_of(result), ElementsAre("7", "ValidationException"));
  EXPECT_EQ(result.outcomes[0].shard_id, "s");
  EXPECT_EQ(result.outcomes[1].error_message, "why");

  ASSERT_EQ(script_.asked.size(), 2u) << "an error in CBOR is no lack of it";
  const auto first = wire::decode_cbor(std::string_view(script_.asked[0]).substr(11),
                                       wire::kinesis::kPutRecordsInput, wire::Format::kCbor);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_THAT(wire::violations(*first), IsEmpty());
  EXPECT_EQ((*first)["StreamName"].text, "s");
  const auto& records = (*first)["Records"].children;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]["Data"].text, entries[0].data);
  EXPECT_EQ(records[0]["PartitionKey"].text, "a");
  EXPECT_EQ(records[0]["ExplicitHashKey"].text, entries[0].explicit_hash_key);
  ASSERT_TRUE(records[0]["Origin"].present);
  EXPECT_EQ(records[0]["Origin"]["Producer"].text, "ab" + std::string(30, '0'));
  EXPECT_EQ(records[0]["Origin"]["Lane"].integer, 143);
  EXPECT_EQ(records[0]["Origin"]["Sequence"].text, "17");
  EXPECT_EQ(records[0]["Origin"]["Previous"].text, "15");
  EXPECT_FALSE(records[1]["ExplicitHashKey"].present);
  EXPECT_FALSE(records[1]["Origin"].present);

  const auto error = in_cbor(400, [](wire::DocumentWriter& to) {
    to.text("__type", "SerializationException").text("Message", "what is it?");
  });
  const auto no_outcomes = in_cbor(200, [](wire::DocumentWriter& to) { to.number("Records", 7); });
  script_.steps = {error, no_outcomes, put({"1", "2"})};
  const auto refused = wait(client_->put_records("s", entries)).error();
  EXPECT_EQ(refused.code, ErrorCode::kInvalid);
  EXPECT_EQ(refused.message, "PutRecords: SerializationException: what is it?");
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(wait(client_->put_records("s", entries)).error().code, ErrorCode::kCorrupt);
}

TEST_P(ClientTest, PutsInJsonWhereTheServerLacksCbor) {
  for (const int status : {400, 404, 415}) {
    make_client(seconds(30), nullptr, true);
    script_.asked.clear();
    script_.steps = {
        {503, "busy"}, {status, "<UnknownOperationException>"}, put({"1"}), put({"2"})};
    for (const char* number : {"1", "2"}) {
      const auto result = wait(client_->put_records("s", entries({"a"}))).value();
      EXPECT_THAT(outcomes_of(result), ElementsAre(number)) << status;
    }
    ASSERT_EQ(script_.asked.size(), 4u) << status;
    EXPECT_THAT(script_.asked[1], Not(StartsWith("PutRecords {")));
    EXPECT_THAT(script_.asked[2], StartsWith("PutRecords {"));
    EXPECT_THAT(script_.asked[3], StartsWith("PutRecords {"));
  }
}

TEST_P(ClientTest, WhatSaysNothingOfTheFormatChangesNone) {
  make_client(seconds(30), nullptr, true);
  for (const int status : {402, 413, 503}) {
    script_.asked.clear();
    script_.steps = {{status, "<html>"}, {status, "<html>"}, {status, "<html>"}};
    EXPECT_FALSE(wait(client_->put_records("s", entries({"a"}))).ok());
    for (const auto& asked : script_.asked) EXPECT_THAT(asked, Not(StartsWith("PutRecords {")));
  }
}

}  // namespace
}  // namespace spillway::server
