// What leaves by one interface, in batches: frames are collected and sent together, and what
// traffic was in them is booked when the interface has taken them, or has not.
//
// With `merge`, consecutive ESP-in-UDP frames of one track and one size leave as one UDP
// superframe, as a sender's kernel makes them of one sendmsg.
#pragma once

#include <cstdint>
#include <vector>

#include "gateway/io/port.h"
#include "gateway/load/tally.h"
#include "stack/base/packet_buf.h"

namespace gateway::load {

// What is in a frame of the traffic that is counted: `packets` of a track, up to and without number
// `end`; `octets` of inner packets. No track: nothing.
struct Parcel {
  Track* track = nullptr;
  Tally* tally = nullptr;
  uint32_t end = 0;
  uint32_t packets = 0;
  uint32_t octets = 0;
};

class Prepared;

class Outlet {
 public:
  // `port` outlives the object.
  Outlet(io::Port& port, bool merge);

  // A frame with its Ethernet header.
  void Add(stack::PacketBuf frame, const io::VnetHdr& vnet = {}, const Parcel& parcel = {});
  // The same, of memory that stays as it is until Flush.
  void AddBorrowed(stack::ByteView frame, const io::VnetHdr& vnet, const Parcel& parcel);
  void Flush();
  // From now on nothing is sent; it is put aside in `to` (nullptr: it is sent again). Flushes
  // first.
  void PutAside(Prepared* to);

  uint64_t refused() const { return refused_; }  // frames, since the beginning

 private:
  struct Item {
    stack::PacketBuf buf;  // without slot: borrowed
    stack::ByteView bytes;
    io::VnetHdr vnet;
    Parcel parcel;
  };

  size_t RunFrom(size_t first) const;
  void Merge(size_t first, size_t count);
  void Send();

  io::Port& port_;
  const bool merge_;
  Prepared* aside_ = nullptr;
  std::vector<Item> items_;
  std::vector<io::TxFrame> frames_;    // of the flush that is under way
  std::vector<Parcel> parcels_;        // of each of them
  std::vector<stack::ByteView> more_;  // what the frames' `more` points into
  uint64_t refused_ = 0;
};

// Frames that were made and sealed ahead, to be sent as they are.
class Prepared {
 public:
  void Add(const io::TxFrame& frame, const Parcel& parcel);
  // Hands frames with `packets` packets or a few more to `outlet`; fewer if there are no more.
  // Gives their number of packets. They stay where they are until Clear.
  size_t Send(size_t packets, Outlet& outlet);
  bool empty() const { return next_ == records_.size(); }
  size_t packets() const { return packets_; }  // put in since the last Clear
  void Clear();

 private:
  static constexpr size_t kChunk = size_t{16} << 20U;
  struct Record {
    stack::ByteView bytes;
    io::VnetHdr vnet;
    Parcel parcel;
  };

  std::byte* Room(size_t size);

  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  size_t chunk_ = 0, used_ = kChunk;  // of the last chunk in use
  std::vector<Record> records_;
  size_t next_ = 0;
  size_t packets_ = 0;
};

}  // namespace gateway::load
