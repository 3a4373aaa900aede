// Presence, NAT addresses, proxy ARP, several keys and pools, profiles and limits: each key's
// values, and what does not go together.
#include <string>

#include "conf/load.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conf/sample.h"

namespace conf {
namespace {

using stack::Ip4;
using test::FakeSources;
using test::kGood;
using test::Replaced;
using test::Report;

// kGood, to whose interface `lines` are added (from line 6 on).
std::string Interface0(const std::string& lines) {
  return Replaced("serve = true\n", "serve = true\n" + lines);
}
// kGood with the kernel's address in the place of one of its own.
std::string Kernels(const std::string& lines) {
  return Replaced("address = \"203.0.113.1/24\"\ngateway = \"203.0.113.254\"\n", lines);
}

TEST(Keys, EveryKeyReachesTheModel) {
  FakeSources sources;
  const Loaded loaded = Load(R"(
[[interface]]
name = "eth0"
presence = "own"
address = "203.0.113.1/24"
gateway = "203.0.113.254"
serve = true
nat = true
nat_addresses = ["203.0.113.2", "203.0.113.3"]
[[interface]]
name = "lan0"
presence = "adopt"
adopt_anyway = true
io = "xdp"
proxy_arp = true
[[pool]]
name = "staff"
range = "10.99.0.10-10.99.0.250"
gateway = "10.99.0.1"
routes = ["10.0.0.0/8", "192.168.0.0/16"]
domain = "corp.example.com"
[[user]]
name = "alice"
password = "wonderland"
pool = "staff"
logins = "refuse"
[auth]
protocols = ["mschapv2"]
logins = "replace"
[[psk]]
remote = "198.51.100.0/24"
psk = "the key of a site"
[ike]
profile = "modern"
modp1024 = false
force_encapsulation = true
nat_d_echo = "always"
public_address = "192.0.2.80"
[nat]
ports = "20000-29999"
filtering = "address-and-port-dependent"
[crypto]
engine = "ipsec-mb"
[io]
superframes = false
ring_slots = 8192
large_ring_slots = 120
busy_poll = 50
cpus = "1-3,8"
crew_cpus = "0"
[limits]
sessions = 200
half_open = 100
half_open_per_prefix = 20
flows = 5000
)",
                             "f", sources);
  EXPECT_EQ(loaded.Text(), "");
  const Model& m = loaded.model;
  ASSERT_EQ(m.interfaces.size(), 2u);
  EXPECT_EQ(m.interfaces[0].presence, Presence::kOwn);
  ASSERT_EQ(m.interfaces[0].nat_addresses.size(), 2u);
  EXPECT_EQ(m.interfaces[0].nat_addresses[1].Text(), "203.0.113.3");
  EXPECT_EQ(m.interfaces[1].presence, Presence::kAdopt);
  EXPECT_TRUE(m.interfaces[1].adopt_anyway);
  EXPECT_TRUE(m.interfaces[1].proxy_arp);
  EXPECT_FALSE(m.interfaces[1].address);
  EXPECT_EQ(m.interfaces[0].io, FrameIo::kPacket);
  EXPECT_EQ(m.interfaces[1].io, FrameIo::kXdp);
  ASSERT_EQ(m.pools[0].routes.size(), 2u);
  EXPECT_EQ(m.pools[0].routes[1].Text(), "192.168.0.0/16");
  EXPECT_EQ(m.pools[0].domain, "corp.example.com");
  EXPECT_EQ(m.users[0].pool, "staff");
  EXPECT_EQ(m.users[0].logins, Logins::kRefuse);
  EXPECT_EQ(m.auth.logins, Logins::kReplace);
  EXPECT_EQ(m.psks[0].remote.Text(), "198.51.100.0/24");
  EXPECT_EQ(m.psks[0].key.Reveal(), "the key of a site");
  EXPECT_TRUE(m.ike.psk.empty());
  EXPECT_EQ(m.ike.profile, Ike::Profile::kModern);
  EXPECT_EQ(m.ike.modp1024, false);
  EXPECT_TRUE(m.ike.force_encapsulation);
  EXPECT_EQ(m.ike.nat_d_echo, Ike::Echo::kAlways);
  EXPECT_EQ(m.ike.public_address, Ip4::Parse("192.0.2.80"));
  EXPECT_EQ(m.nat.first_port, 20000);
  EXPECT_TRUE(m.nat.ports_given);
  EXPECT_EQ(m.nat.filtering, Nat::Filtering::kAddressAndPortDependent);
  EXPECT_EQ(m.crypto.engine, Crypto::Engine::kIpsecMb);
  EXPECT_FALSE(m.io.superframes);
  EXPECT_EQ(m.io.ring_slots, 8192u);
  EXPECT_EQ(m.io.large_ring_slots, 120u);
  EXPECT_EQ(m.io.busy_poll, absl::Microseconds(50));
  EXPECT_THAT(m.io.cpus, testing::ElementsAre(1, 2, 3, 8));
  EXPECT_THAT(m.io.crew_cpus, testing::ElementsAre(0));
  EXPECT_EQ(m.limits.sessions, 200u);
  EXPECT_EQ(m.limits.half_open, 100u);
  EXPECT_EQ(m.limits.half_open_per_prefix, 20u);
  EXPECT_EQ(m.limits.flows, 5000u);
}

TEST(Keys, ProtocolsAreKeptInTheirOrder) {
  const Loaded loaded = Load(kGood + "[auth]\nprotocols = [\"mschapv2\", \"pap\", \"chap-md5\"]\n",
                             "f", FakeSources());
  EXPECT_TRUE(loaded.ok());
  using enum Auth::Protocol;
  EXPECT_EQ(loaded.model.auth.protocols, (std::vector{kMsChapV2, kPap, kChapMd5}));
}

TEST(Keys, WrongValues) {
  const struct {
    const char* lines;  // behind kGood, from line 15 on; [ike] is open
    const char* issue;
  } cases[] = {
      {"profile = \"moderm\"",
       "f:15:1: ike.profile: \"moderm\" is none of compat, modern (did you mean \"modern\"?)\n"},
      {"nat_d_echo = true", "f:15:1: ike.nat_d_echo: must be a string, not true or false\n"},
      {"public_address = \"127.0.0.1\"",
       "f:15:1: ike.public_address: \"127.0.0.1\" cannot be a host's address\n"},
      {"psk_file = \"x\"",
       "f:15:1: ike.psk_file: psk is given too: only one of them can count\n"
       "f:15:1: ike.psk_file: \"x\" cannot be read: No such file or directory\n"},
      {"[[psk]]\nremote = \"198.51.100.0/24\"", "f:15:1: psk[0]: needs psk, psk_file or psk_env\n"},
      {"[[psk]]\npsk = \"long enough\"", "f:15:1: psk[0].remote: is missing\n"},
      {"[[psk]]\nremote = \"198.51.100.1/24\"\npsk = \"long enough\"",
       "f:16:1: psk[0].remote: \"198.51.100.1/24\" has host bits set (did you mean "
       "\"198.51.100.0/24\"?)\n"},
      {"[[psk]]\nremote = \"198.51.100.0/24\"\npsk_env = \"A-B\"",
       "f:17:1: psk[0].psk_env: \"A-B\" is no name of an environment variable\n"},
      {"[auth]\nprotocols = []", "f:16:1: auth.protocols: must name one at least\n"},
      {"[auth]\nprotocols = [\"mschap\"]",
       "f:16:14: auth.protocols[0]: \"mschap\" is none of mschapv2, chap-md5, pap (did you mean "
       "\"mschapv2\"?)\n"},
      {"[auth]\nprotocols = [\"mschapv2\", \"mschapv2\"]",
       "f:16:26: auth.protocols[1]: is there already\n"},
      {"[auth]\nlogins = \"one\"",
       "f:16:1: auth.logins: \"one\" is none of many, replace, refuse\n"},
      {"[auth]\nchap_secrets = \"/etc/ppp/chap-secrets\"",
       "f:16:1: auth.chap_secrets: must be an array of strings, not a string\n"},
      {"[nat]\nfiltering = \"none\"",
       "f:16:1: nat.filtering: \"none\" is none of endpoint-independent, "
       "address-and-port-dependent\n"},
      {"[limits]\nsessions = 0", "f:16:1: limits.sessions: must be 1..1000000\n"},
      {"[limits]\nflows = 1000", "f:16:1: limits.flows: must be 1024..16777216\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(Report(kGood + c.lines + "\n"), c.issue);
  EXPECT_EQ(Report(Interface0("presence = \"shared\"\n")),
            "f:6:1: interface[0].presence: \"shared\" is none of auto, own, share, adopt (did you "
            "mean \"share\"?)\n");
  for (const char* domain : {"", "a..b", ".a", "a.", "a b"}) {
    EXPECT_NE(Report(Replaced("[[user]]", "domain = \"" + std::string(domain) + "\"\n[[user]]")),
              "");
  }
}

// ---- Presence ----

TEST(Presence, EachWayToLiveOnAnInterface) {
  EXPECT_EQ(Report(Kernels("")), "");  // auto without an address shares the kernel's
  for (const char* presence : {"share", "adopt"}) {
    const std::string line = "presence = \"" + std::string(presence) + "\"\n";
    EXPECT_EQ(Report(Kernels(line)), "");
    EXPECT_EQ(Report(Interface0(line)), "");  // chooses among the kernel's addresses
  }
  EXPECT_EQ(Report(Interface0("presence = \"own\"\nmac = \"02:00:5e:00:00:01\"\n")), "");
  EXPECT_EQ(Report(Kernels("presence = \"adopt\"\nadopt_anyway = true\n")), "");
}

TEST(Presence, KeysItHasNoUseFor) {
  const std::string alone =
      ": is of use only where adit has an address of its own: presence = \"own\" and an address\n";
  EXPECT_EQ(Report(Kernels("presence = \"own\"\n")),
            "f:1:3: warning: interface: no default route: no interface has a gateway\n"
            "f:3:1: interface[0].presence: \"own\" needs an address, or address = \"dhcp\"\n");
  EXPECT_EQ(Report(Kernels("presence = \"share\"\naddress = \"dhcp\"\n")),
            "f:4:1: interface[0].address: the address is the kernel's here, and so is its DHCP: "
            "leave \"dhcp\" out\n");
  EXPECT_EQ(Report(Kernels("mac = \"02:00:5e:00:00:01\"\n")), "f:3:1: interface[0].mac" + alone);
  EXPECT_EQ(Report(Interface0("presence = \"share\"\nmac = \"02:00:5e:00:00:01\"\n")),
            "f:7:1: interface[0].mac" + alone);
  EXPECT_EQ(Report(Interface0("presence = \"adopt\"\nnat_addresses = [\"203.0.113.2\"]\n")),
            "f:7:1: interface[0].nat_addresses" + alone);
  EXPECT_EQ(Report(Interface0("adopt_anyway = true\n")),
            "f:6:1: interface[0].adopt_anyway: is of use only with presence = \"adopt\"\n");
}

TEST(Presence, TheKernelsGatewayAndNetworkAreNotKnownYet) {
  EXPECT_EQ(Report(Kernels("") + "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"172.16.0.1\"\n"), "");
  EXPECT_EQ(Report(Replaced("gateway = \"203.0.113.254\"\n", "presence = \"share\"\n")), "");
}

TEST(Presence, AWrongAddressIsNotTakenForNone) {
  EXPECT_EQ(Report(Kernels("address = \"203.0.113.1\"\nmac = \"02:00:5e:00:00:01\"\n"
                           "gateway = \"203.0.113.254\"\n")),
            "f:3:1: interface[0].address: needs the length of its network, as in "
            "\"203.0.113.1/24\"\n");
}

// ---- NAT addresses and proxy ARP ----

TEST(NatAddresses, Collisions) {
  const auto report = [](const std::string& address) {
    return Report(Interface0("nat_addresses = [\"" + address + "\"]\n"));
  };
  const std::string at = "f:6:1: interface[0].nat_addresses: ";
  EXPECT_EQ(report("203.0.113.2"), "");
  EXPECT_EQ(report("203.0.113.1"), at + "203.0.113.1 is the own address of \"eth0\"\n");
  EXPECT_EQ(report("203.0.113.254"), at + "203.0.113.254 is a gateway\n");
  EXPECT_EQ(report("203.0.113.2\", \"203.0.113.2"), at + "203.0.113.2 is there already\n");
  EXPECT_EQ(report("198.51.100.7"),
            "f:6:1: warning: interface[0].nat_addresses: 198.51.100.7 is not in 203.0.113.1/24: "
            "the routers there must send it here\n");
  EXPECT_THAT(report("10.99.0.11"),
              testing::HasSubstr(at + "10.99.0.11 belongs to the pool \"default\"\n"));
  EXPECT_EQ(Report(Replaced("nat = true",
                            "nat_addresses = [\"203.0.113.2\"]\n"
                            "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = "
                            "\"203.0.113.9\"")),
            at + "is of use only with nat = true\n");
}

// kGood with a pool inside the interface's network.
std::string OnLink(const std::string& range, const std::string& gateway) {
  std::string text = Interface0("proxy_arp = true\n");
  text.replace(text.find("10.99.0.10-10.99.0.250"), 22, range);
  text.replace(text.find("10.99.0.1\""), 9, gateway);
  return text;
}

TEST(ProxyArp, LetsAPoolLieOnTheLink) {
  EXPECT_EQ(Report(OnLink("203.0.113.100-203.0.113.199", "203.0.113.1")), "");
  EXPECT_EQ(Report(OnLink("203.0.113.1-203.0.113.199", "203.0.113.1")), "");
  EXPECT_EQ(Report(OnLink("203.0.113.1-203.0.113.199", "10.99.0.1")),
            "f:9:1: pool[0].range: 203.0.113.1-203.0.113.199 holds 203.0.113.1, adit's own address "
            "there\n");
  EXPECT_EQ(Report(OnLink("203.0.113.200-203.0.113.254", "203.0.113.1")),
            "f:9:1: pool[0].range: 203.0.113.200-203.0.113.254 holds 203.0.113.254, the gateway "
            "there\n");
}

TEST(ProxyArp, IsOfUseOnlyForClientsOnTheLink) {
  EXPECT_EQ(Report(Interface0("proxy_arp = true\n")),
            "f:6:1: warning: interface[0].proxy_arp: no client can have an address in "
            "203.0.113.1/24: nobody there will ask for one\n");
  const std::string on_link = Interface0("proxy_arp = true\n");
  const auto with_user = [&](const std::string& address) {
    std::string text = on_link;
    return Report(text.insert(text.find("[ike]"), "address = \"" + address + "\"\n"));
  };
  EXPECT_EQ(with_user("203.0.113.7"),
            "f:14:1: warning: user[0].address: 203.0.113.7 is in no pool\n");
  EXPECT_EQ(with_user("203.0.113.254"),
            "f:14:1: user[0].address: 203.0.113.254 is taken on interface \"eth0\"\n");
}

// ---- Users ----

TEST(Users, PoolsByName) {
  const auto report = [](const std::string& lines) {
    return Report(Replaced("[ike]", lines + "\n[ike]"));
  };
  EXPECT_EQ(report("pool = \"default\""), "");
  EXPECT_EQ(
      report("pool = \"defualt\""),
      "f:13:1: user[0].pool: no [[pool]] is called \"defualt\" (did you mean \"default\"?)\n");
  EXPECT_EQ(report("pool = \"default\"\naddress = \"10.99.0.20\""), "");
  EXPECT_EQ(report("pool = \"default\"\naddress = \"10.98.0.20\""),
            "f:14:1: warning: user[0].address: 10.98.0.20 is not in the user's pool, "
            "10.99.0.10-10.99.0.250\n");
}

// ---- Keys, algorithms, limits ----

TEST(Security, Warnings) {
  const struct {
    const char* lines;
    const char* issue;
  } cases[] = {
      {"profile = \"modern\"\nmodp1024 = true",
       "f:16:1: warning: ike.modp1024: lets in what profile = \"modern\" keeps out: 1024 bits are "
       "within reach of states\n"},
      {"profile = \"compat\"\nmodp1024 = true", ""},
      {"md5 = true",
       "f:15:1: warning: ike.md5: accepts what is weaker than all else here: only very old clients "
       "need it\n"},
      {"public_address = \"203.0.113.1\"",
       "f:15:1: warning: ike.public_address: is the own address of \"eth0\": needed only behind a "
       "router\n"},
      {"[[psk]]\nremote = \"0.0.0.0/0\"\npsk = \"long enough\"",
       "f:16:1: warning: psk[0].remote: is everybody: ike.psk is never used\n"},
      {"[[psk]]\nremote = \"198.51.100.7\"\npsk = \"short\"",
       "f:17:1: warning: psk[0].psk: shorter than 8 characters: whoever records one login can "
       "guess it\n"},
      {"[auth]\nprotocols = [\"mschapv2\", \"pap\"]",
       "f:16:1: warning: auth.protocols: with pap the password itself goes through the tunnel: "
       "whoever has the pre-shared key can pose as the gateway and collect passwords\n"},
      {"[auth]\nprotocols = [\"chap-md5\"]",
       "f:16:1: warning: auth.protocols: with chap-md5 the client cannot tell a false gateway, and "
       "whoever plays one can search for the password offline\n"},
      {"[limits]\nsessions = 241", ""},
      {"[limits]\nsessions = 242",
       "f:16:1: warning: limits.sessions: the pools have only 241 addresses for clients\n"},
      {"[limits]\nhalf_open = 64\nhalf_open_per_prefix = 65",
       "f:17:1: warning: limits.half_open_per_prefix: is more than half_open = 64 of all "
       "together\n"},
  };
  for (const auto& c : cases) {
    const Loaded loaded = Load(kGood + c.lines + "\n", "f", FakeSources());
    EXPECT_EQ(loaded.Text(), c.issue);
    EXPECT_TRUE(loaded.ok()) << c.issue;
  }
}

TEST(Security, TwoKeysOfOneNetwork) {
  EXPECT_EQ(Report(kGood + "[[psk]]\nremote = \"198.51.100.0/24\"\npsk = \"long enough\"\n"
                           "[[psk]]\nremote = \"198.51.100.0/24\"\npsk = \"long enough\"\n"),
            "f:19:1: psk[1].remote: 198.51.100.0/24 has a pre-shared key already\n");
}

}  // namespace
}  // namespace conf
