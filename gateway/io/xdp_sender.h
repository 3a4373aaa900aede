// The sending half of an AF_XDP socket in copy mode: an interface's other way for plain frames
// (`io = "xdp"`). See the kernel's networking/af_xdp document.
//
// Frames are copied to memory that the kernel shares, and one system call hands 32 of them straight
// to the driver: without a message header, a walk over iovecs and the transmit queue for each,
// which is a third and more of what sendmmsg costs. It needs no XDP program and no right but
// CAP_NET_RAW. Superframes and partial checksums are beyond it; they leave by FrameSender.
//
// Receiving stays with AF_PACKET: by AF_XDP it costs nearly the same, and on veth, where a peer's
// checksums are partial and its frames large, nothing says of a frame that it is so.
//
// What it passes over: queueing disciplines and other filters of tc on the way out, and tcpdump on
// this machine.
#pragma once

#include <linux/if_xdp.h>

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/io/fd.h"
#include "gateway/io/port.h"

namespace gateway::io {

class XdpSender {
 public:
  // Frames that may be on their way: to the driver, or inside it.
  static constexpr uint32_t kFrames = 512;
  static constexpr size_t kMaxSize = 2048;  // octets of a frame

  // Sends by transmit queue `queue` of the interface, which serves one such socket.
  // FailedPrecondition says what the kernel refused, and what may help.
  static absl::StatusOr<std::unique_ptr<XdpSender>> Open(int interface_index, uint32_t queue);

  // Whether the frame may leave this way.
  static bool Takes(const TxFrame& frame);

  // As Port::Send, of frames that it takes. Those a busy driver has no room for leave with the next
  // Send or Flush. Counts into `stats`.
  size_t Send(std::span<TxFrame> frames, PortStats& stats);
  void Flush() { (void)HandOver(); }

 private:
  // Memory shared with the kernel.
  class Mapping {
   public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();
    bool Map(int fd, size_t size, uint64_t offset);
    std::byte* at(uint64_t offset) const { return memory_ + offset; }

   private:
    std::byte* memory_ = nullptr;
    size_t size_ = 0;
  };

  // One of the socket's rings, of kFrames entries. Indices count on; an entry's place is the rest.
  template <class Entry>
  struct Ring {
    Mapping mapping;
    uint32_t* producer = nullptr;
    uint32_t* consumer = nullptr;
    Entry* entries = nullptr;

    bool Map(int fd, const xdp_ring_offset& offsets, uint64_t page);
    uint32_t Produced() const;
    uint32_t Consumed() const;
    Entry& operator[](uint32_t index) { return entries[index % kFrames]; }
  };

  explicit XdpSender(Fd fd) : fd_(std::move(fd)) {}
  absl::Status MakeRings();
  absl::Status Bind(int interface_index, uint32_t queue);
  absl::Status Set(int option, const void* value, socklen_t size, const char* name);
  void TakeBack();
  void Put(const TxFrame& frame);
  bool HandOver();

  // Rings and frames outlive the socket only as memory: closed first, it touches them no more.
  Mapping frames_;
  Ring<xdp_desc> send_;
  Ring<uint64_t> done_;
  std::vector<uint64_t> free_;  // places in frames_ that are ours
  uint32_t put_ = 0;            // entries of send_ filled so far
  Fd fd_;
};

}  // namespace gateway::io
