// SumOf against RFC 1071 written down word by word, and against libtins.
#include "stack/base/checksum.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include "tests/support/frames.h"
#include "tests/support/rng.h"

namespace stack {
namespace {

// RFC 1071 section 4.1, as plainly as it can be said.
uint16_t SlowChecksum(ByteView bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto octet = static_cast<uint32_t>(bytes[i]);
    sum += i % 2 == 0 ? octet << 8 : octet;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

Bytes RandomBytes(test::FixedRng& rng, size_t n) {
  Bytes bytes(n);
  rng.Fill(bytes);
  return bytes;
}

TEST(Checksum, Rfc1071Example) {
  const Bytes bytes = FromHex("0001f203f4f5f6f7");  // section 3: sums to ddf2
  EXPECT_EQ(Fold(SumOf(bytes)), 0xddf2);
  EXPECT_EQ(Finish(SumOf(bytes)), 0x220d);
}

TEST(Checksum, AgreesWithTheSlowLoopAtEveryLengthAndAlignment) {
  test::FixedRng rng(1);
  const Bytes bytes = RandomBytes(rng, 300);
  for (size_t at = 0; at < 8; ++at) {
    for (size_t n = 0; n + at <= bytes.size(); ++n) {
      const ByteView part = ByteView(bytes).subspan(at, n);
      ASSERT_EQ(Finish(SumOf(part)), SlowChecksum(part)) << at << "+" << n;
    }
  }
}

TEST(Checksum, AgreesWithLibtins) {
  test::FixedRng rng(2);
  for (const size_t n : {size_t{2}, size_t{20}, size_t{1500}, size_t{65534}}) {
    const Bytes bytes = RandomBytes(rng, n);
    const uint8_t* p = AsU8(ByteView(bytes));
    const uint16_t theirs = Fold(Tins::Utils::do_checksum(p, p + n));
    EXPECT_EQ(Finish(SumOf(bytes)), static_cast<uint16_t>(~theirs)) << n;
  }
}

TEST(Checksum, CarriesOfAllOnesAreNotLost) {
  const Bytes ones(65535, std::byte{0xff});
  EXPECT_EQ(Finish(SumOf(ones)), SlowChecksum(ones));
  EXPECT_EQ(Fold(~Sum{0}), 0xffff);
  EXPECT_EQ(Fold(0xffff0001), 1);  // 0xffff is the other zero
}

TEST(Checksum, SumsOfEvenPartsAddUp) {
  test::FixedRng rng(3);
  const Bytes bytes = RandomBytes(rng, 101);
  const ByteView all(bytes);
  EXPECT_EQ(Finish(SumOf(all.first(40)) + SumOf(all.subspan(40))), SlowChecksum(all));
}

TEST(Checksum, PseudoHeaderIsTheTwelveOctetsOfRfc768) {
  const Ip4 source = test::Ip("198.51.100.7"), destination = test::Ip("203.0.113.255");
  Bytes pseudo(12);
  Writer to(pseudo);
  to.U32(source.value);
  to.U32(destination.value);
  to.U16(17);
  to.U16(0xfedc);
  EXPECT_EQ(Finish(PseudoHeaderSum(source, destination, 17, 0xfedc)), SlowChecksum(pseudo));
}

TEST(Checksum, UdpNeverSendsZero) {
  EXPECT_EQ(Finish(0xffff), 0);
  EXPECT_EQ(FinishUdp(0xffff), 0xffff);
  EXPECT_EQ(FinishUdp(1), 0xfffe);
}

TEST(Update, Rfc1624Example) {
  // Section 4: HC = dd2f, m = 5555, m' = 3285 gives 0000, where the older equation gave ffff.
  EXPECT_EQ(Update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(Update, IsTheSameAsSummingAnew) {
  test::FixedRng rng(4);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = RandomBytes(rng, 20);
    if (rng.Below(4) == 0) Store16(bytes.data() + 8, rng.Below(2) == 0 ? 0 : 0xffff);
    Store16(bytes.data() + 18, 0);
    Store16(bytes.data() + 18, Finish(SumOf(bytes)));
    const uint16_t word = rng.Below(4) == 0 ? uint16_t{0xffff} : static_cast<uint16_t>(rng.Next());
    const auto number = static_cast<uint32_t>(rng.Next());
    uint16_t checksum = Update16(Load16(bytes.data() + 18), Load16(bytes.data() + 8), word);
    Store16(bytes.data() + 8, word);
    checksum = Update32(checksum, Load32(bytes.data() + 12), number);
    Store32(bytes.data() + 12, number);
    Store16(bytes.data() + 18, checksum);
    ASSERT_EQ(Finish(SumOf(bytes)), 0) << ToHex(bytes);
  }
}

}  // namespace
}  // namespace stack
