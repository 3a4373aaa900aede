#include "stack/link/address_check.h"

#include "stack/wire/ethernet.h"

namespace stack::link {

void AddressCheck::Start(absl::Time now, Ip4 ip, Out& out) {
  ip_ = ip;
  sent_ = 0;
  Probe(now, out);
}

// Sender address zero: nobody may learn from a probe what is not certain yet.
void AddressCheck::Probe(absl::Time now, Out& out) {
  next_ = now + (++sent_ < kProbes ? kInterval : kSilence);
  constexpr size_t kFrame = wire::Ethernet::kSize + wire::Arp::kSize;
  PacketBuf* frame = out.Frame(kFrame);
  if (frame == nullptr) return;
  const ByteSpan bytes = frame->Append(kFrame);
  wire::WriteEthernet(bytes, Mac::Broadcast(), mac_, wire::EtherType::kArp);
  const wire::Arp probe{.operation = wire::ArpOperation::kRequest,
                        .sender_mac = mac_,
                        .sender_ip = {},
                        .target_mac = {},
                        .target_ip = ip_};
  probe.Write(bytes.subspan(wire::Ethernet::kSize));
}

void AddressCheck::OnPacket(absl::Time, const In& packet, Out& out) {
  const Result<wire::Arp, Drop> arp = wire::Arp::Parse(packet);
  if (!arp) return out.Tell(arp.error());
  if (arp->sender_mac == mac_) return out.Tell(Drop::kSwallowed);  // thrown back by a switch
  if (!busy()) return;
  const bool has_it = arp->sender_ip == ip_;
  const bool wants_it = arp->operation == wire::ArpOperation::kRequest && arp->sender_ip.IsZero() &&
                        arp->target_ip == ip_;
  if (!has_it && !wants_it) return;
  out.Tell(AddressTaken{ip_, arp->sender_mac});
  End();
}

void AddressCheck::OnDeadline(absl::Time now, Out& out) {
  if (now < next_) return;
  if (sent_ < kProbes) return Probe(now, out);
  out.Tell(AddressFree{ip_});
  End();
}

}  // namespace stack::link
