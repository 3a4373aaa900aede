#include "gateway/io/packet_ring.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gateway/io/fanout.h"
#include "gateway/io/frame_sender.h"
#include "gateway/io/nic.h"
#include "gateway/io/ring_socket.h"
#include "gateway/io/xdp_sender.h"

namespace gateway::io {
namespace {

constexpr uint32_t kSmallSlotSize = 2048;
constexpr uint32_t kSmallBlock = 1 << 17;
// A superframe of 64 KB with everything before it. 15 of them are just under a megabyte, which the
// kernel allocates in one piece; a block a slot would be rounded up to nearly twice its size.
constexpr uint32_t kLargeSlotSize = 68 * 1024;
constexpr size_t kLargeSlotsInBlock = 15;
// Superframes of one batch that may come as copies; a batch ends early rather than take more.
constexpr size_t kCopies = 8;
constexpr size_t kCopyRoom = sizeof(VnetHdr) + kMaxFrame + 32;

class PacketPort : public Port {
 public:
  struct Parts {
    std::unique_ptr<RingSocket> small, large;  // large: nullptr without fanout
    std::unique_ptr<FrameSender> sender;
    std::unique_ptr<XdpSender> xdp;  // nullptr: everything leaves by `sender`
    uint32_t small_limit = 0;
    bool takes_udp_superframes = false;
  };

  PacketPort(std::string name, Parts parts) : name_(std::move(name)), parts_(std::move(parts)) {
    fds_ = {parts_.small->fd(), parts_.large ? parts_.large->fd() : -1};
    copies_ = std::make_unique_for_overwrite<std::byte[]>(kCopies * kCopyRoom);
  }

  size_t Receive(std::span<RxFrame> frames) override;
  void Release() override;
  size_t Send(std::span<TxFrame> frames) override;
  std::span<const int> fds() const override { return {fds_.data(), parts_.large ? 2U : 1U}; }
  absl::Status Steer(const SteeringRules& rules) override;
  bool TakesUdpSuperframes() const override { return parts_.takes_udp_superframes; }
  const std::string& name() const override { return name_; }
  PortStats stats() override;

 private:
  std::pair<RingSocket*, const tpacket2_hdr*> Oldest();
  bool Read(RingSocket& ring, const tpacket2_hdr& slot, RxFrame& frame);
  bool ReadCopy(RingSocket& ring, RxFrame& frame);
  void Idle();

  const std::string name_;
  Parts parts_;
  std::array<int, 2> fds_;
  std::unique_ptr<std::byte[]> copies_;
  size_t copies_used_ = 0;
  uint32_t idle_ = 0;
  PortStats stats_;
};

bool IsOlder(const tpacket2_hdr& a, const tpacket2_hdr& b) {
  return std::tie(a.tp_sec, a.tp_nsec) < std::tie(b.tp_sec, b.tp_nsec);
}

// The oldest frame of both rings. A CPU hands frames over one after the other, so what is seen in
// one ring means that everything older is there in the other, if that is looked at afterwards:
// hence the second look at the small ring.
std::pair<RingSocket*, const tpacket2_hdr*> PacketPort::Oldest() {
  RingSocket* const small = parts_.small.get();
  RingSocket* const large = parts_.large.get();
  const tpacket2_hdr* in_small = small->Front();
  const tpacket2_hdr* in_large = large != nullptr ? large->Front() : nullptr;
  if (in_large != nullptr && in_small == nullptr) in_small = small->Front();
  if (in_large == nullptr) return {small, in_small};
  if (in_small == nullptr || IsOlder(*in_large, *in_small)) return {large, in_large};
  return {small, in_small};
}

size_t PacketPort::Receive(std::span<RxFrame> frames) {
  Release();
  if (parts_.xdp) parts_.xdp->Flush();
  const size_t wanted = std::min(frames.size(), kBatch);
  size_t count = 0;
  while (count < wanted && copies_used_ < kCopies) {
    const auto [ring, slot] = Oldest();
    if (slot == nullptr) break;
    ring->Take();
    if (Read(*ring, *slot, frames[count])) ++count;
  }
  stats_.rx_frames += count;
  if (count == 0) {
    Idle();
  } else {
    idle_ = 0;
  }
  return count;
}

// False if there is nothing in it for us.
bool PacketPort::Read(RingSocket& ring, const tpacket2_hdr& slot, RxFrame& frame) {
  if (WasSentByUs(slot)) {
    if ((slot.tp_status & TP_STATUS_COPY) != 0) (void)ReadCopy(ring, frame);
    return false;
  }
  const bool tagged = (slot.tp_status & TP_STATUS_VLAN_VALID) != 0;
  frame.vlan = tagged ? static_cast<uint16_t>(slot.tp_vlan_tci & 0xfff) : uint16_t{0};
  if ((slot.tp_status & TP_STATUS_COPY) == 0 || !ReadCopy(ring, frame)) {
    frame.bytes = FrameOf(slot);
    frame.vnet = VnetOf(slot);
    frame.truncated = slot.tp_snaplen < slot.tp_len;
  }
  if (frame.truncated) ++stats_.rx_truncated;
  if (frame.vnet.IsSuperframe()) ++stats_.rx_superframes;
  return true;
}

// Each copy is in the socket's queue, in the order of the slots that announce it.
bool PacketPort::ReadCopy(RingSocket& ring, RxFrame& frame) {
  const stack::ByteSpan room{copies_.get() + copies_used_ * kCopyRoom, kCopyRoom};
  const size_t size = ring.Copied(room);
  if (size < sizeof(VnetHdr)) return false;
  ++copies_used_;
  std::memcpy(&frame.vnet, room.data(), sizeof(VnetHdr));
  frame.bytes = room.subspan(sizeof(VnetHdr), size - sizeof(VnetHdr));
  frame.truncated = false;
  return true;
}

void PacketPort::Release() {
  parts_.small->Release();
  if (parts_.large) parts_.large->Release();
  copies_used_ = 0;
}

// Both ways hand a frame to the driver before they return, so that turns keep the order; unless a
// queueing discipline holds superframes back.
size_t PacketPort::Send(std::span<TxFrame> frames) {
  if (!parts_.xdp) return parts_.sender->Send(frames, stats_);
  size_t sent = 0;
  for (std::span<TxFrame> left = frames; !left.empty();) {
    const bool plain = XdpSender::Takes(left.front());
    const auto end = std::ranges::find(left, !plain, &XdpSender::Takes);
    const auto turn = left.first(static_cast<size_t>(end - left.begin()));
    sent += plain ? parts_.xdp->Send(turn, stats_) : parts_.sender->Send(turn, stats_);
    left = left.subspan(turn.size());
  }
  return sent;
}

// An interface that goes down leaves an error on its sockets, which then count as readable until
// somebody takes it: the shard would spin. So it is asked for when many Receives in a row gave
// nothing.
void PacketPort::Idle() {
  if (++idle_ % 16 != 0) return;
  bool error = parts_.small->TakeError();
  if (parts_.large) error |= parts_.large->TakeError();
  if (error) ++stats_.link_errors;
}

absl::Status PacketPort::Steer(const SteeringRules& rules) {
  auto program = BuildFanoutProgram(rules, parts_.small_limit);
  if (!program.ok()) return program.status();
  return parts_.large ? parts_.small->SetProgram(*program) : absl::OkStatus();
}

PortStats PacketPort::stats() {
  stats_.rx_missed = parts_.small->TakeDrops() + (parts_.large ? parts_.large->TakeDrops() : 0);
  return stats_;
}

// --- opening ---

struct SmallRing {
  uint32_t slot_size;
  size_t slots;
};

// Slots that hold a frame of this MTU with all that stands before it; fewer of them if they are
// larger.
SmallRing SmallRingFor(uint32_t mtu, size_t slots) {
  const uint32_t needed = mtu + kSmallSlotSize - RingSocket::PacketRoom(kSmallSlotSize);
  const uint32_t slot_size =
      std::clamp(std::bit_ceil(needed), kSmallSlotSize, uint32_t{kSmallBlock});
  return {slot_size, std::max<size_t>(1, slots * kSmallSlotSize / slot_size)};
}

absl::Status CheckOptions(const PacketOptions& options) {
  if (absl::Status status = CheckRules(options.steering); !status.ok()) return status;
  const bool fits = options.small_slots >= 1 && options.small_slots <= (1 << 18) &&
                    options.large_slots >= 1 && options.large_slots <= (1 << 14) &&
                    options.send_buffer <= (1 << 30);
  if (!fits) return absl::InvalidArgumentError("size of a packet ring out of range");
  if (!options.allow_fanout && options.steering.shards > 1) {
    return absl::InvalidArgumentError("more than one shard needs PACKET_FANOUT");
  }
  return absl::OkStatus();
}

absl::StatusOr<NicFacts> UsableNic(const std::string& name) {
  auto nic = ReadNic(name);
  if (!nic.ok()) return nic;
  if (!nic->ethernet) {
    return absl::FailedPreconditionError(absl::StrCat("interface ", name, " is no Ethernet"));
  }
  if (!nic->up) return absl::FailedPreconditionError(absl::StrCat("interface ", name, " is down"));
  return nic;
}

// Puts the group of one interface together: member 2s is shard s's small ring, 2s + 1 its large
// one. The kernel numbers members as they join.
class Opening {
 public:
  Opening(const NicFacts& nic, const PacketOptions& options)
      : nic_(nic), options_(options), small_(SmallRingFor(nic.mtu, options.small_slots)) {}

  absl::Status OpenGroup() {
    fanout_ = true;
    for (uint8_t shard = 0; shard < options_.steering.shards; ++shard) {
      if (absl::Status status = OpenShard(); !status.ok()) return status;
    }
    auto program = BuildFanoutProgram(options_.steering, RingSocket::PacketRoom(small_.slot_size));
    if (!program.ok()) return program.status();
    if (absl::Status s = ports_[0].small->SetProgram(*program); !s.ok()) return s;
    return StartAll();
  }

  absl::Status OpenSingle() {
    fanout_ = false;
    ports_.clear();
    if (absl::Status status = OpenShard(); !status.ok()) return status;
    return StartAll();
  }

  std::vector<std::unique_ptr<Port>> Finish() && {
    const bool takes_udp_superframes = KernelTakesUdpSuperframes();
    std::vector<std::unique_ptr<Port>> ports;
    for (PacketPort::Parts& parts : ports_) {
      parts.takes_udp_superframes = takes_udp_superframes;
      ports.push_back(std::make_unique<PacketPort>(nic_.name, std::move(parts)));
    }
    return ports;
  }

 private:
  absl::Status OpenShard() {
    PacketPort::Parts parts;
    parts.small_limit = RingSocket::PacketRoom(small_.slot_size);
    auto small = OpenRing({nic_.index, small_.slot_size, kSmallBlock, small_.slots, true});
    if (!small.ok()) return small.status();
    parts.small = std::move(*small);
    if (fanout_) {
      const auto in_block =
          static_cast<uint32_t>(std::min(options_.large_slots, kLargeSlotsInBlock));
      auto large = OpenRing(
          {nic_.index, kLargeSlotSize, in_block * kLargeSlotSize, options_.large_slots, false});
      if (!large.ok()) return large.status();
      parts.large = std::move(*large);
    }
    auto sender = FrameSender::Open(nic_.index, options_.send_buffer);
    if (!sender.ok()) return sender.status();
    parts.sender = std::move(*sender);
    if (options_.xdp) {
      auto xdp = XdpSender::Open(nic_.index, static_cast<uint32_t>(ports_.size()));
      if (!xdp.ok()) return xdp.status();
      parts.xdp = std::move(*xdp);
    }
    ports_.push_back(std::move(parts));
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<RingSocket>> OpenRing(const RingSocket::Options& options) {
    auto ring = RingSocket::Open(options);
    if (!ring.ok() || !fanout_) return ring;
    const auto group = (*ring)->JoinFanout(group_);
    if (!group.ok()) return group.status();
    group_ = *group;
    return ring;
  }

  absl::Status StartAll() {
    if (options_.promiscuous) {
      if (absl::Status s = ports_[0].small->BePromiscuous(); !s.ok()) return s;
    }
    for (const PacketPort::Parts& parts : ports_) {
      if (absl::Status s = parts.small->Start(); !s.ok()) return s;
      if (!parts.large) continue;
      if (absl::Status s = parts.large->Start(); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

  const NicFacts& nic_;
  const PacketOptions& options_;
  const SmallRing small_;
  bool fanout_ = true;
  std::optional<uint16_t> group_;
  std::vector<PacketPort::Parts> ports_;
};

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Port>>> OpenPacketPorts(const std::string& name,
                                                                   const PacketOptions& options) {
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  const auto nic = UsableNic(name);
  if (!nic.ok()) return nic.status();
  Opening opening(*nic, options);
  absl::Status status = options.allow_fanout ? opening.OpenGroup() : opening.OpenSingle();
  const bool single = options.allow_fanout && options.steering.shards == 1;
  if (absl::IsUnavailable(status) && single) status = opening.OpenSingle();
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("interface ", name, ": ", std::string(status.message())));
  }
  return std::move(opening).Finish();
}

}  // namespace gateway::io
