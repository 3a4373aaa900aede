// What becomes of a configuration on a machine: a table of machines and wishes.
#include "gateway/presence/plan.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gateway::presence {
namespace {

using conf::Presence;
using ::testing::HasSubstr;
using Kind = io::KernelSocket::Kind;

stack::Ip4 Ip(const char* text) { return *stack::Ip4::Parse(text); }
stack::Prefix Net(const char* text) { return *stack::Prefix::Parse(text); }

io::KernelSocket Socket(Kind kind, const char* local, uint16_t port, const char* remote = nullptr,
                        uint16_t remote_port = 0) {
  io::KernelSocket socket;
  socket.kind = kind;
  if (local != nullptr) socket.local = io::Mapped(Ip(local));
  socket.local_port = port;
  if (remote != nullptr) socket.remote = io::Mapped(Ip(remote));
  socket.remote_port = remote_port;
  return socket;
}

// A host with one interface, a kernel address and all rights; an interface that serves and NATs.
class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    io::NicFacts& nic = facts_.nics.emplace_back();
    nic.name = "eth0";
    nic.index = 2;
    nic.mac = *stack::Mac::Parse("00:16:3e:00:00:05");
    KernelHas("192.0.2.5/24");
    nic.route = {Ip("192.0.2.254"), 100};
    facts_.open_files = 1 << 20;
    conf::Interface& interface = model_.interfaces.emplace_back();
    interface.name = "eth0";
    interface.serve = interface.nat = true;
  }
  void KernelHas(const char* prefix) {
    nic().addresses.push_back(Net(prefix));
    nic().hosts.push_back(io::Mapped(Net(prefix).address));
  }
  io::NicFacts& nic() { return facts_.nics[0]; }
  conf::Interface& wish() { return model_.interfaces[0]; }

  Plan Good() {
    auto plan = MakePlan(model_, facts_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *plan : Plan{{InterfacePlan{}}};
  }
  std::string Error() {
    const auto plan = MakePlan(model_, facts_);
    EXPECT_FALSE(plan.ok());
    return std::string(plan.status().message());
  }
  static std::string Warnings(const Plan& plan) {
    std::string all;
    for (const std::string& warning : plan.interfaces[0].warnings) all += warning + "\n";
    return all;
  }

  conf::Model model_;
  Facts facts_;
};

TEST_F(PlanTest, AutoSharesWhatTheKernelHas) {
  const Plan plan = Good();
  const InterfacePlan& eth0 = plan.interfaces[0];
  EXPECT_EQ(eth0.presence, Presence::kShare);
  EXPECT_EQ(eth0.silence, Silence::kTable);
  EXPECT_EQ(eth0.mac, nic().mac);
  EXPECT_EQ(eth0.address, Net("192.0.2.5/24"));
  EXPECT_EQ(eth0.gateway, Ip("192.0.2.254"));
  EXPECT_EQ(eth0.reason, "kernel has 192.0.2.5/24, CAP_NET_ADMIN is there");
  EXPECT_EQ(Warnings(plan), "");
  EXPECT_TRUE(eth0.share.serve);
  // What the kernel's own ports leave, the larger part.
  EXPECT_EQ(eth0.share.nat_first, 1024);
  EXPECT_EQ(eth0.share.nat_last, 32767);
}

TEST_F(PlanTest, AutoOwnsAnAddressThatIsNotTheKernels) {
  wish().address = Net("192.0.2.6/24");
  const Plan plan = Good();
  const InterfacePlan& eth0 = plan.interfaces[0];
  EXPECT_EQ(eth0.presence, Presence::kOwn);
  EXPECT_EQ(eth0.silence, Silence::kNothing);
  EXPECT_EQ(eth0.mac, io::DerivedMac(nic().mac, "eth0"));
  EXPECT_EQ(eth0.address, Net("192.0.2.6/24"));
  EXPECT_FALSE(eth0.gateway) << "the kernel's route is the kernel's";
  EXPECT_EQ(plan.nat_last, 0) << "all of the ports";
}

TEST_F(PlanTest, AutoOwnsWithDhcp) {
  wish().dhcp = true;
  const InterfacePlan eth0 = Good().interfaces[0];
  EXPECT_EQ(eth0.presence, Presence::kOwn);
  EXPECT_TRUE(eth0.dhcp);
}

TEST_F(PlanTest, AutoSharesTheKernelsAddressThatIsNamed) {
  KernelHas("192.0.2.77/25");
  wish().address = Net("192.0.2.77/24");
  const InterfacePlan eth0 = Good().interfaces[0];
  EXPECT_EQ(eth0.presence, Presence::kShare);
  EXPECT_EQ(eth0.address, Net("192.0.2.77/25")) << "with the kernel's prefix";
}

TEST_F(PlanTest, AutoAsksByDhcpWhereNobodyHasAnAddress) {
  nic().addresses.clear();
  const InterfacePlan eth0 = Good().interfaces[0];
  EXPECT_EQ(eth0.presence, Presence::kOwn);
  EXPECT_TRUE(eth0.dhcp);
}

// Only then is it tried whether a table can be made: with an address of its own adit leaves the
// kernel's packet filter alone.
TEST_F(PlanTest, TheKernelsAddressIsWantedOnlyWhereNoOtherIsGiven) {
  EXPECT_TRUE(IsBesideKernel(wish(), nic()));
  wish().address = Net("192.0.2.5/24");
  EXPECT_TRUE(IsBesideKernel(wish(), nic()));
  wish().address = Net("192.0.2.6/24");
  EXPECT_FALSE(IsBesideKernel(wish(), nic()));
  wish().presence = Presence::kAdopt;
  EXPECT_TRUE(IsBesideKernel(wish(), nic()));
  wish().presence = Presence::kOwn;
  EXPECT_FALSE(IsBesideKernel(wish(), nic()));
  wish().presence = Presence::kAuto;
  wish().address.reset();
  wish().dhcp = true;
  EXPECT_FALSE(IsBesideKernel(wish(), nic()));
}

TEST_F(PlanTest, OwnNeedsAnotherAddressThanTheKernels) {
  wish().presence = Presence::kOwn;
  wish().address = Net("192.0.2.5/24");
  EXPECT_THAT(Error(), HasSubstr("192.0.2.5 is the kernel's: give another one"));
}

TEST_F(PlanTest, OwnMayNameItsMac) {
  wish().address = Net("192.0.2.6/24");
  wish().mac = stack::Mac::Parse("02:00:00:00:00:77");
  EXPECT_EQ(Good().interfaces[0].mac, wish().mac);
}

TEST_F(PlanTest, ShareNeedsAnAddressOfTheKernels) {
  wish().presence = Presence::kShare;
  wish().address = Net("192.0.2.6/24");
  EXPECT_THAT(Error(), HasSubstr("192.0.2.6 there but 192.0.2.5/24"));
  wish().address.reset();
  nic().addresses.clear();
  EXPECT_THAT(Error(), HasSubstr("there is none"));
}

TEST_F(PlanTest, TheKernelsAddressComesWithItsMac) {
  wish().mac = stack::Mac::Parse("02:00:00:00:00:77");
  EXPECT_THAT(Error(), HasSubstr("mac makes no sense"));
  wish().mac.reset();
  wish().nat_addresses = {Ip("192.0.2.7")};
  EXPECT_THAT(Error(), HasSubstr("nat_addresses makes no sense"));
}

TEST_F(PlanTest, AGatewayOfTheConfigurationComesFirst) {
  wish().gateway = Ip("192.0.2.1");
  EXPECT_EQ(Good().interfaces[0].gateway, Ip("192.0.2.1"));
}

// There is one default route. The kernel's best one is taken where the configuration has none.
TEST_F(PlanTest, OfSeveralKernelRoutesTheBestIsTaken) {
  io::NicFacts other = nic();
  other.name = "eth1";
  other.addresses = {Net("198.51.100.5/24")};
  other.route = {Ip("198.51.100.254"), 50};
  facts_.nics.push_back(other);
  model_.interfaces.push_back(wish());
  model_.interfaces[1].name = "eth1";
  EXPECT_FALSE(Good().interfaces[0].gateway);
  EXPECT_EQ(Good().interfaces[1].gateway, Ip("198.51.100.254"));
  facts_.nics[1].route->metric = 200;
  EXPECT_EQ(Good().interfaces[0].gateway, Ip("192.0.2.254"));
  EXPECT_FALSE(Good().interfaces[1].gateway);
  model_.interfaces[1].gateway = Ip("198.51.100.1");
  EXPECT_FALSE(Good().interfaces[0].gateway);
  EXPECT_EQ(Good().interfaces[1].gateway, Ip("198.51.100.1"));
  model_.interfaces[1].gateway.reset();
  model_.routes.push_back({Net("0.0.0.0/0"), Ip("192.0.2.9"), std::nullopt});
  EXPECT_FALSE(Good().interfaces[0].gateway);
}

TEST_F(PlanTest, TheKernelsAddressMustFitTheRest) {
  wish().gateway = Ip("192.0.3.1");
  EXPECT_THAT(Error(), HasSubstr("gateway 192.0.3.1 is not in 192.0.2.5/24"));
  wish().gateway.reset();
  conf::Pool& pool = model_.pools.emplace_back();
  pool.first = Ip("192.0.2.1");
  pool.last = Ip("192.0.2.9");
  pool.gateway = Ip("10.0.0.1");
  EXPECT_THAT(Error(), HasSubstr("pool \"default\" holds the kernel's address 192.0.2.5"));
  pool.first = Ip("192.0.2.6");
  Good();
  pool.gateway = Ip("192.0.2.5");
  EXPECT_THAT(Error(), HasSubstr("pool \"default\" holds"));
}

TEST_F(PlanTest, WithoutNetAdminSocketsAreHeldForAFewPorts) {
  facts_.no_tables = "no CAP_NET_ADMIN";
  const Plan plan = Good();
  EXPECT_EQ(plan.interfaces[0].silence, Silence::kSockets);
  EXPECT_EQ(plan.interfaces[0].reason, "kernel has 192.0.2.5/24, no CAP_NET_ADMIN");
  EXPECT_THAT(Warnings(plan), HasSubstr("sockets are held"));
  EXPECT_EQ(plan.nat_first, 32768 - 1024);
  EXPECT_EQ(plan.nat_last, 32767);
  facts_.open_files = 1024;  // 512 of them for something else, two a port
  EXPECT_EQ(Good().nat_first, 32768 - 256);
  facts_.open_files = 512 + 126;
  EXPECT_THAT(Error(), HasSubstr("too few NAT ports are left"));
}

TEST_F(PlanTest, SocketsAreHeldOnEveryAddress) {
  facts_.no_tables = "no CAP_NET_ADMIN";
  facts_.open_files = 512 + 4 * 128;
  facts_.nics.push_back(nic());
  facts_.nics[1].name = "eth1";
  facts_.nics[1].addresses = {Net("198.51.100.5/24")};
  model_.interfaces.push_back(wish());
  EXPECT_EQ(Good().nat_first, 32768 - 128);
  model_.nat.ports_given = true;
  model_.nat.first_port = 2048;
  model_.nat.last_port = 2048 + 127;
  Good();
  ++model_.nat.last_port;
  EXPECT_THAT(Error(), HasSubstr("129 ports take 516 sockets"));
}

TEST_F(PlanTest, EveryShardHasABlockOfPorts) {
  facts_.no_tables = "no CAP_NET_ADMIN";
  facts_.open_files = 512 + 2 * 4 * 64;
  facts_.shards = 4;
  EXPECT_EQ(Good().nat_first, 32768 - 256);
  facts_.shards = 5;
  EXPECT_THAT(Error(), HasSubstr("or set shards"));
}

TEST_F(PlanTest, WithoutTheLibrarySocketsAreHeld) {
  facts_.no_tables = "this build has no libnftables";
  const Plan plan = Good();
  EXPECT_EQ(plan.interfaces[0].silence, Silence::kSockets);
  EXPECT_THAT(Warnings(plan), HasSubstr("no libnftables: sockets are held"));
}

TEST_F(PlanTest, AForwardingKernelIsWarnedOfWhereNoTableHidesClients) {
  facts_.kernel.forwards = true;
  EXPECT_EQ(Warnings(Good()), "");
  facts_.no_tables = "no CAP_NET_ADMIN";
  EXPECT_THAT(Warnings(Good()), HasSubstr("ip_forward"));
}

TEST_F(PlanTest, NatKeepsOutOfTheWayOfServices) {
  facts_.kernel.sockets = {
      Socket(Kind::kTcpListener, nullptr, 8080), Socket(Kind::kUdp, "192.0.2.5", 5353),
      Socket(Kind::kTcpListener, "127.0.0.1", 20000),  // not heard from outside
      Socket(Kind::kTcpConnection, "192.0.2.5", 15000, "198.51.100.1", 80)};
  const Plan plan = Good();
  EXPECT_EQ(plan.nat_first, 8128) << "the next whole block";
  EXPECT_EQ(plan.nat_last, 32767);
  EXPECT_EQ(Warnings(plan), "");
}

TEST_F(PlanTest, TheLargestPartMayBeAboveTheKernels) {
  facts_.kernel.ephemeral = {1024, 30000};
  EXPECT_EQ(Good().nat_first, 30016) << "a whole block";
  EXPECT_EQ(Good().nat_last, 65535);
  facts_.kernel.ephemeral = {1000, 65535};
  EXPECT_THAT(Error(), HasSubstr("too few NAT ports are left"));
}

TEST_F(PlanTest, GivenPortsMustNotBeTheKernels) {
  model_.nat.ports_given = true;
  EXPECT_THAT(Error(), HasSubstr("nat.ports 1024-65535 and the kernel's own ports 32768-60999"));
  model_.nat.first_port = 61000;
  EXPECT_EQ(Good().nat_first, 61000);
  EXPECT_EQ(Good().nat_last, 65535);
  facts_.no_tables = "no CAP_NET_ADMIN";
  facts_.open_files = 4096;
  EXPECT_THAT(Error(), HasSubstr("4536 ports take 9072 sockets"));
}

TEST_F(PlanTest, AServiceOnAPortOfAditsIsToldOf) {
  facts_.kernel.sockets = {Socket(Kind::kUdp, nullptr, 500)};
  EXPECT_THAT(Warnings(Good()), HasSubstr("UDP port 500, which is adit's now"));
  facts_.no_tables = "no CAP_NET_ADMIN";
  EXPECT_THAT(Error(), HasSubstr("UDP port 500, which adit needs there: end it"));
  wish().serve = false;
  Good();
}

TEST_F(PlanTest, AnInterfaceThatDoesNotNatTakesNoPorts) {
  wish().nat = false;
  const Plan plan = Good();
  EXPECT_EQ(plan.nat_last, 0);
  EXPECT_FALSE(plan.interfaces[0].share.HasNat());
}

TEST_F(PlanTest, AdoptTakesAllOfTheAddress) {
  wish().presence = Presence::kAdopt;
  facts_.kernel.sockets = {
      Socket(Kind::kTcpListener, nullptr, 22),
      Socket(Kind::kTcpConnection, "127.0.0.1", 22, "127.0.0.1", 40000),
      Socket(Kind::kTcpConnection, "192.0.2.5", 22, "192.0.2.5", 40001)};  // with itself
  const Plan plan = Good();
  EXPECT_EQ(plan.interfaces[0].presence, Presence::kAdopt);
  EXPECT_EQ(plan.interfaces[0].silence, Silence::kTable);
  EXPECT_EQ(plan.interfaces[0].mac, nic().mac);
  EXPECT_EQ(plan.interfaces[0].address, Net("192.0.2.5/24"));
  EXPECT_EQ(plan.nat_last, 0) << "all of the ports";
}

TEST_F(PlanTest, AdoptRefusesToCutALogin) {
  wish().presence = Presence::kAdopt;
  facts_.kernel.sockets = {Socket(Kind::kTcpConnection, "192.0.2.5", 22, "198.51.100.7", 50122)};
  EXPECT_THAT(Error(), HasSubstr("1 TCP connection of the host (192.0.2.5:22 with "
                                 "198.51.100.7:50122)"));
  EXPECT_THAT(Error(), HasSubstr("adopt_anyway = true"));
  wish().adopt_anyway = true;
  EXPECT_THAT(Warnings(Good()), HasSubstr("192.0.2.5:22"));
}

TEST_F(PlanTest, AdoptKnowsLoginsByIpv6) {
  wish().presence = Presence::kAdopt;
  io::KernelSocket socket;
  socket.kind = Kind::kTcpConnection;
  socket.local = {0x20, 1, 0xd, 0xb8};
  socket.local_port = 22;
  facts_.kernel.sockets = {socket};
  Good();  // over another interface
  nic().hosts.push_back(socket.local);
  EXPECT_THAT(Error(), HasSubstr("[2001:db8::]:22"));
}

TEST_F(PlanTest, AdoptNeedsTheTable) {
  wish().presence = Presence::kAdopt;
  facts_.no_tables = "no CAP_NET_ADMIN";
  EXPECT_THAT(Error(), HasSubstr("cannot be made (no CAP_NET_ADMIN): put that right, or use"));
}

}  // namespace
}  // namespace gateway::presence
