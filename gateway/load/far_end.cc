#include "gateway/load/far_end.h"

#include <utility>

#include "stack/base/checksum.h"
#include "stack/wire/ethernet.h"

namespace gateway::load {
namespace {

using stack::Drop;
using stack::wire::IpProtocol;

}  // namespace

void FarEnd::OnFrame(absl::Time now, const io::RxFrame& frame, FarSink& sink) {
  if (frame.truncated) return drops_.Add(Drop::kRingTruncated);
  const auto ethernet = stack::wire::Ethernet::Parse(frame.bytes);
  if (!ethernet.ok()) return;
  if (ethernet->type() == stack::wire::EtherType::kArp) return lan_.OnArp(ethernet->payload());
  if (ethernet->type() != stack::wire::EtherType::kIp4) return;
  const auto ip = stack::wire::Ip4Packet::Parse(ethernet->payload());
  if (!ip.ok()) return drops_.Add(ip.error());
  if (ip->destination() != address()) return;
  if (!ip->ChecksumHolds()) return drops_.Add(Drop::kBadChecksum);
  const auto segment = ReadSegment(*ip);
  if (!segment) return drops_.Add(Drop::kNoService);
  if (segment->protocol == IpProtocol::kIcmp) {
    if (segment->flags == 8) AnswerEcho(*ip, ethernet->source());
    return;
  }
  FarSink::Arrival arrival{*segment, segment->payload.size(), false, {}};
  if (frame.vnet.IsSuperframe() && frame.vnet.gso_size > 0) arrival.size = frame.vnet.gso_size;
  arrival.sum_is_due = frame.vnet.flags == 0 && !frame.vnet.IsSuperframe();
  arrival.from = {segment->from, ethernet->source()};
  sink.OnFar(now, arrival);
}

void FarEnd::AnswerEcho(const stack::wire::Ip4Packet& request, const stack::Mac& from) {
  stack::PacketBuf reply = pool_.Copy(request.bytes());
  if (!reply) return;
  const stack::ByteSpan bytes = reply.bytes();
  stack::wire::SetSource(bytes, request.destination());
  stack::wire::SetDestination(bytes, request.source());
  stack::wire::SetTtl(bytes, 64);
  const stack::ByteSpan icmp = bytes.subspan(request.header_size());
  icmp[0] = std::byte{0};
  stack::Store16(&icmp[2], stack::Update16(stack::Load16(&icmp[2]), 0x0800, 0));
  Send(std::move(reply), {{request.source(), 0}, from}, {}, {});
}

void FarEnd::Send(stack::PacketBuf packet, const FarPlace& to, const io::VnetHdr& vnet,
                  const Parcel& parcel) {
  const bool by_gateway = options_.far_gateway && options_.far_route.Contains(to.at.ip);
  if (by_gateway && !lan_.hop()) return drops_.Add(Drop::kUnresolved);
  if (!lan_.Push(packet, by_gateway ? *lan_.hop() : to.mac)) return drops_.Add(Drop::kTooBig);
  outlet_.Add(std::move(packet), vnet, parcel);
}

}  // namespace gateway::load
