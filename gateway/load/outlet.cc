#include "gateway/load/outlet.h"

#include <algorithm>
#include <utility>

#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"

namespace gateway::load {
namespace {

constexpr size_t kCapacity = 256;
constexpr size_t kEthernet = 14, kHeaders = kEthernet + 20 + 8;
// One UDP superframe: what the kernel takes (UDP_MAX_SEGMENTS of older ones), and what one IPv4
// packet holds.
constexpr size_t kMostSegments = 64, kMostOctets = 65000;
constexpr std::byte kUdp{17};

}  // namespace

Outlet::Outlet(io::Port& port, bool merge) : port_(port), merge_(merge) {
  items_.reserve(kCapacity);
  frames_.reserve(kCapacity);
  parcels_.reserve(kCapacity);
  more_.reserve(kCapacity);
}

void Outlet::Add(stack::PacketBuf frame, const io::VnetHdr& vnet, const Parcel& parcel) {
  if (!frame) return;
  const stack::ByteView bytes = std::as_const(frame).bytes();
  items_.push_back({std::move(frame), bytes, vnet, parcel});
  if (items_.size() == kCapacity) Flush();
}

void Outlet::AddBorrowed(stack::ByteView frame, const io::VnetHdr& vnet, const Parcel& parcel) {
  items_.push_back({{}, frame, vnet, parcel});
  if (items_.size() == kCapacity) Flush();
}

void Outlet::PutAside(Prepared* to) {
  Flush();
  aside_ = to;
}

// How many items from `first` on make one frame.
size_t Outlet::RunFrom(size_t first) const {
  const Item& head = items_[first];
  const bool can = merge_ && head.buf && head.parcel.track != nullptr &&
                   head.bytes.size() > kHeaders && head.bytes[kEthernet + 9] == kUdp;
  if (!can) return 1;
  const size_t payload = head.bytes.size() - kHeaders;
  size_t count = 1;
  for (; first + count < items_.size() && count < kMostSegments; ++count) {
    const Item& item = items_[first + count];
    if (item.parcel.track != head.parcel.track || item.bytes.size() != head.bytes.size() ||
        (count + 1) * payload > kMostOctets) {
      break;
    }
  }
  return count;
}

// The first frame's headers become those of all.
void Outlet::Merge(size_t first, size_t count) {
  Item& head = items_[first];
  const stack::ByteSpan frame = head.buf.bytes();
  const size_t payload = frame.size() - kHeaders;
  const auto udp_length = static_cast<uint16_t>(8 + count * payload);
  stack::Store16(&frame[kEthernet + 2], static_cast<uint16_t>(20 + udp_length));
  stack::wire::FillIp4Checksum(frame.subspan(kEthernet));
  stack::Store16(&frame[kEthernet + 24], udp_length);
  const stack::Sum pseudo =
      stack::PseudoHeaderSum({stack::Load32(&frame[kEthernet + 12])},
                             {stack::Load32(&frame[kEthernet + 16])}, 17, udp_length);
  stack::Store16(&frame[kEthernet + 26], stack::Fold(pseudo));
  io::TxFrame& tx = frames_.back();
  tx.vnet = {io::VnetHdr::kNeedsChecksum,    io::VnetHdr::kGsoUdp4, kHeaders,
             static_cast<uint16_t>(payload), kEthernet + 20,        6};
  const size_t begin = more_.size();
  for (size_t i = first + 1; i < first + count; ++i) {
    more_.push_back(items_[i].bytes.subspan(kHeaders));
    Parcel& parcel = parcels_.back();
    parcel.end = items_[i].parcel.end;
    parcel.packets += items_[i].parcel.packets;
    parcel.octets += items_[i].parcel.octets;
  }
  tx.more = std::span(more_).subspan(begin);
}

void Outlet::Flush() {
  for (size_t i = 0; i < items_.size();) {
    const size_t count = RunFrom(i);
    frames_.push_back({.bytes = items_[i].bytes, .more = {}, .vnet = items_[i].vnet});
    parcels_.push_back(items_[i].parcel);
    if (count > 1) Merge(i, count);
    i += count;
  }
  if (!frames_.empty()) Send();
  items_.clear();
  frames_.clear();
  parcels_.clear();
  more_.clear();
}

void Outlet::Send() {
  if (aside_ != nullptr) {
    for (size_t i = 0; i < frames_.size(); ++i) aside_->Add(frames_[i], parcels_[i]);
    return;
  }
  refused_ += frames_.size() - port_.Send(frames_);
  for (size_t i = 0; i < frames_.size(); ++i) {
    const Parcel& parcel = parcels_[i];
    if (parcel.track == nullptr) continue;
    parcel.track->OnSent(parcel.end);
    if (frames_[i].ok) {
      parcel.tally->sent += parcel.packets;
      parcel.tally->sent_octets += parcel.octets;
    } else {
      parcel.tally->refused += parcel.packets;
    }
  }
}

// ---- Prepared ---------------------------------------------------------------------------------

std::byte* Prepared::Room(size_t size) {
  if (used_ + size > kChunk) {
    if (!records_.empty()) ++chunk_;
    if (chunk_ == chunks_.size()) {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
    }
    used_ = 0;
  }
  std::byte* const room = chunks_[chunk_].get() + used_;
  used_ += size;
  return room;
}

void Prepared::Add(const io::TxFrame& frame, const Parcel& parcel) {
  size_t size = frame.bytes.size();
  for (const stack::ByteView piece : frame.more) size += piece.size();
  std::byte* const room = Room(size);
  std::byte* to = std::copy(frame.bytes.begin(), frame.bytes.end(), room);
  for (const stack::ByteView piece : frame.more) to = std::copy(piece.begin(), piece.end(), to);
  records_.push_back({{room, size}, frame.vnet, parcel});
  packets_ += parcel.packets;
}

size_t Prepared::Send(size_t packets, Outlet& outlet) {
  size_t sent = 0;
  while (sent < packets && next_ < records_.size()) {
    const Record& record = records_[next_++];
    outlet.AddBorrowed(record.bytes, record.vnet, record.parcel);
    sent += record.parcel.packets;
  }
  return sent;
}

void Prepared::Clear() {
  records_.clear();
  chunk_ = 0;
  used_ = kChunk;
  next_ = packets_ = 0;
}

}  // namespace gateway::load
