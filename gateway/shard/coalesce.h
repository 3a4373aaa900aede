// Superframes on their way out: packets of one flow that lie in the same flush leave under one set
// of headers, which costs the kernel little more than a single packet does. The mirror image of
// segment.h, and the last stage of both ways before the port.
//
//   headers_   | Ethernet IPv4 UDP/TCP |   one copy, with the lengths of the whole
//   pieces_    | payload | payload | payload, shorter |   where they lie: nothing is copied
//
// Three kinds merge: our own ESP in UDP to one peer, datagrams of a forwarded UDP flow, and
// segments of a forwarded TCP flow that follow each other. What comes out at the far end is what
// went in, bit by bit, but for what the kernel fills in: the UDP checksum of our own ESP, which is
// zero on packets that leave alone (RFC 3948 section 2.1: a receiver must not depend on it), and
// identifications of packets that may not be fragmented (RFC 6864: they mean nothing).
//
// Order within a flow stays: a packet that cannot join ends its flow's superframe and stands behind
// it. Nothing waits: what Merge is given it gives back.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "gateway/io/port.h"
#include "gateway/shard/ip_ids.h"
#include "stack/base/packet_buf.h"

namespace gateway::shard {

// A whole frame for an interface.
struct Outgoing {
  stack::PacketBuf frame;
  // ESP in UDP of our own making, with no UDP checksum: it may get one, and another identification.
  bool own_esp = false;
};

class Coalescer {
 public:
  static constexpr size_t kMaxFrames = 128;  // in one Merge
  // What Linux took in one UDP superframe when it learnt them (UDP_MAX_SEGMENTS; later 128).
  static constexpr size_t kMaxSegments = 64;
  static_assert(kMaxSegments <= io::TxFrame::kMaxPieces && kMaxSegments <= IpIds::kBlock);

  struct Kinds {
    bool tcp = false, udp = false;
  };

  // `ids` outlives the object.
  explicit Coalescer(IpIds& ids) : ids_(ids) {}

  // At most kMaxFrames frames, as they are to be handed to a port: merged where `kinds` and their
  // headers allow, in the order of the first of each. The result is borrowed from the frames and
  // from here, until the next call.
  std::span<io::TxFrame> Merge(std::span<const Outgoing> frames, Kinds kinds);
  // How many of the frames the result's `index`th stands for.
  size_t SegmentsOf(size_t index) const { return runs_[index].segments; }
  // Those frames, each as it was: for a port that refuses superframes. Until the next call.
  std::span<io::TxFrame> Apart(size_t index);

 private:
  // What a frame is to us. Only kTcp and kUdp merge.
  enum class Kind : uint8_t {
    kOther,  // nothing we could get out of order
    kLoose,  // part of some flow between its addresses: a fragment, or with IP options
    kTcp,
    kUdp,
  };
  struct Shape {
    Kind kind = Kind::kOther;
    bool may_merge = false;
    bool ends = false;      // nothing may follow in the same superframe
    uint16_t headers = 0;   // length of everything in front of the payload
    uint16_t payload = 0;   // and of that
    uint32_t sequence = 0;  // kTcp
  };
  // Frames that will leave as one, linked by next_.
  struct Run {
    Shape first;
    uint8_t begin = 0, end = 0;  // first and last frame
    uint8_t segments = 1;
    bool checked = false;  // the first frame's checksum holds
    uint32_t payload = 0;  // of all
  };
  // Flows with a superframe that may still grow, the latest last. More of them in one flush find
  // theirs closed: comparing with many would cost more than it saves.
  static constexpr size_t kMaxOpen = 8;

  static Shape LookAt(const Outgoing& out);
  static Shape LookAtTcp(stack::ByteView frame);
  static Shape LookAtUdp(stack::ByteView frame, bool own_esp);
  void Take(size_t index);
  size_t FindOpen(stack::ByteView frame) const;
  bool MayJoin(Run& run, size_t index, const Shape& shape) const;
  bool Joins(const Run& run, size_t index, const Shape& shape) const;
  void Start(size_t index, const Shape& shape);
  void Join(size_t slot, size_t index, const Shape& shape);
  void Close(size_t slot);
  void CloseBetween(stack::ByteView frame);
  void Lay(const Run& run, io::TxFrame& tx);
  void WriteHeaders(const Run& run, stack::ByteSpan headers) const;
  stack::ByteView FrameAt(size_t index) const { return frames_[index].frame.bytes(); }

  IpIds& ids_;
  Kinds kinds_;
  std::span<const Outgoing> frames_;
  std::array<Run, kMaxFrames> runs_;
  std::array<uint8_t, kMaxFrames> next_;
  size_t run_count_ = 0;
  std::array<uint8_t, kMaxOpen> open_;
  size_t open_count_ = 0;

  static constexpr size_t kMaxHeaders = 14 + 20 + 60;
  std::array<io::TxFrame, kMaxFrames> tx_;
  std::array<io::TxFrame, kMaxSegments> apart_;
  std::array<stack::ByteView, kMaxFrames> pieces_;
  std::array<std::array<std::byte, kMaxHeaders>, kMaxFrames / 2> headers_;
  size_t pieces_used_ = 0, headers_used_ = 0;
};

}  // namespace gateway::shard
