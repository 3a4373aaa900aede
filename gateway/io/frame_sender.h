// The sending half of an AF_PACKET port: whole frames, many a system call.
//
// A socket of its own with protocol 0, so that nothing is ever queued on it, and through the
// ordinary transmit queue: with PACKET_QDISC_BYPASS a superframe the device cannot take would be
// refused instead of cut up by the kernel. Pieces of frames are gathered by the kernel, nothing is
// copied here.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "gateway/io/fd.h"
#include "gateway/io/port.h"

namespace gateway::io {

class FrameSender {
 public:
  static absl::StatusOr<std::unique_ptr<FrameSender>> Open(int interface_index, size_t send_buffer);

  // As Port::Send. When the socket's queue is full or the interface is down the rest of the frames
  // fail without being tried. Counts into `stats`.
  size_t Send(std::span<TxFrame> frames, PortStats& stats);

 private:
  explicit FrameSender(Fd fd) : fd_(std::move(fd)) {}
  size_t Gather(std::span<TxFrame> frames);
  bool Transmit(std::span<TxFrame> frames);

  static constexpr size_t kVectors = 1024;
  static_assert(kVectors >= TxFrame::kMaxPieces + 2);

  Fd fd_;
  std::array<mmsghdr, kBatch> messages_{};
  std::array<iovec, kVectors> vectors_{};
};

// Whether the kernel takes superframes of UDP datagrams (VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2):
// tried with a frame on the loopback interface that its IP layer does not look at.
bool KernelTakesUdpSuperframes();

}  // namespace gateway::io
