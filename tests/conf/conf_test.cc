#include <string>
#include <vector>

#include "conf/load.h"
#include "conf/parse.h"
#include "conf/spelling.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/conf/sample.h"

namespace conf {
namespace {

using stack::Ip4;
using stack::Prefix;
using test::kGood;
using test::Replaced;
using test::Report;
using testing::HasSubstr;

// ---- What is right ----

TEST(Conf, LeastConfigurationHasTheDefaults) {
  const Loaded loaded = Load(kGood, "f");
  EXPECT_EQ(loaded.Text(), "");
  ASSERT_TRUE(loaded.ok());
  const Model& m = loaded.model;
  EXPECT_FALSE(m.shards);
  ASSERT_EQ(m.interfaces.size(), 1u);
  EXPECT_EQ(m.interfaces[0].address, Prefix::Parse("203.0.113.1/24"));
  EXPECT_FALSE(m.interfaces[0].mtu);
  ASSERT_EQ(m.pools.size(), 1u);
  EXPECT_EQ(m.pools[0].name, "default");
  EXPECT_EQ(m.pools[0].first.Text(), "10.99.0.10");
  EXPECT_EQ(m.pools[0].last.Text(), "10.99.0.250");
  EXPECT_EQ(m.users[0].password.Reveal(), "wonderland");
  EXPECT_EQ(m.ike.psk.Reveal(), "a long enough one");
  EXPECT_FALSE(m.ike.modp1024);
  EXPECT_EQ(m.ike.dpd, absl::Seconds(30));
  EXPECT_EQ(m.l2tp.hello, absl::Seconds(60));
  EXPECT_EQ(m.ppp.mru, 1400);
  EXPECT_EQ(m.nat.first_port, 1024);
  EXPECT_EQ(m.nat.last_port, 65535);
  EXPECT_EQ(m.nat.quota, 1024u);
  EXPECT_EQ(m.esp.replay_window, 1024u);
  EXPECT_EQ(m.esp.linger, absl::Seconds(31));
  EXPECT_EQ(m.log.level, Log::Level::kInfo);
}

// adit.toml says of itself that it shows every key; what it shows as default must be it.
TEST(Conf, ExampleIsValidAndShowsTheDefaults) {
  const Loaded loaded = LoadFile(std::string(ADIT_TEST_DATA) + "/../../conf/adit.toml");
  EXPECT_EQ(loaded.Text(), "");
  const Model& m = loaded.model;
  const Model defaults;
  ASSERT_EQ(m.interfaces.size(), 2u);
  EXPECT_EQ(m.interfaces[0].mac->Text(), "02:00:5e:00:00:01");
  EXPECT_EQ(m.interfaces[0].mtu, 1500);
  EXPECT_TRUE(m.interfaces[0].serve);
  EXPECT_FALSE(m.interfaces[1].serve);
  ASSERT_EQ(m.routes.size(), 1u);
  EXPECT_EQ(m.routes[0].prefix.Text(), "10.0.0.0/8");
  EXPECT_EQ(m.routes[0].interface, "lan0");
  EXPECT_EQ(m.pools[0].dns.size(), 2u);
  EXPECT_EQ(m.users[0].address, Ip4::Parse("10.99.0.20"));
  EXPECT_EQ(m.shards, defaults.shards);
  EXPECT_EQ(m.interfaces[0].presence, Interface().presence);
  EXPECT_EQ(m.auth.protocols, defaults.auth.protocols);
  EXPECT_EQ(m.auth.logins, defaults.auth.logins);
  EXPECT_EQ(m.ike.profile, defaults.ike.profile);
  EXPECT_EQ(m.ike.modp1024, defaults.ike.modp1024);
  EXPECT_EQ(m.ike.md5, defaults.ike.md5);
  EXPECT_EQ(m.ike.force_encapsulation, defaults.ike.force_encapsulation);
  EXPECT_EQ(m.ike.nat_d_echo, defaults.ike.nat_d_echo);
  EXPECT_EQ(m.limits.sessions, defaults.limits.sessions);
  EXPECT_EQ(m.limits.half_open, defaults.limits.half_open);
  EXPECT_EQ(m.limits.half_open_per_prefix, defaults.limits.half_open_per_prefix);
  EXPECT_EQ(m.limits.flows, defaults.limits.flows);
  EXPECT_EQ(m.nat.filtering, defaults.nat.filtering);
  EXPECT_EQ(m.ike.dpd, defaults.ike.dpd);
  EXPECT_EQ(m.l2tp.hello, defaults.l2tp.hello);
  EXPECT_EQ(m.l2tp.host_name, defaults.l2tp.host_name);
  EXPECT_EQ(m.ppp.mru, defaults.ppp.mru);
  EXPECT_EQ(m.ppp.echo, defaults.ppp.echo);
  EXPECT_EQ(m.nat.first_port, defaults.nat.first_port);
  EXPECT_EQ(m.nat.last_port, defaults.nat.last_port);
  EXPECT_EQ(m.nat.quota, defaults.nat.quota);
  EXPECT_EQ(m.esp.replay_window, defaults.esp.replay_window);
  EXPECT_EQ(m.esp.linger, defaults.esp.linger);
  EXPECT_EQ(m.log.level, defaults.log.level);
  EXPECT_EQ(m.log.json, defaults.log.json);
}

TEST(Conf, OtherWaysToSayThings) {
  const Loaded loaded = Load("shards = 4\n" + Replaced("\"203.0.113.1/24\"", "\"dhcp\"") +
                                 "[ppp]\necho = 0\n[log]\nlevel = \"error\"\njson = true\n",
                             "f");
  EXPECT_EQ(loaded.Text(), "");
  EXPECT_EQ(loaded.model.shards, 4u);
  EXPECT_TRUE(loaded.model.interfaces[0].dhcp);
  EXPECT_FALSE(loaded.model.interfaces[0].address);
  EXPECT_EQ(loaded.model.interfaces[0].gateway, Ip4::Parse("203.0.113.254"));
  EXPECT_EQ(loaded.model.ppp.echo, absl::ZeroDuration());
  EXPECT_EQ(loaded.model.log.level, Log::Level::kError);
}

TEST(Conf, PoolAsNetworkLeavesItsEndsOut) {
  const Loaded loaded = Load(Replaced("10.99.0.10-10.99.0.250", "10.99.0.0/24"), "f");
  EXPECT_EQ(loaded.Text(), "");
  EXPECT_EQ(loaded.model.pools[0].first.Text(), "10.99.0.1");
  EXPECT_EQ(loaded.model.pools[0].last.Text(), "10.99.0.254");
}

// ---- What a key may not be: the issue is the whole report ----

TEST(Conf, OneWrongValueIsOneIssue) {
  const struct {
    const char* from;
    const char* to;
    const char* issue;
  } cases[] = {
      {"serve = true", "serve = 1",
       "f:5:1: interface[0].serve: must be true or false, not an integer\n"},
      {"name = \"eth0\"", "name = \"a name too long\"",
       "f:2:1: interface[0].name: \"a name too long\" is no interface name\n"},
      {"\"203.0.113.1/24\"", "\"203.0.113.256/24\"",
       "f:3:1: interface[0].address: \"203.0.113.256/24\" is neither \"dhcp\" nor an address like "
       "\"192.0.2.1/24\"\n"},
      {"\"203.0.113.1/24\"", "\"203.0.113.1\"",
       "f:3:1: interface[0].address: needs the length of its network, as in \"203.0.113.1/24\"\n"},
      {"\"203.0.113.1/24\"", "\"203.0.113.0/24\"",
       "f:3:1: interface[0].address: \"203.0.113.0/24\" is the network itself, not an address in "
       "it\n"},
      {"\"203.0.113.1/24\"", "\"203.0.113.255/24\"",
       "f:3:1: interface[0].address: \"203.0.113.255/24\" is its network's broadcast address\n"},
      {"\"203.0.113.254\"", "\"224.0.0.1\"",
       "f:4:1: interface[0].gateway: \"224.0.0.1\" cannot be a host's address\n"},
      {"serve = true", "serve = true\nmtu = 500", "f:6:1: interface[0].mtu: must be 576..9000\n"},
      {"serve = true", "serve = true\nmac = \"01:00:5e:00:00:01\"",
       "f:6:1: interface[0].mac: \"01:00:5e:00:00:01\" cannot be a station's address\n"},
      {"serve = true", "serve = true\nmac = \"02-00\"",
       "f:6:1: interface[0].mac: \"02-00\" is no MAC address\n"},
      {"10.99.0.10-10.99.0.250", "10.99.0.10-10.99.0.9",
       "f:8:1: pool[0].range: ends before it begins\n"},
      {"10.99.0.10-10.99.0.250", "10.99.0.10-", "f:8:1: pool[0].range: \"\" is no IPv4 address\n"},
      {"10.99.0.10-10.99.0.250", "10.99.0.1/24",
       "f:8:1: pool[0].range: \"10.99.0.1/24\" has host bits set (did you mean "
       "\"10.99.0.0/24\"?)\n"},
      {"10.99.0.10-10.99.0.250", "10.0.0.0/8",
       "f:8:1: pool[0].range: has more than 1048576 addresses\n"},
      {"gateway = \"10.99.0.1\"", "gateway = \"10.99.0.1\"\ndns = [\"9.9.9.9\", 4]",
       "f:10:19: pool[0].dns[1]: must be a string, not an integer\n"},
      {"gateway = \"10.99.0.1\"", "gateway = \"10.99.0.1\"\ndns = [\"a\", \"b\", \"c\"]",
       "f:10:1: pool[0].dns: has more than 2 entries\n"},
      {"name = \"alice\"\n", "", "f:10:1: user[0].name: is missing\n"},
      {"password = \"wonderland\"\n", "", "f:10:1: user[0].password: is missing\n"},
      {"range = \"10.99.0.10-10.99.0.250\"\n", "", "f:7:1: pool[0].range: is missing\n"},
      {"psk = \"a long enough one\"", "psk = 12",
       "f:14:1: ike.psk: must be a string, not an integer\n"},
      {"psk = \"a long enough one\"", "psk = \"\"",
       "f:14:1: ike.psk: must have 1..256 characters\n"},
      {"[ike]", "[ppp]\nmru = 1501\n[ike]", "f:14:1: ppp.mru: must be 576..1500\n"},
      {"[ike]", "[ppp]\nmru = 1.5\n[ike]",
       "f:14:1: ppp.mru: must be an integer, not a decimal number\n"},
      {"[ike]", "[esp]\nreplay_window = 1000\n[ike]",
       "f:14:1: esp.replay_window: must be a power of two\n"},
      {"[ike]", "[crypto]\nengine = \"ipsecmb\"\n[ike]",
       "f:14:1: crypto.engine: \"ipsecmb\" is none of auto, botan, ipsec-mb (did you mean "
       "\"ipsec-mb\"?)\n"},
      {"[ike]", "[io]\nring_slots = 8\n[ike]", "f:14:1: io.ring_slots: must be 64..262144\n"},
      {"[ike]", "[io]\nbusy_poll = 1001\n[ike]", "f:14:1: io.busy_poll: must be 0..1000\n"},
      {"[ike]", "[io]\ncpus = \"1-\"\n[ike]",
       "f:14:1: io.cpus: \"1-\" is no list of CPUs like \"0-3,8\"\n"},
      {"[ike]", "[io]\ncpus = \"3-1\"\n[ike]",
       "f:14:1: io.cpus: \"3-1\" is no list of CPUs like \"0-3,8\"\n"},
      {"[ike]", "[io]\ncpus = \"1,1\"\n[ike]", "f:14:1: io.cpus: names CPU 1 twice\n"},
      {"[ike]", "[io]\ncpus = \"4096\"\n[ike]",
       "f:14:1: io.cpus: \"4096\" is no list of CPUs like \"0-3,8\"\n"},
      {"[ike]", "[nat]\nports = \"1024\"\n[ike]",
       "f:14:1: nat.ports: \"1024\" is no range like \"1024-65535\"\n"},
      {"[ike]", "[nat]\nports = \"2000-1000\"\n[ike]",
       "f:14:1: nat.ports: \"2000-1000\" is no range of ports\n"},
      {"[ike]", "[nat]\nports = \"1-65536\"\n[ike]",
       "f:14:1: nat.ports: \"1-65536\" is no range like \"1024-65535\"\n"},
      {"[ike]", "[log]\nlevel = \"warn\"\n[ike]",
       "f:14:1: log.level: \"warn\" is none of debug, info, warning, error (did you mean "
       "\"warning\"?)\n"},
      {"[ike]", "[log]\nlevel = 2026-01-01\n[ike]",
       "f:14:1: log.level: must be a string, not a date or time\n"},
      {"[ike]", "[l2tp]\nhost_name = \"a\\nb\"\n[ike]",
       "f:14:1: l2tp.host_name: has a control character in it\n"},
      {"[ike]", "[[ike]]", "f:13:3: ike: must be one table: write [ike]\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(Report(Replaced(c.from, c.to)), c.issue);
}

TEST(Conf, Shards) {
  EXPECT_EQ(Report("shards = \"auto\"\n" + kGood), "");
  EXPECT_EQ(Report("shards = 65\n" + kGood), "f:1:1: shards: must be 1..64\n");
  EXPECT_EQ(Report("shards = \"all\"\n" + kGood),
            "f:1:1: shards: \"all\" is neither \"auto\" nor a number 1..64\n");
}

TEST(Conf, UnknownKeysAreErrorsWithAHint) {
  EXPECT_EQ(Report(Replaced("serve = true", "serve = true\nadress = \"x\"")),
            "f:6:1: interface[0].adress: unknown key (did you mean \"address\"?)\n");
  EXPECT_EQ(Report(kGood + "modp_1024 = false\n"),
            "f:15:1: ike.modp_1024: unknown key (did you mean \"modp1024\"?)\n");
  EXPECT_EQ(Report(kGood + "[intreface]\n"),
            "f:15:2: intreface: unknown key (did you mean \"interface\"?)\n");
  EXPECT_EQ(Report(kGood + "[radius]\n"), "f:15:2: radius: unknown key\n");
  EXPECT_EQ(Report(kGood + "\"a\\nb\" = 1\n"), "f:15:1: ike.\"a?b\": unknown key\n");
}

TEST(Conf, NearestIsATypoOrNothing) {
  const std::vector<std::string_view> known = {"name", "nat", "mtu", "mac", "address"};
  EXPECT_EQ(Nearest("nam", known), "name");
  EXPECT_EQ(Nearest("MTU", known), "mtu");
  EXPECT_EQ(Nearest("adresse", known), "address");
  EXPECT_EQ(Nearest("dns", known), "");
  EXPECT_EQ(Nearest("", known), "");
  EXPECT_EQ(Nearest(std::string(1000, 'a'), known), "");
}

TEST(Conf, AllIssuesAtOnceInFileOrder) {
  const std::string report = Report(R"(shards = 0
[[interface]]
name = "eth0"
address = "bad"
nta = true
[[pool]]
range = "10.0.0.1-10.0.0.9"
gateway = 3
[esp]
linger = -1
)");
  EXPECT_EQ(report,
            "f:1:1: warning: user: none is given: nobody can log in\n"
            "f:1:1: ike.psk: is missing: clients cannot authenticate\n"
            "f:1:1: shards: must be 1..64\n"
            "f:2:3: interface: none has serve = true: clients cannot dial in\n"
            "f:2:3: warning: interface: no interface has nat = true and there is no [[route]]: "
            "clients reach only what knows the way back to them\n"
            "f:4:1: interface[0].address: \"bad\" is neither \"dhcp\" nor an address like "
            "\"192.0.2.1/24\"\n"
            "f:5:1: interface[0].nta: unknown key (did you mean \"nat\"?)\n"
            "f:8:1: pool[0].gateway: must be a string, not an integer\n"
            "f:10:1: esp.linger: must be 0..86400\n");
}

TEST(Conf, SyntaxErrorIsTheOnlyIssueAndHasItsPlace) {
  const Loaded loaded = Load("shards = 2\n[[interface]\nname = 1\n", "adit.toml");
  ASSERT_EQ(loaded.issues.size(), 1u);
  EXPECT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.Text(), testing::StartsWith("adit.toml:2:"));
  EXPECT_EQ(Load("a = 1\na = 2\n", "f").issues.size(), 1u);
  EXPECT_EQ(Load("a = \"\xff\"", "f").issues.size(), 1u);
  EXPECT_EQ(Load(std::string(2000, '['), "f").issues.size(), 1u);
  EXPECT_EQ(Report(std::string((1 << 20) + 1, ' ')), "f: larger than 1 MiB\n");
}

TEST(Conf, NestingIsBounded) {
  std::string dotted = "\na";
  for (int i = 0; i < 100000; ++i) dotted += ".a";
  EXPECT_EQ(Report(dotted + " = 1\n"), "f:2:1: more than 512 dots on a line\n");
  EXPECT_EQ(Report(kGood + "[" + dotted.substr(1, 1001) + "]\n"), "f:15:2: a: unknown key\n");
}

TEST(Conf, EmptyFileSaysWhatIsNeeded) {
  EXPECT_EQ(
      Report(""),
      "f:1:1: interface: none is given: adit has nowhere to listen\n"
      "f:1:1: warning: interface: no interface has nat = true and there is no [[route]]: clients "
      "reach only what knows the way back to them\n"
      "f:1:1: pool: none is given: clients have no addresses\n"
      "f:1:1: warning: user: none is given: nobody can log in\n"
      "f:1:1: ike.psk: is missing: clients cannot authenticate\n");
}

TEST(Conf, FileThatIsNotThere) {
  const Loaded loaded = LoadFile("/nonexistent/adit.toml");
  EXPECT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.Text(), "/nonexistent/adit.toml: cannot be read: No such file or directory\n");
  EXPECT_FALSE(LoadFile("/").ok());
}

// ---- What does not go together ----

TEST(Conf, CrossFieldErrors) {
  const struct {
    const char* from;
    const char* to;
    const char* issue;
  } cases[] = {
      {"serve = true", "", "f:1:3: interface: none has serve = true: clients cannot dial in\n"},
      {"\"203.0.113.254\"", "\"203.0.114.254\"",
       "f:4:1: interface[0].gateway: 203.0.114.254 is not in 203.0.113.1/24\n"},
      {"\"203.0.113.254\"", "\"203.0.113.1\"",
       "f:4:1: interface[0].gateway: is the interface's own address\n"},
      {"[[pool]]", "[[interface]]\nname = \"eth0\"\naddress = \"dhcp\"\n[[pool]]",
       "f:8:1: interface[1].name: \"eth0\" is there already\n"},
      {"[[pool]]", "[[interface]]\nname = \"lan\"\naddress = \"203.0.113.9/28\"\n[[pool]]",
       "f:9:1: interface[1].address: 203.0.113.9/28 overlaps 203.0.113.1/24 of \"eth0\"\n"},
      {"[[pool]]", "[[route]]\nprefix = \"0.0.0.0/0\"\nvia = \"203.0.113.2\"\n[[pool]]",
       "f:8:1: route[0].prefix: a second default route: interface[0].gateway is one already\n"},
      {"[[pool]]", "[[route]]\nprefix = \"10.0.0.0/8\"\n[[pool]]",
       "f:7:1: route[0]: has neither via nor interface: it leads nowhere\n"},
      {"[[pool]]", "[[route]]\nprefix = \"10.0.0.0/8\"\ninterface = \"eht0\"\n[[pool]]",
       "f:9:1: route[0].interface: no [[interface]] is called \"eht0\" (did you mean \"eth0\"?)\n"},
      {"[[pool]]", "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"10.0.0.1\"\n[[pool]]",
       "f:9:1: route[0].via: 10.0.0.1 is in no interface's network\n"},
      {"[[pool]]",
       "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"10.0.0.1\"\ninterface = \"eth0\"\n[[pool]]",
       "f:9:1: route[0].via: 10.0.0.1 is not in 203.0.113.1/24 of \"eth0\"\n"},
      {"[[pool]]", "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"203.0.113.1\"\n[[pool]]",
       "f:9:1: route[0].via: 203.0.113.1 is adit's own address\n"},
      {"[[pool]]",
       "[[route]]\nprefix = \"10.0.0.0/8\"\ninterface = \"eth0\"\n"
       "[[route]]\nprefix = \"10.0.0.0/8\"\ninterface = \"eth0\"\n[[pool]]",
       "f:11:1: route[1].prefix: 10.0.0.0/8 has a route already\n"},
      {"10.99.0.10-10.99.0.250", "203.0.113.250-203.0.114.5",
       "f:8:1: pool[0].range: 203.0.113.250-203.0.114.5 overlaps 203.0.113.1/24 of interface "
       "\"eth0\", which has no proxy_arp\n"},
      {"10.99.0.10-10.99.0.250", "10.99.0.1-10.99.0.1",
       "f:8:1: pool[0].range: holds nothing but the pool's gateway\n"},
      {"[[user]]",
       "[[pool]]\nname = \"b\"\nrange = \"10.99.0.250-10.99.1.9\"\ngateway = \"10.99.1.1\"\n"
       "[[user]]",
       "f:12:1: pool[1].range: 10.99.0.250-10.99.1.9 overlaps 10.99.0.10-10.99.0.250 of pool "
       "\"default\"\n"},
      {"[[user]]", "[[pool]]\nrange = \"10.98.0.0/24\"\ngateway = \"10.98.0.1\"\n[[user]]",
       "f:10:1: pool[1].name: \"default\" is there already\n"},
      {"[ike]", "[[user]]\nname = \"alice\"\npassword = \"x\"\n[ike]",
       "f:14:1: user[1].name: \"alice\" is there already\n"},
      {"[ike]", "address = \"10.99.0.1\"\n[ike]",
       "f:13:1: user[0].address: 10.99.0.1 is the pool's gateway\n"
       "f:13:1: warning: user[0].address: 10.99.0.1 is in no pool\n"},
      {"[ike]", "address = \"203.0.113.7\"\n[ike]",
       "f:13:1: user[0].address: 203.0.113.7 is in the network of interface \"eth0\", which has no "
       "proxy_arp\n"},
      {"[ike]",
       "address = \"10.99.0.11\"\n[[user]]\nname = \"b\"\npassword = \"x\"\n"
       "address = \"10.99.0.11\"\n[ike]",
       "f:17:1: user[1].address: 10.99.0.11 is another user's already\n"},
      {"psk = \"a long enough one\"", "",
       "f:13:2: ike.psk: is missing: clients cannot authenticate\n"},
      {"[ike]", "[nat]\nports = \"1024-1500\"\n[ike]",
       "f:14:1: nat.ports: too few: each of 8 shards needs a block of 64 ports of its own\n"},
  };
  for (const auto& c : cases) {
    const Loaded loaded = Load(Replaced(c.from, c.to), "f");
    EXPECT_EQ(loaded.Text(), c.issue);
    EXPECT_FALSE(loaded.ok()) << c.issue;
  }
}

TEST(Conf, CrossFieldWarnings) {
  const struct {
    const char* from;
    const char* to;
    const char* issue;
  } cases[] = {
      {"\"a long enough one\"", "\"short\"",
       "f:14:1: warning: ike.psk: shorter than 8 characters: whoever records one login can guess "
       "it\n"},
      {"serve = true", "serve = true\nmtu = 1450",
       "f:6:1: warning: interface[0].mtu: too small for ppp.mru = 1400 inside a tunnel: large "
       "packets will be fragmented\n"},
      {"gateway = \"203.0.113.254\"\n", "",
       "f:1:3: warning: interface: no default route: no interface has a gateway\n"},
      {"nat = true", "",
       "f:1:3: warning: interface: no interface has nat = true and there is no [[route]]: clients "
       "reach only what knows the way back to them\n"},
      {"gateway = \"10.99.0.1\"", "gateway = \"203.0.113.77\"",
       "f:9:1: warning: pool[0].gateway: 203.0.113.77 may be another host's in the network of "
       "\"eth0\"\n"},
      {"gateway = \"10.99.0.1\"", "gateway = \"10.99.0.1\"\ndns = [\"10.99.0.1\"]",
       "f:10:1: warning: pool[0].dns: adit itself answers no DNS at 10.99.0.1\n"},
      {"[ike]", "address = \"10.98.0.11\"\n[ike]",
       "f:13:1: warning: user[0].address: 10.98.0.11 is in no pool\n"},
  };
  for (const auto& c : cases) {
    const Loaded loaded = Load(Replaced(c.from, c.to), "f");
    EXPECT_EQ(loaded.Text(), c.issue);
    EXPECT_TRUE(loaded.ok()) << c.issue;
  }
}

TEST(Conf, RouteThroughDhcpInterfaceCannotBeJudgedYet) {
  EXPECT_EQ(Report(Replaced("\"203.0.113.1/24\"", "\"dhcp\"") +
                   "[[route]]\nprefix = \"10.0.0.0/8\"\nvia = \"172.16.0.1\"\n"),
            "");
}

// ---- Secrets ----

TEST(Conf, NoIssueTellsASecret) {
  const std::string secret = "correct horse battery";
  for (const std::string& text :
       {Replaced("wonderland", secret + std::string(300, 'x')),
        Replaced("psk = \"a long enough one\"", "psk = [\"" + secret + "\"]"),
        Replaced("psk = \"a long enough one\"", "psk = \"" + secret + "\"\nx = 1")}) {
    EXPECT_THAT(Report(text), testing::Not(HasSubstr("horse")));
    EXPECT_NE(Report(text), "");
  }
}

TEST(SecretText, MovesAndCompares) {
  SecretText a("alpha"), b("alpha"), c("alphb"), d("alph");
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(a == c);
  EXPECT_FALSE(a == d);
  const SecretText moved = std::move(a);
  EXPECT_EQ(moved.Reveal(), "alpha");
  EXPECT_TRUE(a.empty());  // NOLINT: what is left behind is defined
  c = std::move(b);
  EXPECT_EQ(c.Reveal(), "alpha");
  EXPECT_TRUE(c.Copy() == moved);
  EXPECT_TRUE(SecretText().empty());
  EXPECT_TRUE(SecretText() == SecretText(""));
}

TEST(SecretText, ScrubOverwrites) {
  char memory[] = "secret";
  ScrubMemory(memory, sizeof memory);
  for (const char c : memory) EXPECT_EQ(c, 0);
  ScrubMemory(nullptr, 0);
}

}  // namespace
}  // namespace conf
