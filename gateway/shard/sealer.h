// The tail of the way down, from a PPP or L2TP frame to the wire: stages 8 to 14. Data comes in
// batches, control frames of the machines one at a time, at their own entry.
#pragma once

#include <array>
#include <span>

#include "absl/time/time.h"
#include "crypto/esp/seal.h"
#include "gateway/shard/packet.h"
#include "gateway/shard/peer.h"
#include "gateway/shard/tables.h"
#include "stack/ip/udp_ports.h"

namespace gateway::shard {

class Sealer {
 public:
  explicit Sealer(Tables& tables) : tables_(tables) {}

  // IPv4 packets with `session` set, each no larger than the session's MTU. Leaves the batch empty.
  void SendData(absl::Time now, Batch& batch);
  // One PPP frame of a session's machine.
  void SendPpp(absl::Time now, Session& session, stack::PacketBuf frame);
  // One L2TP control message for the client's `port`.
  void SendL2tp(absl::Time now, Peer& peer, uint16_t port, stack::PacketBuf message);
  // One IKE message: in clear, with the non-ESP marker on port 4500 (RFC 3948 section 2.2).
  void SendIke(absl::Time now, const ike::Path& path, stack::PacketBuf message);

  // The octet that keeps a NAT from forgetting the path (RFC 3948 section 2.3).
  void SendKeepalive(absl::Time now, const ike::Path& path);

  // The largest IPv4 packet that goes through this child in one piece, given the outer MTU; 0 if
  // none does.
  static uint16_t TunnelMtu(const Child& child, size_t outer_mtu);

 private:
  stack::Drop PushTunnel(Packet& packet);
  void SealAll(absl::Time now, Batch& batch);
  stack::Drop PushOuter(Packet& packet);
  stack::Drop Emit(absl::Time now, Packet& packet);
  void SealOne(absl::Time now, Peer& peer, uint16_t port, stack::PacketBuf message);
  void SendUdp(absl::Time now, const ike::Path& path, stack::PacketBuf& payload,
               stack::ip::UdpChecksum checksum);
  stack::Drop SendIp(absl::Time now, stack::PacketBuf& packet, stack::Ip4 destination,
                     bool own_esp = false);

  Tables& tables_;
  std::array<esp::SealJob, kBatch> jobs_;
};

}  // namespace gateway::shard
