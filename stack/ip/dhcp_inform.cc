#include "stack/ip/dhcp_inform.h"

#include <algorithm>
#include <array>
#include <optional>

#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/wire/dhcp4.h"

namespace stack::ip {
namespace {

using wire::Dhcp4;
using wire::DhcpOption;

constexpr size_t kRoom = 1800;  // 64 routes twice, and all else
constexpr size_t kMaxOption = 255;
constexpr size_t kMaxRoute = 1 + 4 + 4;

bool Asks(const std::optional<ByteView>& list, DhcpOption code) {
  const auto octet = static_cast<std::byte>(code);
  return !list || std::find(list->begin(), list->end(), octet) != list->end();
}

void PutDns(wire::Dhcp4Writer& to, std::span<const Ip4> dns) {
  std::array<std::byte, 16> octets;
  Writer list(octets);
  for (const Ip4 ip : dns) {
    if (!ip.IsZero()) list.U32(ip.value);
  }
  if (list.ok() && list.used() > 0) {
    to.Option(DhcpOption::kDomainNameServer, ByteView(octets).first(list.used()));
  }
}

// RFC 3442: the length of the prefix, as many of its octets as that covers, the router. More than
// one option holds is said in several, each of whole routes: not every client joins them first.
void PutRoutes(wire::Dhcp4Writer& to, DhcpOption code, const InformFacts& facts) {
  std::array<std::byte, kMaxOption> octets;
  size_t used = 0;
  for (const Prefix& route : facts.routes) {
    if (used + kMaxRoute > kMaxOption) {
      to.Option(code, ByteView(octets).first(used));
      used = 0;
    }
    Writer one(ByteSpan(octets).subspan(used));
    one.U8(route.length);
    std::array<std::byte, 4> network;
    Store32(network.data(), route.network().value);
    one.Put(ByteView(network).first((route.length + size_t{7}) / 8));
    one.U32(facts.server.value);
    used += one.used();
  }
  if (used > 0) to.Option(code, ByteView(octets).first(used));
}

size_t WriteAck(ByteSpan out, const Dhcp4& inform, const InformFacts& facts) {
  wire::Dhcp4Fields fields;
  fields.op = wire::DhcpOp::kReply;
  fields.xid = inform.xid();
  fields.ciaddr = facts.client;
  wire::Dhcp4Writer to(out, fields, wire::DhcpType::kAck);
  to.Option(DhcpOption::kServerIdentifier, facts.server);
  const auto list = inform.Option(DhcpOption::kParameterRequestList);
  if (Asks(list, DhcpOption::kSubnetMask)) to.Option32(DhcpOption::kSubnetMask, 0xffffffff);
  if (Asks(list, DhcpOption::kDomainNameServer)) PutDns(to, facts.dns);
  if (!facts.domain.empty() && Asks(list, DhcpOption::kDomainName)) {
    to.Option(DhcpOption::kDomainName, AsBytes(facts.domain));
  }
  for (const auto code : {DhcpOption::kClasslessRoutes, DhcpOption::kClasslessRoutesMicrosoft}) {
    if (Asks(list, code)) PutRoutes(to, code, facts);
  }
  return to.Finish();
}

}  // namespace

Result<PacketBuf, Drop> AnswerInform(const InformFacts& facts, ByteView question,
                                     PacketPool& pool) {
  const Result<Dhcp4, Drop> inform = Dhcp4::ParseAnyHardware(question);
  if (!inform) return inform.error();
  if (inform->op() != wire::DhcpOp::kRequest || inform->type() != wire::DhcpType::kInform) {
    return Drop::kDhcpIgnored;
  }
  PacketBuf ack = pool.Get(kRoom);
  if (!ack) return Drop::kPoolDry;
  const size_t size = WriteAck(ack.Append(kRoom), *inform, facts);
  if (size == 0) return Drop::kTooBig;
  ack.Trim(kRoom - size);
  inform->CopyHardwareTo(ack.bytes());
  const Endpoint from{facts.server, wire::kDhcpServerPort};
  const Endpoint to{facts.client, wire::kDhcpClientPort};
  Drop drop = PushUdp(ack, from, to, UdpChecksum::kHonest);
  if (drop == Drop::kNone) drop = Push(ack, {.source = from.ip, .destination = to.ip});
  if (drop != Drop::kNone) return drop;
  return ack;
}

}  // namespace stack::ip
