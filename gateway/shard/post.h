// A shard's mail to the others: packets and control, each into the box for its reader.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "gateway/shard/messages.h"
#include "gateway/shard/stats.h"

namespace gateway::shard {

class Post {
 public:
  // boxes[i] is the one that shard i reads; the own place is not used. They outlive the object.
  Post(std::vector<Box*> boxes, Stats& stats) : boxes_(std::move(boxes)), stats_(stats) {}

  // kMailboxFull if the reader does not keep up.
  [[nodiscard]] stack::Drop SendPacket(uint8_t shard, const PacketMeta& meta,
                                       stack::ByteView bytes) {
    if (!boxes_[shard]->PutPacket(meta, bytes)) return stack::Drop::kMailboxFull;
    ++stats_.mailed;
    return stack::Drop::kNone;
  }
  bool SendControl(uint8_t shard, Control control, Room room = Room::kOrdinary) {
    return boxes_[shard]->PutControl(std::move(control), room);
  }
  void Flush() {
    for (Box* box : boxes_) {
      if (box != nullptr) box->Flush();
    }
  }

 private:
  std::vector<Box*> boxes_;
  Stats& stats_;
};

}  // namespace gateway::shard
