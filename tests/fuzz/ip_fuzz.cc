// An IPv4 packet as a stranger sends it: the gate, then each transport view, echo, errors,
// fragmentation.
#include "stack/ip/icmp.h"
#include "stack/ip/ip4_in.h"
#include "stack/ip/ip4_out.h"
#include "stack/ip/udp_ports.h"
#include "stack/wire/esp.h"
#include "stack/wire/tcp.h"

namespace {

using namespace stack;

void ReadTransport(const wire::Ip4Packet& packet) {
  if (const auto tcp = wire::Tcp::Parse(packet.payload())) {
    (void)tcp->ChecksumHolds(packet.source(), packet.destination());
    const auto at = tcp->MssOffset();
    if (at && *at + 2 > tcp->header_size()) __builtin_trap();
  }
  if (const auto udp = wire::Udp::Parse(packet.payload())) {
    (void)udp->ChecksumHolds(packet.source(), packet.destination());
  }
  if (const auto icmp = wire::Icmp4::Parse(packet.payload())) {
    if (const auto quoted = wire::Ip4Packet::ParseQuoted(icmp->payload())) {
      (void)quoted->payload();
      (void)quoted->options();
    }
  }
}

void CutAndCheck(PacketBuf packet, PacketPool& pool, size_t mtu) {
  std::vector<PacketBuf> out;
  const size_t payload = wire::Ip4Packet::Parse(packet.bytes())->payload().size();
  if (ip::Fragment(std::move(packet), mtu, pool, out) != Drop::kNone) return;
  size_t sum = 0;
  for (PacketBuf& fragment : out) {
    const auto view = wire::Ip4Packet::Parse(fragment.bytes());
    if (!view || !view->ChecksumHolds() || fragment.size() > mtu) __builtin_trap();
    sum += view->payload().size();
  }
  if (sum != payload) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static PacketPool pool(4096, 2);
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  PacketBuf buf = pool.Copy(AsBytes(data, size));
  if (!buf) return 0;
  if (buf.size() >= 20) {
    // Mutants seldom carry the right sum, and would all end there.
    const size_t header = (static_cast<uint8_t>(buf.bytes()[0]) & 15U) * 4;
    if (header >= 20 && header <= buf.size()) wire::FillIp4Checksum(buf.bytes());
  }
  const auto arrival = ip::In(buf);
  if (!arrival) return 0;
  const wire::Ip4Packet packet = arrival->packet;
  ReadTransport(packet);
  ip::Icmp icmp({}, pool);
  auto error = icmp.Unreachable(now, {buf.bytes(), {0xc0000201}}, wire::UnreachableCode::kPort);
  if (error && ip::Icmp::MayReport({error->bytes(), {0xc0000202}})) __builtin_trap();
  CutAndCheck(pool.Copy(buf.bytes()), pool, 68);
  CutAndCheck(pool.Copy(buf.bytes()), pool, 576);
  PacketBuf datagram = pool.Copy(packet.payload());
  (void)ip::PullUdp(datagram, packet.source(), packet.destination(), ip::UdpChecksum::kHonest);
  if (icmp.AnswerEcho(now, buf) == Drop::kNone) {
    const auto reply = wire::Ip4Packet::Parse(buf.bytes());
    if (!reply || !reply->ChecksumHolds() || reply->bytes().size() != buf.size()) __builtin_trap();
    if (!wire::Icmp4::Parse(reply->payload())->ChecksumHolds()) __builtin_trap();
  }
  return 0;
}
