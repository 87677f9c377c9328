// Arbitrary texts as tokens: none opens that was not sealed here. And arbitrary contents, sealed
// with the right key: an iterator that says the same, or none.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/random.h"
#include "stream/token.h"

namespace {

using namespace spillway;
using namespace spillway::stream;

constexpr std::string_view kIteratorKind = "shard-iterator-1";

class SeededEntropy final : public io::Entropy {
 public:
  void fill(std::span<unsigned char> out) override {
    for (auto& byte : out) byte = static_cast<unsigned char>(random_.next());
  }

 private:
  Random random_{1};
};

void open_as_it_is(const TokenSealer& sealer, std::string_view token) {
  // The key is drawn anew for each input: nobody can have sealed this.
  SPILLWAY_ASSERT(!open_iterator(sealer, token));
  SPILLWAY_ASSERT(!sealer.open("pages-1", token));
  SPILLWAY_ASSERT(!sealer.open("", token));
}

void open_what_was_sealed(const TokenSealer& sealer, std::string_view content) {
  const std::string token = sealer.seal(kIteratorKind, content);
  const auto opened = sealer.open(kIteratorKind, token);
  const bool fits = token.size() <= 4096;
  SPILLWAY_ASSERT(opened.has_value() == fits && (!fits || *opened == content));
  SPILLWAY_ASSERT(!sealer.open("pages-1", token));
  const auto iterator = open_iterator(sealer, token);
  SPILLWAY_ASSERT(iterator.has_value() == (fits && content.size() >= 28));
  if (!iterator) return;
  const auto again = open_iterator(sealer, '"' + seal(sealer, *iterator) + '"');
  SPILLWAY_ASSERT(
      again && again->stream_id == iterator->stream_id &&
      again->shard_index == iterator->shard_index && again->position == iterator->position &&
      again->created_at == iterator->created_at && again->stream_name == iterator->stream_name);
}

// Another letter anywhere, or a text cut anywhere.
void open_what_was_changed(const TokenSealer& sealer, std::string_view content, std::size_t at,
                           char letter) {
  std::string token = sealer.seal(kIteratorKind, content.substr(0, 200));
  at %= token.size();
  SPILLWAY_ASSERT(!sealer.open(kIteratorKind, std::string_view(token).substr(0, at)));
  if (token[at] == letter) return;
  token[at] = letter;
  SPILLWAY_ASSERT(!sealer.open(kIteratorKind, token));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 3), size - 3);
  SeededEntropy entropy;
  TokenKey key;
  entropy.fill(key);
  const TokenSealer sealer(key, entropy);
  open_as_it_is(sealer, input);
  open_what_was_sealed(sealer, input);
  open_what_was_changed(sealer, input, data[0] | std::size_t{data[1]} << 8,
                        static_cast<char>(data[2]));
  return 0;
}
