// The fleet's packets: the fast way in and out for what is inside ESP, the slow one for the rest.
#include <algorithm>
#include <utility>

#include "gateway/load/fleet.h"
#include "gateway/shard/segment.h"
#include "stack/ip/ip4_in.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/udp.h"

namespace gateway::load {
namespace {

namespace esp = crypto::esp;
using stack::ByteView;
using stack::Drop;
using stack::PacketBuf;
using stack::wire::IpProtocol;

constexpr uint8_t kUdpProtocol = 17;
constexpr size_t kUdpHeader = 8;
constexpr size_t kShortestEsp = 16;  // header, and less than any suite adds

}  // namespace

// ---- Out --------------------------------------------------------------------------------------

void Fleet::SendOuter(uint32_t client, PacketBuf packet, const Parcel& parcel) {
  if (!env_.lan->hop() || !places_.Outbound(client, packet.bytes())) {
    return drops_.Add(env_.lan->hop() ? Drop::kNoService : Drop::kUnresolved);
  }
  if (!env_.lan->Push(packet, *env_.lan->hop())) return drops_.Add(Drop::kTooBig);
  env_.outlet->Add(std::move(packet), {}, parcel);
}

bool Fleet::Send(absl::Time now, uint32_t client, PacketBuf packet, const Parcel& parcel) {
  Subscriber& who = *subscribers_[client];
  if (who.state != State::kUp || !packet) return false;
  if (packet.size() > who.up.mtu) {
    ++too_big_;
    return false;
  }
  Sealing& sealing = sealing_[seals_];
  sealing = {std::move(packet), client, parcel};
  esp::OutboundSa* const sa = who.client->Wrap(now, sealing.packet);
  if (sa == nullptr) return false;
  seal_jobs_[seals_] = {&sealing.packet, sa, kUdpProtocol};
  if (++seals_ == kBatch) FlushSends();
  return true;
}

void Fleet::FlushSends() {
  if (seals_ == 0) return;
  const size_t count = std::exchange(seals_, 0);
  esp::Seal(*engine_, std::span(seal_jobs_).first(count));
  for (size_t i = 0; i < count; ++i) {
    Sealing& sealing = sealing_[i];
    Drop drop = seal_jobs_[i].drop;
    if (drop == Drop::kNone) {
      drop = subscribers_[sealing.client]->client->Encapsulate(sealing.packet);
    }
    if (drop != Drop::kNone) {
      drops_.Add(drop);
      sealing.packet.Release();
    } else {
      SendOuter(sealing.client, std::move(sealing.packet), sealing.parcel);
    }
  }
}

// ---- In ---------------------------------------------------------------------------------------

Fleet::Subscriber* Fleet::At(stack::Ip4 destination, uint16_t port) {
  const auto client = places_.ClientAt(destination, port);
  if (!client || *client >= subscribers_.size()) return nullptr;
  Subscriber* const who = subscribers_[*client].get();
  return who->client == nullptr ? nullptr : who;
}

void Fleet::OnFrame(absl::Time now, const io::RxFrame& frame) {
  if (frame.truncated) return drops_.Add(Drop::kRingTruncated);
  const auto ethernet = stack::wire::Ethernet::Parse(frame.bytes);
  if (!ethernet.ok()) return;
  if (ethernet->type() == stack::wire::EtherType::kArp) {
    return env_.lan->OnArp(ethernet->payload());
  }
  if (ethernet->type() != stack::wire::EtherType::kIp4) return;
  const auto ip = stack::wire::Ip4Packet::Parse(ethernet->payload());
  if (!ip.ok()) return drops_.Add(ip.error());
  if (!env_.lan->IsOurs(ip->destination())) return;
  if (ip->source() != options_.server) return drops_.Add(Drop::kNotOurs);
  if (ip->is_fragment() || !OnFast(now, *ip, frame.vnet)) OnSlow(now, frame);
}

// ESP, by itself or in UDP, perhaps many datagrams in one frame. The outer UDP checksum is not
// looked at: ESP has its own (RFC 3948 section 2.1). False: it is something else.
bool Fleet::OnFast(absl::Time now, const stack::wire::Ip4Packet& ip, const io::VnetHdr& vnet) {
  const ByteView payload = ip.payload();
  if (ip.protocol() == IpProtocol::kEsp) {
    if (Subscriber* const who = At(ip.destination(), 0)) Collect(now, who->number, payload);
    return true;
  }
  if (ip.protocol() != IpProtocol::kUdp || payload.size() < kUdpHeader + kShortestEsp) return false;
  const uint16_t port = stack::Load16(&payload[2]);
  ByteView left = payload.subspan(kUdpHeader);
  if (!places_.IsFloated(port) || stack::Load32(left.data()) == 0) return false;
  const Subscriber* const who = At(ip.destination(), port);
  if (who == nullptr) return true;
  const size_t step = vnet.IsSuperframe() && vnet.gso_size > 0 ? vnet.gso_size : left.size();
  while (!left.empty()) {
    const size_t size = std::min(step, left.size());
    Collect(now, who->number, left.first(size));
    left = left.subspan(size);
  }
  return true;
}

void Fleet::Collect(absl::Time now, uint32_t client, ByteView packet) {
  if (packet.size() < kShortestEsp) return drops_.Add(Drop::kTruncated);
  const Subscriber& who = *subscribers_[client];
  esp::InboundSa* const sa =
      who.client == nullptr ? nullptr : who.client->InboundOf({stack::Load32(packet.data())});
  if (sa == nullptr) return drops_.Add(Drop::kUnknownSpi);
  Opening& opening = opening_[opens_];
  opening = {env_.pool->Copy(packet), client};
  if (!opening.packet) return drops_.Add(Drop::kPoolDry);
  open_jobs_[opens_] = {opening.packet.bytes(), sa};
  if (++opens_ == kBatch) OpenCollected(now);
}

void Fleet::OnBatchEnd(absl::Time now) {
  if (opens_ > 0) OpenCollected(now);
}

void Fleet::OpenCollected(absl::Time now) {
  const size_t count = std::exchange(opens_, 0);
  esp::Open(*engine_, std::span(open_jobs_).first(count));
  for (size_t i = 0; i < count; ++i) {
    PacketBuf packet = std::move(opening_[i].packet);
    const esp::OpenJob& job = open_jobs_[i];
    Subscriber& who = *subscribers_[opening_[i].client];
    if (job.drop != Drop::kNone || who.client == nullptr) {
      drops_.Add(job.drop != Drop::kNone ? job.drop : Drop::kPeerGone);
      continue;
    }
    packet.Pull(static_cast<size_t>(job.payload.data() - packet.bytes().data()));
    packet.Trim(packet.size() - job.payload.size());
    if (who.client->OnOpened(now, packet, job.next_header, out_)) {
      env_.sink->OnInner(now, who.number, std::as_const(packet).bytes());
    } else {
      Drain(now, who);
    }
  }
}

// Whatever is left, whole packet by whole packet, in its order with what was collected before it.
void Fleet::OnSlow(absl::Time now, const io::RxFrame& frame) {
  OnBatchEnd(now);
  shard::Segmenter segments(frame.bytes, frame.vnet);
  if (segments.drop() != Drop::kNone) return drops_.Add(segments.drop());
  for (size_t i = 0; i < segments.count(); ++i) {
    PacketBuf packet = segments.Next(*env_.pool);
    if (!packet) return drops_.Add(Drop::kPoolDry);
    packet.Pull(stack::wire::Ethernet::kSize);
    auto arrival = stack::ip::In(packet);
    if (arrival.ok() && arrival->is_fragment) {
      packet = reassembly_.Add(now, std::move(packet));
      if (!packet) continue;
      arrival = stack::ip::In(packet);
    }
    if (!arrival.ok()) {
      drops_.Add(arrival.error());
      continue;
    }
    const ByteView payload = arrival->packet.payload();
    const bool has_ports = arrival->packet.protocol() == IpProtocol::kUdp && payload.size() >= 4;
    Subscriber* const who =
        At(arrival->packet.destination(), has_ports ? stack::Load16(&payload[2]) : uint16_t{0});
    if (who == nullptr || !places_.Inbound(who->number, packet.bytes())) continue;
    who->client->OnPacket(now, std::move(packet), out_);
    Drain(now, *who);
  }
}

}  // namespace gateway::load
