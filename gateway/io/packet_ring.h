// AF_PACKET ports of one interface, one a shard: whole Ethernet frames past the kernel's own stack,
// with CAP_NET_RAW as the only right. See packet(7) and the kernel's networking/packet_mmap
// document.
//
// Receiving: each shard has two TPACKET_V2 rings in one PACKET_FANOUT group, one of 2 KB slots and
// one of 68 KB slots that takes superframes whole. The fanout program (fanout.h) chooses shard and
// ring; the two rings of a shard are merged by the kernel's time stamps, so that order is kept.
// TPACKET_V3 would make a lone packet wait half a millisecond for its block, and one ring of large
// slots holds too few frames. Sending: sendmmsg on a socket of its own with protocol 0, which
// receives nothing. Both ways every frame has its virtio_net_hdr (port.h). Plain frames can leave
// by AF_XDP instead, which costs less (xdp_sender.h).
//
// Where the kernel refuses fanout and there is one shard, a single small ring with
// PACKET_COPY_THRESH serves: superframes then come through the socket's queue, which under load
// loses some.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/io/port.h"
#include "gateway/io/steer.h"

namespace gateway::io {

struct PacketOptions {
  SteeringRules steering;        // steering.shards ports are opened
  size_t small_slots = 4096;     // a shard; 8 MB: a burst must fit while the reader is kept off
  size_t large_slots = 60;       // a shard; 4 MB
  size_t send_buffer = 4 << 20;  // bytes; the kernel may cut it
  bool promiscuous = true;       // needed where adit's MAC is not the interface's
  bool allow_fanout = true;      // false: the single-ring way, for one shard only
  bool xdp = false;              // plain frames leave by AF_XDP; each shard by a queue of its own
};

// Opens the ports of interface `name`; element i belongs to shard i. They live and die together:
// close all of them before opening the interface again. Errors are for people:
//   PermissionDenied    CAP_NET_RAW is missing
//   NotFound            no such interface (the text lists those there are)
//   FailedPrecondition  the interface is down, or is no Ethernet, or AF_XDP is not to be had
//   InvalidArgument     options or rules out of range
//   Unavailable         the kernel refused something: the text says what and why
absl::StatusOr<std::vector<std::unique_ptr<Port>>> OpenPacketPorts(const std::string& name,
                                                                   const PacketOptions& options);

}  // namespace gateway::io
