// What frames cost by themselves: the I/O of the gateway without the gateway. perf/targets holds
// adit against it (the row's sum is this and bench_esp's ESP, measured in the same run).
//
//   io_limit forward NEAR FAR merge|apart|whole
//   io_limit send NEAR udp|esp|tcp PACKETS SIZE RATE SECONDS
//
// `forward` takes frames from either interface, as a shard does (rings, batches of 64), and sends
// them out of the other from where they lie: no copy, no look at more than lengths. It ends with
// SIGTERM, and says how many packets the kernel took. `merge`: equal
// frames in a row leave as one UDP superframe; `apart`: superframes leave as frames of their own;
// `whole`: as they came. `send` makes the traffic: superframes of PACKETS segments with SIZE octets
// of payload each (udp, tcp), or as many frames in a row (esp), RATE packets a second; it prints
// begin and end (CLOCK_MONOTONIC seconds) and the packets sent.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "gateway/io/clock.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/packet_ring.h"
#include "stack/base/checksum.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip4.h"
#include "stack/wire/udp.h"

namespace {

using gateway::io::EventLoop;
using gateway::io::Port;
using gateway::io::RxFrame;
using gateway::io::TxFrame;
using gateway::io::VnetHdr;
using stack::ByteSpan;
using stack::ByteView;
using stack::wire::IpProtocol;

constexpr size_t kIp = 14, kTransport = 34;
constexpr size_t kUdpHeaders = kTransport + 8, kTcpHeaders = kTransport + 20;
constexpr size_t kMostPieces = 44;     // of one superframe of full-sized packets
constexpr size_t kTunnelHeaders = 86;  // what a packet up loses on its way

volatile std::sig_atomic_t stop = 0;

constexpr stack::Endpoint kFrom{{0xc6120101}, 4500}, kTo{{0xc6120001}, 4500};

// Ethernet, IPv4 and as much of UDP or TCP as the kernel wants, for `payload` octets; gives the
// headers' size. The destination is nobody's: the other end's kernel throws the frame away.
size_t WriteHeaders(ByteSpan to, IpProtocol protocol, size_t payload) {
  const size_t headers = protocol == IpProtocol::kUdp   ? kUdpHeaders
                         : protocol == IpProtocol::kTcp ? kTcpHeaders
                                                        : kTransport;
  const size_t transport = headers - kTransport + payload;
  stack::wire::WriteEthernet(to, {{2, 0, 0, 0, 0, 7}}, {{2, 0, 0, 0, 0, 1}},
                             stack::wire::EtherType::kIp4);
  stack::wire::Ip4Fields fields;
  fields.source = kFrom.ip;
  fields.destination = kTo.ip;
  fields.protocol = protocol;
  stack::wire::WriteIp4(to.subspan(kIp), fields, transport);
  const uint16_t partial = stack::Fold(stack::PseudoHeaderSum(
      kFrom.ip, kTo.ip, static_cast<uint8_t>(protocol), static_cast<uint16_t>(transport)));
  if (protocol == IpProtocol::kUdp) {
    stack::wire::WriteUdp(to.subspan(kTransport), kFrom.port, kTo.port, payload);
    stack::Store16(&to[kTransport + 6], partial);
  } else if (protocol == IpProtocol::kTcp) {
    stack::Writer w(to.subspan(kTransport));
    w.U16(kFrom.port);
    w.U16(kTo.port);
    w.Zeros(8);
    w.U32(0x50100400);  // no options, ACK
    w.U16(partial);
    w.U16(0);
  }
  return headers;
}

VnetHdr Superframe(IpProtocol protocol, size_t segment) {
  return {
      .flags = VnetHdr::kNeedsChecksum,
      .gso_type = protocol == IpProtocol::kUdp ? VnetHdr::kGsoUdp4 : VnetHdr::kGsoTcp4,
      .hdr_len = static_cast<uint16_t>(protocol == IpProtocol::kUdp ? kUdpHeaders : kTcpHeaders),
      .gso_size = static_cast<uint16_t>(segment),
      .csum_start = kTransport,
      .csum_offset = static_cast<uint16_t>(protocol == IpProtocol::kUdp ? 6 : 16)};
}

TxFrame Frame(ByteView bytes, const VnetHdr& vnet = {}) {
  TxFrame frame;
  frame.bytes = bytes;
  frame.vnet = vnet;
  return frame;
}

std::unique_ptr<Port> Open(const char* name, bool xdp = false) {
  gateway::io::PacketOptions options;
  options.xdp = xdp;
  auto ports = gateway::io::OpenPacketPorts(name, options);
  if (ports.ok()) return std::move(ports->front());
  std::fprintf(stderr, "%s: %s\n", name, std::string(ports.status().message()).c_str());
  return nullptr;
}

// One direction of `forward`.
class Way {
 public:
  Way(Port& in, Port& out, std::string_view how) : in_(in), out_(out), how_(how) {
    headers_.resize(gateway::io::kBatch);
    tx_.reserve(kMostFrames);
    pieces_.reserve(kMostFrames);
  }

  bool Round() {
    RxFrame frames[gateway::io::kBatch];
    const size_t count = in_.Receive(frames);
    if (count == 0) return false;
    tx_.clear();
    in_each_.clear();
    pieces_.clear();
    for (size_t i = 0; i < count;) i += Take({frames + i, count - i});
    out_.Send(tx_);
    for (size_t i = 0; i < tx_.size(); ++i) packets_ += tx_[i].ok ? in_each_[i] : 0;
    in_.Release();
    return true;
  }
  uint64_t packets() const { return packets_; }

 private:
  static constexpr size_t kMostFrames = gateway::io::kBatch * 48;

  // What becomes of the first of them; how many go with it.
  size_t Take(std::span<const RxFrame> frames) {
    const RxFrame& first = frames.front();
    if (!first.vnet.IsSuperframe()) return how_ == "merge" ? Merge(frames) : Plain(first.bytes);
    const size_t headers = first.vnet.gso_type == VnetHdr::kGsoTcp4 ? kTcpHeaders : kUdpHeaders;
    const size_t segments =
        (first.bytes.size() - headers + first.vnet.gso_size - 1) / first.vnet.gso_size;
    if (how_ == "apart") {
      for (size_t at = headers; at < first.bytes.size(); at += first.vnet.gso_size) {
        const size_t left = first.bytes.size() - at;
        Plain(first.bytes.subspan(at - headers,
                                  headers + std::min<size_t>(left, first.vnet.gso_size)));
      }
      return 1;
    }
    Add(Frame(first.bytes, first.vnet), segments);
    return 1;
  }

  void Add(const TxFrame& frame, size_t packets) {
    if (tx_.size() == kMostFrames) return;
    tx_.push_back(frame);
    in_each_.push_back(packets);
  }

  size_t Plain(ByteView frame) {
    Add(Frame(frame), 1);
    return 1;
  }

  size_t Merge(std::span<const RxFrame> frames) {
    const size_t size = frames.front().bytes.size();
    if (size <= kUdpHeaders + kTunnelHeaders) return Plain(frames.front().bytes);
    const size_t begin = pieces_.size();
    size_t count = 0;
    for (; count < std::min(frames.size(), kMostPieces); ++count) {
      if (frames[count].bytes.size() != size || frames[count].vnet.IsSuperframe()) break;
      pieces_.push_back(frames[count].bytes.subspan(kUdpHeaders + kTunnelHeaders));
    }
    const size_t payload = size - kUdpHeaders - kTunnelHeaders;
    auto& headers = headers_[tx_.size() % headers_.size()];
    WriteHeaders(headers, IpProtocol::kUdp, payload * count);
    TxFrame frame = Frame(headers, count > 1 ? Superframe(IpProtocol::kUdp, payload) : VnetHdr{});
    frame.more = std::span(pieces_).subspan(begin, count);
    Add(frame, count);
    return count;
  }

  Port& in_;
  Port& out_;
  const std::string_view how_;
  std::vector<std::array<std::byte, kUdpHeaders>> headers_;
  std::vector<ByteView> pieces_;
  std::vector<TxFrame> tx_;
  std::vector<size_t> in_each_;  // packets of each of tx_
  uint64_t packets_ = 0;
};

int Forward(const char* near, const char* far, const char* how, bool xdp) {
  const std::unique_ptr<Port> a = Open(near, xdp), b = Open(far, xdp);
  if (!a || !b) return 1;
  EventLoop loop;
  for (Port* port : {a.get(), b.get()}) {
    for (const int fd : port->fds()) (void)loop.Add(fd, 0);
  }
  Way up(*a, *b, how), down(*b, *a, how);
  std::puts("running");
  std::fflush(stdout);
  while (stop == 0) {
    if (!(static_cast<int>(up.Round()) | static_cast<int>(down.Round())))
      loop.Wait(absl::Seconds(1));
  }
  std::printf("%llu\n", static_cast<unsigned long long>(up.packets() + down.packets()));
  return 0;
}

double Seconds() { return absl::ToDoubleSeconds(gateway::io::MonotonicNow() - absl::UnixEpoch()); }

int Send(const char* interface, std::string_view kind, size_t packets, size_t size, double rate,
         double seconds) {
  const std::unique_ptr<Port> port = Open(interface);
  const IpProtocol protocol = kind == "udp"   ? IpProtocol::kUdp
                              : kind == "tcp" ? IpProtocol::kTcp
                                              : IpProtocol::kEsp;
  if (!port || packets == 0 || packets > gateway::io::kBatch || size == 0 ||
      size * packets > 65000) {
    return 1;
  }
  const size_t segments = protocol == IpProtocol::kEsp ? 1 : packets;
  std::vector<std::byte> frame(kTcpHeaders + size * segments);
  frame.resize(WriteHeaders(frame, protocol, size * segments) + size * segments);
  std::vector<TxFrame> burst(packets / segments, Frame(frame));
  if (protocol != IpProtocol::kEsp) burst.front().vnet = Superframe(protocol, size);
  uint64_t sent = 0, refused = 0;
  const double begin = Seconds();
  double now = begin;
  for (; stop == 0 && now - begin < seconds; now = Seconds()) {
    if (static_cast<double>(sent) > rate * (now - begin)) continue;
    refused += segments * (burst.size() - port->Send(burst));
    sent += packets;
  }
  std::printf("%.6f %.6f %llu\n", begin, now, static_cast<unsigned long long>(sent - refused));
  return 0;
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGTERM, [](int) { stop = 1; });
  const std::string_view what = count > 1 ? words[1] : "";
  if (what == "forward" && (count == 5 || count == 6)) {
    return Forward(words[2], words[3], words[4], count == 6 && words[5] == std::string_view("xdp"));
  }
  if (what == "send" && count == 8) {
    return Send(words[2], words[3], std::strtoul(words[4], nullptr, 10),
                std::strtoul(words[5], nullptr, 10), std::strtod(words[6], nullptr),
                std::strtod(words[7], nullptr));
  }
  std::fputs(
      "io_limit forward NEAR FAR merge|apart|whole [xdp]\n"
      "io_limit send NEAR udp|esp|tcp PACKETS SIZE RATE SECONDS\n",
      stderr);
  return 2;
}
