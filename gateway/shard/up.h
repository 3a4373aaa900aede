// The way up, client -> internet: from an ESP packet to the link on the other side (stages 6 to
// 15).
#pragma once

#include <array>

#include "absl/time/time.h"
#include "crypto/esp/open.h"
#include "gateway/shard/down.h"
#include "gateway/shard/fifo.h"
#include "gateway/shard/packet.h"
#include "gateway/shard/post.h"
#include "gateway/shard/tables.h"
#include "stack/l2tp/data.h"

namespace gateway::shard {

class Peers;

class Up {
 public:
  Up(Tables& tables, Peers& peers, Fifo& fifo, Down& down, Post& post)
      : tables_(tables),
        peers_(peers),
        fifo_(fifo),
        down_(down),
        post_(post),
        batch_(tables.stats) {}

  // An ESP packet for us, from its SPI on, with its outer ends (ports 0 for protocol 50).
  void Add(absl::Time now, stack::PacketBuf packet, const stack::Endpoint& from,
           const stack::Endpoint& to, bool udp_encapsulated);
  // The same, of memory that stays as it is until TakeOver.
  void AddBorrowed(absl::Time now, stack::ByteView packet, const stack::Endpoint& from,
                   const stack::Endpoint& to, bool udp_encapsulated);
  // Nothing is borrowed any more.
  void TakeOver(absl::Time now) {
    if (borrows_) Run(now);
  }
  void Run(absl::Time now);

 private:
  stack::Drop FindSa(Packet& packet);
  stack::Drop PassOn(Packet& packet, esp::Spi spi);
  void OpenAll(absl::Time now);
  stack::Drop TakeOpened(absl::Time now, Packet& packet, const esp::OpenJob& job);
  stack::Drop PullL2tp(absl::Time now, Packet& packet);
  stack::Drop PutAside(absl::Time now, Packet& packet, const stack::l2tp::DataHeader& header,
                       uint16_t port);
  stack::Drop PutBehindCall(Packet& packet, const stack::l2tp::DataHeader& header);
  stack::Drop PullPpp(Packet& packet);
  stack::Drop PullInner(Packet& packet);
  stack::Drop Reassemble(absl::Time now, Packet& packet);
  stack::Drop AnswerInform(absl::Time now, Packet& packet);
  stack::Drop Route(absl::Time now, Packet& packet);
  bool IsForAClient(const Packet& packet) const;
  stack::Drop TurnBack(absl::Time now, Packet& packet);
  stack::Drop ToUs(absl::Time now, Packet& packet);
  void Refuse(absl::Time now, const Packet& packet, stack::wire::UnreachableCode code,
              uint16_t mtu = 0);
  stack::Drop NatOutbound(absl::Time now, Packet& packet);
  stack::Drop Emit(absl::Time now, Packet& packet);

  Tables& tables_;
  Peers& peers_;
  Fifo& fifo_;
  Down& down_;
  Post& post_;
  Batch batch_;
  bool borrows_ = false;
  std::array<esp::OpenJob, kBatch> jobs_;
};

}  // namespace gateway::shard
