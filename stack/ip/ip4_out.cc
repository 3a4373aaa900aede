#include "stack/ip/ip4_out.h"

#include <algorithm>
#include <array>
#include <utility>

namespace stack::ip {
namespace {

using wire::Ip4Packet;

constexpr uint16_t kMoreFragments = 0x2000;

// A header to put in front of each fragment, with its options.
struct Header {
  std::array<std::byte, Ip4Packet::kMaxHeader> bytes{};
  size_t size = 0;
  ByteView view() const { return ByteView(bytes).first(size); }
};

// The header of the fragments after the first: only options with the copied bit, padded to a word.
Header LaterHeader(const Ip4Packet& packet) {
  Header later;
  Writer to(later.bytes);
  to.Put(packet.header().first(Ip4Packet::kMinHeader));
  wire::Ip4OptionCursor options(packet.options());
  for (ByteView option = options.Next(); !option.empty(); option = options.Next()) {
    if ((static_cast<uint8_t>(option[0]) & wire::kIp4OptionCopied) != 0) to.Put(option);
  }
  later.size = (to.used() + 3) / 4 * 4;  // the rest is zero: End of Option List
  later.bytes[0] = static_cast<std::byte>(0x40 | later.size / 4);
  return later;
}

PacketBuf MakeFragment(PacketPool& pool, ByteView header, ByteView payload, uint16_t offset_field) {
  PacketBuf fragment = pool.Get(header.size() + payload.size());
  if (!fragment) return fragment;
  fragment.Assign(header);
  fragment.Assign(payload);
  Store16(fragment.bytes().data() + 2, static_cast<uint16_t>(fragment.size()));
  Store16(fragment.bytes().data() + 6, offset_field);
  wire::FillIp4Checksum(fragment.bytes());
  return fragment;
}

// Cuts; false if the pool ran dry on the way. Each fragment has room for at least 8 octets of
// payload.
bool Cut(const Ip4Packet& packet, size_t mtu, PacketPool& pool, std::vector<PacketBuf>& out) {
  const Header later = LaterHeader(packet);
  ByteView header = packet.header();
  ByteView payload = packet.payload();
  size_t offset = packet.fragment_offset();
  while (!payload.empty()) {
    const size_t room = mtu - header.size();
    const bool last = payload.size() <= room;
    const size_t size = last ? payload.size() : room / 8 * 8;
    const bool more = !last || packet.more_fragments();
    const auto field = static_cast<uint16_t>(offset / 8 | (more ? kMoreFragments : 0U));
    out.push_back(MakeFragment(pool, header, payload.first(size), field));
    if (!out.back()) return false;
    payload = payload.subspan(size);
    offset += size;
    header = later.view();
  }
  return true;
}

}  // namespace

Drop Push(PacketBuf& payload, const wire::Ip4Fields& fields) {
  const size_t size = payload.size();
  if (size > Ip4Packet::kMaxSize - Ip4Packet::kMinHeader) return Drop::kTooBig;
  const ByteSpan header = payload.Push(Ip4Packet::kMinHeader);
  if (header.empty()) return Drop::kTooBig;
  wire::WriteIp4(header, fields, size);
  return Drop::kNone;
}

Drop Fragment(PacketBuf&& packet, size_t mtu, PacketPool& pool, std::vector<PacketBuf>& out) {
  if (packet.size() <= mtu) {
    out.push_back(std::move(packet));
    return Drop::kNone;
  }
  const Result<Ip4Packet, Drop> view = Ip4Packet::Parse(packet.bytes());
  if (!view) return view.error();
  if (view->dont_fragment() || mtu < view->header_size() + 8) return Drop::kTooBig;
  const size_t before = out.size();
  if (!Cut(*view, mtu, pool, out)) {
    out.resize(before);
    return Drop::kPoolDry;
  }
  packet.Release();
  return Drop::kNone;
}

}  // namespace stack::ip
