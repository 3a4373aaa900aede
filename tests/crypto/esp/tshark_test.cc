// Wireshark's dissector opens what we seal: an implementation nobody of us wrote, with its own
// opinion of padding, salt and ICV.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "crypto/esp/seal.h"
#include "tests/support/esp_engines.h"
#include "tests/support/rng.h"

namespace crypto::esp {
namespace {

using stack::Bytes;
using stack::ToHex;

constexpr uint32_t kSpi = 0x1234abcd;

struct Case {
  const char* name;
  Suite suite;
  const char *cipher, *auth;  // as Wireshark calls them
};
const Case kCases[] = {
    {"Gcm128", {CipherId::kAesGcm, 16, {}}, "AES-GCM with 16 octet ICV [RFC4106]", "NULL"},
    {"Gcm192", {CipherId::kAesGcm, 24, {}}, "AES-GCM with 16 octet ICV [RFC4106]", "NULL"},
    {"Gcm256", {CipherId::kAesGcm, 32, {}}, "AES-GCM with 16 octet ICV [RFC4106]", "NULL"},
    {"Aes256Sha1",
     {CipherId::kAesCbc, 32, HashId::kSha1},
     "AES-CBC [RFC3602]",
     "HMAC-SHA-1-96 [RFC2404]"},
    {"Aes192Sha384",
     {CipherId::kAesCbc, 24, HashId::kSha384},
     "AES-CBC [RFC3602]",
     "HMAC-SHA-384-192 [RFC4868]"},
    {"Aes128Sha512",
     {CipherId::kAesCbc, 16, HashId::kSha512},
     "AES-CBC [RFC3602]",
     "HMAC-SHA-512-256 [RFC4868]"},
    {"TripleDesSha256",
     {CipherId::kTripleDesCbc, 24, HashId::kSha256},
     "TripleDES-CBC [RFC2451]",
     "HMAC-SHA-256-128 [RFC4868]"},
};

Bytes RandomBytes(size_t size, uint64_t seed) {
  test::FixedRng rng(seed);
  Bytes bytes(size);
  rng.Fill(bytes);
  return bytes;
}

// A UDP datagram to port 9 with `text` in it, sealed in a batch of its like: the last of them.
Bytes SealedDatagram(const Case& c, EngineId id, const std::string& text) {
  constexpr size_t kBatch = 16;
  test::FixedRng rng;
  const auto engine = MakeEngine(id, rng);
  auto sa = *MakeOutboundSa({.spi = {kSpi},
                             .suite = c.suite,
                             .keys = {Secret(RandomBytes(CipherKeySize(c.suite), 1)),
                                      Secret(RandomBytes(AuthKeySize(c.suite), 2))}},
                            *engine);
  Bytes udp(8);
  stack::Store16(udp.data(), 9);
  stack::Store16(udp.data() + 2, 9);
  stack::Store16(udp.data() + 4, static_cast<uint16_t>(8 + text.size()));
  const auto octets = stack::AsBytes(text);
  udp.insert(udp.end(), octets.begin(), octets.end());
  stack::PacketPool pool(kBatch, 0);
  std::vector<stack::PacketBuf> bufs;
  std::vector<SealJob> jobs;
  for (size_t i = 0; i < kBatch; ++i) bufs.push_back(pool.Copy(udp));
  for (auto& buf : bufs) jobs.push_back({.buf = &buf, .sa = sa.get(), .next_header = 17});
  Seal(*engine, jobs);
  EXPECT_EQ(jobs.back().drop, stack::Drop::kNone);
  return stack::ToBytes(bufs.back().bytes());
}

// One IPv4 packet of protocol 50 in a pcap file of raw IP.
void WritePcap(const std::string& path, const Bytes& esp) {
  Bytes file = stack::FromHex("a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000065");
  const auto size = static_cast<uint32_t>(20 + esp.size());
  Bytes head(16 + 20);
  stack::Store32(head.data() + 8, size);
  stack::Store32(head.data() + 12, size);
  std::byte* const ip = head.data() + 16;
  stack::Store32(ip, 0x45000000 | size);
  stack::Store32(ip + 8, 0x40320000);  // TTL 64, protocol 50; the checksum is not looked at
  stack::Store32(ip + 12, 0xc0000201);
  stack::Store32(ip + 16, 0xc0000202);
  file.insert(file.end(), head.begin(), head.end());
  file.insert(file.end(), esp.begin(), esp.end());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
}

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  pclose(pipe);
  return output;
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

class Tshark : public testing::TestWithParam<std::tuple<Case, EngineId>> {};

TEST_P(Tshark, OpensWhatWeSeal) {
  if (OutputOf("tshark --version 2>/dev/null").empty()) {
    GTEST_SKIP() << "tshark is not installed";
  }
  const auto& [c, id] = GetParam();
  const std::string text = "what was sealed here, Wireshark shall read";
  const std::string path = testing::TempDir() + "adit_esp_" + c.name + test::NameOf(id) + ".pcap";
  WritePcap(path, SealedDatagram(c, id, text));
  const std::string auth_key =
      c.suite.auth ? "0x" + ToHex(RandomBytes(AuthKeySize(c.suite), 2)) : "";
  const std::string sa = Quoted("IPv4") + "," + Quoted("*") + "," + Quoted("*") + "," +
                         Quoted("0x1234abcd") + "," + Quoted(c.cipher) + "," +
                         Quoted("0x" + ToHex(RandomBytes(CipherKeySize(c.suite), 1))) + "," +
                         Quoted(c.auth) + "," + Quoted(auth_key);
  const std::string output =
      OutputOf("tshark -r " + path +
               " -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE -o "
               "'uat:esp_sa:" +
               sa + "' -T fields -e udp.dstport -e data.data -e esp.icv_good 2>&1");
  std::remove(path.c_str());
  EXPECT_NE(output.find("9\t" + ToHex(stack::AsBytes(text)) + "\t1"), std::string::npos) << output;
}

INSTANTIATE_TEST_SUITE_P(Suites, Tshark,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::ValuesIn(test::EspEngines())),
                         [](const auto& c) {
                           return std::get<0>(c.param).name + test::NameOf(std::get<1>(c.param));
                         });

}  // namespace
}  // namespace crypto::esp
