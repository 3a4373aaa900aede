#include "stack/wire/tcp.h"

#include "stack/base/checksum.h"
#include "stack/wire/ip4.h"

namespace stack::wire {
namespace {

constexpr uint8_t kOptionEnd = 0, kOptionNop = 1, kOptionMss = 2;

Sum SegmentSum(ByteView segment, Ip4 source, Ip4 destination) {
  return SumOf(segment) + PseudoHeaderSum(source, destination,
                                          static_cast<uint8_t>(IpProtocol::kTcp),
                                          static_cast<uint16_t>(segment.size()));
}

}  // namespace

Result<Tcp, Drop> Tcp::Parse(ByteView bytes) {
  if (bytes.size() < kMinHeader) return Drop::kTruncated;
  const Tcp tcp(bytes);
  if (tcp.header_size() < kMinHeader) return Drop::kBadHeaderLength;
  if (tcp.header_size() > bytes.size()) return Drop::kTruncated;
  return tcp;
}

bool Tcp::ChecksumHolds(Ip4 source, Ip4 destination) const {
  return Finish(SegmentSum(bytes_, source, destination)) == 0;
}

std::optional<size_t> Tcp::MssOffset() const {
  Reader in(options());
  while (in.left() > 0) {
    const size_t at = header_size() - in.left();
    const uint8_t kind = in.U8();
    if (kind == kOptionEnd) return {};
    if (kind == kOptionNop) continue;
    const uint8_t length = in.U8();
    if (length < 2) return {};  // would not move on; also what a cut-off length reads as
    in.Skip(length - 2U);
    if (!in.ok()) return {};
    if (kind == kOptionMss && length == 4) return at + 2;
  }
  return {};
}

std::optional<uint16_t> Tcp::Mss() const {
  const std::optional<size_t> at = MssOffset();
  if (!at) return {};
  return Load16(bytes_.subspan(*at, 2).data());
}

void FillTcpChecksum(ByteSpan segment, Ip4 source, Ip4 destination) {
  std::byte* checksum = segment.subspan(Tcp::kChecksumOffset, 2).data();
  Store16(checksum, 0);
  Store16(checksum, Finish(SegmentSum(segment, source, destination)));
}

}  // namespace stack::wire
