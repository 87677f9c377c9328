// Datagrams (UDP) that arrive at a port. Nobody is told of those that are lost: what arrives faster
// than the loop takes it is dropped by the system, which keeps kReceiveBytes at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/unique_function.h"

namespace spillway::io {

class DatagramPort {
 public:
  // As much as the system allows (net.core.rmem_max).
  static constexpr int kReceiveBytes = 8 << 20;

  virtual ~DatagramPort() = default;  // receives no more
  virtual std::uint16_t port() const = 0;
};

// `peer`: "127.0.0.1:51000". Both are valid during the call.
using DatagramReceiver = UniqueFunction<void(std::string_view datagram, std::string_view peer)>;

}  // namespace spillway::io
