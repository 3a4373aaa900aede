#include "gateway/io/frame_sender.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>

#include "stack/base/checksum.h"

namespace gateway::io {
namespace {

// The kernel only reads what iovecs point to when sending, but has one type for both ways.
iovec VectorOf(stack::ByteView bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}
iovec VectorOf(const VnetHdr& vnet) { return {const_cast<VnetHdr*>(&vnet), sizeof vnet}; }

// Nothing can be sent just now, whatever the frame is.
bool IsHopeless(int error) {
  return error == EAGAIN || error == ENETDOWN || error == ENXIO || error == ENODEV;
}

// This frame will never do: a superframe that the kernel or the driver does not know, or one longer
// than the interface sends.
bool IsUnfit(int error) { return error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE; }

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSender>> FrameSender::Open(int interface_index,
                                                               size_t send_buffer) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "cannot open an AF_PACKET socket to send on");
  const int on = 1;
  if (setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0) {
    return absl::ErrnoToStatus(errno, "kernel refuses PACKET_VNET_HDR");
  }
  const int bytes = static_cast<int>(send_buffer);  // as much as it will give: no error if less
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = interface_index;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return absl::ErrnoToStatus(errno, "cannot bind the sending socket");
  }
  return std::unique_ptr<FrameSender>(new FrameSender(std::move(fd)));
}

size_t FrameSender::Send(std::span<TxFrame> frames, PortStats& stats) {
  for (TxFrame& frame : frames) frame.ok = frame.unfit = false;
  for (std::span<TxFrame> left = frames; !left.empty();) {
    const size_t count = Gather(left);
    if (!Transmit(left.first(count))) break;
    left = left.subspan(count);
  }
  size_t sent = 0;
  for (const TxFrame& frame : frames) {
    if (!frame.ok) continue;
    ++sent;
    if (frame.vnet.IsSuperframe()) ++stats.tx_superframes;
  }
  stats.tx_frames += sent;
  stats.tx_failed += frames.size() - sent;
  return sent;
}

// Makes messages of as many frames as there is room for, and says how many. One with too many
// pieces becomes an empty message, which the kernel refuses.
size_t FrameSender::Gather(std::span<TxFrame> frames) {
  size_t count = 0, used = 0;
  for (; count < frames.size() && count < kBatch; ++count) {
    const TxFrame& frame = frames[count];
    const bool legal = frame.more.size() <= TxFrame::kMaxPieces;
    const size_t needed = legal ? frame.more.size() + 2 : 0;
    if (used + needed > kVectors) break;
    msghdr& message = messages_[count].msg_hdr;
    message = {};
    message.msg_iov = &vectors_[used == kVectors ? 0 : used];
    message.msg_iovlen = needed;
    if (!legal) continue;
    vectors_[used++] = VectorOf(frame.vnet);
    vectors_[used++] = VectorOf(frame.bytes);
    for (const stack::ByteView piece : frame.more) vectors_[used++] = VectorOf(piece);
  }
  return count;
}

// sendmmsg stops at the first message that is refused, and says why only if it is the first of the
// call.
bool FrameSender::Transmit(std::span<TxFrame> frames) {
  for (size_t done = 0; done < frames.size();) {
    const int sent = sendmmsg(fd_.get(), &messages_[done],
                              static_cast<unsigned>(frames.size() - done), MSG_DONTWAIT);
    if (sent > 0) {
      for (TxFrame& frame : frames.subspan(done, static_cast<size_t>(sent))) frame.ok = true;
      done += static_cast<size_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && IsHopeless(errno)) return false;
    frames[done].unfit = IsUnfit(errno);
    ++done;
  }
  return true;
}

namespace {

// Two UDP datagrams of one byte on the loopback interface, to a MAC it does not have.
std::array<std::byte, 44> ProbeFrame() {
  std::array<std::byte, 44> frame{};
  stack::Writer w(frame);
  w.U16(0x0200);  // destination 02:00:00:00:00:01, source all zero
  w.U32(1);
  w.Zeros(6);
  w.U16(ETH_P_IP);
  w.U16(0x4500);
  w.U16(30);
  w.U32(0);
  w.U16(0x0111);  // TTL 1, UDP
  const size_t checksum = w.Hole16();
  w.U32(0x7f000001);
  w.U32(0x7f000001);
  w.Fill16(checksum, stack::Finish(stack::SumOf(stack::ByteView(frame).subspan(14, 20))));
  w.U16(9);
  w.U16(9);
  w.U16(10);
  w.U16(stack::Fold(stack::PseudoHeaderSum({0x7f000001}, {0x7f000001}, 17, 10)));
  return frame;
}

bool IsLinux62() {
  utsname system;
  int major = 0, minor = 0;
  if (uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2)
    return false;
  return major > 6 || (major == 6 && minor >= 2);
}

}  // namespace

bool KernelTakesUdpSuperframes() {
  const unsigned loopback = if_nametoindex("lo");
  if (loopback == 0) return IsLinux62();
  auto sender = FrameSender::Open(static_cast<int>(loopback), 65536);
  if (!sender.ok()) return false;
  const std::array<std::byte, 44> frame = ProbeFrame();
  TxFrame probe;
  probe.bytes = frame;
  probe.vnet = {VnetHdr::kNeedsChecksum, VnetHdr::kGsoUdp4, 42, 1, 34, 6};
  PortStats unused;
  errno = 0;
  if ((*sender)->Send({&probe, 1}, unused) == 1) return true;
  return errno == ENETDOWN && IsLinux62();  // loopback is down: go by the version
}

}  // namespace gateway::io
