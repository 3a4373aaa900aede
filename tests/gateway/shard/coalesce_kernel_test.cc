// Superframes as the gateway's last stage makes them, on a veth pair with its default offloads: the
// kernel's own sockets at the other end get what was merged.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gateway/io/fd.h"
#include "gateway/io/nic.h"
#include "gateway/io/packet_ring.h"
#include "gateway/shard/coalesce.h"
#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/support/frames.h"
#include "tests/support/netns.h"

namespace gateway::shard {
namespace {

using stack::Bytes;
using stack::ByteView;

constexpr stack::Mac kOurs{{2, 0, 0, 0, 0, 0x77}};
const stack::Endpoint kUs{{0x0a090001}, 5001}, kKernel{{0x0a090002}, 5002};

// Frames of ours to a kernel's socket in the peer's namespace, merged.
struct Scene {
  test::Namespaces net;
  std::vector<std::unique_ptr<io::Port>> ports;
  io::Fd socket;
  stack::Mac mac;  // of the peer
  stack::PacketPool pool{128, 1};
  IpIds ids{0, 1, 0};
  Coalescer coalescer{ids};
  std::vector<Outgoing> out;

  explicit Scene(int type) {
    io::PacketOptions options;
    options.small_slots = 512;
    options.large_slots = 30;
    auto opened = io::OpenPacketPorts("g0", options);
    if (opened.ok()) ports = *std::move(opened);
    EXPECT_TRUE(opened.ok()) << opened.status();
    net.InPeer([this, type] {
      socket = io::Fd(::socket(AF_INET, type | SOCK_NONBLOCK, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(kKernel.port);
      inet_pton(AF_INET, "10.9.0.2", &address.sin_addr);
      EXPECT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
      EXPECT_EQ(listen(socket.get(), 1), type == SOCK_STREAM ? 0 : -1);
      mac = io::ReadNic("p0")->mac;
      net.Run("ip neigh replace 10.9.0.1 lladdr 02:00:00:00:00:77 dev p0");
    });
  }
  Bytes Frame(const Bytes& packet) const {
    Bytes frame = test::EthernetFrame(mac, kOurs, 0x0800, packet);
    frame.resize(14 + packet.size());
    return frame;
  }
  // How many frames they made; all of them must be taken.
  size_t SendMerged() {
    const auto tx = coalescer.Merge(out, {.tcp = true, .udp = true});
    EXPECT_EQ(ports[0]->Send(tx), tx.size());
    return tx.size();
  }
  // Waits for a frame that `is_it` likes.
  bool Receive(const std::function<bool(ByteView)>& is_it) {
    std::array<io::RxFrame, io::kBatch> frames;
    for (int tries = 0; tries < 500; ++tries, usleep(2000)) {
      const size_t count = ports[0]->Receive(frames);
      for (const io::RxFrame& frame : std::span(frames).first(count)) {
        if (is_it(frame.bytes)) return true;
      }
    }
    return false;
  }
};

// What the socket gives, until it has given `size` octets; each read apart.
std::vector<Bytes> Read(const io::Fd& fd, size_t size) {
  std::vector<Bytes> parts;
  size_t got = 0;
  for (int tries = 0; tries < 500 && got < size; ++tries) {
    Bytes part(65536);
    const ssize_t length = recv(fd.get(), part.data(), part.size(), 0);
    if (length <= 0) {
      usleep(2000);
      continue;
    }
    part.resize(static_cast<size_t>(length));
    got += part.size();
    parts.push_back(std::move(part));
  }
  return parts;
}

TEST(CoalesceKernel, DatagramsReachASocket) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    Scene scene(SOCK_DGRAM);
    std::vector<Bytes> payloads;
    size_t total = 0;
    for (int i = 0; i < 100; ++i) {
      payloads.emplace_back(i < 99 ? 1000 : 10, std::byte(i));
      total += payloads.back().size();
      Bytes frame = scene.Frame(test::UdpPacket(kUs, kKernel, payloads.back()));
      stack::Store16(&frame[40], 0);  // as our ESP leaves: without a checksum
      scene.out.push_back({scene.pool.Copy(frame), true});
    }
    ASSERT_EQ(scene.SendMerged(), 2U);
    EXPECT_EQ(Read(scene.socket, total), payloads);
  });
}

// Our half of a connection.
struct Tcp {
  uint32_t sequence = 0x01020304, acknowledged = 0;

  Bytes Segment(uint8_t flags, ByteView payload) {
    Bytes packet = test::TcpPacket(kUs, kKernel, flags, payload, 0, {.dont_fragment = true});
    stack::Store32(&packet[24], sequence);
    stack::Store32(&packet[28], acknowledged);
    stack::Store16(&packet[36], 0);
    const auto length = static_cast<uint16_t>(packet.size() - 20);
    stack::Store16(&packet[36],
                   stack::Finish(stack::SumOf(ByteView(packet).subspan(20)) +
                                 stack::PseudoHeaderSum(kUs.ip, kKernel.ip, 6, length)));
    sequence += static_cast<uint32_t>(payload.size() + ((flags & 2U) != 0 ? 1 : 0));
    return packet;
  }
};

TEST(CoalesceKernel, SegmentsReachASocket) {
  ADIT_NEED_ROOT();
  test::InOwnThread([] {
    constexpr uint8_t kSyn = 2, kPsh = 8, kAck = 0x10;
    Scene scene(SOCK_STREAM);
    Tcp tcp;
    scene.out.push_back({scene.pool.Copy(scene.Frame(tcp.Segment(kSyn, {})))});
    ASSERT_EQ(scene.SendMerged(), 1U);
    ASSERT_TRUE(scene.Receive([&](ByteView frame) {
      if (frame.size() < 54 || frame[23] != std::byte{6}) return false;
      tcp.acknowledged = stack::Load32(&frame[38]) + 1;
      return frame[47] == std::byte{kSyn | kAck};
    }));
    Bytes data;
    scene.out.clear();
    for (int i = 0; i < 40; ++i) {
      const Bytes piece(i < 39 ? 1400 : 100, std::byte(i));
      data.insert(data.end(), piece.begin(), piece.end());
      const uint8_t flags = i < 39 ? kAck : kAck | kPsh;
      scene.out.push_back({scene.pool.Copy(scene.Frame(tcp.Segment(flags, piece)))});
    }
    ASSERT_EQ(scene.SendMerged(), 1U);
    io::Fd stream;
    for (int tries = 0; tries < 500 && !stream; ++tries, usleep(2000)) {
      stream = io::Fd(accept4(scene.socket.get(), nullptr, nullptr, SOCK_NONBLOCK));
    }
    ASSERT_TRUE(static_cast<bool>(stream));
    Bytes got;
    for (const Bytes& part : Read(stream, data.size())) {
      got.insert(got.end(), part.begin(), part.end());
    }
    EXPECT_EQ(got, data);
  });
}

}  // namespace
}  // namespace gateway::shard
