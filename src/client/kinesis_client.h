// A client of the Kinesis API, for everything of ours that puts or reads records: the tools, the
// telemetry sources, later the broker's targets.
//
// On one event loop's thread. Calls are tasks: what they take by value they keep. A call is tried
// again, after a random share of a delay that doubles from backoff_first to backoff_max, when it
// was throttled, when the server failed (5xx) and when the connection broke or an answer took
// longer than request_timeout. In the last case the server may have done what it was asked: put
// records may then be there twice, as with every Kinesis client.
//
// Errors: kInvalid (ValidationException, InvalidArgumentException, SerializationException),
// kNotFound, kExists (ResourceInUseException), kThrottled, kExpired (ExpiredIteratorException),
// kDenied (signature, keys, those of KMS too, the server's certificate), kUnsupported (operations
// that the server doesn't have), kIo (no connection, 5xx), kCorrupt (an answer that is not the
// API's, or an error that isn't), kClosed (close() was called).
// Messages begin with the API's name of the error and end with its request id, if the server gave
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/keys.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/credentials_source.h"
#include "client/endpoint.h"
#include "io/event_loop.h"
#include "io/tls.h"
#include "stream/origin.h"

namespace spillway::client {

struct ClientOptions {
  Endpoint endpoint;
  std::shared_ptr<io::TlsContext> tls;  // whom to trust, where the endpoint is https
  std::string region = "us-east-1";
  auth::Credentials credentials;
  std::shared_ptr<CredentialsSource> source;  // null: `credentials`. On the client's loop
  bool http2 = false;                         // by prior knowledge, or ALPN over https
  std::uint32_t connections_max = 4;          // HTTP/1.1; further calls wait. HTTP/2 uses one
  nanoseconds connect_timeout = seconds(3);
  nanoseconds request_timeout = seconds(15);
  std::uint32_t attempts_max = 6;
  // While there was no connection ever: a wrong address is told soon. At most attempts_max.
  std::uint32_t attempts_max_unconnected = 6;
  nanoseconds backoff_first = milliseconds(50);
  nanoseconds backoff_max = seconds(5);
  std::string user_agent = "spillway";
  bool origins = false;  // asks for those of the records that it gets
  // Several records are put in CBOR, which costs both sides less, for as long as the server doesn't
  // say that it has no such format; then in JSON.
  bool cbor = false;
};

struct PutEntry {
  std::string partition_key;
  std::string data;
  std::optional<std::string> explicit_hash_key;  // decimal
  // Only regions of Spillway take one, from keys that may say it.
  std::optional<stream::Origin> origin = std::nullopt;
};

// What became of one entry: a place, or an error.
struct PutOutcome {
  std::string shard_id;
  std::string sequence_number;
  std::string error_code;  // "ProvisionedThroughputExceededException"; empty: it was put
  std::string error_message;
  // Not ok, and it may be stored nevertheless: a try of it had no answer.
  bool unknown = false;

  bool ok() const { return error_code.empty(); }
};

struct PutRecordsResult {
  std::vector<PutOutcome> outcomes;  // one for each entry, in their order
  std::size_t failed = 0;
};

// Of one PutRecords request.
inline constexpr std::size_t kPutRecordsMax = 500;
inline constexpr std::size_t kPutRecordsBytesMax = std::size_t{5} << 20;  // data and keys

struct Shard {
  std::string id;
  std::string parent;           // empty: none
  std::string adjacent_parent;  // empty: none
  std::string first_hash_key;
  std::string last_hash_key;
  std::string first_sequence_number;
  std::string last_sequence_number;  // empty: open

  bool open() const { return last_sequence_number.empty(); }
};

struct StreamSummary {
  std::string name;
  std::string arn;
  std::string status;  // "ACTIVE"
  std::string mode;    // "PROVISIONED" or "ON_DEMAND"
  WallTime created{};
  std::int64_t retention_hours = 0;
  std::int64_t open_shards = 0;
};

enum class IteratorType {
  kTrimHorizon,
  kLatest,
  kAtSequenceNumber,
  kAfterSequenceNumber,
  kAtTimestamp,
};

struct IteratorStart {
  IteratorType type = IteratorType::kTrimHorizon;
  std::string sequence_number;  // of the two that take one
  WallTime timestamp{};         // of kAtTimestamp
};

struct Record {
  std::string sequence_number;
  std::string partition_key;
  std::string data;
  WallTime arrival{};
  std::optional<stream::Origin> origin = std::nullopt;  // where it has one, and `origins` is set
};

struct ChildShard {
  std::string id;
  std::vector<std::string> parents;
};

struct GetRecordsResult {
  std::vector<Record> records;
  std::optional<std::string> next_iterator;  // none: the shard was split or merged, and read whole
  milliseconds behind{0};                    // 0: nothing newer when it was answered
  std::vector<ChildShard> children;          // where there is no next_iterator
};

class KinesisClient {
 public:
  // `random` spreads retries. The loop must outlive the client.
  KinesisClient(io::EventLoop& loop, ClientOptions options, Random random);
  ~KinesisClient();  // close()
  KinesisClient(const KinesisClient&) = delete;
  KinesisClient& operator=(const KinesisClient&) = delete;

  // Ends every call under way with kClosed, from within; later calls end so at once. Whoever waits
  // for a call must still be there.
  void close();

  // The source of its credentials, for another client, which closes it from then on: this one goes
  // on with it until then. What waits for credentials here ends with kClosed when that one closes.
  std::shared_ptr<CredentialsSource> hand_over_source();

  // `shards` 0: an on-demand stream. The stream is CREATING at first.
  Task<Status> create_stream(std::string stream, std::uint32_t shards);
  Task<Status> delete_stream(std::string stream);
  Task<Result<StreamSummary>> describe_summary(std::string stream);
  // Asks until the stream is ACTIVE; kThrottled when it isn't after `at_most`.
  Task<Status> wait_until_active(std::string stream, nanoseconds at_most);
  Task<Result<std::vector<std::string>>> list_streams();             // all, whatever their number
  Task<Result<std::vector<Shard>>> list_shards(std::string stream);  // all of them

  Task<Result<PutOutcome>> put_record(std::string stream, PutEntry entry);
  // Entries that failed are sent again, alone and in their order, as often as whole requests are
  // (an entry that was put meanwhile may so come before one of the same key that failed before it;
  // not where they have origins, in a region of Spillway: behind one that fails, its lane's fail
  // too). An error where the request as a whole didn't succeed even once; kIo if a try of it had no
  // answer, whatever came of the others: records may then be stored.
  Task<Result<PutRecordsResult>> put_records(std::string stream, std::vector<PutEntry> entries);

  Task<Result<std::string>> get_shard_iterator(std::string stream, std::string shard_id,
                                               IteratorStart start);
  // `limit` 0: as many as the server gives.
  Task<Result<GetRecordsResult>> get_records(std::string iterator, std::uint32_t limit = 0);

  // Whether a connection has ever been made, to tell a wrong endpoint from a lost one.
  bool ever_connected() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spillway::client
