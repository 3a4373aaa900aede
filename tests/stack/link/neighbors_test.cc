// The ARP machine under virtual time; what comes in is built by libtins, and so is what it is
// compared with.
#include "stack/link/neighbors.h"

#include <gtest/gtest.h>

#include <string>

#include "stack/wire/ethernet.h"
#include "tests/support/frames.h"

namespace stack::link {
namespace {

const Mac kOwn = *Mac::Parse("02:00:00:00:00:01"), kPeer = *Mac::Parse("02:00:00:00:00:02"),
          kOther = *Mac::Parse("02:00:00:00:00:03");
const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);
constexpr absl::Duration kEarlier = absl::Nanoseconds(1);

class NeighborsTest : public testing::Test {
 protected:
  // Everything told and sent since the last call, one word each: "ask:IP" (broadcast question),
  // "probe:IP" (unicast question), "announce:IP", "answer:IP>TO", "known:IP=LAST-OCTET",
  // "failed:IP", "conflict:IP=LAST-OCTET", or the name of a drop.
  std::string Said() {
    std::string text;
    for (auto& item : out_.items()) {
      if (!text.empty()) text += " ";
      std::visit(
          Overloaded{[&](const Neighbors::Out::Frame_& frame) { text += Frame(frame.buf.bytes()); },
                     [&](const Neighbors::Event& event) { text += Told(event); }},
          item);
    }
    out_.Clear();
    return text;
  }
  void In(bool reply, Mac sender, const char* sender_ip, const char* target_ip, Mac target = {}) {
    const Bytes frame =
        test::ArpFrame(reply, sender, test::Ip(sender_ip), target, test::Ip(target_ip), kOwn);
    machine_.OnPacket(now_, ByteView(frame).subspan(14), out_);
  }
  void Resolve(const char* ip) { machine_.Resolve(now_, test::Ip(ip), out_); }
  void Tick(absl::Duration d) {
    now_ += d;
    machine_.OnDeadline(now_, out_);
  }
  void Up() {
    machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out_);
    Tick(absl::Seconds(2));
    Said();
  }
  void Learn(const char* ip, Mac mac) {
    Resolve(ip);
    In(true, mac, ip, "192.0.2.1", kOwn);
    Said();
  }

  PacketPool pool_{64, 0};
  Neighbors::Out out_{pool_};
  Neighbors machine_{{.mac = kOwn, .max_known = 4, .max_asking = 3, .max_addresses = 2}};
  absl::Time now_ = kStart;

 private:
  static std::string Last(Mac mac) { return std::to_string(mac.octets[5]); }
  static std::string Frame(ByteView bytes) {
    EXPECT_EQ(bytes.size(), 42U);
    const auto ethernet = wire::Ethernet::Parse(bytes);
    const wire::Arp arp = *wire::Arp::Parse(ethernet->payload());
    EXPECT_EQ(ethernet->type(), wire::EtherType::kArp);
    EXPECT_EQ(ethernet->source(), kOwn);
    EXPECT_EQ(arp.sender_mac, kOwn);
    // The same frame from libtins must be the same octets, up to the padding.
    const Bytes theirs =
        test::ArpFrame(arp.operation == wire::ArpOperation::kReply, kOwn, arp.sender_ip,
                       arp.target_mac, arp.target_ip, ethernet->destination());
    EXPECT_EQ(ToHex(bytes), ToHex(ByteView(theirs).first(42)));
    if (arp.operation == wire::ArpOperation::kReply) {
      EXPECT_EQ(ethernet->destination(), arp.target_mac);
      return "answer:" + arp.sender_ip.Text() + ">" + Last(arp.target_mac);
    }
    if (arp.sender_ip == arp.target_ip) return "announce:" + arp.sender_ip.Text();
    const bool all = ethernet->destination() == Mac::Broadcast();
    return (all ? "ask:" : "probe:") + arp.target_ip.Text();
  }
  static std::string Told(const Neighbors::Event& event) {
    return std::visit(
        Overloaded{[](const Resolved& e) { return "known:" + e.ip.Text() + "=" + Last(e.mac); },
                   [](const Failed& e) { return "failed:" + e.ip.Text(); },
                   [](const Conflict& e) { return "conflict:" + e.ip.Text() + "=" + Last(e.mac); },
                   [](const Drop& e) { return std::string(NameOf(e)); }},
        event);
  }
};

TEST_F(NeighborsTest, AnnouncesANewAddressTwice) {
  EXPECT_TRUE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out_));
  EXPECT_EQ(Said(), "announce:192.0.2.1");
  Tick(absl::Seconds(2) - kEarlier);
  EXPECT_EQ(Said(), "");
  Tick(kEarlier);
  EXPECT_EQ(Said(), "announce:192.0.2.1");
  EXPECT_EQ(machine_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(NeighborsTest, TakesOnlyUnicastAddressesAndABoundedNumber) {
  EXPECT_FALSE(machine_.AddAddress(now_, *Prefix::Parse("0.0.0.0/0"), out_));
  EXPECT_FALSE(machine_.AddAddress(now_, *Prefix::Parse("224.0.0.1/24"), out_));
  EXPECT_TRUE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out_));
  EXPECT_TRUE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.2/24"), out_));
  EXPECT_FALSE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.3/24"), out_));
  EXPECT_TRUE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.2/24"), out_));  // once more
}

TEST_F(NeighborsTest, ABorrowedAddressOnlyAsks) {
  EXPECT_TRUE(machine_.BorrowAddress(*Prefix::Parse("192.0.2.1/24"), out_));
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(machine_.NextDeadline(), absl::InfiniteFuture());
  In(false, kPeer, "192.0.2.9", "192.0.2.1");  // the one it is borrowed from answers
  In(false, kPeer, "0.0.0.0", "192.0.2.1");
  In(true, kOther, "192.0.2.1", "192.0.2.1");  // and defends it
  EXPECT_EQ(Said(), "");
  Resolve("192.0.2.9");
  EXPECT_EQ(Said(), "ask:192.0.2.9");
  In(true, kPeer, "192.0.2.9", "192.0.2.1", kOwn);
  EXPECT_EQ(Said(), "known:192.0.2.9=2");
  machine_.RemoveAddress(test::Ip("192.0.2.1"));
  EXPECT_TRUE(machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out_));
  EXPECT_EQ(Said(), "announce:192.0.2.1");
}

TEST_F(NeighborsTest, AnswersForItsAddressesAndNoOther) {
  Up();
  In(false, kPeer, "192.0.2.9", "192.0.2.1");
  EXPECT_EQ(Said(), "answer:192.0.2.1>2");
  In(false, kPeer, "192.0.2.9", "192.0.2.5");
  EXPECT_EQ(Said(), "");
  In(false, kPeer, "0.0.0.0", "192.0.2.1");  // a probe (RFC 5227): the answer defends the address
  EXPECT_EQ(Said(), "answer:192.0.2.1>2");
  In(true, kPeer, "192.0.2.9", "192.0.2.1", kOwn);  // an answer nobody asked for
  EXPECT_EQ(Said(), "");
  EXPECT_EQ(machine_.size(), 0U);  // strangers leave no trace
  machine_.RemoveAddress(test::Ip("192.0.2.1"));
  In(false, kPeer, "192.0.2.9", "192.0.2.1");
  EXPECT_EQ(Said(), "");
}

TEST_F(NeighborsTest, AsksUntilAnswered) {
  Up();
  Resolve("192.0.2.9");
  EXPECT_EQ(Said(), "ask:192.0.2.9");
  Resolve("192.0.2.9");  // already asking
  EXPECT_EQ(Said(), "");
  Tick(absl::Seconds(1) - kEarlier);
  EXPECT_EQ(Said(), "");
  Tick(kEarlier);
  EXPECT_EQ(Said(), "ask:192.0.2.9");
  In(true, kPeer, "192.0.2.9", "192.0.2.1", kOwn);
  EXPECT_EQ(Said(), "known:192.0.2.9=2");
  Resolve("192.0.2.9");
  EXPECT_EQ(Said(), "known:192.0.2.9=2");
  EXPECT_EQ(machine_.NextDeadline(), now_ + Neighbors::kReachable);
}

TEST_F(NeighborsTest, GivesUpAfterThreeTries) {
  Up();
  Resolve("192.0.2.9");
  for (int i = 0; i < 3; ++i) Tick(absl::Seconds(1));
  EXPECT_EQ(Said(), "ask:192.0.2.9 ask:192.0.2.9 ask:192.0.2.9 failed:192.0.2.9");
  EXPECT_EQ(machine_.size(), 0U);
  EXPECT_EQ(machine_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(NeighborsTest, FailsAtOnceWhatCannotBeAsked) {
  Resolve("192.0.2.9");  // no address of our own yet
  EXPECT_EQ(Said(), "failed:192.0.2.9");
  Up();
  for (const char* ip : {"192.0.2.1", "0.0.0.0", "224.0.0.5", "255.255.255.255"}) {
    Resolve(ip);
    EXPECT_EQ(Said(), std::string("failed:") + ip);
  }
}

TEST_F(NeighborsTest, AsksWithTheAddressOfTheRightSubnet) {
  machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out_);
  machine_.AddAddress(now_, *Prefix::Parse("198.51.100.1/24"), out_);
  out_.Clear();
  const auto asks_as = [this](const char* ip) {
    Resolve(ip);
    const PacketBuf& frame = std::get<0>(out_.items().at(0)).buf;
    const std::string sender = wire::Arp::Parse(frame.bytes().subspan(14))->sender_ip.Text();
    out_.Clear();
    return sender;
  };
  EXPECT_EQ(asks_as("198.51.100.9"), "198.51.100.1");
  EXPECT_EQ(asks_as("192.0.2.9"), "192.0.2.1");
  EXPECT_EQ(asks_as("10.0.0.9"), "192.0.2.1");
}

TEST_F(NeighborsTest, BoundsTheQuestionsOpenAtATime) {
  Up();
  for (const char* ip : {"192.0.2.10", "192.0.2.11", "192.0.2.12"}) Resolve(ip);
  Said();
  Resolve("192.0.2.13");
  EXPECT_EQ(Said(), "failed:192.0.2.13");
  In(true, kPeer, "192.0.2.10", "192.0.2.1", kOwn);
  Said();
  Resolve("192.0.2.13");
  EXPECT_EQ(Said(), "ask:192.0.2.13");
}

TEST_F(NeighborsTest, RefreshesByUnicastAndAtLastByBroadcast) {
  Up();
  Learn("192.0.2.9", kPeer);
  Tick(absl::Seconds(60));
  EXPECT_EQ(Said(), "probe:192.0.2.9");
  In(true, kPeer, "192.0.2.9", "192.0.2.1", kOwn);
  EXPECT_EQ(Said(), "");  // nothing new
  EXPECT_EQ(machine_.NextDeadline(), now_ + Neighbors::kReachable);
  Tick(absl::Seconds(60));
  Tick(absl::Seconds(1));
  Resolve("192.0.2.9");  // still good while it is asked again
  Tick(absl::Seconds(1));
  EXPECT_EQ(Said(), "probe:192.0.2.9 probe:192.0.2.9 known:192.0.2.9=2 ask:192.0.2.9");
  Tick(absl::Seconds(1));
  EXPECT_EQ(Said(), "failed:192.0.2.9");
}

TEST_F(NeighborsTest, ForgetsWhatNobodyAsksForAnyMore) {
  Up();
  Learn("192.0.2.9", kPeer);
  std::string said;
  while (machine_.size() > 0 && now_ < kStart + absl::Hours(1)) {
    Tick(machine_.NextDeadline() - now_);
    said = Said();
    In(true, kPeer, "192.0.2.9", "192.0.2.1", kOwn);
  }
  EXPECT_EQ(said, "failed:192.0.2.9");
  EXPECT_GE(now_ - kStart, Neighbors::kIdle);
  EXPECT_LE(now_ - kStart, Neighbors::kIdle + Neighbors::kReachable + absl::Seconds(2));
}

TEST_F(NeighborsTest, FollowsAStationThatMoved) {
  Up();
  Learn("192.0.2.9", kPeer);
  In(false, kOther, "192.0.2.9",
     "192.0.2.9");  // gratuitous, but within a second of the last answer
  EXPECT_EQ(Said(), "");
  Tick(absl::Seconds(1));
  In(false, kOther, "192.0.2.9", "192.0.2.9");
  EXPECT_EQ(Said(), "known:192.0.2.9=3");
  Resolve("192.0.2.9");
  EXPECT_EQ(Said(), "known:192.0.2.9=3");
}

TEST_F(NeighborsTest, MakesRoomByForgettingTheOneAskedForLongestAgo) {
  Up();
  for (const char* ip : {"192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"}) {
    Learn(ip, kPeer);
    Tick(absl::Seconds(1));
  }
  Resolve("192.0.2.10");  // in use again
  Resolve("192.0.2.14");
  Said();
  In(true, kPeer, "192.0.2.14", "192.0.2.1", kOwn);
  EXPECT_EQ(Said(), "failed:192.0.2.11 known:192.0.2.14=2");
  EXPECT_EQ(machine_.size(), 4U);
}

TEST_F(NeighborsTest, DefendsItsAddressOnceInTenSeconds) {
  Up();
  In(false, kPeer, "192.0.2.1", "192.0.2.9");
  EXPECT_EQ(Said(), "announce:192.0.2.1 conflict:192.0.2.1=2");
  In(true, kPeer, "192.0.2.1", "192.0.2.9", kOther);
  Tick(absl::Seconds(10) - kEarlier);
  In(false, kPeer, "192.0.2.1", "192.0.2.1");
  EXPECT_EQ(Said(), "");
  Tick(kEarlier);
  In(false, kPeer, "192.0.2.1", "192.0.2.9");
  EXPECT_EQ(Said(), "announce:192.0.2.1 conflict:192.0.2.1=2");
}

TEST_F(NeighborsTest, AnAddressThatBecomesOursIsNoNeighbourAnyMore) {
  Up();
  Learn("192.0.2.9", kPeer);
  machine_.AddAddress(now_, *Prefix::Parse("192.0.2.9/24"), out_);
  EXPECT_EQ(Said(), "failed:192.0.2.9 announce:192.0.2.9");
  Tick(absl::Minutes(5));
  EXPECT_EQ(Said(), "announce:192.0.2.9");
  EXPECT_EQ(machine_.NextDeadline(), absl::InfiniteFuture());
}

TEST_F(NeighborsTest, RubbishIsInert) {
  Up();
  Resolve("192.0.2.9");
  Said();
  const absl::Time deadline = machine_.NextDeadline();
  In(true, Mac::Broadcast(), "192.0.2.9", "192.0.2.1");
  EXPECT_EQ(Said(), "arp_malformed");
  In(true, Mac{}, "192.0.2.9", "192.0.2.1");
  EXPECT_EQ(Said(), "arp_malformed");
  In(false, kOwn, "192.0.2.1", "192.0.2.9");  // our own frame comes back
  EXPECT_EQ(Said(), "swallowed");
  machine_.OnPacket(now_, Bytes(27), out_);
  EXPECT_EQ(Said(), "truncated");
  machine_.OnPacket(now_, Bytes(28), out_);
  EXPECT_EQ(Said(), "arp_malformed");
  EXPECT_EQ(machine_.NextDeadline(), deadline);
  EXPECT_EQ(machine_.size(), 1U);
}

TEST_F(NeighborsTest, ADryPoolIsALostFrame) {
  PacketPool dry(0, 0);
  Neighbors::Out out(dry);
  machine_.AddAddress(now_, *Prefix::Parse("192.0.2.1/24"), out);
  machine_.Resolve(now_, test::Ip("192.0.2.9"), out);
  EXPECT_TRUE(out.empty());
  Tick(absl::Seconds(1));
  EXPECT_EQ(Said(), "ask:192.0.2.9");
}

// ---- Proxy ARP, RFC 1027 ----

TEST_F(NeighborsTest, AProxiedHostIsAnnouncedAndAnsweredFor) {
  Up();
  EXPECT_TRUE(machine_.AddProxied(test::Ip("192.0.2.77"), out_));
  EXPECT_EQ(Said(), "announce:192.0.2.77");
  In(false, kPeer, "192.0.2.9", "192.0.2.77");
  EXPECT_EQ(Said(), "answer:192.0.2.77>2");
  In(false, kPeer, "0.0.0.0", "192.0.2.77");
  EXPECT_EQ(Said(), "answer:192.0.2.77>2") << "a probe learns that it is taken";
  In(false, kPeer, "192.0.2.77", "192.0.2.77");
  EXPECT_EQ(Said(), "") << "it may be the host itself";
  machine_.RemoveProxied(test::Ip("192.0.2.77"));
  In(false, kPeer, "192.0.2.9", "192.0.2.77");
  EXPECT_EQ(Said(), "");
}

TEST_F(NeighborsTest, AProxiedHostIsNoNeighbour) {
  Up();
  Learn("192.0.2.77", kPeer);
  machine_.AddProxied(test::Ip("192.0.2.77"), out_);
  EXPECT_EQ(Said(), "failed:192.0.2.77 announce:192.0.2.77");
  Resolve("192.0.2.77");
  EXPECT_EQ(Said(), "failed:192.0.2.77");
  EXPECT_FALSE(machine_.AddProxied(test::Ip("192.0.2.1"), out_)) << "our own address";
}

}  // namespace
}  // namespace stack::link
