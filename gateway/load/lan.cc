#include "gateway/load/lan.h"

#include <utility>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"

namespace gateway::load {
namespace {

using stack::wire::Arp;
using stack::wire::ArpOperation;

constexpr absl::Duration kAskAgain = absl::Milliseconds(500);
constexpr size_t kShortestFrame = 60;

}  // namespace

void Lan::OnArp(stack::ByteView payload) {
  const auto arp = Arp::Parse(payload);
  if (!arp.ok()) return;
  if (options_.hop && arp->sender_ip == *options_.hop) {
    hop_ = arp->sender_mac;
    ask_at_ = absl::InfiniteFuture();
  }
  const bool asks_us = arp->operation == ArpOperation::kRequest && IsOurs(arp->target_ip) &&
                       arp->sender_ip != arp->target_ip;
  if (asks_us) SendArp(true, arp->sender_mac, arp->target_ip, arp->sender_ip);
}

void Lan::OnDeadline(absl::Time now) {
  if (now < ask_at_) return;
  ask_at_ = options_.hop ? now + kAskAgain : absl::InfiniteFuture();
  if (options_.hop) SendArp(false, stack::Mac::Broadcast(), options_.first, *options_.hop);
}

void Lan::SendArp(bool is_reply, const stack::Mac& to, stack::Ip4 sender, stack::Ip4 target) {
  stack::PacketBuf frame = pool_.Get();
  const stack::ByteSpan bytes = frame.Append(kShortestFrame);
  if (bytes.empty()) return;
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  stack::wire::WriteEthernet(bytes, to, options_.mac, stack::wire::EtherType::kArp);
  const Arp arp{is_reply ? ArpOperation::kReply : ArpOperation::kRequest, options_.mac, sender,
                is_reply ? to : stack::Mac{}, target};
  arp.Write(bytes.subspan(stack::wire::Ethernet::kSize));
  outlet_.Add(std::move(frame));
}

bool Lan::Push(stack::PacketBuf& packet, const stack::Mac& to) const {
  const stack::ByteSpan header = packet.Push(stack::wire::Ethernet::kSize);
  if (header.empty()) return false;
  stack::wire::WriteEthernet(header, to, options_.mac, stack::wire::EtherType::kIp4);
  return true;
}

}  // namespace gateway::load
