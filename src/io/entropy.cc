#include "io/entropy.h"

namespace spillway::io {

std::uint64_t random_number(Entropy& entropy) {
  unsigned char bytes[8];
  entropy.fill(bytes);
  std::uint64_t number = 0;
  for (const unsigned char byte : bytes) number = number << 8 | byte;
  return number;
}

}  // namespace spillway::io
