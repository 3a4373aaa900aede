#include "gateway/io/ring_socket.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace gateway::io {
namespace {

// With it the IP header of each frame lies on a multiple of 16.
constexpr uint32_t kReserve = 6;
constexpr int kFanoutIgnoreOutgoing = 0x4000;  // PACKET_FANOUT_FLAG_IGNORE_OUTGOING, Linux 5.16
// For the copies of superframes beside a ring of small slots: some hundred of them.
constexpr int kCopyQueueForced = 16 << 20, kCopyQueue = 4 << 20;

std::atomic_ref<uint32_t> StatusOf(tpacket2_hdr* slot) {
  return std::atomic_ref<uint32_t>(slot->tp_status);
}

}  // namespace

// tpacket_rcv() puts the network header at TPACKET_ALIGN(header + at least 16) + reserve +
// virtio_net_hdr.
uint32_t RingSocket::PacketRoom(uint32_t slot_size) {
  constexpr uint32_t kNetwork =
      TPACKET_ALIGN(TPACKET2_HDRLEN + 16) + kReserve + uint32_t{sizeof(VnetHdr)};
  return slot_size - kNetwork;
}

absl::StatusOr<std::unique_ptr<RingSocket>> RingSocket::Open(const Options& options) {
  Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd && errno == EPERM) {
    return absl::PermissionDeniedError(
        "CAP_NET_RAW is missing: it is the one right needed to receive and send frames "
        "(run as root, or setcap cap_net_raw+ep on the program)");
  }
  if (!fd) return absl::ErrnoToStatus(errno, "cannot open an AF_PACKET socket");
  std::unique_ptr<RingSocket> ring(new RingSocket(std::move(fd), options));
  if (absl::Status status = ring->Configure(); !status.ok()) return status;
  if (absl::Status status = ring->MakeRing(); !status.ok()) return status;
  if (absl::Status status = ring->Bind(); !status.ok()) return status;
  return ring;
}

RingSocket::RingSocket(Fd fd, const Options& options) : fd_(std::move(fd)), options_(options) {}

RingSocket::~RingSocket() {
  if (memory_ != nullptr) munmap(memory_, memory_size_);
}

template <class T>
absl::Status RingSocket::Set(int level, int option, const T& value, const char* name) {
  if (setsockopt(fd_.get(), level, option, &value, sizeof value) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("kernel refuses ", name, ": ", strerror(errno)));
}

// All of it must stand before the ring is made.
absl::Status RingSocket::Configure() {
  if (absl::Status status = Set(SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR"); !status.ok()) {
    return status;
  }
  // Outside a group this keeps our own frames out; where it is refused, WasSentByUs does.
  (void)Set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  if (absl::Status status = Set(SOL_PACKET, PACKET_VERSION, int{TPACKET_V2}, "TPACKET_V2");
      !status.ok()) {
    return status;
  }
  if (absl::Status status = Set(SOL_PACKET, PACKET_RESERVE, kReserve, "PACKET_RESERVE");
      !status.ok() || !options_.copy) {
    return status;
  }
  if (!Set(SOL_SOCKET, SO_RCVBUFFORCE, kCopyQueueForced, "SO_RCVBUFFORCE").ok()) {
    (void)Set(SOL_SOCKET, SO_RCVBUF, kCopyQueue, "SO_RCVBUF");
  }
  return Set(SOL_PACKET, PACKET_COPY_THRESH, 1, "PACKET_COPY_THRESH");
}

absl::Status RingSocket::MakeRing() {
  const uint32_t in_block = options_.block_size / options_.slot_size;
  const auto blocks = static_cast<uint32_t>((options_.slots + in_block - 1) / in_block);
  const tpacket_req request{options_.block_size, blocks, options_.slot_size, blocks * in_block};
  if (absl::Status status = Set(SOL_PACKET, PACKET_RX_RING, request, "PACKET_RX_RING");
      !status.ok()) {
    return status;
  }
  const size_t size = size_t{options_.block_size} * blocks;
  void* memory =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_.get(), 0);
  if (memory == MAP_FAILED) return absl::ErrnoToStatus(errno, "cannot map the packet ring");
  memory_ = static_cast<std::byte*>(memory);
  memory_size_ = size;
  slots_.reserve(request.tp_frame_nr);
  for (uint32_t i = 0; i < request.tp_frame_nr; ++i) {
    std::byte* slot = memory_ + size_t{i / in_block} * options_.block_size +
                      size_t{i % in_block} * options_.slot_size;
    slots_.push_back(reinterpret_cast<tpacket2_hdr*>(slot));
  }
  return absl::OkStatus();
}

absl::Status RingSocket::Bind() {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog filter{1, &nothing};
  if (absl::Status status = Set(SOL_SOCKET, SO_ATTACH_FILTER, filter, "SO_ATTACH_FILTER");
      !status.ok()) {
    return status;
  }
  sockaddr_ll from{};
  from.sll_family = AF_PACKET;
  from.sll_protocol = htons(ETH_P_ALL);
  from.sll_ifindex = options_.interface_index;
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "cannot bind to the interface");
}

absl::StatusOr<uint16_t> RingSocket::JoinFanout(std::optional<uint16_t> group) {
  const int flags = PACKET_FANOUT_CBPF | (group ? 0 : PACKET_FANOUT_FLAG_UNIQUEID);
  int argument = group.value_or(0) | (flags | kFanoutIgnoreOutgoing) << 16;
  int result = setsockopt(fd_.get(), SOL_PACKET, PACKET_FANOUT, &argument, sizeof argument);
  if (result != 0 && errno == EINVAL) {  // an older kernel
    argument = group.value_or(0) | flags << 16;
    result = setsockopt(fd_.get(), SOL_PACKET, PACKET_FANOUT, &argument, sizeof argument);
  }
  uint32_t joined = 0;
  socklen_t size = sizeof joined;
  if (result != 0 || getsockopt(fd_.get(), SOL_PACKET, PACKET_FANOUT, &joined, &size) != 0) {
    return absl::UnavailableError(absl::StrCat("kernel refuses PACKET_FANOUT: ", strerror(errno)));
  }
  return static_cast<uint16_t>(joined);
}

absl::Status RingSocket::SetProgram(const std::vector<BpfInstruction>& program) {
  std::vector<sock_filter> code;
  code.reserve(program.size());
  for (const BpfInstruction& i : program) code.push_back({i.code, i.jump_true, i.jump_false, i.k});
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  return Set(SOL_PACKET, PACKET_FANOUT_DATA, filter, "the fanout program");
}

absl::Status RingSocket::BePromiscuous() {
  packet_mreq request{};
  request.mr_ifindex = options_.interface_index;
  request.mr_type = PACKET_MR_PROMISC;
  return Set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request, "promiscuous mode");
}

absl::Status RingSocket::Start() {
  return Set(SOL_SOCKET, SO_DETACH_FILTER, 0, "SO_DETACH_FILTER");
}

tpacket2_hdr* RingSocket::Front() {
  if (taken_ - released_ == slots_.size()) return nullptr;  // all are ours already
  tpacket2_hdr* slot = slots_[taken_ % slots_.size()];
  return (StatusOf(slot).load(std::memory_order_acquire) & TP_STATUS_USER) != 0 ? slot : nullptr;
}

void RingSocket::Release() {
  for (; released_ != taken_; ++released_) {
    tpacket2_hdr* slot = slots_[released_ % slots_.size()];
    StatusOf(slot).store(TP_STATUS_KERNEL, std::memory_order_release);
  }
}

size_t RingSocket::Copied(stack::ByteSpan to) {
  ssize_t size = recv(fd_.get(), to.data(), to.size(), MSG_DONTWAIT);
  // A pending error of the interface comes first, and once; the copy is still there.
  if (size < 0 && errno != EAGAIN) size = recv(fd_.get(), to.data(), to.size(), MSG_DONTWAIT);
  return size > 0 ? static_cast<size_t>(size) : 0;
}

uint64_t RingSocket::TakeDrops() {
  tpacket_stats counted{};
  socklen_t size = sizeof counted;
  if (getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &counted, &size) == 0) {
    drops_ += counted.tp_drops;  // reading sets the kernel's count to zero
  }
  return drops_;
}

bool RingSocket::TakeError() {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0;
}

VnetHdr VnetOf(const tpacket2_hdr& slot) {
  VnetHdr vnet;
  std::memcpy(&vnet, reinterpret_cast<const std::byte*>(&slot) + slot.tp_mac - sizeof vnet,
              sizeof vnet);
  return vnet;
}

stack::ByteView FrameOf(const tpacket2_hdr& slot) {
  return {reinterpret_cast<const std::byte*>(&slot) + slot.tp_mac, slot.tp_snaplen};
}

bool WasSentByUs(const tpacket2_hdr& slot) {
  sockaddr_ll from;
  std::memcpy(&from,
              reinterpret_cast<const std::byte*>(&slot) + TPACKET_ALIGN(sizeof(tpacket2_hdr)),
              sizeof from);
  return from.sll_pkttype == PACKET_OUTGOING;
}

}  // namespace gateway::io
