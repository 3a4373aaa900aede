// Port: one network interface as one shard sees it. Frames come in and go out in batches.
//
//   packet_ring.h   an AF_PACKET interface of the machine, one port a shard
//   memory_port.h   two ports wired back to back, for tests, benches and built-in load
//
// First stop of a packet's way, and the last. A port is used by its shard's thread alone. Frames
// are whole Ethernet frames without the FCS. Like virtio_net_hdr (Virtual I/O Device specification,
// section 5.1.6), a frame may be a superframe: TCP segments or UDP datagrams of one flow under one
// set of headers, up to 64 KB, and its transport checksum may be partial. Both are told by VnetHdr,
// and must be dealt with before the frame goes anywhere but into a Port again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "gateway/io/steer.h"
#include "stack/base/bytes.h"

namespace gateway::io {

// struct virtio_net_hdr as the kernel takes and gives it (host byte order). All zero: a plain frame
// with finished checksums.
struct VnetHdr {
  static constexpr uint8_t kNeedsChecksum = 1;  // flags: the checksum is partial, finish it
  static constexpr uint8_t kDataValid = 2;      // flags: the kernel has verified it
  static constexpr uint8_t kGsoNone = 0;        // gso_type, apart from kGsoEcn
  static constexpr uint8_t kGsoTcp4 = 1;
  static constexpr uint8_t kGsoUdpFragments = 3;  // one UDP datagram to be cut into IP fragments
  static constexpr uint8_t kGsoTcp6 = 4;
  static constexpr uint8_t kGsoUdp4 = 5;  // UDP datagrams of equal size, a shorter last one allowed
  static constexpr uint8_t kGsoEcn = 0x80;

  uint8_t flags = 0;
  uint8_t gso_type = kGsoNone;
  uint16_t hdr_len = 0;   // Ethernet to transport header; a hint, 0 on received plain frames
  uint16_t gso_size = 0;  // payload bytes of each segment but the last
  // If kNeedsChecksum: sum from csum_start (offset in the frame) to its end, and put the
  // complement at csum_start + csum_offset, where the pseudo-header's sum stands already.
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;

  bool NeedsChecksum() const { return (flags & kNeedsChecksum) != 0; }
  bool IsSuperframe() const { return (gso_type & ~kGsoEcn) != kGsoNone; }
  bool operator==(const VnetHdr&) const = default;
};
static_assert(sizeof(VnetHdr) == 10);

// Frames in one Receive at most; the batch of the whole data path.
inline constexpr size_t kBatch = 64;
// The longest frame either way: Ethernet header and the longest IPv4 packet.
inline constexpr size_t kMaxFrame = 14 + 65535;

struct RxFrame {
  stack::ByteView bytes;  // borrowed: good until Release()
  VnetHdr vnet;
  uint16_t vlan = 0;       // 802.1Q VLAN the kernel took off the frame; 0: untagged or priority tag
  bool truncated = false;  // the kernel cut it: only the start is here (drop as kRingTruncated)
};

struct TxFrame {
  stack::ByteView bytes;                  // the frame, or its start; borrowed until Send returns
  std::span<const stack::ByteView> more;  // further pieces of the same frame, at most kMaxPieces
  VnetHdr vnet;
  bool ok = false;     // set by Send: the kernel took it
  bool unfit = false;  // set by Send: refused for what it is, and would be again

  static constexpr size_t kMaxPieces = 128;
};

// Since the port was opened.
struct PortStats {
  uint64_t rx_frames = 0;
  uint64_t rx_superframes = 0;
  uint64_t rx_truncated = 0;
  uint64_t rx_missed = 0;  // never seen by us: the ring was full
  uint64_t tx_frames = 0;
  uint64_t tx_superframes = 0;
  uint64_t tx_failed = 0;    // refused by the kernel: queue full, interface down, illegal
  uint64_t link_errors = 0;  // times the interface reported itself down or gone
};

class Port {
 public:
  virtual ~Port() = default;

  // Fills `frames` (up to kBatch of them) in the order of their arrival and says how many there
  // were; never waits. What an earlier Receive gave is released first.
  virtual size_t Receive(std::span<RxFrame> frames) = 0;
  // Gives back what the last Receive lent. Call it as soon as the batch is copied or done with: the
  // kernel fills only slots that are free.
  virtual void Release() = 0;

  // Sends in order; never waits. Sets `ok` and `unfit` of each frame and returns how many were
  // taken; one that is refused does not stop those after it.
  virtual size_t Send(std::span<TxFrame> frames) = 0;

  // For EventLoop::Add: readable when there is something to receive. To be waited on only after a
  // Receive that gave nothing.
  virtual std::span<const int> fds() const = 0;

  // New rules for the whole group of ports of this interface (an address came by DHCP, a pool
  // grew). Frames under way may still come by the old ones. InvalidArgument if the rules are more
  // than the kernel's program can hold; the old ones then stay.
  virtual absl::Status Steer(const SteeringRules& rules) = 0;

  // Whether superframes of UDP datagrams (kGsoUdp4) may be sent; if not, send the datagrams singly.
  virtual bool TakesUdpSuperframes() const = 0;

  virtual const std::string& name() const = 0;
  virtual PortStats stats() = 0;
};

}  // namespace gateway::io
