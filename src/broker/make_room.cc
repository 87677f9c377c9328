#include "broker/make_room.h"

#include <utility>

namespace spillway::broker {

Delivered make_room(SpoolRoom& room, SpoolPacking& packing, OldestRecords& oldest,
                    Delivery& delivery, const Cursors& cursors, MonoTime now,
                    std::uint64_t free_bytes) {
  auto delivered = delivery.delivered();
  delivered[cursors.shard()] = cursors.needed_from();
  room.look(std::move(delivered), now, free_bytes);
  const auto held = delivery.undelivered();
  packing.look(held, room.bytes(), now);
  if (room.when_full() != WhenFull::kDropOldest) return {};
  oldest.look(held);
  if (!room.must_drop()) return {};
  auto next = oldest.without_oldest(held, SpoolRoom::kDropParts);
  delivery.give_up_before(next);
  room.drops(next);
  return next;
}

}  // namespace spillway::broker
