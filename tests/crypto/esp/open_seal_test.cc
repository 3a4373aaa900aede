// The two halves of ESP against the packets of RFC 3602 and of the drafts of AES-GCM, by hand-made
// packets, and against each other; by every engine, packets alone and in company.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crypto/esp/open.h"
#include "crypto/esp/seal.h"
#include "crypto/prim/mac.h"
#include "tests/support/esp_engines.h"
#include "tests/support/rng.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

// Counts every allocation of this program, the crypto library's included.
// Not inlined, or GCC 12 takes them for a mismatched pair.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace crypto::esp {
namespace {

using stack::AsBytes;
using stack::Bytes;
using stack::Drop;
using stack::FromHex;
using stack::PacketBuf;
using stack::PacketPool;
using stack::ToBytes;
using stack::ToHex;

const Suite kSuites[] = {
    {CipherId::kAesCbc, 16, HashId::kSha1},       {CipherId::kAesCbc, 24, HashId::kSha1},
    {CipherId::kAesCbc, 32, HashId::kSha1},       {CipherId::kAesCbc, 32, HashId::kSha256},
    {CipherId::kAesCbc, 32, HashId::kSha384},     {CipherId::kAesCbc, 32, HashId::kSha512},
    {CipherId::kTripleDesCbc, 24, HashId::kSha1}, {CipherId::kTripleDesCbc, 24, HashId::kSha512},
    {CipherId::kAesGcm, 16, std::nullopt},        {CipherId::kAesGcm, 24, std::nullopt},
    {CipherId::kAesGcm, 32, std::nullopt},
};
const Suite kPlain = kSuites[2];
const Suite kGcm = kSuites[10];

Bytes KeyOf(size_t size, uint8_t first) {
  Bytes key(size);
  for (size_t i = 0; i < size; ++i) key[i] = static_cast<std::byte>(first + i);
  return key;
}

SaParameters ParametersOf(const Suite& suite) {
  return {.spi = {0xc0ffee42},
          .suite = suite,
          .keys = {Secret(KeyOf(CipherKeySize(suite), 1)), Secret(KeyOf(AuthKeySize(suite), 101))}};
}

// Who computes, and whether a packet is alone in its batch: a lone one of CBC never sees the lanes
// of an engine that has some.
struct Way {
  EngineId engine;
  bool in_company;
};
std::vector<Way> Ways() {
  std::vector<Way> ways;
  for (const EngineId id : test::EspEngines()) {
    ways.push_back({id, false});
    ways.push_back({id, true});
  }
  return ways;
}
std::string NameOfWay(const testing::TestParamInfo<Way>& way) {
  return test::NameOf(way.param.engine) + (way.param.in_company ? "InCompany" : "Alone");
}

Way way;
std::unique_ptr<Engine> engine;

class EveryWay : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    test::FixedRng rng;
    way = GetParam();
    engine = MakeEngine(way.engine, rng);
    ASSERT_EQ(engine->id(), way.engine);
  }
  void TearDown() override { engine.reset(); }
};
class MakeSa : public EveryWay {};
class Opening : public EveryWay {};
class Sealing : public EveryWay {};
class OpenSeal : public EveryWay {};

std::unique_ptr<InboundSa> Inbound(const Suite& suite) {
  return *MakeInboundSa(ParametersOf(suite), *engine);
}
std::unique_ptr<OutboundSa> Outbound(const Suite& suite) {
  return *MakeOutboundSa(ParametersOf(suite), *engine);
}

// Forgeries of the same suite and size stand around the packet: they fill the lanes, and must not
// matter.
constexpr size_t kBefore = 7, kBehind = 8;

OpenJob OpenOne(InboundSa& sa, Bytes& packet) {
  const size_t before = way.in_company ? kBefore : 0, behind = way.in_company ? kBehind : 0;
  std::vector<Bytes> forged(before + behind, Bytes(packet.size(), std::byte{1}));
  const auto other = Inbound(sa.suite);
  std::vector<OpenJob> jobs;
  for (Bytes& forgery : forged) {
    if (jobs.size() == before) jobs.push_back({.packet = packet, .sa = &sa});
    jobs.push_back({.packet = forgery, .sa = other.get()});
  }
  if (jobs.size() <= before) jobs.push_back({.packet = packet, .sa = &sa});
  Open(*engine, jobs);
  EXPECT_EQ(other->counters.packets, 0u);
  return jobs[before];
}
Drop DropOf(InboundSa& sa, Bytes packet) { return OpenOne(sa, packet).drop; }

Bytes SealOne(OutboundSa& sa, ByteView payload, uint8_t next_header = 17) {
  static PacketPool pool(1 + kBefore + kBehind, 1);
  const size_t before = way.in_company ? kBefore : 0, behind = way.in_company ? kBehind : 0;
  const auto other = Outbound(sa.suite);
  std::vector<PacketBuf> bufs;
  std::vector<SealJob> jobs;
  for (size_t i = 0; i <= before + behind; ++i) bufs.push_back(pool.Copy(payload));
  for (PacketBuf& buf : bufs) {
    OutboundSa* const its = jobs.size() == before ? &sa : other.get();
    jobs.push_back({.buf = &buf, .sa = its, .next_header = next_header});
  }
  Seal(*engine, jobs);
  EXPECT_EQ(jobs[before].drop, Drop::kNone);
  return ToBytes(bufs[before].bytes());
}

// An ESP packet by the words of RFC 4303, with `clear` as it is: padding and trailer included.
Bytes Forge(const Suite& suite, uint32_t sequence, ByteView clear) {
  const SaParameters parameters = ParametersOf(suite);
  const ByteView key = parameters.keys.encryption.view();
  Bytes packet(kHeaderSize + IvSize(suite) + clear.size() + IcvSize(suite), std::byte{0x5a});
  const Parts parts = CutUp(suite, packet);
  stack::Store32(packet.data(), parameters.spi.value);
  stack::Store32(packet.data() + 4, sequence);
  std::copy(clear.begin(), clear.end(), parts.ciphered.begin());
  if (IsGcm(suite)) {
    const Secret nonce = Secret::Concat({key.last(4), parts.iv});
    auto cipher = GcmCipher::Create(Direction::kEncrypt, key.first(suite.key_octets));
    EXPECT_TRUE(cipher->Seal(nonce.view(), parts.header, parts.ciphered, parts.icv));
    return packet;
  }
  auto cipher = CbcCipher::Create(suite.cipher, Direction::kEncrypt, key);
  EXPECT_TRUE(cipher->Process(parts.iv, parts.ciphered));
  const Secret icv =
      HmacOf(*suite.auth, parameters.keys.authentication.view(), {parts.authenticated});
  std::copy_n(icv.view().begin(), parts.icv.size(), parts.icv.begin());
  return packet;
}

TEST(Suite, SizesAreTheRfcs) {
  EXPECT_EQ(IcvSize(kSuites[0]), 12u);  // RFC 2404
  EXPECT_EQ(IcvSize(kSuites[3]), 16u);  // RFC 4868
  EXPECT_EQ(IcvSize(kSuites[4]), 24u);
  EXPECT_EQ(IcvSize(kSuites[5]), 32u);
  EXPECT_EQ(IvSize(kSuites[0]), 16u);
  EXPECT_EQ(IvSize(kSuites[6]), 8u);
  EXPECT_EQ(IvSize(kGcm), 8u);  // RFC 4106 sections 3.1, 6 and 8.1
  EXPECT_EQ(IcvSize(kGcm), 16u);
  EXPECT_EQ(CipherKeySize(kGcm), 36u);
  EXPECT_EQ(AuthKeySize(kGcm), 0u);
}

// What one packet of 1400 octets becomes, counted by hand.
TEST(Suite, SealedSizesByHand) {
  EXPECT_EQ(SealedSize(kSuites[2], 1400), 8u + 16 + 1408 + 12);
  EXPECT_EQ(SealedSize(kSuites[6], 1400), 8u + 8 + 1408 + 12);
  EXPECT_EQ(SealedSize(kGcm, 1400), 8u + 8 + 1404 + 16);
  EXPECT_EQ(SealedSize(kGcm, 1402), 8u + 8 + 1404 + 16);
  EXPECT_EQ(MaxPayload(kGcm, 8 + 8 + 1404 + 16), 1402u);
  EXPECT_EQ(MaxPayload(kGcm, 8 + 8 + 1404 + 15), 1398u);
}

// Whatever the suite, it fits where the buffers of the data path leave room.
TEST(Suite, HeadroomAndTailroomAreEnough) {
  for (const Suite& suite : kSuites) {
    EXPECT_LE(IvSize(suite), 16u);
    for (size_t size = 0; size < 32; ++size) {
      EXPECT_LE(PaddingSize(suite, size) + kTrailerSize + IcvSize(suite), stack::kTailroom);
    }
  }
}

TEST(Suite, MostPayloadIsTheMost) {
  for (const Suite& suite : kSuites) {
    for (size_t sealed = 0; sealed < 300; ++sealed) {
      const size_t payload = MaxPayload(suite, sealed);
      EXPECT_TRUE(payload == 0 || SealedSize(suite, payload) <= sealed);
      EXPECT_GT(SealedSize(suite, payload + 1), sealed);
    }
  }
}

TEST_P(MakeSa, RefusesKeysAndSpisThatCannotBe) {
  const auto refuses = [](const auto& spoil) {
    SaParameters parameters = ParametersOf(kPlain), again = ParametersOf(kPlain);
    spoil(parameters);
    spoil(again);
    return !MakeInboundSa(std::move(parameters), *engine).ok() &&
           !MakeOutboundSa(std::move(again), *engine).ok();
  };
  EXPECT_FALSE(refuses([](SaParameters&) {}));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.spi = {255}; }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.keys.encryption = Secret(size_t{16}); }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.keys.authentication = Secret(size_t{32}); }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.keys.authentication = Secret(); }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.suite.cipher = CipherId::kTripleDesCbc; }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.suite.auth = std::nullopt; }));
  EXPECT_TRUE(refuses([](SaParameters& p) { p.suite.cipher = CipherId::kAesGcm; }));
  EXPECT_TRUE(refuses([](SaParameters& p) {  // the salt is missing
    p.suite = kGcm;
    p.keys.authentication = Secret();
  }));
  EXPECT_TRUE(refuses([](SaParameters& p) {
    p.suite.auth = HashId::kMd5;
    p.keys.authentication = Secret(size_t{16});
  }));
}

// RFC 3602 section 4, cases 5 and 7 are whole ESP packets, but without ICV: one is put behind them.
struct Rfc3602Packet {
  const char *key, *packet, *payload;
  uint8_t next_header;
};
const Rfc3602Packet kRfc3602Packets[] = {
    {"90d382b410eeba7ad938c46cec1a82bf",
     "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9"
     "9"
     "65330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047a"
     "d"
     "2d5913ac19b7cfbad4a6",
     "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252"
     "6"
     "2728292a2b2c2d2e2f3031323334353637",
     1},
    {"0123456789abcdef0123456789abcdef",
     "0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a9"
     "3"
     "013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3"
     "f"
     "bfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111"
     "2"
     "131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
     4},
};

TEST_P(Opening, OpensThePacketsOfRfc3602) {
  for (const Rfc3602Packet& c : kRfc3602Packets) {
    Bytes packet = FromHex(c.packet);
    const Bytes auth_key = KeyOf(20, 1);
    const Secret icv = HmacOf(HashId::kSha1, auth_key, {packet});
    packet.insert(packet.end(), icv.view().begin(), icv.view().begin() + 12);
    auto sa = MakeInboundSa({.spi = {stack::Load32(packet.data())},
                             .suite = kSuites[0],
                             .keys = {Secret(FromHex(c.key)), Secret(auth_key)}},
                            *engine);
    ASSERT_TRUE(sa.ok());
    const OpenJob job = OpenOne(**sa, packet);
    EXPECT_EQ(job.drop, Drop::kNone);
    EXPECT_EQ(ToHex(job.payload), c.payload);
    EXPECT_EQ(job.next_header, c.next_header);
  }
}

// The packets that the authors of RFC 4106 published for it: KEYMAT, then a whole packet. Their
// second one has no inner packet to speak of in its last octets but padding and trailer.
TEST_P(Opening, OpensThePacketsOfTheGcmDraft) {
  const struct {
    const char *keymat, *packet, *clear;
  } kCases[] = {
      {"feffe9928665731c6d6a8f9467308308cafebabe",
       "0000a5f80000000afacedbaddecaf888deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d11"
       "4d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309"
       "e9d85a41ad4a",
       "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009"
       "63796265726369747902646b0000010001"},
      {"abbccddef00112233445566778899aababbccddef00112233445566778899aab11223344",
       "4a2cbfe3000000020102030405060708ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65"
       "a5d763748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c4915956c96",
       "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b401"
       "010402"},
  };
  for (const auto& c : kCases) {
    Bytes packet = FromHex(c.packet);
    const Bytes keymat = FromHex(c.keymat);
    auto sa = MakeInboundSa({.spi = {stack::Load32(packet.data())},
                             .suite = {CipherId::kAesGcm, keymat.size() - 4, std::nullopt},
                             .keys = {Secret(keymat), Secret()}},
                            *engine);
    ASSERT_TRUE(sa.ok());
    const OpenJob job = OpenOne(**sa, packet);
    EXPECT_EQ(job.drop, Drop::kNone);
    EXPECT_EQ(ToHex(job.payload), c.clear);
    EXPECT_EQ(job.next_header, 1);
  }
}

TEST_P(OpenSeal, RoundTripsEveryLength) {
  test::FixedRng rng;
  for (const Suite& suite : kSuites) {
    const auto in = Inbound(suite);
    const auto out = Outbound(suite);
    for (size_t size = 0; size < 70; ++size) {
      Bytes payload(size);
      rng.Fill(payload);
      Bytes packet = SealOne(*out, payload, static_cast<uint8_t>(size));
      EXPECT_EQ(packet.size(), SealedSize(suite, size));
      EXPECT_EQ(stack::Load32(packet.data()), 0xc0ffee42u);
      EXPECT_EQ(stack::Load32(packet.data() + 4), size + 1);
      const OpenJob job = OpenOne(*in, packet);
      ASSERT_EQ(job.drop, Drop::kNone);
      EXPECT_EQ(ToHex(job.payload), ToHex(payload));
      EXPECT_EQ(job.next_header, size);
    }
    EXPECT_EQ(in->counters.packets, 70u);
    EXPECT_EQ(in->counters.octets, 69u * 70 / 2);
    EXPECT_EQ(out->counters.packets, 70u);
    EXPECT_EQ(out->counters.octets, 69u * 70 / 2);
  }
}

// No forgery passes, none changes the SA, and the genuine packet still passes afterwards.
TEST_P(Opening, RefusesEveryFlippedBit) {
  for (const Suite& suite : {kPlain, kGcm}) {
    const auto in = Inbound(suite);
    const Bytes packet =
        SealOne(*Outbound(suite), AsBytes("forty octets, more or less, of payload"));
    for (size_t bit = 0; bit < packet.size() * 8; ++bit) {
      Bytes wrong = packet;
      wrong[bit / 8] ^= std::byte{1} << (bit % 8);
      const Drop drop = DropOf(*in, wrong);
      const bool is_sequence_zero = stack::Load32(wrong.data() + 4) == 0;
      EXPECT_EQ(drop, is_sequence_zero ? Drop::kReplayTooOld : Drop::kBadIcv) << bit;
    }
    EXPECT_EQ(in->replay.highest(), 0u);
    EXPECT_EQ(in->counters.packets, 0u);
    EXPECT_EQ(DropOf(*in, packet), Drop::kNone);
  }
}

TEST_P(Opening, RefusesEveryLengthButTheRightOne) {
  const auto in = Inbound(kPlain);
  Bytes packet = SealOne(*Outbound(kPlain), Bytes(100));
  for (size_t size = 0; size < packet.size(); ++size) {
    const Drop drop = DropOf(*in, ToBytes(ByteView(packet).first(size)));
    const bool is_whole_blocks = size >= 24 + 16 + 12 && (size - 24 - 12) % 16 == 0;
    EXPECT_EQ(drop, is_whole_blocks ? Drop::kBadIcv : Drop::kTruncated) << size;
  }
  packet.push_back(std::byte{0});
  EXPECT_EQ(DropOf(*in, packet), Drop::kTruncated);
}

// The same for units of four octets, and the shortest packet there can be.
TEST_P(Opening, RefusesEveryLengthButTheRightOneOfGcm) {
  const auto in = Inbound(kGcm);
  const Bytes packet = SealOne(*Outbound(kGcm), Bytes(100));
  for (size_t size = 0; size < packet.size(); ++size) {
    const Drop drop = DropOf(*in, ToBytes(ByteView(packet).first(size)));
    const bool is_whole = size >= 8 + 8 + 4 + 16 && size % 4 == 0;
    EXPECT_EQ(drop, is_whole ? Drop::kBadIcv : Drop::kTruncated) << size;
  }
  EXPECT_EQ(DropOf(*in, Forge(kGcm, 1, FromHex("01020211"))), Drop::kNone);
  EXPECT_EQ(DropOf(*in, Forge(kGcm, 2, FromHex("01020311"))), Drop::kBadPadding);
  EXPECT_EQ(DropOf(*in, Forge(kGcm, 3, FromHex("aabb0011"))), Drop::kNone);
}

TEST_P(Opening, RefusesReplays) {
  const auto in = Inbound(kPlain);
  const auto out = Outbound(kPlain);
  const Bytes first = SealOne(*out, AsBytes("1")), second = SealOne(*out, AsBytes("2"));
  EXPECT_EQ(DropOf(*in, second), Drop::kNone);
  EXPECT_EQ(DropOf(*in, second), Drop::kReplayed);
  EXPECT_EQ(DropOf(*in, first), Drop::kNone);  // late, not repeated
  EXPECT_EQ(DropOf(*in, first), Drop::kReplayed);
  out->sequence = 5000;
  EXPECT_EQ(DropOf(*in, SealOne(*out, AsBytes("5001"))), Drop::kNone);
  EXPECT_EQ(DropOf(*in, first), Drop::kReplayTooOld);
}

TEST_P(Opening, TakesARepetitionInsideOneBatchOnce) {
  const auto in = Inbound(kPlain);
  Bytes packet = SealOne(*Outbound(kPlain), AsBytes("once")), copy = packet;
  OpenJob jobs[] = {{.packet = packet, .sa = in.get()}, {.packet = copy, .sa = in.get()}};
  Open(*engine, jobs);
  EXPECT_EQ(jobs[0].drop, Drop::kNone);
  EXPECT_EQ(jobs[1].drop, Drop::kReplayed);
}

TEST_P(Opening, KeepsTheJobsOfABatchApart) {
  const auto plain = Inbound(kPlain), other = Inbound(kSuites[3]);
  Bytes good = SealOne(*Outbound(kSuites[3]), AsBytes("good"));
  Bytes bad = SealOne(*Outbound(kPlain), AsBytes("bad"));
  bad.back() ^= std::byte{1};
  Bytes stub(7);
  OpenJob jobs[] = {{.packet = bad, .sa = plain.get()},
                    {.packet = good, .sa = other.get()},
                    {.packet = stub, .sa = plain.get()}};
  Open(*engine, jobs);
  EXPECT_EQ(jobs[0].drop, Drop::kBadIcv);
  EXPECT_EQ(jobs[1].drop, Drop::kNone);
  EXPECT_EQ(stack::AsText(jobs[1].payload), "good");
  EXPECT_EQ(jobs[2].drop, Drop::kTruncated);
  Open(*engine, {});
}

TEST_P(Opening, ChecksThePadding) {
  const auto in = Inbound(kPlain);
  uint32_t sequence = 0;
  const auto drop_of = [&](const char* clear) {
    return DropOf(*in, Forge(kPlain, ++sequence, FromHex(clear)));
  };
  EXPECT_EQ(drop_of("0102030405060708090a0b0c0d0e0e11"), Drop::kNone);  // padding alone
  EXPECT_EQ(drop_of("aabbccddeeff0102030405060708080a"), Drop::kNone);
  EXPECT_EQ(drop_of("aabbccddeeff01020304050607080011"), Drop::kNone);        // none
  EXPECT_EQ(drop_of("0102030405060708090a0b0c0d0e0f11"), Drop::kBadPadding);  // longer than all
  EXPECT_EQ(drop_of("0102030405060708090a0b0c0d0eff11"), Drop::kBadPadding);
  EXPECT_EQ(drop_of("aabbccddeeff01020304050607ff0811"), Drop::kBadPadding);  // not 8
  EXPECT_EQ(drop_of("aabbccddeeff00020304050607080811"), Drop::kBadPadding);  // not 1
  EXPECT_EQ(drop_of("aabbccddeeff00000000000000000811"), Drop::kBadPadding);
  EXPECT_EQ(in->counters.packets, 3u);
}

TEST_P(Opening, TakesPaddingOfManyBlocks) {  // a peer may hide lengths: RFC 4303 section 2.4
  Bytes clear(16, std::byte{0xaa});
  for (int i = 1; i <= 254; ++i) clear.push_back(static_cast<std::byte>(i));
  clear.push_back(std::byte{254});
  clear.push_back(std::byte{17});
  const auto in = Inbound(kPlain);
  Bytes packet = Forge(kPlain, 1, clear);
  const OpenJob job = OpenOne(*in, packet);
  EXPECT_EQ(job.drop, Drop::kNone);
  EXPECT_EQ(job.payload.size(), 16u);
}

TEST_P(Opening, StopsAtTheHardLimit) {
  const auto in = Inbound(kPlain);
  const auto out = Outbound(kPlain);
  in->hard_octets = 100;
  EXPECT_EQ(DropOf(*in, SealOne(*out, Bytes(60))), Drop::kNone);
  EXPECT_FALSE(in->has_ended());
  EXPECT_EQ(DropOf(*in, SealOne(*out, Bytes(60))), Drop::kNone);
  EXPECT_TRUE(in->has_ended());
  EXPECT_EQ(DropOf(*in, SealOne(*out, Bytes(60))), Drop::kSaExpired);
  EXPECT_EQ(in->counters.octets, 120u);
}

// Behind the last number nothing can be new.
TEST_P(Opening, StopsAtTheLastNumber) {
  const auto in = Inbound(kPlain);
  const Bytes late = Forge(kPlain, kLastSequence - 1, FromHex("0102030405060708090a0b0c0d0e0e11"));
  const Bytes last = Forge(kPlain, kLastSequence, FromHex("0102030405060708090a0b0c0d0e0e11"));
  EXPECT_EQ(DropOf(*in, last), Drop::kNone);
  EXPECT_TRUE(in->has_ended());
  EXPECT_EQ(DropOf(*in, last), Drop::kSaExpired);
  EXPECT_EQ(DropOf(*in, late), Drop::kSaExpired);
}

// Sizes of the window at work in an SA: the last number still inside passes, the one behind not.
TEST_P(Opening, KeepsToItsReplayWindow) {
  for (const size_t size : {64, 128, 256, 512, 1024, 2048, 4096}) {
    SaParameters parameters = ParametersOf(kPlain);
    parameters.replay_window = size;
    const auto in = *MakeInboundSa(std::move(parameters), *engine);
    const auto drop_of = [&](size_t sequence) {
      return DropOf(*in, Forge(kPlain, static_cast<uint32_t>(sequence),
                               FromHex("0102030405060708090a0b0c0d0e0e11")));
    };
    EXPECT_EQ(drop_of(10000), Drop::kNone);
    EXPECT_EQ(drop_of(10001 - size), Drop::kNone) << size;
    EXPECT_EQ(drop_of(10001 - size), Drop::kReplayed);
    EXPECT_EQ(drop_of(10000 - size), Drop::kReplayTooOld);
  }
}

TEST_P(Sealing, NeverUsesANumberTwice) {
  for (const Suite& suite : {kPlain, kGcm}) {
    const auto out = Outbound(suite);
    out->sequence = kLastSequence - 1;
    EXPECT_FALSE(out->has_ended());
    EXPECT_EQ(stack::Load32(SealOne(*out, AsBytes("last")).data() + 4), 0xffffffffu);
    EXPECT_TRUE(out->has_ended());
    PacketPool pool(1, 0);
    PacketBuf buf = pool.Copy(AsBytes("one too many"));
    SealJob job{.buf = &buf, .sa = out.get(), .next_header = 17};
    for (int i = 0; i < 3; ++i) {
      Seal(*engine, {&job, 1});
      EXPECT_EQ(job.drop, Drop::kSequenceExhausted);
    }
    EXPECT_EQ(stack::AsText(buf.bytes()), "one too many");
    EXPECT_EQ(out->counters.packets, 1u);
  }
}

TEST_P(Sealing, StopsAtTheHardLimit) {
  const auto out = Outbound(kPlain);
  out->hard_octets = 10;
  SealOne(*out, Bytes(10));
  EXPECT_TRUE(out->has_ended());
  PacketPool pool(1, 0);
  PacketBuf buf = pool.Copy(Bytes(10));
  SealJob job{.buf = &buf, .sa = out.get(), .next_header = 17};
  Seal(*engine, {&job, 1});
  EXPECT_EQ(job.drop, Drop::kSaExpired);
  EXPECT_EQ(buf.size(), 10u);
}

TEST_P(Sealing, LeavesABufferWithoutRoomAsItWas) {
  const auto out = Outbound(kPlain);
  PacketPool pool(1, 0);
  PacketBuf full_behind = pool.Get();
  full_behind.Append(full_behind.tailroom() - 4);
  const size_t size = full_behind.size();
  SealJob job{.buf = &full_behind, .sa = out.get(), .next_header = 17};
  Seal(*engine, {&job, 1});
  EXPECT_EQ(job.drop, Drop::kTooBig);
  EXPECT_EQ(full_behind.size(), size);
  full_behind.Release();

  PacketBuf full_in_front = pool.Copy(AsBytes("x"));
  full_in_front.Push(full_in_front.headroom() - 23);
  job.buf = &full_in_front;
  Seal(*engine, {&job, 1});
  EXPECT_EQ(job.drop, Drop::kTooBig);
  EXPECT_EQ(full_in_front.headroom(), 23u);
  EXPECT_EQ(out->sequence, 0u);
}

TEST_P(Sealing, DrawsIvsThatDoNotRepeat) {
  const auto out = Outbound(kPlain), other = Outbound(kPlain);
  std::set<std::string> ivs;
  for (int i = 0; i < 2000; ++i) {
    const Bytes packet = SealOne(i % 2 == 0 ? *out : *other, AsBytes("same"));
    EXPECT_TRUE(ivs.insert(ToHex(ByteView(packet).subspan(8, 16))).second);
  }
}

// Two packets under one nonce would give the key stream away: the IV goes on whatever happens to
// the sequence number, and to the packets.
TEST_P(Sealing, CountsTheIvsOfGcm) {
  const auto out = Outbound(kGcm);
  uint64_t last = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    if (i % 100 == 50) out->sequence = 0;
    const Bytes packet = SealOne(*out, Bytes(i));
    const uint64_t iv = stack::Load64(packet.data() + 8);
    EXPECT_TRUE(i == 0 || iv > last);
    last = iv;
  }
}

// The salt is part of the nonce, and the nonce is the salt and the IV in this order.
TEST_P(Sealing, GcmNoncesBeginWithTheSalt) {
  Bytes packet = SealOne(*Outbound(kGcm), AsBytes("payload"));
  const Bytes keymat = KeyOf(36, 1);
  auto cipher = GcmCipher::Create(Direction::kDecrypt, ByteView(keymat).first(32));
  const Parts parts = CutUp(kGcm, packet);
  const Secret nonce = Secret::Concat({ByteView(keymat).last(4), parts.iv});
  ASSERT_TRUE(cipher->Open(nonce.view(), parts.header, parts.ciphered, parts.icv));
  EXPECT_EQ(stack::AsText(ByteView(parts.ciphered).first(7)), "payload");
}

TEST_P(OpenSeal, NeverAllocates) {
  constexpr size_t kMost = 20;
  PacketPool pool(kMost, 0);
  for (const Suite& suite : kSuites) {
    const auto in = Inbound(suite);
    const auto out = Outbound(suite);
    const uint64_t before = allocations;
    for (size_t i = 0; i < 200; ++i) {
      const size_t count = way.in_company ? kMost : 1;
      std::array<PacketBuf, kMost> bufs;
      std::array<SealJob, kMost> seal;
      std::array<OpenJob, kMost> open;
      for (size_t j = 0; j < count; ++j) {
        bufs[j] = pool.Get();
        bufs[j].Append(5 * i + j);
        seal[j] = {.buf = &bufs[j], .sa = out.get(), .next_header = 17};
      }
      Seal(*engine, std::span(seal).first(count));
      for (size_t j = 0; j < count; ++j) open[j] = {.packet = bufs[j].bytes(), .sa = in.get()};
      Open(*engine, std::span(open).first(count));
      for (const OpenJob& job : std::span(open).first(count)) {
        if (job.drop != Drop::kNone) ADD_FAILURE() << i;
      }
    }
    EXPECT_EQ(allocations, before);
  }
  const uint64_t before = allocations;
  ::operator delete(::operator new(1));  // the count counts; a new expression may be optimised away
  EXPECT_GT(allocations, before);
}

INSTANTIATE_TEST_SUITE_P(Ways, MakeSa, testing::ValuesIn(Ways()), NameOfWay);
INSTANTIATE_TEST_SUITE_P(Ways, Opening, testing::ValuesIn(Ways()), NameOfWay);
INSTANTIATE_TEST_SUITE_P(Ways, Sealing, testing::ValuesIn(Ways()), NameOfWay);
INSTANTIATE_TEST_SUITE_P(Ways, OpenSeal, testing::ValuesIn(Ways()), NameOfWay);

}  // namespace
}  // namespace crypto::esp
