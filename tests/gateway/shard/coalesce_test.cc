// Which packets leave as one superframe, and that whoever takes it apart gets what went in: read by
// libtins, and by our own Segmenter.
#include "gateway/shard/coalesce.h"

#include <tins/tins.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gateway/shard/segment.h"
#include "gtest/gtest.h"
#include "stack/base/checksum.h"
#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace gateway::shard {
namespace {

using io::TxFrame;
using io::VnetHdr;
using stack::Bytes;
using stack::ByteView;
using stack::Endpoint;
using stack::Load16;
using stack::Load32;
using stack::Store16;
using stack::Store32;

constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 0x10, kUrg = 0x20, kEce = 0x40,
                  kCwr = 0x80;
const Endpoint kFrom{{0xc0000250}, 443}, kTo{{0xc6120001}, 40000};
constexpr Coalescer::Kinds kBoth{.tcp = true, .udp = true};
// A TCP header with timestamps (RFC 7323), as most of them are.
const Bytes kTimestamps = stack::FromHex("0101 080a 0000 0001 0000 0002");

Bytes Framed(const Bytes& packet) {
  return test::EthernetFrame({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, 0x0800, packet);
}

// Puts lengths and checksums right after a change.
void Mend(Bytes& frame) {
  const size_t size = frame.size() - 34;
  const bool udp = frame[23] == std::byte{17};
  Store16(&frame[16], static_cast<uint16_t>(20 + size));
  Store16(&frame[24], 0);
  Store16(&frame[24], stack::Finish(stack::SumOf(ByteView(frame).subspan(14, 20))));
  if (udp) Store16(&frame[38], static_cast<uint16_t>(size));
  const size_t field = udp ? 40 : 50;
  Store16(&frame[field], 0);
  const stack::Sum sum =
      stack::SumOf(ByteView(frame).subspan(34)) +
      stack::PseudoHeaderSum({Load32(&frame[26])}, {Load32(&frame[30])},
                             static_cast<uint8_t>(frame[23]), static_cast<uint16_t>(size));
  Store16(&frame[field], stack::FinishUdp(sum));
}

// The octets from `offset` on of a stream, with every octet told from its neighbours.
Bytes Tcp(uint32_t offset, size_t size, uint8_t flags = kAck, Endpoint to = kTo) {
  Bytes frame = Framed(test::TcpPacket(kFrom, to, flags, {}));
  frame.resize(54);
  frame.insert(frame.end(), kTimestamps.begin(), kTimestamps.end());
  frame[46] = std::byte{0x80};
  const Bytes data = test::Pattern(size, static_cast<uint8_t>(offset));
  frame.insert(frame.end(), data.begin(), data.end());
  Store16(&frame[20], 0x4000);  // Don't Fragment
  Store32(&frame[38], 1000 + offset);
  Mend(frame);
  return frame;
}

Bytes Udp(size_t size, uint8_t first = 0, Endpoint to = kTo) {
  Bytes frame = Framed(test::UdpPacket(kFrom, to, test::Pattern(size, first)));
  frame.resize(42 + size);  // without Ethernet's padding
  Store16(&frame[20], 0x4000);
  Mend(frame);
  return frame;
}

// As the sealer sends it: no checksum, may be fragmented, an id of the shard's.
Bytes Esp(size_t size, uint16_t id, uint8_t first = 0, uint16_t to_port = 4500) {
  Bytes frame =
      Framed(test::UdpPacket({kTo.ip, 4500}, {kFrom.ip, to_port}, test::Pattern(size, first)));
  frame.resize(42 + size);
  Store16(&frame[18], id);
  Mend(frame);
  Store16(&frame[40], 0);
  return frame;
}

// One Merge, and what came of it.
class Merged {
 public:
  explicit Merged(const std::vector<Bytes>& frames, Coalescer::Kinds kinds = kBoth,
                  const std::vector<bool>& own_esp = {}) {
    for (size_t i = 0; i < frames.size(); ++i) {
      out_.push_back({pool_.Copy(frames[i]), !own_esp.empty() && own_esp[i]});
    }
    for (const TxFrame& tx : coalescer_->Merge(out_, kinds)) {
      Bytes whole = stack::ToBytes(tx.bytes);
      for (const ByteView piece : tx.more) whole.insert(whole.end(), piece.begin(), piece.end());
      segments_.push_back(coalescer_->SegmentsOf(frames_.size()));
      frames_.emplace_back(std::move(whole), tx.vnet);
    }
  }
  size_t size() const { return frames_.size(); }
  const Bytes& frame(size_t i) const { return frames_[i].first; }
  const VnetHdr& vnet(size_t i) const { return frames_[i].second; }
  const std::vector<size_t>& segments() const { return segments_; }
  std::span<TxFrame> Apart(size_t i) { return coalescer_->Apart(i); }

 private:
  stack::PacketPool pool_{256, 4};
  IpIds ids_{0, 1, 0};
  std::unique_ptr<Coalescer> coalescer_ = std::make_unique<Coalescer>(ids_);
  std::vector<Outgoing> out_;
  std::vector<std::pair<Bytes, VnetHdr>> frames_;
  std::vector<size_t> segments_;
};

using Counts = std::vector<size_t>;

Counts SegmentsOf(const std::vector<Bytes>& frames) { return Merged(frames).segments(); }
Counts SegmentsOfEsp(const std::vector<Bytes>& frames) {
  return Merged(frames, kBoth, std::vector<bool>(frames.size(), true)).segments();
}

// What the kernel makes of a superframe, by libtins: its headers on each piece of the payload, with
// lengths, checksums, sequence numbers and ids of their own.
std::vector<Bytes> CutByLibtins(const Bytes& frame, const VnetHdr& vnet) {
  Tins::EthernetII whole(stack::AsU8(ByteView(frame)), static_cast<uint32_t>(frame.size()));
  Tins::TCP* tcp = whole.find_pdu<Tins::TCP>();
  const auto payload = whole.rfind_pdu<Tins::RawPDU>().payload();
  std::vector<Bytes> out;
  for (size_t at = 0; at < payload.size(); at += vnet.gso_size) {
    const size_t size = std::min<size_t>(vnet.gso_size, payload.size() - at);
    auto one = std::unique_ptr<Tins::EthernetII>(whole.clone());
    one->rfind_pdu<Tins::IP>().id(
        static_cast<uint16_t>(whole.rfind_pdu<Tins::IP>().id() + out.size()));
    if (tcp != nullptr) {
      auto& header = one->rfind_pdu<Tins::TCP>();
      header.seq(static_cast<uint32_t>(tcp->seq() + at));
      if (at + size < payload.size()) header.set_flag(Tins::TCP::PSH, 0);
    }
    auto& data = one->rfind_pdu<Tins::RawPDU>();
    data.payload(payload.begin() + static_cast<ptrdiff_t>(at),
                 payload.begin() + static_cast<ptrdiff_t>(at + size));
    const auto raw = one->serialize();
    out.push_back(stack::ToBytes(stack::AsBytes(raw.data(), raw.size())));
    out.back().resize(14 + size_t{Load16(&out.back()[16])});  // without padding
  }
  return out;
}

std::vector<Bytes> CutByUs(const Bytes& frame, const VnetHdr& vnet) {
  stack::PacketPool pool(256, 4);
  Segmenter segmenter(frame, vnet);
  EXPECT_EQ(segmenter.drop(), stack::Drop::kNone);
  std::vector<Bytes> out;
  for (size_t i = 0; i < segmenter.count(); ++i) {
    out.push_back(stack::ToBytes(segmenter.Next(pool).bytes()));
  }
  return out;
}

// ---- What merges ----

TEST(Coalesce, SegmentsOfAFlowBecomeOneFrame) {
  const std::vector<Bytes> frames = {Tcp(0, 1000), Tcp(1000, 1000), Tcp(2000, 400, kAck | kPsh)};
  const Merged merged(frames);
  ASSERT_EQ(merged.segments(), (Counts{3}));
  const VnetHdr expected{.flags = VnetHdr::kNeedsChecksum,
                         .gso_type = VnetHdr::kGsoTcp4,
                         .hdr_len = 66,
                         .gso_size = 1000,
                         .csum_start = 34,
                         .csum_offset = 16};
  EXPECT_EQ(merged.vnet(0), expected);
  const Bytes& super = merged.frame(0);
  EXPECT_EQ(super.size(), 66U + 2400);
  EXPECT_EQ(Load16(&super[16]), 52 + 2400);
  EXPECT_EQ(stack::Finish(stack::SumOf(ByteView(super).subspan(14, 20))), 0);
  EXPECT_EQ(super[47], std::byte{kAck | kPsh});
  EXPECT_EQ(Load16(&super[50]),
            stack::Fold(stack::PseudoHeaderSum(kFrom.ip, kTo.ip, 6, 32 + 2400)));
}

TEST(Coalesce, DatagramsOfAFlowBecomeOneFrame) {
  const std::vector<Bytes> frames = {Udp(1200, 1), Udp(1200, 2), Udp(7, 3)};
  const Merged merged(frames);
  ASSERT_EQ(merged.segments(), (Counts{3}));
  const VnetHdr expected{.flags = VnetHdr::kNeedsChecksum,
                         .gso_type = VnetHdr::kGsoUdp4,
                         .hdr_len = 42,
                         .gso_size = 1200,
                         .csum_start = 34,
                         .csum_offset = 6};
  EXPECT_EQ(merged.vnet(0), expected);
  const Bytes& super = merged.frame(0);
  EXPECT_EQ(Load16(&super[16]), 28 + 2407);
  EXPECT_EQ(Load16(&super[38]), 8 + 2407);
  EXPECT_EQ(Load16(&super[40]),
            stack::Fold(stack::PseudoHeaderSum(kFrom.ip, kTo.ip, 17, 8 + 2407)));
}

// It has no checksum and ids as they came; the superframe has a checksum and ids in a row of its
// own, which nobody else gets.
TEST(Coalesce, OurEspToOnePeerBecomesOneFrame) {
  stack::PacketPool pool(16, 1);
  IpIds ids(0, 1, 0);
  const uint16_t first = ids.Take();
  Coalescer coalescer(ids);
  std::vector<Outgoing> out;
  for (const uint16_t id : std::initializer_list<uint16_t>{7, 3, 900})
    out.push_back({pool.Copy(Esp(1000, id)), true});
  const auto tx = coalescer.Merge(out, kBoth);
  ASSERT_EQ(tx.size(), 1U);
  EXPECT_EQ(tx[0].vnet.gso_type, VnetHdr::kGsoUdp4);
  EXPECT_EQ(Load16(&tx[0].bytes[18]), first + 1);
  EXPECT_EQ(ids.Take(), first + 4);
  EXPECT_EQ(Load16(&tx[0].bytes[40]),
            stack::Fold(stack::PseudoHeaderSum(kTo.ip, kFrom.ip, 17, 8 + 3000)));
  // A port that refuses it gets the packets as they were.
  const auto apart = coalescer.Apart(0);
  ASSERT_EQ(apart.size(), 3U);
  EXPECT_EQ(stack::ToBytes(apart[2].bytes), Esp(1000, 900));
  EXPECT_EQ(apart[2].vnet, VnetHdr{});
}

TEST(Coalesce, InterleavedFlowsMergeAll) {
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 4; ++i) {
    for (uint16_t flow = 0; flow < 8; ++flow) {
      frames.push_back(Tcp(i * 500, 500, kAck, {kTo.ip, flow}));
    }
  }
  EXPECT_EQ(SegmentsOf(frames), Counts(8, 4));
  // A ninth flow each time finds all places taken by others: nothing merges, nothing is lost.
  std::vector<Bytes> more;
  for (uint32_t i = 0; i < 3; ++i) {
    for (uint16_t flow = 0; flow < 9; ++flow) {
      more.push_back(Tcp(i * 500, 500, kAck, {kTo.ip, flow}));
    }
  }
  EXPECT_EQ(SegmentsOf(more), Counts(27, 1));
}

TEST(Coalesce, AsManyAsTheKernelTakes) {
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 100; ++i) frames.push_back(Udp(100));
  EXPECT_EQ(SegmentsOf(frames), (Counts{64, 36}));
  std::vector<Bytes> long_ones;
  for (uint32_t i = 0; i < 50; ++i) long_ones.push_back(Tcp(i * 1448, 1448));
  EXPECT_EQ(SegmentsOf(long_ones), (Counts{45, 5}));  // 52 + 45 * 1448 fit in 65535
  // Exactly: 20 + 8 + 65507.
  std::vector<Bytes> exact(45, Udp(1455));
  exact.push_back(Udp(65507 - 45 * 1455));
  EXPECT_EQ(SegmentsOf(exact), (Counts{46}));
  exact.back() = Udp(65508 - 45 * 1455);
  EXPECT_EQ(SegmentsOf(exact), (Counts{45, 1}));
}

// ---- What does not ----

struct Edit {
  const char* what;
  std::function<void(Bytes&)> change;  // of the second frame; lengths and checksums are put right
};

Counts WithSecondChanged(Bytes first, Bytes second, const Edit& edit) {
  edit.change(second);
  Mend(second);
  return SegmentsOf({std::move(first), std::move(second)});
}
auto Set(size_t at, uint8_t value) {
  return [=](Bytes& frame) { frame[at] = std::byte{value}; };
}

TEST(Coalesce, SegmentsThatDifferStayApart) {
  const Edit edits[] = {
      {"MAC of the receiver", Set(5, 9)},
      {"MAC of the sender", Set(11, 9)},
      {"type of service", Set(15, 4)},
      {"congestion experienced", Set(15, 3)},
      {"may be fragmented", Set(20, 0)},
      {"a fragment", Set(20, 0x20)},
      {"reserved bit of IPv4", Set(20, 0xc0)},
      {"time to live", Set(22, 9)},
      {"protocol", Set(23, 132)},
      {"source", Set(29, 9)},
      {"destination", Set(33, 9)},
      {"source port", Set(35, 9)},
      {"destination port", Set(37, 9)},
      {"a gap", Set(41, 0xff)},
      {"acknowledgment", Set(45, 9)},
      {"reserved bits of TCP", Set(46, 0x82)},
      {"FIN", Set(47, kAck | kFin)},
      {"SYN", Set(47, kAck | kSyn)},
      {"RST", Set(47, kAck | kRst)},
      {"URG", Set(47, kAck | kUrg)},
      {"ECE", Set(47, kAck | kEce)},
      {"CWR", Set(47, kAck | kCwr)},
      {"no ACK", Set(47, 0)},
      {"window", Set(49, 9)},
      {"urgent pointer", Set(53, 9)},
      {"timestamp", Set(61, 9)},
      {"longer", [](Bytes& frame) { frame.resize(frame.size() + 1); }},
      {"no data", [](Bytes& frame) { frame.resize(66); }},
      {"other options", Set(46, 0x70)},  // the rest of them is data now
      {"options of IPv4",
       [](Bytes& frame) {
         frame.insert(frame.begin() + 34, 4, std::byte{1});
         frame[14] = std::byte{0x46};
       }},
  };
  EXPECT_EQ(WithSecondChanged(Tcp(0, 1000), Tcp(1000, 1000), {"", [](Bytes&) {}}), (Counts{2}));
  for (const Edit& edit : edits) {
    EXPECT_EQ(WithSecondChanged(Tcp(0, 1000), Tcp(1000, 1000), edit), (Counts{1, 1})) << edit.what;
  }
}

// What may not join may not be joined either.
TEST(Coalesce, NothingJoinsWhatGoesAlone) {
  for (const int flags :
       {kAck | kSyn, kAck | kFin, kAck | kRst, kAck | kUrg, kAck | kCwr, kAck | kPsh, 0}) {
    EXPECT_EQ(SegmentsOf({Tcp(0, 500, static_cast<uint8_t>(flags)),
                          Tcp(500, 500, static_cast<uint8_t>(flags)), Tcp(1000, 500)}),
              (Counts{1, 1, 1}))
        << flags;
  }
  EXPECT_EQ(SegmentsOf({Tcp(0, 500, kAck | kEce), Tcp(500, 500, kAck | kEce)}), (Counts{2}));
  EXPECT_EQ(SegmentsOf({Tcp(0, 0), Tcp(0, 0)}), (Counts{1, 1}));
  EXPECT_EQ(SegmentsOf({Tcp(0, kMinSegmentSize - 1), Tcp(kMinSegmentSize - 1, 8)}), (Counts{1, 1}));
  EXPECT_EQ(SegmentsOf({Tcp(0, kMinSegmentSize), Tcp(kMinSegmentSize, 8)}), (Counts{2}));
}

TEST(Coalesce, APushOrAShorterOneEndsIt) {
  EXPECT_EQ(SegmentsOf({Tcp(0, 500), Tcp(500, 500, kAck | kPsh), Tcp(1000, 500), Tcp(1500, 500)}),
            (Counts{2, 2}));
  EXPECT_EQ(SegmentsOf({Tcp(0, 500), Tcp(500, 400), Tcp(900, 400), Tcp(1300, 400)}),
            (Counts{2, 2}));
  EXPECT_EQ(SegmentsOf({Udp(500), Udp(400), Udp(400)}), (Counts{2, 1}));
}

// A flow's order stays when something in its middle cannot join: what comes behind that does not
// overtake it.
TEST(Coalesce, NothingOvertakesWithinAFlow) {
  Bytes fragment = Tcp(1000, 500);
  Store16(&fragment[20], 0x2000);
  Bytes options = Tcp(1000, 500);
  options.insert(options.begin() + 34, 4, std::byte{1});
  options[14] = std::byte{0x46};
  Store16(&options[16], static_cast<uint16_t>(options.size() - 14));
  Bytes padded = Tcp(1000, 500);
  padded.push_back({});
  for (const Bytes& between : {fragment, options, padded, Tcp(1000, 500, kAck | kFin)}) {
    EXPECT_EQ(SegmentsOf({Tcp(0, 500), Tcp(500, 500), between, Tcp(1000, 500), Tcp(1500, 500)}),
              (Counts{2, 1, 2}));
  }
  // Of other addresses, it is none of the flow's business.
  Store32(&fragment[30], 0x01010101);
  EXPECT_EQ(SegmentsOf({Tcp(0, 500), Tcp(500, 500), fragment, Tcp(1000, 500)}), (Counts{3, 1}));
}

TEST(Coalesce, FragmentsAndPaddedFramesStayApart) {
  for (const int place : {0x2000, 0x2010, 0x0010}) {
    std::vector<Bytes> frames = {Tcp(0, 500), Tcp(500, 500)};
    for (Bytes& frame : frames) Store16(&frame[20], static_cast<uint16_t>(place));
    Store16(&frames[1][18], 2);
    EXPECT_EQ(SegmentsOf(frames), (Counts{1, 1})) << place;
  }
  Bytes options = Udp(500);
  options.insert(options.begin() + 34, 4, std::byte{1});
  options[14] = std::byte{0x46};
  Mend(options);
  EXPECT_EQ(SegmentsOf({Udp(500), options, Udp(500)}), (Counts{1, 1, 1}));
  Bytes padded = Tcp(500, 20);
  const Bytes padding = stack::FromHex("fffd");  // with which the checksum holds
  padded.insert(padded.end(), padding.begin(), padding.end());
  EXPECT_EQ(SegmentsOf({Tcp(0, 500), padded}), (Counts{1, 1}));
  Bytes shorter = Esp(500, 1);
  Store16(&shorter[38], 400);
  EXPECT_EQ(SegmentsOfEsp({Esp(500, 1), shorter}), (Counts{1, 1}));
}

// The kernel would make a right checksum of a wrong one, and hide the damage.
TEST(Coalesce, AWrongChecksumStaysWrong) {
  Bytes bad = Tcp(500, 500);
  bad.back() ^= std::byte{1};
  EXPECT_EQ(SegmentsOf({Tcp(0, 500), bad, Tcp(1000, 500)}), (Counts{1, 1, 1}));
  bad = Tcp(0, 500);
  bad.back() ^= std::byte{1};
  EXPECT_EQ(SegmentsOf({bad, Tcp(500, 500), Tcp(1000, 500)}), (Counts{1, 2}));
  Bytes datagram = Udp(500);
  datagram.back() ^= std::byte{1};
  EXPECT_EQ(SegmentsOf({Udp(500), datagram}), (Counts{1, 1}));
}

// RFC 6864: an id means something as long as the packet may be fragmented.
TEST(Coalesce, IdsOfFragmentablePacketsMustCount) {
  const auto with_id = [](Bytes frame, uint16_t id, bool dont_fragment) {
    Store16(&frame[18], id);
    Store16(&frame[20], dont_fragment ? 0x4000 : 0);
    Mend(frame);
    return frame;
  };
  EXPECT_EQ(SegmentsOf({with_id(Udp(500), 8, true), with_id(Udp(500), 0, true)}), (Counts{2}));
  EXPECT_EQ(SegmentsOf({with_id(Udp(500), 8, false), with_id(Udp(500), 0, false)}), (Counts{1, 1}));
  EXPECT_EQ(SegmentsOf({with_id(Udp(500), 65535, false), with_id(Udp(500), 0, false),
                        with_id(Udp(500), 1, false)}),
            (Counts{3}));
}

TEST(Coalesce, DatagramsThatDifferStayApart) {
  const Edit edits[] = {
      {"type of service", Set(15, 4)},
      {"may be fragmented", Set(20, 0)},
      {"time to live", Set(22, 9)},
      {"source", Set(29, 9)},
      {"destination port", Set(37, 9)},
      {"longer", [](Bytes& f) { f.resize(f.size() + 1); }},
      {"empty", [](Bytes& f) { f.resize(42); }},
  };
  EXPECT_EQ(WithSecondChanged(Udp(500), Udp(500), {"", [](Bytes&) {}}), (Counts{2}));
  for (const Edit& edit : edits) {
    EXPECT_EQ(WithSecondChanged(Udp(500), Udp(500), edit), (Counts{1, 1})) << edit.what;
  }
}

// A forwarded datagram whose sender wants no checksum is given none.
TEST(Coalesce, OnlyOurEspGetsAChecksum) {
  EXPECT_EQ(SegmentsOf({Esp(500, 1), Esp(500, 2)}), (Counts{1, 1}));
  EXPECT_EQ(SegmentsOfEsp({Esp(500, 1), Esp(500, 2)}), (Counts{2}));
  EXPECT_EQ(SegmentsOfEsp({Esp(500, 1), Esp(500, 2, 0, 1024)}), (Counts{1, 1}));
  // An IKE message of the same peer has one, and stands where it stood.
  Bytes ike = Esp(500, 2);
  Mend(ike);
  EXPECT_EQ(Merged({Esp(500, 1), ike, Esp(500, 3)}, kBoth, {true, false, true}).segments(),
            (Counts{1, 1, 1}));
  EXPECT_EQ(SegmentsOfEsp({Esp(500, 1), ike}), (Counts{1, 1}));
}

TEST(Coalesce, EachKindHasItsSwitch) {
  const std::vector<Bytes> frames = {Tcp(0, 500), Udp(500), Tcp(500, 500), Udp(500)};
  EXPECT_EQ(Merged(frames, {.tcp = true, .udp = false}).segments(), (Counts{2, 1, 1}));
  EXPECT_EQ(Merged(frames, {.tcp = false, .udp = true}).segments(), (Counts{1, 2, 1}));
  EXPECT_EQ(Merged(frames, {}).segments(), (Counts{1, 1, 1, 1}));
}

TEST(Coalesce, OtherFramesPassAsTheyAre) {
  std::vector<Bytes> frames = {
      test::ArpFrame(false, {}, kFrom.ip, {}, kTo.ip, {}), Bytes(10), Bytes(33), {}};
  for (size_t size = 34; size < 66; ++size) {
    frames.push_back(Tcp(0, 100));
    frames.back().resize(size);
    frames.push_back(Udp(100));
    frames.back().resize(size);
  }
  frames.push_back(Framed(test::EchoPacket(kFrom.ip, kTo.ip, 1, 1, test::Pattern(500))));
  const Merged merged(frames);
  ASSERT_EQ(merged.size(), frames.size());
  for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(merged.frame(i), frames[i]);
}

// ---- All in all ----

// The packets of a few flows, most of which could merge, and the rest not for one reason or other.
class Traffic {
 public:
  explicit Traffic(uint64_t seed) : rng_(seed) {}
  std::pair<Bytes, bool> Next() {
    const auto flow = static_cast<uint16_t>(rng_.Below(10));
    const size_t size = rng_.Below(4) != 0 ? 100 + flow : 1 + rng_.Below(200);
    const auto first = static_cast<uint8_t>(rng_.U32());
    if (flow < 4) return {TcpOf(flow, size), false};
    if (flow < 7) return {Bent(Udp(size, first, {kTo.ip, flow})), false};
    return {Esp(size, static_cast<uint16_t>(rng_.U32()), first, flow), true};
  }

 private:
  Bytes TcpOf(uint16_t flow, size_t size) {
    const uint8_t flags = rng_.Below(8) == 0 ? kAck | kPsh : kAck;
    Bytes frame = Tcp(sent_[flow], size, flags, {kTo.ip, flow});
    sent_[flow] += static_cast<uint32_t>(size);
    return Bent(std::move(frame));
  }
  // Now and then something about the headers is different.
  Bytes Bent(Bytes frame) {
    constexpr size_t kPlaces[] = {15, 20, 22, 36, 42, 46, 47, 48, 52, 60};
    if (rng_.Below(6) != 0) return frame;
    const size_t place = kPlaces[rng_.Below(std::size(kPlaces))];
    if (place < frame.size()) frame[place] ^= std::byte(1 << rng_.Below(8));
    if (rng_.Below(2) != 0) Mend(frame);
    return frame;
  }

  test::FixedRng rng_;
  std::array<uint32_t, 4> sent_{};
};

// Everything that the superframe's receiver cannot know: what may differ is put to zero.
Bytes Essence(Bytes frame, bool own_esp) {
  const bool fragmentable = frame.size() >= 34 && (Load16(&frame[20]) & 0x4000) == 0;
  if (fragmentable && !own_esp) return frame;
  Store16(&frame[18], 0);
  Store16(&frame[24], 0);
  if (own_esp) Store16(&frame[40], 0);
  return frame;
}

using Flows = std::map<std::string, std::vector<std::string>>;

void Add(Flows& flows, const Bytes& frame, bool own_esp) {
  const std::string flow = stack::ToHex(ByteView(frame).subspan(26, 12));
  flows[flow].push_back(stack::ToHex(Essence(frame, own_esp)));
}

TEST(Coalesce, WhatGoesInComesOut) {
  size_t superframes = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Traffic traffic(seed);
    std::vector<Bytes> frames;
    std::vector<bool> own_esp;
    for (size_t i = 0; i < Coalescer::kMaxFrames; ++i) {
      const auto [frame, own] = traffic.Next();
      frames.push_back(frame);
      own_esp.push_back(own);
    }
    const Merged merged(frames, kBoth, own_esp);
    Flows before, ours, libtins;
    for (size_t i = 0; i < frames.size(); ++i) Add(before, frames[i], own_esp[i]);
    for (size_t i = 0; i < merged.size(); ++i) {
      const Bytes& frame = merged.frame(i);
      const bool own = frame.size() > 36 && Load16(&frame[34]) == 4500;
      const bool super = merged.vnet(i).IsSuperframe();
      superframes += super ? 1 : 0;
      for (const Bytes& f : CutByUs(frame, merged.vnet(i))) Add(ours, f, own);
      const std::vector<Bytes> apart =
          super ? CutByLibtins(frame, merged.vnet(i)) : std::vector<Bytes>{frame};
      for (const Bytes& f : apart) Add(libtins, f, own);
    }
    ASSERT_EQ(ours, before) << seed;
    ASSERT_EQ(libtins, before) << seed;
  }
  EXPECT_GT(superframes, 250U);
}

// ---- Ids ----

TEST(IpIds, AreOneShardsAloneAndInRows) {
  std::vector<int> owner(65536, -1);
  for (uint8_t shard = 0; shard < 3; ++shard) {
    IpIds ids(shard, 3, 12345 + shard);
    test::FixedRng rng(shard);
    for (int i = 0; i < 20000; ++i) {
      const auto count = static_cast<uint32_t>(1 + rng.Below(IpIds::kBlock));
      const uint32_t first = ids.Take(count);
      ASSERT_LE(first + count, 65536U);
      for (uint32_t id = first; id < first + count; ++id) {
        ASSERT_TRUE(owner[id] == -1 || owner[id] == shard);
        owner[id] = shard;
      }
    }
  }
}

TEST(IpIds, DoNotComeAgainSoon) {
  IpIds ids(3, 4, 99);
  std::vector<bool> seen(65536);
  for (int i = 0; i < 65536 / 4; ++i) {
    const uint16_t id = ids.Take();
    ASSERT_FALSE(seen[id]);
    seen[id] = true;
  }
}

}  // namespace
}  // namespace gateway::shard
