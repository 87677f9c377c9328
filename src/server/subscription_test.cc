// A subscription whose client takes nothing, whose reads are throttled, or to which nothing comes,
// on a loop whose time goes on when it is told to: what it says meanwhile, and that it ends.
#include "kinesis/subscription.h"

#include "io/manual_loop.h"
#include "kinesis/subscriptions.h"
#include "server/engine_wrapper.h"
#include "server/kinesis_api_fixture.h"
#include "stream/record_batch.h"
#include "wire/event_stream_reader.h"

namespace spillway::server {
namespace {

// Answers reads at once: with batches of a megabyte without an end, that there is too much to do,
// or that there is nothing yet.
class ScriptedReads final : public EngineWrapper {
 public:
  using EngineWrapper::EngineWrapper;

  void read(stream::ReadRequest request,
            UniqueFunction<void(Result<stream::ReadResult>)> done) override {
    ++reads;
    if (throttled) return done(Error{ErrorCode::kThrottled, "the disk has too much to do"});
    if (silent) return done(nothing_from(request.from));
    stream::RecordBatchBuilder builder((std::size_t{1} << 20) + 1000);
    builder.add({.partition_key = "k", .data = std::string(std::size_t{1} << 20, 'x')});
    stream::ReadResult result;
    auto batch = std::move(builder).finish();
    const std::string_view payload = batch.view();
    result.batches.push_back({request.from, 1, arrival, std::move(batch), payload});
    result.next = request.from.plus(1);
    result.tip = request.from.plus(1000);
    done(std::move(result));
  }

  static stream::ReadResult nothing_from(stream::Position position) {
    stream::ReadResult result;
    result.next = position;
    result.tip = position;
    return result;
  }

  bool throttled = false;
  bool silent = false;
  WallTime arrival{};  // of what is read
  int reads = 0;
};

// What a client was sent, of which it takes nothing once it is told so.
struct Sent {
  std::vector<wire::DecodedEvent> events;
  std::string pending;  // not a whole message yet
  std::size_t unsent = 0;
  bool takes = true;
  bool ended = false;
};

class SentTo final : public kinesis::EventSink {
 public:
  explicit SentTo(Sent& sent) : sent_(sent) {}
  ~SentTo() override { sent_.ended = true; }
  void send(const SharedBytes& bytes) override {
    sent_.pending += bytes.view();
    if (!sent_.takes) sent_.unsent += bytes.size();
    std::string_view left = sent_.pending;
    while (auto event = wire::take_event(left)) sent_.events.push_back(*std::move(event));
    sent_.pending.erase(0, sent_.pending.size() - left.size());
  }
  bool wanted() const override { return true; }
  std::size_t unsent() const override { return sent_.unsent; }
  void tell_below(std::size_t) override {}
  void on_change(UniqueFunction<void()>) override {}

 private:
  Sent& sent_;
};

class SubscriptionTest : public KinesisApiTest {
 protected:
  SubscriptionTest() {
    auto reads = std::make_unique<ScriptedReads>(std::move(engine_));
    reads_ = reads.get();
    engine_ = std::move(reads);
    serve({});
    create("s", 1);
    ask("RegisterStreamConsumer",
        R"({"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","ConsumerName":"c"})");
    reads_->arrival = clock_.wall_now() - seconds(60);
    time_.run(seconds(1));  // a subscription takes the epoch for no time at all
  }
  ~SubscriptionTest() override {
    time_.run();
    service_.reset();  // with the subscription, whose timer is of that loop
  }
  void subscribe() {
    const auto stream = engine_->catalog()->find("s");
    kinesis::SubscriptionTarget target;
    target.stream = stream;
    target.shard = &stream->shards[0];
    target.consumer_id = stream->consumers.at("c").id;
    target.consumer = "c";
    target.caller = {"AKID", "agent", "127.0.0.1"};
    const auto subscription = std::make_shared<kinesis::Subscription>(
        *service_, time_, std::move(target), stream::Position{});
    ASSERT_TRUE(service_->subscriptions().begin(subscription, time_.mono_now()));
    subscription->begin(std::make_unique<SentTo>(sent_));
  }
  // The last event's MillisBehindLatest.
  std::int64_t behind_ms() const {
    if (sent_.events.empty()) return -1;
    constexpr std::string_view kName = R"("MillisBehindLatest":)";
    const auto& payload = sent_.events.back().payload;
    const auto at = payload.find(kName);
    return at == std::string::npos ? -1 : std::stoll(payload.substr(at + kName.size()));
  }
  std::int64_t age_ms() {
    return service_->traffic().of(engine_->catalog()->find("s")->id).iterator_age_ms;
  }

  io::ManualLoop time_;
  ScriptedReads* reads_ = nullptr;
  Sent sent_;
};

TEST_F(SubscriptionTest, InSilenceAnEmptyEventComesWithinFiveSeconds) {
  reads_->silent = true;
  subscribe();
  time_.run(seconds(1));
  for (int event = 0; event < 10; ++event) {
    const auto before = sent_.events.size();
    time_.run(seconds(5));
    ASSERT_GT(sent_.events.size(), before);
    ASSERT_LE(sent_.events.size(), before + 2) << "it is silence";
    EXPECT_TRUE(sent_.events.back().payload.starts_with(R"({"Records":[],)"));
    EXPECT_EQ(behind_ms(), 0);
  }
}

// Whoever goes on counting from an empty event that it is at the tip would never catch up.
TEST_F(SubscriptionTest, ThatItsReadsAreThrottledIsAnAge) {
  sent_.takes = false;  // after two events no more is read
  subscribe();
  time_.run(seconds(1));
  EXPECT_GE(behind_ms(), 60'000);
  reads_->throttled = true;
  sent_.takes = true;
  sent_.unsent = 0;
  const auto before = sent_.events.size();
  time_.run(seconds(10));
  EXPECT_GT(sent_.events.size(), before) << "they come all the same";
  EXPECT_TRUE(sent_.events.back().payload.starts_with(R"({"Records":[],)"));
  EXPECT_GE(behind_ms(), 60'000);
  EXPECT_GE(age_ms(), 60'000);
  EXPECT_FALSE(sent_.ended);
}

TEST_F(SubscriptionTest, ThrottledFromTheBeginningItIsBehindAllTheSame) {
  reads_->throttled = true;
  subscribe();
  time_.run(seconds(30));
  EXPECT_GE(sent_.events.size(), 6u);
  EXPECT_GE(behind_ms(), 20'000) << "of what came before it began nothing is known";
  EXPECT_GE(age_ms(), 20'000);
  EXPECT_LE(reads_->reads, 310) << "it doesn't make it worse";
}

TEST_F(SubscriptionTest, ThrottledItLivesNoLongerThanAnyOther) {
  reads_->throttled = true;
  subscribe();
  time_.run(seconds(299));
  EXPECT_FALSE(sent_.ended);
  time_.run(seconds(2));
  EXPECT_TRUE(sent_.ended);
  const auto reads = reads_->reads;
  time_.run(seconds(60));
  EXPECT_EQ(reads_->reads, reads);
}

TEST_F(SubscriptionTest, WhoTakesNothingIsCutOffWithAnError) {
  sent_.takes = false;
  subscribe();
  time_.run(seconds(29));
  EXPECT_FALSE(sent_.ended);
  EXPECT_LE(reads_->reads, 4) << "two megabytes wait";
  const auto events = sent_.events.size();
  time_.run(seconds(2));
  EXPECT_TRUE(sent_.ended);
  ASSERT_EQ(sent_.events.size(), events + 1);
  EXPECT_EQ(sent_.events.back().headers[":exception-type"], "InternalFailureException");
  EXPECT_NE(sent_.events.back().payload.find("does not take what it is sent"), std::string::npos);
}

}  // namespace
}  // namespace spillway::server
