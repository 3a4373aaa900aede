// Ports whose plain frames leave by AF_XDP, against a real kernel: a veth pair, whose other end is
// an ordinary port.
#include "gateway/io/xdp_sender.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/io/clock.h"
#include "gateway/io/event_loop.h"
#include "gateway/io/packet_ring.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/support/netns.h"

namespace gateway::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Ports = std::vector<std::unique_ptr<Port>>;

PacketOptions ByXdp(uint8_t shards = 1) {
  PacketOptions options;
  options.steering.shards = shards;
  options.small_slots = 2048;
  options.large_slots = 30;
  options.xdp = true;
  return options;
}

Ports Open(const std::string& name, const PacketOptions& options) {
  auto ports = OpenPacketPorts(name, options);
  EXPECT_TRUE(ports.ok()) << ports.status();
  return ports.ok() ? std::move(*ports) : Ports{};
}

Ports OpenPeer(test::Namespaces& net) {
  Ports ports;
  PacketOptions options = ByXdp();
  options.xdp = false;
  net.InPeer([&] { ports = Open("p0", options); });
  return ports;
}

// A UDP datagram of 10.9.0.1 with `number` at the start of its payload, complete with its checksum.
// To a MAC that nobody has.
stack::Bytes Datagram(uint64_t number, size_t payload = 64) {
  stack::Bytes frame(42 + payload, std::byte(number));
  const auto udp_size = static_cast<uint16_t>(8 + payload);
  stack::Writer w(frame);
  w.Put(stack::FromHex("020000000001 020000000002 0800 4500"));
  w.U16(static_cast<uint16_t>(20 + udp_size));
  w.U32(0);
  w.U16(0x4011);
  w.U16(0);
  w.U32(0x0a090001);
  w.U32(0x0a090063);
  stack::Store16(&frame[24], stack::Finish(stack::SumOf(stack::ByteView(frame).subspan(14, 20))));
  w.U16(4500);
  w.U16(4500);
  w.U16(udp_size);
  w.U16(0);
  w.U64(number);
  const stack::Sum pseudo = stack::PseudoHeaderSum({0x0a090001}, {0x0a090063}, 17, udp_size);
  stack::Store16(&frame[40],
                 stack::Finish(pseudo + stack::SumOf(stack::ByteView(frame).subspan(34))));
  return frame;
}

// The same with a partial checksum, as VnetHdr has it.
stack::Bytes Partial(uint64_t number, size_t payload = 64) {
  stack::Bytes frame = Datagram(number, payload);
  const stack::Sum pseudo =
      stack::PseudoHeaderSum({0x0a090001}, {0x0a090063}, 17, static_cast<uint16_t>(8 + payload));
  stack::Store16(&frame[40], stack::Fold(pseudo));
  return frame;
}
constexpr VnetHdr kPartial{VnetHdr::kNeedsChecksum, VnetHdr::kGsoNone, 0, 0, 34, 6};
constexpr VnetHdr kTwoOf600{VnetHdr::kNeedsChecksum, VnetHdr::kGsoUdp4, 42, 600, 34, 6};

bool SendOne(Port& port, stack::ByteView frame) {
  TxFrame tx{frame, {}, {}};
  return port.Send({&tx, 1}) == 1;
}

// What comes until a number has come, or nothing more does.
std::vector<stack::Bytes> ReceiveUntil(Port& port, uint64_t last) {
  EventLoop loop;
  for (const int fd : port.fds()) EXPECT_TRUE(loop.Add(fd, 0).ok());
  std::array<RxFrame, kBatch> batch;
  std::vector<stack::Bytes> all;
  for (const absl::Time until = MonotonicNow() + absl::Seconds(5); MonotonicNow() < until;) {
    const size_t count = port.Receive(batch);
    for (const RxFrame& frame : std::span(batch).first(count)) {
      if (stack::Load16(&frame.bytes[12]) != 0x0800) continue;
      all.push_back(stack::ToBytes(frame.bytes));
      if (stack::Load64(&frame.bytes[42]) == last) return all;
    }
    if (count == 0) loop.Wait(absl::Milliseconds(100));
  }
  ADD_FAILURE() << "the last one has not come";
  return all;
}

std::vector<uint64_t> NumbersOf(const std::vector<stack::Bytes>& frames) {
  std::vector<uint64_t> numbers;
  for (const stack::Bytes& frame : frames) numbers.push_back(stack::Load64(&frame[42]));
  return numbers;
}

// The numbers of frames that leave by the transmit path of the kernel: what tcpdump would see.
class Tap {
 public:
  explicit Tap(const char* name) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)) {
    sockaddr_ll from{};
    from.sll_family = AF_PACKET;
    from.sll_protocol = htons(ETH_P_ALL);
    from.sll_ifindex = static_cast<int>(if_nametoindex(name));
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
  }
  std::vector<uint64_t> Seen() {
    std::vector<stack::Bytes> frames;
    stack::Bytes frame(4096);
    while (recv(fd_.get(), frame.data(), frame.size(), 0) > 0) frames.push_back(frame);
    return NumbersOf(frames);
  }

 private:
  Fd fd_;
};

class XdpSenderTest : public ::testing::Test {
 protected:
  void SetUp() override { ADIT_NEED_ROOT(); }
};

TEST_F(XdpSenderTest, FramesArriveWholeAndInOrderManyTimesRoundTheRing) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", ByXdp()), theirs = OpenPeer(net);
    ASSERT_EQ(ours.size() + theirs.size(), 2U);
    uint64_t number = 0;
    for (int batch = 0; batch < 60; ++batch) {
      std::vector<stack::Bytes> sent;
      std::array<TxFrame, kBatch> frames;
      std::array<std::array<stack::ByteView, 2>, kBatch> pieces;
      for (size_t i = 0; i < kBatch; ++i, ++number)
        sent.push_back(Datagram(number, 18 + number % 1455));
      for (size_t i = 0; i < kBatch; ++i) {
        const stack::ByteView whole = sent[i];
        pieces[i] = {whole.subspan(14, 20), whole.subspan(34)};
        frames[i] = {whole.first(14), pieces[i], {}};
      }
      ASSERT_EQ(ours[0]->Send(frames), kBatch);
      ASSERT_EQ(ReceiveUntil(*theirs[0], number - 1), sent);
    }
    EXPECT_EQ(ours[0]->stats().tx_frames, number);
    EXPECT_EQ(ours[0]->stats().tx_failed, 0U);
  });
}

// What AF_XDP cannot carry goes the other way, in its turn. Frames that leave by AF_XDP are told by
// their not being seen on the way out.
TEST_F(XdpSenderTest, SuperframesAndPartialChecksumsAndLongFramesKeepTheirPlace) {
  test::InOwnThread([] {
    test::Namespaces net;
    net.Run("ip link set g0 mtu 9000");
    net.InPeer([&] { net.Run("ip link set p0 mtu 9000"); });
    Ports ours = Open("g0", ByXdp()), theirs = OpenPeer(net);
    if (!ours[0]->TakesUdpSuperframes()) GTEST_SKIP() << "this kernel takes no UDP superframes";
    Tap tap("g0");
    const std::array<stack::Bytes, 7> sent = {Datagram(0),
                                              Partial(1),
                                              Datagram(2),
                                              Partial(3, 1200),
                                              Datagram(4),
                                              Datagram(5, 3000),
                                              Datagram(6, XdpSender::kMaxSize - 42)};
    std::array<TxFrame, 7> frames;
    for (size_t i = 0; i < sent.size(); ++i) frames[i].bytes = sent[i];
    frames[1].vnet = kPartial;
    frames[3].vnet = kTwoOf600;
    ASSERT_EQ(ours[0]->Send(frames), frames.size());
    EXPECT_THAT(NumbersOf(ReceiveUntil(*theirs[0], 6)), ElementsAre(0, 1, 2, 3, 4, 5, 6));
    EXPECT_THAT(tap.Seen(), ElementsAre(1, 3, 5));
    EXPECT_EQ(ours[0]->stats().tx_frames, 7U);
    EXPECT_EQ(ours[0]->stats().tx_superframes, 1U);
  });
}

TEST_F(XdpSenderTest, ReceivingStaysAsItIs) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", ByXdp()), theirs = OpenPeer(net);
    const stack::Bytes partial = Partial(1);
    TxFrame tx{partial, {}, kPartial};
    ASSERT_EQ(theirs[0]->Send({&tx, 1}), 1U);
    std::array<RxFrame, kBatch> batch;
    size_t count = 0;
    for (int i = 0; i < 500 && count == 0; ++i, usleep(1000)) count = ours[0]->Receive(batch);
    ASSERT_EQ(count, 1U);
    EXPECT_TRUE(batch[0].vnet.NeedsChecksum());
  });
}

TEST_F(XdpSenderTest, FramesThatAreTooShortAreRefusedAlone) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", ByXdp()), theirs = OpenPeer(net);
    const stack::Bytes one = Datagram(1), two = Datagram(2);
    std::array<TxFrame, 3> frames;
    frames[0].bytes = one;
    frames[1].bytes = stack::ByteView(one).first(13);
    frames[2].bytes = two;
    EXPECT_EQ(ours[0]->Send(frames), 2U);
    EXPECT_FALSE(frames[1].ok);
    EXPECT_THAT(NumbersOf(ReceiveUntil(*theirs[0], 2)), ElementsAre(1, 2));
    EXPECT_EQ(ours[0]->stats().tx_failed, 1U);
  });
}

TEST_F(XdpSenderTest, ALinkThatIsDownKeepsOneFrameAndNotMore) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", ByXdp()), theirs = OpenPeer(net);
    net.Run("ip link set g0 down");
    for (uint64_t i = 0; i < 1000; ++i) EXPECT_FALSE(SendOne(*ours[0], Datagram(i)));
    EXPECT_EQ(ours[0]->stats().tx_failed, 1000U);
    net.Run("ip link set g0 up");
    std::vector<uint64_t> numbers;
    ASSERT_TRUE(SendOne(*ours[0], Datagram(1000)));
    EXPECT_THAT(NumbersOf(ReceiveUntil(*theirs[0], 1000)), ElementsAre(0, 1000));
  });
}

TEST_F(XdpSenderTest, EachShardNeedsAQueue) {
  test::InOwnThread([] {
    test::Namespaces net;
    const auto refused = OpenPacketPorts("g0", ByXdp(2)).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("interface g0: it has no queue 1"));
    net.Run(
        "ip link add d0 numtxqueues 2 numrxqueues 2 type veth peer name d1; ip link set d0 up;"
        "ip link set d1 up");
    Ports ours = Open("d0", ByXdp(2));
    ASSERT_EQ(ours.size(), 2U);
    PacketOptions plain = ByXdp();
    plain.xdp = false;
    Ports theirs = Open("d1", plain);
    EXPECT_TRUE(SendOne(*ours[0], Datagram(1)));
    EXPECT_TRUE(SendOne(*ours[1], Datagram(2)));
    EXPECT_THAT(NumbersOf(ReceiveUntil(*theirs[0], 2)), ElementsAre(1, 2));
  });
}

TEST_F(XdpSenderTest, AQueueHasOneOwnerAndIsFreeAfterHim) {
  test::InOwnThread([] {
    test::Namespaces net;
    Ports ours = Open("g0", ByXdp());
    const auto second = OpenPacketPorts("g0", ByXdp()).status();
    EXPECT_THAT(std::string(second.message()), HasSubstr("another AF_XDP socket has its queue 0"));
    ours.clear();  // the kernel lets go of the queue some milliseconds later
    for (int i = 0; i < 500 && ours.empty(); ++i, usleep(10000)) {
      auto again = OpenPacketPorts("g0", ByXdp());
      if (again.ok()) ours = *std::move(again);
    }
    EXPECT_EQ(ours.size(), 1U);
  });
}

// The right is that of every other port (packet_ring_test.cc).
TEST_F(XdpSenderTest, CapNetRawIsAllItNeeds) {
  test::InOwnThread([] {
    test::Namespaces net;
    test::InOwnThread([] {
      constexpr long kNobody = 65534;
      ASSERT_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
      ASSERT_EQ(syscall(SYS_setresuid, kNobody, kNobody, kNobody), 0);
      __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct data[2]{};
      data[0].effective = data[0].permitted = 1U << CAP_NET_RAW;
      ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
      Ports ours = Open("g0", ByXdp());
      ASSERT_EQ(ours.size(), 1U);
      Tap tap("g0");
      EXPECT_TRUE(SendOne(*ours[0], Datagram(1)));
      EXPECT_THAT(tap.Seen(), IsEmpty());
    });
  });
}

}  // namespace
}  // namespace gateway::io
