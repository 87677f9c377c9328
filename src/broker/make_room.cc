#include "broker/make_room.h"

#include <utility>

namespace spillway::broker {

Delivered make_room(SpoolRoom& room, OldestRecords& oldest, Delivery& delivery,
                    const Cursors& cursors, MonoTime now) {
  auto delivered = delivery.delivered();
  delivered[cursors.shard()] = cursors.needed_from();
  room.look(std::move(delivered), now);
  if (room.when_full() != WhenFull::kDropOldest) return {};
  const auto held = delivery.undelivered();
  oldest.look(held);
  if (!room.must_drop()) return {};
  auto next = oldest.without_oldest(held, SpoolRoom::kDropParts);
  delivery.give_up_before(next);
  room.drops(next);
  return next;
}

}  // namespace spillway::broker
