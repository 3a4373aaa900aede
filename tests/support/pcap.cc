#include "tests/support/pcap.h"

#include "tests/support/vectors.h"

namespace test {
namespace {

constexpr size_t kFileHeader = 24;
constexpr size_t kRecordHeader = 16;

// A number of the file, in the file's byte order.
uint32_t Number(stack::ByteView file, size_t at, bool big_endian) {
  const uint32_t value = stack::Load32(file.data() + at);
  return big_endian ? value : __builtin_bswap32(value);
}

}  // namespace

Pcap::Pcap(const std::string& path) : file_(stack::ToBytes(stack::AsBytes(ReadFile(path)))) {
  const stack::ByteView file(file_);
  if (file.size() < kFileHeader) return;
  const uint32_t magic = stack::Load32(file.data());
  const bool big_endian = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d;
  const uint32_t host_magic = big_endian ? magic : __builtin_bswap32(magic);
  if (host_magic != 0xa1b2c3d4 && host_magic != 0xa1b23c4d) return;
  const absl::Duration tick =
      host_magic == 0xa1b2c3d4 ? absl::Microseconds(1) : absl::Nanoseconds(1);
  link_type_ = Number(file, 20, big_endian) & 0xffff;

  for (size_t at = kFileHeader; file.size() - at >= kRecordHeader;) {
    const absl::Time time = absl::FromUnixSeconds(Number(file, at, big_endian)) +
                            tick * static_cast<int64_t>(Number(file, at + 4, big_endian));
    const size_t caught = Number(file, at + 8, big_endian);
    const size_t original = Number(file, at + 12, big_endian);
    at += kRecordHeader;
    if (caught > file.size() - at) return;
    if (caught == original) frames_.push_back({time, file.subspan(at, caught)});
    at += caught;
  }
}

Ip4Payload Ip4PayloadOf(const Pcap& pcap, const Frame& frame) {
  Ip4Payload out;
  stack::Reader in(frame.bytes);
  if (pcap.link_type() == Pcap::kEthernet) {
    in.Skip(12);
    if (in.U16() != 0x0800) return out;
  }
  const uint8_t version_length = in.U8();
  const size_t header = size_t{version_length & 0x0fU} * 4;
  in.Skip(1);
  const size_t total = in.U16();
  in.Skip(2);
  const bool is_fragment = (in.U16() & 0x3fff) != 0;
  in.Skip(1);
  out.protocol = in.U8();
  in.Skip(2);
  out.source = in.U32();
  out.destination = in.U32();
  if (!in.ok() || version_length >> 4 != 4 || header < 20 || total < header || is_fragment)
    return {};
  in.Skip(header - 20);
  stack::Reader payload = in.Part(total - header);
  if (out.protocol == 17) {
    out.source_port = payload.U16();
    out.destination_port = payload.U16();
    payload.Skip(4);
  }
  if (!payload.ok()) return {};
  out.bytes = payload.Rest();
  return out;
}

std::string DataPath(const std::string& name) { return std::string(ADIT_TEST_DATA) + "/" + name; }

}  // namespace test
