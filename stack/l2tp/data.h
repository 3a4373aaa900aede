// L2TP data header on the fast path: pull upstream (before PPP), push downstream (after PPP).
//
// RFC 2661 sections 3.1 and 5.4. Every mix of L, S, O and P is taken; what is sent is the 6-octet
// header without any of them, which all known clients take (Android checks an L it finds to the
// octet and mirrors S, so neither is volunteered).
#pragma once

#include "stack/base/packet_buf.h"
#include "stack/wire/l2tp.h"

namespace stack::l2tp {

struct DataHeader {
  wire::TunnelId tunnel;    // ours
  wire::SessionId session;  // ours
  bool has_sequence = false;
  uint16_t ns = 0;
};

inline constexpr size_t kDataHeader = 6;            // as PushData writes it
inline constexpr size_t kSequencedDataHeader = 10;  // as PushSequencedData writes it

// The first octet tells control from data; false for an empty datagram.
inline bool IsControl(ByteView datagram) {
  return !datagram.empty() && (datagram[0] & std::byte{0x80}) != std::byte{0};
}

// Takes the header off, with offset padding and whatever follows the Length; the PPP frame is left.
// kTruncated, or kL2tpMalformed also for a control message; the buffer is then untouched.
inline Result<DataHeader, Drop> PullData(PacketBuf& buf) {
  const auto header = wire::L2tp::Parse(std::as_const(buf).bytes());
  if (!header.ok()) return header.error();
  if (header->is_control()) return Drop::kL2tpMalformed;
  const size_t trailing = buf.size() - header->header_size() - header->payload().size();
  buf.Pull(header->header_size());
  buf.Trim(trailing);
  return DataHeader{header->tunnel(), header->session(), header->has_sequence(), header->ns()};
}

// Puts the header before the PPP frame in `buf`; the ids are the peer's. False without headroom.
inline bool PushData(PacketBuf& buf, wire::TunnelId tunnel, wire::SessionId session) {
  const ByteSpan header = buf.Push(kDataHeader);
  if (header.empty()) return false;
  Store16(header.data(), wire::l2tp_bits::kVersion);
  Store16(header.data() + 2, tunnel.value);
  Store16(header.data() + 4, session.value);
  return true;
}

// The same with Ns, for a peer that demands it (Sequencing Required AVP). The caller counts `ns`
// from 0, one for each packet of the session. Nr is reserved in data messages and sent as 0.
inline bool PushSequencedData(PacketBuf& buf, wire::TunnelId tunnel, wire::SessionId session,
                              uint16_t ns) {
  const ByteSpan header = buf.Push(kSequencedDataHeader);
  if (header.empty()) return false;
  Store16(header.data(), wire::l2tp_bits::kSequence | wire::l2tp_bits::kVersion);
  Store16(header.data() + 2, tunnel.value);
  Store16(header.data() + 4, session.value);
  Store16(header.data() + 6, ns);
  Store16(header.data() + 8, 0);
  return true;
}

}  // namespace stack::l2tp
