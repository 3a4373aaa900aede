#include "gateway/io/xdp_sender.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace gateway::io {
namespace {

constexpr size_t kEthernetHeader = 14;

size_t SizeOf(const TxFrame& frame) {
  size_t size = frame.bytes.size();
  for (const stack::ByteView piece : frame.more) size += piece.size();
  return size;
}

// By pointers: GCC 12 copies a span octet by octet.
std::byte* Append(stack::ByteView bytes, std::byte* to) {
  return std::copy_n(bytes.data(), bytes.size(), to);
}

// How far an index has come beyond `start`, if it has.
size_t Passed(uint32_t start, uint32_t index) {
  return static_cast<size_t>(std::max(static_cast<int32_t>(index - start), 0));
}

absl::Status Refusal(const std::string& what, int error) {
  const char* hint = error == ENOBUFS ? " (too little memory may be locked: see ulimit -l)" : "";
  return absl::FailedPreconditionError(
      absl::StrCat("kernel refuses ", what, ": ", strerror(error), hint));
}

absl::Status BindError(int error, uint32_t queue) {
  if (error == EINVAL) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has no queue ", queue, ", and each shard needs one for AF_XDP (see ethtool -L)"));
  }
  if (error == EBUSY) {
    return absl::FailedPreconditionError(
        absl::StrCat("another AF_XDP socket has its queue ", queue,
                     " (one that was just closed keeps it for some milliseconds: try again)"));
  }
  return Refusal(absl::StrCat("AF_XDP on queue ", queue), error);
}

}  // namespace

XdpSender::Mapping::~Mapping() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

// Of nothing but memory if fd is -1.
bool XdpSender::Mapping::Map(int fd, size_t size, uint64_t offset) {
  const int flags = MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, static_cast<off_t>(offset));
  if (memory == MAP_FAILED) return false;
  memory_ = static_cast<std::byte*>(memory);
  size_ = size;
  return true;
}

template <class Entry>
bool XdpSender::Ring<Entry>::Map(int fd, const xdp_ring_offset& offsets, uint64_t page) {
  if (!mapping.Map(fd, offsets.desc + kFrames * sizeof(Entry), page)) return false;
  producer = reinterpret_cast<uint32_t*>(mapping.at(offsets.producer));
  consumer = reinterpret_cast<uint32_t*>(mapping.at(offsets.consumer));
  entries = reinterpret_cast<Entry*>(mapping.at(offsets.desc));
  return true;
}

template <class Entry>
uint32_t XdpSender::Ring<Entry>::Produced() const {
  return std::atomic_ref<uint32_t>(*producer).load(std::memory_order_acquire);
}

template <class Entry>
uint32_t XdpSender::Ring<Entry>::Consumed() const {
  return std::atomic_ref<uint32_t>(*consumer).load(std::memory_order_acquire);
}

absl::StatusOr<std::unique_ptr<XdpSender>> XdpSender::Open(int interface_index, uint32_t queue) {
  Fd fd(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd) return Refusal("an AF_XDP socket", errno);
  std::unique_ptr<XdpSender> sender(new XdpSender(std::move(fd)));
  if (absl::Status status = sender->MakeRings(); !status.ok()) return status;
  if (absl::Status status = sender->Bind(interface_index, queue); !status.ok()) return status;
  return sender;
}

absl::Status XdpSender::Set(int option, const void* value, socklen_t size, const char* name) {
  if (setsockopt(fd_.get(), SOL_XDP, option, value, size) == 0) return absl::OkStatus();
  return Refusal(name, errno);
}

// A socket that only sends must have a fill ring nevertheless: it stays empty and unseen.
absl::Status XdpSender::MakeRings() {
  if (!frames_.Map(-1, kFrames * kMaxSize, 0)) {
    return absl::ErrnoToStatus(errno, "no memory for AF_XDP frames");
  }
  xdp_umem_reg memory;
  std::memset(&memory, 0, sizeof memory);  // its padding has a meaning to newer kernels
  memory.addr = reinterpret_cast<uintptr_t>(frames_.at(0));
  memory.len = kFrames * kMaxSize;
  memory.chunk_size = kMaxSize;
  const uint32_t one = 1, all = kFrames;
  absl::Status status = Set(XDP_UMEM_REG, &memory, sizeof memory, "XDP_UMEM_REG");
  status.Update(Set(XDP_UMEM_FILL_RING, &one, sizeof one, "XDP_UMEM_FILL_RING"));
  status.Update(Set(XDP_UMEM_COMPLETION_RING, &all, sizeof all, "XDP_UMEM_COMPLETION_RING"));
  status.Update(Set(XDP_TX_RING, &all, sizeof all, "XDP_TX_RING"));
  if (!status.ok()) return status;
  xdp_mmap_offsets offsets{};
  socklen_t size = sizeof offsets;
  if (getsockopt(fd_.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0) {
    return Refusal("XDP_MMAP_OFFSETS", errno);
  }
  if (size != sizeof offsets) {
    return absl::FailedPreconditionError("the kernel's AF_XDP is older than Linux 5.4");
  }
  if (!send_.Map(fd_.get(), offsets.tx, XDP_PGOFF_TX_RING) ||
      !done_.Map(fd_.get(), offsets.cr, XDP_UMEM_PGOFF_COMPLETION_RING)) {
    return Refusal("the rings of AF_XDP", errno);
  }
  for (uint64_t i = kFrames; i-- > 0;) free_.push_back(i * kMaxSize);
  return absl::OkStatus();
}

// XDP_COPY: a driver that could take the frames from our memory itself would have to set its queue
// up anew, and needs rights for it.
absl::Status XdpSender::Bind(int interface_index, uint32_t queue) {
  sockaddr_xdp to{};
  to.sxdp_family = AF_XDP;
  to.sxdp_flags = XDP_COPY;
  to.sxdp_ifindex = static_cast<uint32_t>(interface_index);
  to.sxdp_queue_id = queue;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    return absl::OkStatus();
  }
  return BindError(errno, queue);
}

bool XdpSender::Takes(const TxFrame& frame) {
  if (frame.vnet.NeedsChecksum() || frame.vnet.IsSuperframe()) return false;
  const size_t size = SizeOf(frame);
  return size >= kEthernetHeader && size <= kMaxSize;
}

size_t XdpSender::Send(std::span<TxFrame> frames, PortStats& stats) {
  for (TxFrame& frame : frames) frame.ok = false;
  size_t sent = 0;
  // What could not leave is in the way: to a dead link it may be one batch, not more and more.
  if (HandOver()) {
    TakeBack();
    const uint32_t start = put_;
    const size_t room = std::min(frames.size(), free_.size());
    for (const TxFrame& frame : frames.first(room)) Put(frame);
    std::atomic_ref<uint32_t>(*send_.producer).store(put_, std::memory_order_release);
    // When the link goes down now, earlier frames may still be in front of these.
    sent = HandOver() ? room : Passed(start, send_.Consumed());
    for (TxFrame& frame : frames.first(sent)) frame.ok = true;
  }
  stats.tx_frames += sent;
  stats.tx_failed += frames.size() - sent;
  return sent;
}

// The places of frames that have left.
void XdpSender::TakeBack() {
  uint32_t next = done_.Consumed();
  for (const uint32_t end = done_.Produced(); next != end; ++next) free_.push_back(done_[next]);
  std::atomic_ref<uint32_t>(*done_.consumer).store(next, std::memory_order_release);
}

void XdpSender::Put(const TxFrame& frame) {
  const uint64_t place = free_.back();
  free_.pop_back();
  std::byte* to = Append(frame.bytes, frames_.at(place));
  for (const stack::ByteView piece : frame.more) to = Append(piece, to);
  send_[put_++] = {place, static_cast<uint32_t>(to - frames_.at(place)), 0};
}

// False if the interface is down or gone. Frames that are still in the ring after true wait for a
// driver with room.
bool XdpSender::HandOver() {
  for (uint32_t taken = send_.Consumed(); taken != put_;) {
    const bool refused = sendto(fd_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0;
    if (refused && errno == EINTR) continue;
    if (refused && (errno == ENETDOWN || errno == ENXIO)) return false;
    const uint32_t before = std::exchange(taken, send_.Consumed());
    if (taken == before) break;
  }
  return true;
}

}  // namespace gateway::io
