// What the gateway emits, read by somebody else: tshark, with the keys that --keylog writes.
#include "gateway/io/keylog.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/folder.h"
#include "tests/support/frames.h"
#include "tests/support/world/world.h"

namespace test {
namespace {

namespace fs = std::filesystem;
using gateway::load::Client;
using LoadOut = gateway::load::Out;

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), n);
  }
  pclose(pipe);
  return output;
}

// A capture of bare IPv4 packets, LINKTYPE_RAW.
class Capture {
 public:
  explicit Capture(const std::string& path) : file_(path, std::ios::binary) {
    for (const uint32_t word : {0xa1b2c3d4U, 0x00040002U, 0U, 0U, 65535U, 101U}) Put(word);
  }
  void Add(absl::Time at, const stack::Bytes& packet) {
    const int64_t us = absl::ToUnixMicros(at);
    Put(static_cast<uint32_t>(us / 1'000'000));
    Put(static_cast<uint32_t>(us % 1'000'000));
    Put(static_cast<uint32_t>(packet.size()));
    Put(static_cast<uint32_t>(packet.size()));
    file_.write(stack::AsText(packet).data(), static_cast<std::streamsize>(packet.size()));
    file_.flush();
  }

 private:
  void Put(uint32_t word) { file_.write(reinterpret_cast<const char*>(&word), sizeof word); }
  std::ofstream file_;
};

std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(KeyLog, FilesAreForTheirOwnerAlone) {
  Folder folder;
  const std::string directory = folder / "keys";
  {
    const auto log = gateway::io::KeyLog::Open(directory);
    ASSERT_TRUE(log.ok()) << log.status();
    (*log)->Ike(0x0123456789abcdef, stack::FromHex("00ff"));
    (*log)->Esp({.from = "*",
                 .to = "192.0.2.1",
                 .spi = 0x1001,
                 .cipher = "AES-CBC [RFC3602]",
                 .cipher_key = stack::FromHex("aa"),
                 .auth = "NULL",
                 .auth_key = {}});
  }
  fs::permissions(directory + "/esp_sa", fs::perms::all);
  ASSERT_TRUE(gateway::io::KeyLog::Open(directory).ok());  // appends
  for (const char* name : {"/ikev1_decryption_table", "/esp_sa"}) {
    EXPECT_EQ(fs::status(directory + name).permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
  }
  EXPECT_EQ(TextOf(directory + "/ikev1_decryption_table"), "0123456789abcdef,00ff\n");
  EXPECT_EQ(TextOf(directory + "/esp_sa"),
            "\"IPv4\",\"*\",\"192.0.2.1\",\"0x00001001\",\"AES-CBC [RFC3602]\",\"0xaa\",\"NULL\","
            "\"\"\n");
  EXPECT_FALSE(gateway::io::KeyLog::Open("/proc/no/such/place").ok());
}

struct SessionRow {
  const char* name;
  bool natted;
  crypto::ike::IkeHash hash;
  crypto::ike::EspSuite esp;
};

class ReadBy : public testing::TestWithParam<SessionRow> {};

// A session with pings and a rekey, from the first message to the DELETEs.
TEST_P(ReadBy, TsharkDecryptsAllOfASession) {
  if (OutputOf("tshark --version 2>/dev/null").empty()) {
    GTEST_SKIP() << "*** tshark is not installed: nobody else reads what adit emits ***";
  }
  Folder folder;
  auto keylog = gateway::io::KeyLog::Open(folder.path());
  ASSERT_TRUE(keylog.ok());
  World world({.keylog = keylog->get()});
  Capture capture(folder / "session.pcap");
  world.on_outer = [&](const stack::Bytes& packet) { capture.Add(world.now(), packet); };
  Caller::Options who;
  if (GetParam().natted) {
    who.address = "192.168.1.2";
    who.nat = &world.AddNat("203.0.113.99");
  }
  who.change = [](gateway::load::ClientOptions& client) {
    for (auto& suite : client.ipsec.ike.phase_one) suite.hash = GetParam().hash;
    client.ipsec.ike.esp = {GetParam().esp};
  };
  Caller& caller = world.Add(who);
  ASSERT_TRUE(world.LogIn(caller));
  world.host_echoes = true;
  const auto ping = [&](uint16_t sequence) {
    world.Send(caller, EchoPacket(caller.up->address, kHost, 77, sequence, Pattern(56)));
    world.RunFor(absl::Milliseconds(200));
  };
  ping(1);
  world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.RekeyEsp(now, out); });
  world.Settle();
  ping(2);
  world.Do(caller, [](absl::Time now, Client& client, LoadOut& out) { client.Close(now, out); });
  world.RunUntil([&] { return caller.is_down(); }, absl::Seconds(5));
  ASSERT_EQ(caller.received.size(), 2u);

  Capture beyond(folder / "internet.pcap");
  for (const stack::Bytes& packet : world.internet) beyond.Add(world.now(), packet);

  const auto tshark = [&](const std::string& filter, const char* file = "session.pcap") {
    return OutputOf("WIRESHARK_CONFIG_DIR=" + folder.path().string() + " tshark -r " +
                    (folder / file).string() +
                    " -o esp.enable_encryption_decode:TRUE"
                    " -o esp.enable_authentication_check:TRUE -o ip.check_checksum:TRUE"
                    " -o udp.check_checksum:TRUE -Y '" +
                    filter + "' 2>/dev/null");
  };
  const auto count = [&](const std::string& filter) {
    const std::string lines = tshark(filter);
    return std::count(lines.begin(), lines.end(), '\n');
  };
  EXPECT_EQ(tshark("_ws.malformed"), "");
  // Of what the client sends from behind a NAT the inner checksums cannot be right (RFC 3948
  // section 3.1.2).
  const std::string wrong =
      "(_ws.malformed || _ws.expert.severity == error || ip.checksum.status == \"Bad\" ||"
      " udp.checksum.status == \"Bad\" || icmp.checksum.status == \"Bad\")";
  EXPECT_EQ(tshark("ip.src == 203.0.113.1 && " + wrong), "");
  EXPECT_EQ(tshark(wrong, "internet.pcap"), "");
  EXPECT_NE(tshark("icmp && ip.checksum.status == \"Good\"", "internet.pcap"), "");
  // What is encrypted under IKE, and what of it tshark could look into: all of it has a hash.
  EXPECT_EQ(count("isakmp.flag_e == 1"), 2 + 3 + 3 + 3);  // MM5, MM6; two quick modes; DELETEs
  EXPECT_EQ(count("isakmp.flag_e == 1 && isakmp.hash"), 2 + 3 + 3 + 3);
  EXPECT_EQ(count("isakmp.hash && isakmp.typepayload == 5 && isakmp.exchangetype == 2"), 2);
  EXPECT_EQ(count("isakmp.hash && isakmp.typepayload == 12"), 3);
  // Every ESP packet is L2TP, and its ICV is right.
  const auto esp = count("esp");
  EXPECT_GT(esp, 30);
  EXPECT_EQ(count("esp && l2tp"), esp);
  EXPECT_EQ(count("esp && !(esp.icv_good == 1)"), 0);
  EXPECT_EQ(count("esp && l2tp && icmp"), 4);
}

using crypto::ike::EspAuth;
using crypto::ike::EspCipher;
using crypto::ike::IkeHash;

crypto::ike::EspSuite Esp(EspCipher cipher, uint16_t bits, EspAuth auth) {
  return {cipher, bits, auth, crypto::ike::EncapsulationMode::kTransport, {}, {}};
}

INSTANTIATE_TEST_SUITE_P(
    Sessions, ReadBy,
    testing::Values(SessionRow{"nat_sha1", true, IkeHash::kSha1,
                               Esp(EspCipher::kAesCbc, 256, EspAuth::kHmacSha1)},
                    SessionRow{"direct_sha256", false, IkeHash::kSha2_256,
                               Esp(EspCipher::kAesCbc, 128, EspAuth::kHmacSha2_256)},
                    SessionRow{"direct_3des", false, IkeHash::kSha2_256,
                               Esp(EspCipher::kTripleDes, 0, EspAuth::kHmacSha2_512)},
                    SessionRow{"nat_gcm", true, IkeHash::kSha2_256,
                               Esp(EspCipher::kAesGcm16, 256, EspAuth::kNone)}),
    [](const testing::TestParamInfo<SessionRow>& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace test
