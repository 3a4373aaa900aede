// One receiving AF_PACKET socket with its TPACKET_V2 ring: packet(7), networking/packet_mmap.
//
//   slot   | tpacket2_hdr | sockaddr_ll | ... | virtio_net_hdr | frame ...            |
//          0                                    tp_mac - 10      tp_mac       slot size
//
// The kernel fills slot after slot and hands each over by setting TP_STATUS_USER; we walk behind it
// and give slots back by setting TP_STATUS_KERNEL. A full ring drops, and the kernel counts.
#pragma once

#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/io/fanout.h"
#include "gateway/io/fd.h"
#include "gateway/io/port.h"

namespace gateway::io {

class RingSocket {
 public:
  struct Options {
    int interface_index = 0;
    uint32_t slot_size = 2048;      // 16-byte multiple that divides or is a multiple of pages
    uint32_t block_size = 1 << 17;  // multiple of the page size; holds whole slots
    size_t slots = 4096;            // rounded up to whole blocks
    bool copy = false;  // frames longer than a slot come by Copied() instead of being cut
  };

  // A bound socket with a ring that receives nothing yet: a filter keeps everything out until
  // Start(). So no frame goes to a wrong member while a group is being put together.
  static absl::StatusOr<std::unique_ptr<RingSocket>> Open(const Options& options);
  ~RingSocket();
  RingSocket(const RingSocket&) = delete;
  RingSocket& operator=(const RingSocket&) = delete;

  // Joins fanout group `group`, or a new one, as its next member; returns the group.
  // The group keeps out what this machine sends, if the kernel knows how.
  absl::StatusOr<uint16_t> JoinFanout(std::optional<uint16_t> group);
  // For the whole group, through any member.
  absl::Status SetProgram(const std::vector<BpfInstruction>& program);
  absl::Status BePromiscuous();
  absl::Status Start();

  // The longest packet (without Ethernet header) that a slot of `slot_size` holds whole.
  static uint32_t PacketRoom(uint32_t slot_size);

  // The oldest slot not taken yet if the kernel has handed it over, else nullptr.
  tpacket2_hdr* Front();
  // Takes it: Front() then shows the next one. It stays ours until Release(). The one after that,
  // the kernel's yet or not, is called into the cache meanwhile.
  void Take() {
    ++taken_;
    const std::byte* next =
        reinterpret_cast<const std::byte*>(slots_[(taken_ + 1) % slots_.size()]);
    __builtin_prefetch(next);
    __builtin_prefetch(next + kFrameNear);
  }
  void Release();

  // With `copy`: the whole of a frame whose slot says TP_STATUS_COPY, virtio_net_hdr first. To be
  // called exactly once for each of them, in order. Returns its length, 0 if it is gone.
  size_t Copied(stack::ByteSpan to);

  int fd() const { return fd_.get(); }
  // Frames the kernel has had no room for so far.
  uint64_t TakeDrops();
  // Clears and tells the socket's pending error: ENETDOWN when the interface went down.
  bool TakeError();

 private:
  // Where in a slot the frame's first line of cache is.
  static constexpr size_t kFrameNear = 64;

  RingSocket(Fd fd, const Options& options);
  absl::Status Configure();
  absl::Status MakeRing();
  absl::Status Bind();
  template <class T>
  absl::Status Set(int level, int option, const T& value, const char* name);

  Fd fd_;
  const Options options_;
  std::byte* memory_ = nullptr;
  size_t memory_size_ = 0;
  std::vector<tpacket2_hdr*> slots_;
  uint64_t taken_ = 0, released_ = 0;
  uint64_t drops_ = 0;
};

// The parts of a slot the kernel has handed over.
VnetHdr VnetOf(const tpacket2_hdr& slot);
stack::ByteView FrameOf(const tpacket2_hdr& slot);
bool WasSentByUs(const tpacket2_hdr& slot);  // the kernel shows what leaves the interface, too

}  // namespace gateway::io
