// AF_PACKET ports against a real kernel: a veth pair with default offloads, whose other end is
// either a port as well (frames made by hand) or the kernel's own TCP and UDP.
#include "gateway/io/packet_ring.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gateway/io/clock.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/fd.h"
#include "gateway/io/nic.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/gateway/io/steering_frames.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

using ::testing::HasSubstr;
namespace frames = test::steering;

using Ports = std::vector<std::unique_ptr<Port>>;

PacketOptions Small(uint8_t shards = 1) {
  PacketOptions options;
  options.steering = frames::Rules(shards);
  options.small_slots = 512;
  options.large_slots = 30;
  return options;
}

Ports Open(const std::string& name, const PacketOptions& options) {
  auto ports = OpenPacketPorts(name, options);
  EXPECT_TRUE(ports.ok()) << ports.status();
  return ports.ok() ? std::move(*ports) : Ports{};
}

// An experimental frame with a number, told apart by its Ethernet type from whatever the kernel
// sends.
constexpr uint16_t kType = 0x88b5;
stack::Bytes Numbered(uint64_t number, size_t size = 64) {
  stack::Bytes frame(size, std::byte(number));
  stack::Writer w(frame);
  w.Put(stack::FromHex("020000000001 020000000002"));
  w.U16(kType);
  w.U64(number);
  return frame;
}
bool IsNumbered(stack::ByteView frame) {
  return frame.size() >= 22 && stack::Load16(&frame[12]) == kType;
}

bool SendOne(Port& port, stack::ByteView frame, const VnetHdr& vnet = {}) {
  TxFrame tx{frame, {}, vnet};
  return port.Send({&tx, 1}) == 1;
}

// Calls take(frame) for what comes, until it has returned true or nothing more comes.
template <class F>
bool ReceiveUntil(Port& port, F&& take, absl::Duration patience = absl::Seconds(10)) {
  EventLoop loop;
  for (const int fd : port.fds()) EXPECT_TRUE(loop.Add(fd, 0).ok());
  std::array<RxFrame, kBatch> batch;
  const absl::Time until = MonotonicNow() + patience;
  while (MonotonicNow() < until) {
    const size_t count = port.Receive(batch);
    bool done = false;
    for (const RxFrame& frame : std::span(batch).first(count)) done |= take(frame);
    port.Release();
    if (done) return true;
    if (count == 0) loop.Wait(std::min(until - MonotonicNow(), absl::Milliseconds(100)));
  }
  return false;
}

// All frames on their way to `ports`, as take(shard, frame) sees them: `sender` sends one more to
// each shard, and what comes before it is all there is.
template <class F>
void ReceiveAll(Ports& ports, Port& sender, F&& take) {
  for (size_t shard = 0; shard < ports.size(); ++shard) {
    const stack::Bytes last = frames::Esp(static_cast<uint32_t>(0xfeedbe00 + shard));
    ASSERT_TRUE(SendOne(sender, last));
    EXPECT_TRUE(ReceiveUntil(*ports[shard], [&](const RxFrame& frame) {
      if (stack::ToBytes(frame.bytes) == last) return true;
      take(shard, frame);
      return false;
    }));
  }
}

class PacketRing : public ::testing::Test {
 protected:
  void SetUp() override { ADIT_NEED_ROOT(); }
};

TEST_F(PacketRing, FramesComeWholeAndInOrderManyTimesRoundTheRing) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small()), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    ASSERT_EQ(ours.size() + theirs.size(), 2U);
    constexpr uint64_t kFrames = 5000;
    uint64_t expected = 0, wrong = 0;
    for (uint64_t sent = 0; sent < kFrames;) {
      for (int i = 0; i < 200; ++i, ++sent) {
        ASSERT_TRUE(SendOne(*theirs[0], Numbered(sent, 60 + sent % 1454)));
      }
      ASSERT_TRUE(ReceiveUntil(*ours[0], [&](const RxFrame& frame) {
        if (!IsNumbered(frame.bytes)) return false;
        const stack::Bytes should = Numbered(expected, 60 + expected % 1454);
        wrong += stack::ToBytes(frame.bytes) != should || frame.truncated ? 1 : 0;
        return ++expected == sent;
      })) << expected;
    }
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(ours[0]->stats().rx_missed, 0U);
    EXPECT_GE(ours[0]->stats().rx_frames, kFrames);
    EXPECT_EQ(theirs[0]->stats().tx_frames, kFrames);
  });
}

TEST_F(PacketRing, OwnFramesAreNotSeen) {
  test::InOwnThread([] {
    for (const bool fanout : {true, false}) {
      test::Namespaces net;
      PacketOptions options = Small();
      options.allow_fanout = fanout;
      Ports ours = Open("g0", options), theirs;
      net.InPeer([&] { theirs = Open("p0", Small()); });
      for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(SendOne(*ours[0], Numbered(i)));
      ASSERT_TRUE(SendOne(*theirs[0], Numbered(99)));
      std::multiset<uint64_t> seen;
      ReceiveAll(ours, *theirs[0], [&](size_t, const RxFrame& frame) {
        if (IsNumbered(frame.bytes)) seen.insert(stack::Load64(&frame.bytes[14]));
      });
      EXPECT_EQ(seen, std::multiset<uint64_t>{99}) << "fanout " << fanout;
    }
  });
}

// --- the kernel as sender ---

sockaddr_in SocketAddress(const char* ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

Fd KernelSocket(int type, const char* ip, uint16_t port) {
  Fd fd(socket(AF_INET, type | SOCK_NONBLOCK, 0));
  const sockaddr_in address = SocketAddress(ip, port);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

int Connect(const Fd& fd, const char* ip, uint16_t port) {
  const sockaddr_in address = SocketAddress(ip, port);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// What the tap saw of one TCP connection; the payload is checked by what it must be at its sequence
// number.
struct Seen {
  uint64_t bytes = 0, superframes = 0, wrong = 0, longest = 0;
  uint32_t first = 0;
  bool started = false;

  void Take(const RxFrame& frame) {
    const stack::ByteView f = frame.bytes;
    if (f.size() < 54 || stack::Load16(&f[12]) != 0x0800 || f[23] != std::byte{6}) return;
    const size_t header = 34 + 4 * (static_cast<size_t>(f[46]) >> 4);
    const size_t size = 14 + stack::Load16(&f[16]) - header;
    wrong += frame.truncated || f.size() < header + size ? 1 : 0;
    if (size == 0 || wrong != 0) return;
    CheckVnet(frame, header, size);
    const uint32_t sequence = stack::Load32(&f[38]);
    if (!started) first = sequence;
    started = true;
    const uint64_t at = sequence - first;  // what is seen again was sent again; a gap is our fault
    wrong += at > bytes ? 1 : 0;
    for (size_t i = 0; i < size; ++i) wrong += f[header + i] != std::byte((at + i) % 251) ? 1 : 0;
    bytes = std::max(bytes, at + size);
    longest = std::max<uint64_t>(longest, f.size());
  }
  void CheckVnet(const RxFrame& frame, size_t header, size_t size) {
    const stack::ByteView f = frame.bytes;
    if (frame.vnet.IsSuperframe()) {
      ++superframes;
      wrong += (frame.vnet.gso_type & ~VnetHdr::kGsoEcn) != VnetHdr::kGsoTcp4 ? 1 : 0;
      wrong += frame.vnet.gso_size == 0 || frame.vnet.gso_size > 1460 ? 1 : 0;
    } else {
      wrong += size > 1460 ? 1 : 0;
    }
    if (!frame.vnet.NeedsChecksum()) return;
    const stack::Sum pseudo =
        stack::PseudoHeaderSum({stack::Load32(&f[26])}, {stack::Load32(&f[30])}, 6,
                               static_cast<uint16_t>(header - 34 + size));
    wrong += frame.vnet.csum_start != 34 || frame.vnet.csum_offset != 16 ? 1 : 0;
    wrong += stack::Load16(&f[50]) != stack::Fold(pseudo) ? 1 : 0;
  }
};

// The peer's kernel sends to ours over a connection that we watch from the ring. The window is kept
// small, for the kernel sends what it allows whether we look or not.
class TcpFlow {
 public:
  explicit TcpFlow(test::Namespaces& net) : sink_(1 << 20), data_(251 * 1024) {
    net.Run("ip addr add 10.9.0.1/24 dev g0");
    listener_ = KernelSocket(SOCK_STREAM, "10.9.0.1", 5001);
    const int window = 200000;
    setsockopt(listener_.get(), SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    net.InPeer([this] { sender_ = KernelSocket(SOCK_STREAM, "10.9.0.2", 5002); });
    Connect(sender_, "10.9.0.1", 5001);
    for (size_t i = 0; i < data_.size(); ++i) data_[i] = std::byte(i % 251);
  }
  // Sends and reads what can be without waiting.
  void Step(size_t total) {
    if (!receiver_) receiver_ = Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    if (receiver_) (void)recv(receiver_.get(), sink_.data(), sink_.size(), 0);
    const size_t from = sent_ % data_.size();
    const size_t part = std::min(data_.size() - from, total - sent_);
    const ssize_t went = send(sender_.get(), &data_[from], part, MSG_NOSIGNAL);
    if (went > 0) sent_ += static_cast<size_t>(went);
  }

 private:
  Fd listener_, sender_, receiver_;
  stack::Bytes sink_, data_;
  size_t sent_ = 0;
};

Seen WatchTcp(test::Namespaces& net, Port& port, size_t total) {
  TcpFlow flow(net);
  Seen seen;
  std::array<RxFrame, kBatch> batch;
  const absl::Time until = MonotonicNow() + absl::Seconds(20);
  while (seen.bytes < total && MonotonicNow() < until) {
    flow.Step(total);
    while (const size_t count = port.Receive(batch)) {
      for (const RxFrame& frame : std::span(batch).first(count)) seen.Take(frame);
    }
  }
  return seen;
}

TEST_F(PacketRing, KernelTcpComesAsWholeSuperframesInOrder) {
  for (const bool fanout : {true, false}) {
    test::InOwnThread([fanout] {
      test::Namespaces net;
      PacketOptions options = Small();
      options.allow_fanout = fanout;
      Ports ours = Open("g0", options);
      ASSERT_EQ(ours.size(), 1U);
      EXPECT_EQ(ours[0]->fds().size(), fanout ? 2U : 1U);
      constexpr size_t kTotal = 8 << 20;
      const Seen seen = WatchTcp(net, *ours[0], kTotal);
      EXPECT_EQ(seen.bytes, kTotal);
      EXPECT_EQ(seen.wrong, 0U);
      EXPECT_GT(seen.superframes, 50U);
      EXPECT_GT(seen.longest, 20000U);
      EXPECT_EQ(ours[0]->stats().rx_missed, 0U);
      EXPECT_EQ(ours[0]->stats().rx_truncated, 0U);
    });
  }
}

TEST_F(PacketRing, KernelUdpComesWithPartialChecksumsAndAsSuperframes) {
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run("ip addr add 10.9.0.1/24 dev g0");
    Ports ours = Open("g0", Small());
    const Fd receiver = KernelSocket(SOCK_DGRAM, "10.9.0.1", 5001);
    Fd sender;
    net.InPeer([&] { sender = KernelSocket(SOCK_DGRAM, "10.9.0.2", 5002); });
    ASSERT_EQ(Connect(sender, "10.9.0.1", 5001), 0);
    const stack::Bytes payload(5000, std::byte{7});
    ASSERT_EQ(send(sender.get(), payload.data(), 100, 0), 100);
    const int segment = 1200;
    ASSERT_EQ(setsockopt(sender.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    ASSERT_EQ(send(sender.get(), payload.data(), payload.size(), 0), 5000) << strerror(errno);
    std::vector<std::pair<size_t, VnetHdr>> seen;
    ASSERT_TRUE(ReceiveUntil(*ours[0], [&](const RxFrame& frame) {
      if (frame.bytes.size() < 42 || frame.bytes[23] != std::byte{17}) return false;
      seen.emplace_back(frame.bytes.size(), frame.vnet);
      return seen.size() == 2;
    }));
    EXPECT_EQ(seen[0].first, 142U);
    EXPECT_TRUE(seen[0].second.NeedsChecksum());
    EXPECT_FALSE(seen[0].second.IsSuperframe());
    EXPECT_EQ(seen[1].first, 5042U);
    EXPECT_EQ(seen[1].second.gso_type, VnetHdr::kGsoUdp4);
    EXPECT_EQ(seen[1].second.gso_size, 1200);
    EXPECT_EQ(ours[0]->stats().rx_superframes, 1U);
  });
}

// --- the kernel as receiver ---

// UDP from 10.9.0.1:5001 to 10.9.0.2:5002 with a partial checksum, to the MAC of p0.
stack::Bytes KernelBound(stack::Mac to, stack::ByteView payload) {
  stack::Bytes frame(42 + payload.size());
  to.Store(frame.data());
  stack::Writer w(stack::ByteSpan(frame).subspan(6));
  w.Put(stack::FromHex("020000000077 0800 4500"));
  const auto udp_size = static_cast<uint16_t>(8 + payload.size());
  w.U16(static_cast<uint16_t>(20 + udp_size));
  w.Put(stack::FromHex("0001 4000 4011 0000"));
  w.U32(0x0a090001);
  w.U32(0x0a090002);
  w.U16(5001);
  w.U16(5002);
  w.U16(udp_size);
  w.U16(stack::Fold(stack::PseudoHeaderSum({0x0a090001}, {0x0a090002}, 17, udp_size)));
  w.Put(payload);
  stack::Store16(&frame[24], stack::Finish(stack::SumOf(stack::ByteView(frame).subspan(14, 20))));
  return frame;
}

std::vector<stack::Bytes> Datagrams(const Fd& fd, size_t count) {
  std::vector<stack::Bytes> datagrams;
  for (int tries = 0; tries < 500 && datagrams.size() < count; ++tries) {
    stack::Bytes datagram(65536);
    const ssize_t size = recv(fd.get(), datagram.data(), datagram.size(), 0);
    if (size < 0) {
      usleep(2000);
      continue;
    }
    datagram.resize(static_cast<size_t>(size));
    datagrams.push_back(std::move(datagram));
  }
  return datagrams;
}

TEST_F(PacketRing, SendsPartialChecksumsAndSuperframesInPieces) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small());
    Fd receiver;
    stack::Mac mac;
    net.InPeer([&] {
      receiver = KernelSocket(SOCK_DGRAM, "10.9.0.2", 5002);
      mac = ReadNic("p0")->mac;
    });
    ASSERT_TRUE(ours[0]->TakesUdpSuperframes());

    const stack::Bytes one = test::steering::Esp(0x01020304), frame = KernelBound(mac, one);
    VnetHdr partial{.flags = VnetHdr::kNeedsChecksum, .csum_start = 34, .csum_offset = 6};
    ASSERT_TRUE(SendOne(*ours[0], frame, partial));
    EXPECT_EQ(Datagrams(receiver, 1), std::vector<stack::Bytes>{one});

    // 40 datagrams of 1300 bytes and one of 100: headers first, then each payload where it lies.
    std::vector<stack::Bytes> payloads;
    stack::Bytes all;
    for (int i = 0; i < 41; ++i) payloads.emplace_back(i < 40 ? 1300 : 100, std::byte(i));
    for (const stack::Bytes& p : payloads) all.insert(all.end(), p.begin(), p.end());
    const stack::Bytes whole = KernelBound(mac, all);
    const std::vector<stack::ByteView> pieces(payloads.begin(), payloads.end());
    VnetHdr gso = partial;
    gso.gso_type = VnetHdr::kGsoUdp4;
    gso.hdr_len = 42;
    gso.gso_size = 1300;
    TxFrame tx{stack::ByteView(whole).first(42), pieces, gso};
    ASSERT_EQ(ours[0]->Send({&tx, 1}), 1U);
    EXPECT_TRUE(tx.ok);
    EXPECT_EQ(Datagrams(receiver, 41), payloads);
    EXPECT_EQ(ours[0]->stats().tx_superframes, 1U);
  });
}

TEST_F(PacketRing, ARefusedFrameDoesNotStopTheOthers) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small()), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    std::vector<stack::Bytes> store;
    for (uint64_t i = 0; i < 150; ++i) store.push_back(Numbered(i, i % 10 == 3 ? 3000 : 200));
    std::vector<TxFrame> batch(store.begin(), store.end());
    const std::vector<stack::ByteView> too_many(TxFrame::kMaxPieces + 1, stack::ByteView(store[0]));
    batch[5].more = too_many;
    EXPECT_EQ(ours[0]->Send(batch), 134U);
    for (size_t i = 0; i < batch.size(); ++i) EXPECT_EQ(batch[i].ok, i % 10 != 3 && i != 5) << i;
    EXPECT_EQ(ours[0]->stats().tx_failed, 16U);
    for (const TxFrame& frame : batch) EXPECT_EQ(frame.unfit, !frame.ok);
    uint64_t seen = 0;
    ReceiveAll(theirs, *ours[0],
               [&](size_t, const RxFrame& frame) { seen += IsNumbered(frame.bytes) ? 1 : 0; });
    EXPECT_EQ(seen, 134U);
  });
}

// --- several shards ---

stack::Bytes Superframe(uint32_t number, stack::Ip4 to) {
  stack::Bytes frame = frames::Frame(6, stack::Bytes(20 + 3000), {.to = to});
  stack::Store32(&frame[38], number);
  stack::Store16(&frame[46], 0x5010);
  stack::Store16(&frame[24], stack::Finish(stack::SumOf(stack::ByteView(frame).subspan(14, 20))));
  return frame;
}
constexpr VnetHdr kTcpSuperframe{VnetHdr::kNeedsChecksum, VnetHdr::kGsoTcp4, 54, 1000, 34, 16};

TEST_F(PacketRing, EachFrameComesToItsShardAndNoOther) {
  for (const uint8_t shards : std::vector<uint8_t>{1, 2, 4}) {
    test::InOwnThread([shards] {
      test::Namespaces net;
      Ports ours = Open("g0", Small(shards)), theirs;
      net.InPeer([&] { theirs = Open("p0", Small()); });
      ASSERT_EQ(ours.size(), shards);
      test::FixedRng rng(shards);
      std::multiset<std::string> sent, received;
      for (int i = 0; i < 300; ++i) {
        stack::Bytes frame = i % 10 != 0 ? frames::RandomFrame(rng)
                                         : Superframe(rng.U32(), {0x0a630000 + rng.U32() % 100});
        frame.resize(std::max<size_t>(frame.size(), 60));
        if (i % 10 != 0 && frame.size() > 1514) frame.resize(1514);
        ASSERT_TRUE(SendOne(*theirs[0], frame, i % 10 != 0 ? VnetHdr{} : kTcpSuperframe)) << i;
        sent.insert(stack::ToHex(frame));
      }
      size_t strayed = 0;
      std::map<size_t, size_t> per_shard;
      ReceiveAll(ours, *theirs[0], [&](size_t shard, const RxFrame& frame) {
        const std::string hex = stack::ToHex(frame.bytes);
        if (!sent.contains(hex)) return;
        received.insert(hex);
        ++per_shard[shard];
        strayed += ShardOf(frame.bytes, frames::Rules(shards)) != shard ? 1 : 0;
      });
      EXPECT_EQ(received, sent);
      EXPECT_EQ(strayed, 0U);
      for (size_t shard = 0; shard < shards; ++shard) EXPECT_GT(per_shard[shard], 20U) << shard;
    });
  }
}

TEST_F(PacketRing, OrderIsKeptAcrossTheTwoRings) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small(2)), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    const stack::Ip4 client{0x0a630003};
    uint32_t received = 0;
    uint64_t backwards = 0, superframes = 0;
    for (uint32_t sent = 0; sent < 2000;) {
      for (int i = 0; i < 25; ++i, ++sent) {
        stack::Bytes frame = Superframe(sent, client);
        if (sent % 3 != 0) frame.resize(200);
        ASSERT_TRUE(SendOne(*theirs[0], frame, sent % 3 == 0 ? kTcpSuperframe : VnetHdr{}));
      }
      ASSERT_TRUE(ReceiveUntil(*ours[1], [&](const RxFrame& frame) {
        if (ShardOf(frame.bytes, frames::Rules(2)) != 1) return false;
        backwards += stack::Load32(&frame.bytes[38]) != received ? 1 : 0;
        superframes += frame.vnet.IsSuperframe() ? 1 : 0;
        return ++received == sent;
      }));
    }
    EXPECT_EQ(backwards, 0U);
    EXPECT_EQ(superframes, 667U);
  });
}

TEST_F(PacketRing, NewRulesTakeEffect) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small(2)), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    const stack::Bytes frame = frames::Esp(1, {.to = {0x0b0b0b0b}});
    const auto shard_of_frame = [&] {
      std::vector<size_t> shards;
      EXPECT_TRUE(SendOne(*theirs[0], frame));
      ReceiveAll(ours, *theirs[0], [&](size_t shard, const RxFrame& f) {
        if (stack::ToBytes(f.bytes) == frame) shards.push_back(shard);
      });
      return shards;
    };
    EXPECT_EQ(shard_of_frame(), std::vector<size_t>{0});
    SteeringRules rules = frames::Rules(2);
    rules.own.push_back({0x0b0b0b0b});
    ASSERT_TRUE(ours[1]->Steer(rules).ok());
    EXPECT_EQ(shard_of_frame(), std::vector<size_t>{1});
    rules.shards = 0;
    EXPECT_TRUE(absl::IsInvalidArgument(ours[1]->Steer(rules)));
    EXPECT_EQ(shard_of_frame(), std::vector<size_t>{1}) << "the old rules stay";
  });
}

// --- trouble ---

TEST_F(PacketRing, WhatAFullRingMissesIsCounted) {
  test::InOwnThread([] {
    test::Namespaces net;
    PacketOptions options = Small();
    options.small_slots = 64;
    Ports ours = Open("g0", options), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    for (uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(SendOne(*theirs[0], Numbered(i)));
    uint64_t seen = 0;
    EXPECT_TRUE(ReceiveUntil(*ours[0], [&](const RxFrame& frame) {
      seen += IsNumbered(frame.bytes) ? 1 : 0;
      return seen == 64;
    }));
    ASSERT_TRUE(SendOne(*theirs[0], Numbered(100)));
    EXPECT_TRUE(ReceiveUntil(*ours[0], [](const RxFrame& frame) {
      return IsNumbered(frame.bytes) && stack::Load64(&frame.bytes[14]) == 100;
    })) << "free again";
    EXPECT_EQ(seen, 64U);
    EXPECT_EQ(ours[0]->stats().rx_missed, 36U);
  });
}

TEST_F(PacketRing, SurvivesAnInterfaceThatGoesDownAndUp) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", Small()), theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    net.Run("ip link set g0 down");
    EventLoop loop;
    for (const int fd : ours[0]->fds()) ASSERT_TRUE(loop.Add(fd, 0).ok());
    std::array<RxFrame, kBatch> batch;
    EXPECT_FALSE(loop.Wait(absl::Seconds(5)).empty());
    for (int i = 0; i < 40; ++i) ours[0]->Receive(batch);
    EXPECT_TRUE(loop.Wait(absl::ZeroDuration()).empty()) << "the shard would spin";
    EXPECT_GE(ours[0]->stats().link_errors, 1U);
    EXPECT_FALSE(SendOne(*ours[0], Numbered(1)));

    net.Run("ip link set g0 up");
    for (int i = 0; i < 100 && !SendOne(*theirs[0], Numbered(2)); ++i) usleep(10000);
    EXPECT_TRUE(
        ReceiveUntil(*ours[0], [](const RxFrame& frame) { return IsNumbered(frame.bytes); }));
    EXPECT_TRUE(SendOne(*ours[0], Numbered(3)));
  });
}

TEST_F(PacketRing, ErrorsSayWhatIsWrong) {
  test::InOwnThread([] {
    test::Namespaces net;
    const auto missing = OpenPacketPorts("eth9", Small()).status();
    EXPECT_TRUE(absl::IsNotFound(missing));
    EXPECT_THAT(std::string(missing.message()),
                HasSubstr("no such interface eth9 (there are: lo, g0)"));
    const auto loopback = OpenPacketPorts("lo", Small()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(loopback));
    net.Run("ip link set g0 down");
    const auto down = OpenPacketPorts("g0", Small()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(down));
    EXPECT_EQ(down.message(), "interface g0 is down");
    EXPECT_TRUE(absl::IsInvalidArgument(OpenPacketPorts("g0", Small(0)).status()));
    PacketOptions options = Small(2);
    options.allow_fanout = false;
    EXPECT_TRUE(absl::IsInvalidArgument(OpenPacketPorts("g0", options).status()));
  });
}

// Makes this thread (and no other) an ordinary user's, with these capabilities.
void BecomeNobody(uint64_t capabilities) {
  constexpr long kNobody = 65534;
  ASSERT_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
  ASSERT_EQ(syscall(SYS_setresgid, kNobody, kNobody, kNobody), 0);
  ASSERT_EQ(syscall(SYS_setresuid, kNobody, kNobody, kNobody), 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = static_cast<uint32_t>(capabilities);
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
}

TEST_F(PacketRing, CapNetRawIsAllItNeeds) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports theirs;
    net.InPeer([&] { theirs = Open("p0", Small()); });
    test::InOwnThread([&theirs] {
      BecomeNobody(1ULL << CAP_NET_RAW);
      PacketOptions options = Small(2);
      options.small_slots = 4096;
      options.large_slots = 60;
      Ports ours = Open("g0", options);
      ASSERT_EQ(ours.size(), 2U);
      ASSERT_TRUE(SendOne(*theirs[0], frames::Esp(0x103)));
      EXPECT_TRUE(ReceiveUntil(*ours[1], [](const RxFrame& frame) {
        return stack::ToBytes(frame.bytes) == frames::Esp(0x103);
      }));
      EXPECT_TRUE(SendOne(*ours[0], Numbered(1)));
    });
    test::InOwnThread([] {
      BecomeNobody(0);
      const auto status = OpenPacketPorts("g0", Small()).status();
      EXPECT_TRUE(absl::IsPermissionDenied(status));
      EXPECT_THAT(std::string(status.message()), HasSubstr("CAP_NET_RAW is missing"));
    });
  });
}

}  // namespace
}  // namespace gateway::io
