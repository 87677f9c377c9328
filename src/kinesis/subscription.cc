#include "kinesis/subscription.h"

#include <utility>

#include "kinesis/consumer_name.h"
#include "kinesis/subscriptions.h"
#include "stream/sequence_number.h"
#include "wire/content_type.h"
#include "wire/event_stream.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kEventBytesMax = std::size_t{1} << 20;  // of data and keys
constexpr std::uint32_t kEventRecordsMax = 10'000;
constexpr std::size_t kUnsentMax = std::size_t{2} << 20;
constexpr auto kEmptyEventEvery = seconds(4);  // the API promises 5
constexpr auto kSlowMax = seconds(30);
constexpr auto kRetryAfter = milliseconds(100);  // where the disk has too much to do

}  // namespace

Subscription::Subscription(Service& service, io::EventLoop& loop, SubscriptionTarget target,
                           stream::Position from)
    : service_(service),
      loop_(loop),
      target_(std::move(target)),
      shard_id_(target_.shard->id),
      position_(from) {}

std::vector<SharedBytes> Subscription::initial_response() const {
  wire::DocumentWriter document(target_.format);
  document.open_map().close_map();
  const wire::EventHeader headers[] = {{":event-type", "initial-response"},
                                       {":content-type", wire::content_type_of(target_.format)},
                                       {":message-type", "event"}};
  return {wire::encode_event(headers, std::move(document).finish().view())};
}

void Subscription::begin(std::unique_ptr<EventSink> sink) {
  sink_ = std::move(sink);
  began_ = last_sent_ = loop_.mono_now();
  timer_ = loop_.make_timer();
  sink_->on_change([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
  start_timer();
  pump();
}

void Subscription::take_over() {
  taken_over_ = true;
  // Nobody else holds it any more, and it must end on its loop.
  loop_.post([self = shared_from_this()] { self->pump(); });
}

void Subscription::pump() {
  if (!sink_) return;
  if (!sink_->wanted()) return end();
  if (taken_over_) {
    return fail("ResourceInUseException",
                fmt::format("Another subscription of consumer {} to shard {} took the place of "
                            "this one.",
                            target_.consumer, stream::shard_name(target_.shard->index)));
  }
  if (!refresh()) return;
  if (reading_) return;
  if (sink_->unsent() > kUnsentMax) {
    if (full_since_ == MonoTime{}) full_since_ = loop_.mono_now();
    return sink_->tell_below(kUnsentMax / 2);
  }
  full_since_ = {};
  if (at_tip_ && !woken_) return;
  woken_ = false;
  reading_ = true;
  const stream::ReadRequest request{shard_id_, position_, kEventRecordsMax, kEventBytesMax};
  service_.engine().read(request, [self = shared_from_this()](Result<stream::ReadResult> read) {
    self->loop_.post([self, read = std::move(read)]() mutable { self->on_read(std::move(read)); });
  });
}

void Subscription::on_read(Result<stream::ReadResult> read) {
  reading_ = false;
  if (!sink_) return;
  if (!read.ok()) {
    if (read.error().code == ErrorCode::kThrottled)
      return timer_->start(kRetryAfter, [this] { on_timer(); });
    if (read.error().code != ErrorCode::kNotFound)
      return fail("InternalFailureException", read.error().message);
    at_tip_ = true;  // the stream is gone, which the catalog says too
    return pump();
  }
  // With the data keys of what was read, and the children of a shard that ended.
  if (!refresh()) return;
  const RecentEvents::Place place{shard_id_, position_, target_.format, catalog_version_,
                                  target_.origins};
  if (send_recent(place, *read)) return pump();
  const auto selection = select(service_, *target_.stream, *target_.shard, *read, position_,
                                {.records_max = kEventRecordsMax, .bytes_max = kEventBytesMax});
  if (selection.refusal)
    return fail(selection.refusal->error_type, selection.refusal->error_message);
  const bool ended = read->ended && !selection.cut;
  position_ = selection.next;
  at_tip_ = position_ == read->tip;
  if (ended || !selection.records.empty()) send_records(place, selection, *read, ended);
  if (ended) return end();
  pump();
}

void Subscription::start_timer() {
  const auto now = loop_.mono_now();
  auto due = std::min(last_sent_ + kEmptyEventEvery, began_ + service_.options().subscription_life);
  if (full_since_ != MonoTime{}) due = std::min(due, full_since_ + kSlowMax);
  timer_->start(std::max<nanoseconds>(due - now, milliseconds(1)), [this] { on_timer(); });
}

void Subscription::on_timer() {
  const auto self = shared_from_this();
  pump();
  if (!sink_) return;
  const auto now = loop_.mono_now();
  service_.recent_events().forget_old(now);
  if (now - began_ >= service_.options().subscription_life) return end();
  if (full_since_ != MonoTime{} && now - full_since_ >= kSlowMax) {
    return fail("InternalFailureException",
                "The reader does not take what it is sent; subscribe again.");
  }
  if (now - last_sent_ >= kEmptyEventEvery && full_since_ == MonoTime{}) send_empty();
  // While the client takes nothing, there is nothing to send either.
  if (full_since_ != MonoTime{}) last_sent_ = now;
  start_timer();
}

bool Subscription::refresh() {
  const auto catalog = service_.engine().catalog();
  if (std::exchange(catalog_version_, catalog->version) == catalog->version) return true;
  const auto stream = service_.existing(*catalog, target_.stream->name);
  if (stream == nullptr || stream->id != target_.stream->id) {
    fail("ResourceNotFoundException",
         fmt::format("Stream {} under account {} not found.", target_.stream->name,
                     service_.options().account));
    return false;
  }
  const auto* consumer =
      find_consumer(service_, *stream, {stream->name, target_.consumer, std::nullopt});
  const auto* shard = stream->find_shard(target_.shard->index);
  if (consumer == nullptr || consumer->id != target_.consumer_id ||
      consumer->status == stream::StreamStatus::kDeleting || shard == nullptr) {
    fail("ResourceNotFoundException",
         fmt::format("Consumer {} under stream {}, account {} not found.", target_.consumer,
                     stream->name, service_.options().account));
    return false;
  }
  target_.stream = stream;
  target_.shard = shard;
  return true;
}

// Advances without records too, by the time: clients resume AFTER_SEQUENCE_NUMBER with it.
std::string Subscription::continuation() const {
  if (position_ == stream::Position{}) return to_string(stream::start_of(*target_.shard));
  return to_string(stream::sequence_number_of(*target_.shard, stream::Position{position_.value - 1},
                                              service_.now()));
}

bool Subscription::send_recent(const RecentEvents::Place& place, const stream::ReadResult& read) {
  if (read.batches.empty() || read.ended) return false;
  const auto recent = service_.recent_events().find(place, read.next, loop_.mono_now());
  if (!recent) return false;
  position_ = recent->next;
  at_tip_ = position_ == read.tip;
  count(recent->amount);
  send(recent->message);
  return true;
}

void Subscription::send_records(const RecentEvents::Place& place, const Selection& selection,
                                const stream::ReadResult& read, bool ended) {
  wire::DocumentWriter document(target_.format,
                                document_size(target_.format, selection, target_.origins));
  document.open_map();
  write_records(document, *target_.shard, selection, target_.origins);
  const ReadAmount amount = amount_of(selection, read, service_.now());
  count(amount);
  document.number("MillisBehindLatest", amount.behind_ms);
  if (ended) {
    write_child_shards(document, *target_.stream, *target_.shard);
  } else {
    document.text("ContinuationSequenceNumber", continuation());
  }
  document.close_map();
  const auto message = encode("event", "SubscribeToShardEvent", std::move(document));
  send(message);
  if (!ended) service_.recent_events().add(place, {message, selection.next, amount}, last_sent_);
}

void Subscription::count(const ReadAmount& amount) {
  if (at_tip_ || amount.records > 0)
    caught_up_to_ = service_.now() - milliseconds(amount.behind_ms);
  count_read(service_, target_.caller, Use::kSubscribe, *target_.stream, *target_.shard, amount);
}

// At least: records may wait for a read that is throttled.
std::int64_t Subscription::behind_ms() const {
  if (at_tip_) return 0;
  const nanoseconds behind =
      caught_up_to_ == WallTime{} ? loop_.mono_now() - began_ : service_.now() - caught_up_to_;
  return std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(behind).count());
}

void Subscription::send_empty() {
  wire::DocumentWriter document(target_.format);
  const ReadAmount amount{.behind_ms = behind_ms()};
  count(amount);
  document.open_map().key("Records").open_list().close_list();
  document.number("MillisBehindLatest", amount.behind_ms);
  document.text("ContinuationSequenceNumber", continuation());
  document.close_map();
  send(encode("event", "SubscribeToShardEvent", std::move(document)));
}

SharedBytes Subscription::encode(std::string_view message_type, std::string_view name,
                                 wire::DocumentWriter document) const {
  const wire::EventHeader headers[] = {
      {message_type == "exception" ? ":exception-type" : ":event-type", name},
      {":content-type", wire::content_type_of(target_.format)},
      {":message-type", message_type}};
  return wire::encode_event(headers, std::move(document).finish().view());
}

void Subscription::send(const SharedBytes& message) {
  sink_->send(message);
  last_sent_ = loop_.mono_now();
}

void Subscription::fail(std::string_view exception, std::string_view message) {
  wire::DocumentWriter document(target_.format);
  document.open_map().text("message", message).close_map();
  send(encode("exception", exception, std::move(document)));
  end();
}

void Subscription::end() {
  service_.subscriptions().end(*this);
  // No timer of this one forgets them any more.
  service_.recent_events().clear();
  timer_ = nullptr;
  // Not from within a callback of its own.
  loop_.post([sink = std::move(sink_)]() mutable { sink = nullptr; });
}

}  // namespace spillway::kinesis
