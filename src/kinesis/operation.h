// What the server and the operations say to each other. One operation, one file
// (put_records.cc); operations.cc is the list of them all.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/shared_bytes.h"
#include "base/task.h"
#include "base/unique_function.h"
#include "io/event_loop.h"
#include "wire/document_writer.h"

namespace spillway::auth {
struct Key;
}

namespace spillway::kinesis {

class Service;  // service.h: the engine, region, account, token keys and metrics that operations
                // use

// An authenticated request, whole. Lives until its handler's task has ended.
struct Call {
  std::string operation;  // "PutRecords"
  std::string body;       // has kBodyPadding readable bytes of capacity behind its end
  wire::Format format = wire::Format::kJson;  // of the body, and of the reply's
  std::string request_id;                     // also in the answer's x-amzn-RequestId
  std::string access_key;
  std::shared_ptr<const auth::Key> key;  // nullptr: any is accepted, and anybody may do anything
  std::string resource;  // that it concerns, once that is known, for the audit log: an ARN or "*"
  std::string user_agent;
  std::string peer;               // the client's address, without its port: "127.0.0.1", "::1"
  bool secure = false;            // it came over TLS
  bool wants_origins = false;     // of the records that are answered
  io::EventLoop* loop = nullptr;  // the connection's: handlers go on there after every co_await
};

inline constexpr std::size_t kBodyPadding = 64;  // SIMDJSON_PADDING, checked where JSON is parsed

// Where the messages of an answer go that takes its time. On the call's loop. Destroyed: the answer
// ends there.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Dropped where nobody takes it any more.
  virtual void send(const SharedBytes& bytes) = 0;
  // False once the client is gone, or the server drains: the answer should come to its end.
  virtual bool wanted() const = 0;
  // Bytes that wait for the client to take what went before.
  virtual std::size_t unsent() const = 0;
  // Calls the function of on_change() when unsent() has fallen below that.
  virtual void tell_below(std::size_t unsent) = 0;
  // What to call when wanted() has turned false, and at tell_below().
  virtual void on_change(UniqueFunction<void()> changed) = 0;
};

struct Reply {
  int status = 200;
  std::string error_type;     // "ResourceNotFoundException"; empty where status is 200
  std::string error_message;  // likewise
  std::vector<SharedBytes>
      body;  // in the call's format; empty for errors and where nothing is told
  // Where it is set, the answer is an event stream that begins with `body` and goes on here.
  UniqueFunction<void(std::unique_ptr<EventSink>)> events = nullptr;
};

using Handler = Task<Reply> (*)(Service&, Call&);

struct Operation {
  std::string_view name;
  Handler handler;
};

// Every operation of the service model, by name.
std::span<const Operation> operations();
const Operation* find_operation(std::string_view name);

// An error's document in the API's form: {"__type":type,"message":message}; SerializationException
// has "Message".
SharedBytes error_document(wire::Format format, std::string_view type, std::string_view message);

}  // namespace spillway::kinesis
