// What the kernel left undone on a frame it handed over, done: superframes are cut into packets,
// and partial checksums are finished.
//
// A veth, tap or virtio neighbour with default offloads sends TCP and UDP superframes of up to 64
// KB and leaves the transport checksum to "hardware" that does not exist (PACKET_VNET_HDR tells
// which, with the fields of struct virtio_net_hdr, virtio 1.1 section 5.1.6). Everything behind
// this point sees ordinary packets with full checksums. First stage of both ways.
#pragma once

#include "gateway/io/port.h"
#include "gateway/shard/cutter.h"
#include "stack/base/drop.h"
#include "stack/base/packet_buf.h"

namespace gateway::shard {

// A superframe is at most 64 KB; at 1-byte segments it would be 64 K packets. The kernel's own
// limit is 128 (UDP) and what 64 KB hold at the smallest MSS Linux uses (48, TCP_MIN_SND_MSS).
inline constexpr size_t kMaxSegments = 1400;
inline constexpr size_t kMinSegmentSize = 32;

// Cuts one received frame into whole frames of their own. The constructor looks at the frame;
// `bytes` is borrowed until the last Next().
class Segmenter {
 public:
  Segmenter(stack::ByteView frame, const io::VnetHdr& offload);

  stack::Drop drop() const { return drop_; }  // not kNone: nothing can be made of the frame
  size_t count() const { return count_; }     // how many frames Next() will give
  // The next frame, in a buffer of `pool`; without a slot if the pool is dry (that one is lost,
  // later ones may not be).
  stack::PacketBuf Next(stack::PacketPool& pool);
  // What is left behind the frames given so far, if it may follow the last of them wherever it
  // goes: none if a later one says more about its flow than the first.
  Train Rest() const { return uniform_ ? cutter_.Rest() : Train{}; }

 private:
  void LookAtSuperframe(uint8_t gso_type, size_t segment_size);
  stack::PacketBuf CopyWhole(stack::PacketPool& pool) const;

  stack::ByteView frame_;
  bool superframe_ = false;
  bool uniform_ = false;
  Cutter cutter_;  // of a superframe
  bool partial_checksum_ = false;
  size_t checksum_start_ = 0, checksum_offset_ = 0;
  size_t count_ = 0;
  stack::Drop drop_ = stack::Drop::kNone;
};

}  // namespace gateway::shard
