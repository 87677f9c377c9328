// A port of the broker over HTTP: the server that hands requests to an input that is one of its
// kind for as long as the broker runs.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "io/event_log.h"
#include "metrics/registry.h"
#include "server/http_server.h"
#include "server/port_input.h"

namespace spillway::server {

class InputHandler : public RequestHandler {
 public:
  // As PortInput::set_streams().
  virtual void set_streams(const InputStreams& streams) = 0;
};

class HttpPort final : public PortInput {
 public:
  // What is referred to outlives it.
  HttpPort(std::span<io::EventLoop* const> loops, HttpServerOptions options, InputHandler& handler,
           metrics::Registry& metrics, io::EventLog& log)
      : handler_(handler), server_(loops, std::move(options), handler, metrics, log) {}

  Task<Status> open(io::EventLoop* caller) override { return server_.open(caller); }
  void set_streams(const InputStreams& streams) override { handler_.set_streams(streams); }
  std::optional<std::size_t> connections() const override { return server_.connections(); }
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override {
    server_.drain(deadline, std::move(drained));
  }

 private:
  InputHandler& handler_;
  HttpServer server_;
};

}  // namespace spillway::server
