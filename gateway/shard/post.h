// A shard's mail to the others: packets and control, each into the box for its reader.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "gateway/shard/messages.h"
#include "gateway/shard/stats.h"

namespace gateway::shard {

class Post {
 public:
  // boxes[i] is the one that shard i reads; the own place is not used. They outlive the object.
  Post(std::vector<Box*> boxes, Stats& stats)
      : boxes_(std::move(boxes)), late_(boxes_.size()), stats_(stats) {}

  // kMailboxFull if the reader does not keep up.
  [[nodiscard]] stack::Drop SendPacket(uint8_t shard, const PacketMeta& meta,
                                       stack::ByteView bytes) {
    if (!boxes_[shard]->PutPacket(meta, bytes)) return stack::Drop::kMailboxFull;
    ++stats_.mailed;
    return stack::Drop::kNone;
  }
  // In order. Room::kReserved always arrives: what finds no room in the box waits here for a later
  // Flush. Each such message stands for a change of some session, so there are not many.
  void SendControl(uint8_t shard, Control control, Room room) {
    std::deque<Control>& late = late_[shard];
    if (late.empty() && boxes_[shard]->PutControl(std::move(control), room)) return;
    if (room == Room::kReserved) late.push_back(std::move(control));
  }
  // Once a round.
  void Flush() {
    for (size_t i = 0; i < boxes_.size(); ++i) {
      if (boxes_[i] == nullptr) continue;
      std::deque<Control>& late = late_[i];
      while (!late.empty() && boxes_[i]->PutControl(std::move(late.front()), Room::kReserved)) {
        late.pop_front();
      }
      boxes_[i]->Flush();
    }
  }

 private:
  std::vector<Box*> boxes_;
  std::vector<std::deque<Control>> late_;  // by reader
  Stats& stats_;
};

}  // namespace gateway::shard
