// Initiator against responder in virtual time, over a wire that is good, bad or hostile.
#include "tests/crypto/ike/login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::Drop;
using test::Login;
using test::Psk;

void ExpectSameKeys(const ChildReady& a, const ChildReady& b) {
  EXPECT_EQ(a.spi_in, b.spi_out);
  EXPECT_EQ(a.spi_out, b.spi_in);
  EXPECT_EQ(a.in.cipher, b.out.cipher);
  EXPECT_EQ(a.in.auth, b.out.auth);
  EXPECT_EQ(a.out.cipher, b.in.cipher);
  EXPECT_EQ(a.out.auth, b.in.auth);
  EXPECT_FALSE(a.in.cipher == a.out.cipher);
  EXPECT_EQ(a.idci, b.idci);
  EXPECT_EQ(a.idcr, b.idcr);
}

TEST(Login, ComesUpWithoutNat) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const auto* up = login.at_server.Last<PhaseOneUp>();
  EXPECT_EQ(up->path, (Path{test::kGateway, test::kClient}));
  EXPECT_EQ(up->peer.Text(), "203.0.113.10");
  EXPECT_EQ(Text(up->suite), "AES-CBC-256/SHA2-256/MODP-2048/PSK");
  EXPECT_FALSE(up->peer_natted || up->local_natted);
  const auto* ready = login.at_server.Last<ChildReady>();
  EXPECT_FALSE(ready->udp_encapsulated);
  EXPECT_EQ(Text(ready->suite), "AES-CBC-256/HMAC-SHA1/Transport");
  EXPECT_EQ(ready->idci.Text(), "203.0.113.10 17/1701");
  ExpectSameKeys(*login.at_client.Last<ChildReady>(), *ready);
  EXPECT_EQ(login.to_server.size() + login.to_client.size(), 9u);
  EXPECT_EQ(login.at_server.Count<InitialContact>(), 1u);
  EXPECT_EQ(login.at_server.Count<Drop>(), 0u);
}

TEST(Login, FloatsBehindNat) {
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  const auto* up = login.at_server.Last<PhaseOneUp>();
  EXPECT_TRUE(up->peer_natted);
  EXPECT_FALSE(up->local_natted);
  EXPECT_EQ(up->path.local.port, 4500);
  EXPECT_EQ(up->path.remote, (stack::Endpoint{test::kNat, 5500}));
  EXPECT_EQ(up->peer.Text(), "192.168.50.10");
  const auto* ready = login.at_server.Last<ChildReady>();
  EXPECT_TRUE(ready->udp_encapsulated);
  EXPECT_EQ(ready->suite.mode, EncapsulationMode::kUdpTransport);
  EXPECT_EQ(ready->path.remote.port, 5500);
  EXPECT_EQ(ready->nat_oa_peer, test::kPrivateClient.ip);
  EXPECT_EQ(ready->nat_oa_local, test::kGateway.ip);
  // The gateway's NAT-OA pair: the client as seen from outside, and itself (RFC 3947 section 5.2).
  const auto* at_client = login.at_client.Last<ChildReady>();
  EXPECT_EQ(at_client->nat_oa_local, test::kNat);
  EXPECT_EQ(at_client->nat_oa_peer, test::kGateway.ip);
  ExpectSameKeys(*at_client, *ready);
}

TEST(Login, ForcedEncapsulationFromEitherEnd) {
  Login::Setup by_server;
  by_server.options.force_udp_encapsulation = true;
  Login one(std::move(by_server));
  ASSERT_TRUE(one.Complete());
  EXPECT_TRUE(one.at_server.Last<ChildReady>()->udp_encapsulated);

  Login::Setup by_client;
  by_client.client = InitiatorOptions::Default(Psk());
  by_client.client->force_udp_encapsulation = true;
  Login two(std::move(by_client));
  ASSERT_TRUE(two.Complete());
  EXPECT_TRUE(two.at_server.Last<ChildReady>()->udp_encapsulated);
  EXPECT_TRUE(two.at_server.Last<PhaseOneUp>()->peer_natted);
}

TEST(Login, WithoutNatTraversalThereIsNoFloat) {
  Login::Setup setup{.nat = true};
  setup.options.nat_traversal = false;
  Login login(std::move(setup));
  ASSERT_TRUE(login.Complete());
  EXPECT_EQ(login.at_server.Last<PhaseOneUp>()->path.local.port, 500);
  EXPECT_FALSE(login.at_server.Last<ChildReady>()->udp_encapsulated);
}

class LossyLogin : public testing::TestWithParam<uint64_t> {};

TEST_P(LossyLogin, CompletesUnderLossDuplicationAndReordering) {
  Login::Setup setup{.nat = true};
  setup.faults = {30, 20, absl::Milliseconds(5), absl::Milliseconds(400), GetParam()};
  setup.client = InitiatorOptions::Default(Psk());
  setup.client->tries = 12;
  setup.client->first_resend = absl::Seconds(1);
  // MODP-1536 keeps the real arithmetic of many runs quick.
  for (PhaseOneSuite& suite : setup.client->phase_one) suite.group = crypto::Group::kModp1536;
  setup.options.half_open_lifetime = absl::Seconds(300);
  Login login(std::move(setup));
  login.Start();
  ASSERT_TRUE(login.BothUp(absl::Seconds(600)));
  EXPECT_EQ(login.at_server.Count<PhaseOneUp>(), 1u);
  login.QuickMode();
  ASSERT_TRUE(login.pipe->RunUntil(
      [&] {
        // Should every QM3 be lost, ESP itself tells the gateway.
        return login.at_client.Last<ChildUp>() &&
               (login.at_server.Last<ChildUp>() || login.at_server.Last<ChildFailed>());
      },
      absl::Seconds(600)));
  ExpectSameKeys(*login.at_client.Last<ChildReady>(), *login.at_server.Last<ChildReady>());
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeUndecryptable), 0u);
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeBadHash), 0u);
}
INSTANTIATE_TEST_SUITE_P(Seeds, LossyLogin, testing::Range<uint64_t>(1, 13));

TEST(Login, SameSeedSameBytes) {
  // Key pairs are random, so compare what comes before them: both first messages and their sizes.
  Login one, two;
  ASSERT_TRUE(one.Complete());
  ASSERT_TRUE(two.Complete());
  ASSERT_EQ(one.to_server.size(), two.to_server.size());
  EXPECT_EQ(one.to_server[0].first, two.to_server[0].first);
  EXPECT_EQ(one.to_client[0].first, two.to_client[0].first);
  for (size_t i = 0; i < one.to_server.size(); ++i) {
    EXPECT_EQ(one.to_server[i].first.size(), two.to_server[i].first.size());
  }
}

TEST(Login, PerfectForwardSecrecyIsAnswered) {
  for (const auto group : {crypto::Group::kModp2048, crypto::Group::kModp1024}) {
    Login::Setup setup;
    setup.client = InitiatorOptions::Default(Psk());
    setup.client->pfs_group = group;
    Login login(std::move(setup));
    ASSERT_TRUE(login.Complete());
    EXPECT_EQ(login.at_server.Last<ChildReady>()->suite.pfs_group, group);
    EXPECT_EQ(login.server_crew.agreed, 2);
    ExpectSameKeys(*login.at_client.Last<ChildReady>(), *login.at_server.Last<ChildReady>());
  }
}

TEST(Login, PfsWithAnUnlistedGroupIsRefused) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  setup.client->pfs_group = crypto::Group::kModp3072;
  setup.options.esp.pfs_groups = {crypto::Group::kModp2048};
  Login login(std::move(setup));
  login.Start();
  ASSERT_TRUE(login.BothUp());
  login.QuickMode();
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Last<ChildFailed>()->why, Failure::kNoCommonProposal);
  EXPECT_EQ(login.at_client.Last<ChildFailed>()->why, Failure::kRefusedByPeer);
  EXPECT_EQ(login.server_crew.agreed, 1);  // the crew is not troubled for it
}

TEST(Login, WrongKeyIsSuspectedOnceAndNothingIsSent) {
  Login login({.server_psk = "another"});
  login.Start();
  login.pipe->RunFor(absl::Seconds(200));
  EXPECT_EQ(login.at_server.Count<WrongPskSuspected>(), 1u);
  ASSERT_NE(login.at_server.Last<PhaseOneFailed>(), nullptr);
  EXPECT_EQ(login.at_server.Last<PhaseOneFailed>()->why, Failure::kWrongPreSharedKey);
  EXPECT_EQ(login.at_client.Last<PhaseOneFailed>()->why, Failure::kTimeout);
  EXPECT_GE(login.at_server.Drops(Drop::kIkeUndecryptable), 2u);
  EXPECT_EQ(login.to_client.size(), 2u);  // MM2 and MM4
  EXPECT_EQ(login.responder->half_open(), 0u);
  EXPECT_EQ(login.responder->NextDeadline(), absl::InfiniteFuture());
}

TEST(Login, NoCommonProposalTellsBothLists) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  for (PhaseOneSuite& suite : setup.client->phase_one) suite.group = crypto::Group::kModp1024;
  setup.options.phase_one = PhaseOnePolicy::Modern();
  Login login(std::move(setup));
  login.Start();
  login.pipe->RunFor(absl::Seconds(100));
  const auto* failed = login.at_server.Last<PhaseOneFailed>();
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->why, Failure::kNoCommonProposal);
  ASSERT_EQ(failed->offered.size(), 4u);
  EXPECT_EQ(Text(failed->offered[0]), "AES-CBC-256/SHA2-256/MODP-1024/PSK");
  EXPECT_EQ(Text(failed->allowed),
            "AES-CBC-256, AES-CBC-192, AES-CBC-128 / SHA2-256, SHA2-384, SHA2-512 / "
            "MODP-2048, ECP-256, ECP-384, MODP-3072, MODP-4096, MODP-1536 / PSK");
  EXPECT_EQ(login.at_client.Last<PhaseOneFailed>()->why, Failure::kRefusedByPeer);
  EXPECT_EQ(login.at_client.Last<PhaseOneFailed>()->notify, NotifyType::kNoProposalChosen);
  EXPECT_EQ(login.responder->half_open(), 0u);
  ASSERT_FALSE(login.to_client.empty());
  for (const auto& [bytes, path] : login.to_client) {
    EXPECT_LE(bytes.size(), login.to_server[0].first.size());
  }
}

TEST(Login, Modp1024IsTheOperatorsChoice) {
  for (const bool allowed : {true, false}) {
    Login::Setup setup;
    setup.client = InitiatorOptions::Default(Psk());
    for (PhaseOneSuite& suite : setup.client->phase_one) suite.group = crypto::Group::kModp1024;
    setup.options.phase_one.SetModp1024(allowed);
    Login login(std::move(setup));
    EXPECT_EQ(login.Complete(), allowed);
  }
}

// Every algorithm of phase 1, and PFS in every group, between both halves and with true agreements.
TEST(Login, EveryGroupCipherAndHash) {
  using enum crypto::Group;
  struct Row {
    crypto::Group group;
    CipherChoice cipher;
    IkeHash hash;
  };
  const Row rows[] = {
      {kModp1024, {IkeCipher::kTripleDesCbc, 0}, IkeHash::kMd5},
      {kModp1536, {IkeCipher::kTripleDesCbc, 0}, IkeHash::kSha1},
      {kModp2048, {IkeCipher::kAesCbc, 128}, IkeHash::kSha1},
      {kModp3072, {IkeCipher::kAesCbc, 192}, IkeHash::kSha2_256},
      {kModp4096, {IkeCipher::kAesCbc, 256}, IkeHash::kSha2_512},
      {kEcp256, {IkeCipher::kAesCbc, 256}, IkeHash::kMd5},  // a key longer than the hash
      {kEcp384, {IkeCipher::kAesCbc, 256}, IkeHash::kSha2_384},
  };
  for (const Row& row : rows) {
    Login::Setup setup;
    setup.client = InitiatorOptions::Default(Psk());
    setup.client->phase_one = {{row.cipher.cipher,
                                row.cipher.key_bits,
                                row.hash,
                                AuthMethod::kPreSharedKey,
                                row.group,
                                {}}};
    setup.client->pfs_group = row.group;
    setup.options.phase_one.AllowMd5();
    Login login(std::move(setup));
    SCOPED_TRACE(NameOf(row.group));
    ASSERT_TRUE(login.Complete());
    EXPECT_EQ(login.at_server.Last<PhaseOneUp>()->suite.group, row.group);
    EXPECT_EQ(login.at_server.Last<ChildReady>()->suite.pfs_group, row.group);
    ExpectSameKeys(*login.at_client.Last<ChildReady>(), *login.at_server.Last<ChildReady>());
  }
}

TEST(Login, ABusyCrewOnlyDelays) {
  Login login;
  login.server_crew.busy = true;
  login.Start();
  login.pipe->RunFor(absl::Seconds(3));
  EXPECT_EQ(login.at_server.Last<PhaseOneUp>(), nullptr);
  login.server_crew.busy = false;
  EXPECT_TRUE(login.BothUp(absl::Seconds(10)));
}

TEST(Login, ABusyCrewOfTheClientsOnlyDelays) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  setup.client->pfs_group = crypto::Group::kModp1536;
  Login login(std::move(setup));
  login.client_crew.busy = true;
  login.Start();
  login.pipe->RunFor(absl::Seconds(3));
  login.client_crew.busy = false;
  ASSERT_TRUE(login.BothUp(absl::Seconds(10)));
  login.client_crew.busy = true;
  login.QuickMode();
  login.pipe->RunFor(absl::Seconds(3));
  login.client_crew.busy = false;
  EXPECT_TRUE(login.ChildUpTimes(1));
}

TEST(Login, ABusyCrewInPfsWaitsForTheRepetition) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  setup.client->pfs_group = crypto::Group::kModp1536;
  Login login(std::move(setup));
  login.Start();
  ASSERT_TRUE(login.BothUp());
  login.server_crew.busy = true;
  login.QuickMode();
  login.pipe->RunFor(absl::Seconds(1));
  login.server_crew.busy = false;
  EXPECT_TRUE(login.ChildUpTimes(1));
  EXPECT_EQ(login.at_server.Count<ChildFailed>(), 0u);
}

TEST(Login, RekeysAndDeletes) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const EspSpi first = login.at_client.Last<ChildReady>()->spi_in;
  login.QuickMode();
  ASSERT_TRUE(login.ChildUpTimes(2));
  login.pipe->DoA([&](absl::Time now, auto& out) { login.client->DeleteChild(now, first, out); });
  login.pipe->RunFor(absl::Seconds(1));
  const auto* deleted = login.at_server.Last<ChildDeleted>();
  ASSERT_NE(deleted, nullptr);
  EXPECT_THAT(deleted->spi_out, testing::ElementsAre(first));
  login.pipe->DoA([&](absl::Time now, auto& out) { login.client->DeletePhase1(now, out); });
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedByPeer);
  EXPECT_EQ(login.at_client.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedHere);
  EXPECT_EQ(login.responder->established(), 0u);
  EXPECT_EQ(login.responder->NextDeadline(), absl::InfiniteFuture());
}

TEST(Login, TheGatewayDeletes) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const PhaseOneId sa = login.at_server.Last<PhaseOneUp>()->sa;
  login.pipe->DoB([&](absl::Time now, auto& out) {
    login.responder->DeleteChild(now, sa, login.at_server.Last<ChildReady>()->spi_in, out);
    login.responder->DeletePhase1(now, sa, out);
  });
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_THAT(login.at_client.Last<ChildDeleted>()->spi_out,
              testing::ElementsAre(login.at_client.Last<ChildReady>()->spi_out));
  EXPECT_EQ(login.at_client.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kDeletedByPeer);
  EXPECT_EQ(login.responder->Find(sa), nullptr);
}

TEST(Login, DeleteBetweenSecondAndThirdMessageTouchesNothing) {
  // Windows deletes its old SA while the new one is being made.
  Login login;
  ASSERT_TRUE(login.Complete());
  const EspSpi first = login.at_client.Last<ChildReady>()->spi_in;
  login.QuickMode();
  ASSERT_TRUE(login.pipe->RunUntil([&] { return login.at_server.Count<ChildReady>() == 2; },
                                   absl::Seconds(1)));
  login.pipe->DoA([&](absl::Time now, auto& out) { login.client->DeleteChild(now, first, out); });
  EXPECT_TRUE(login.ChildUpTimes(2));
  EXPECT_EQ(login.at_server.Count<ChildDeleted>(), 1u);
}

TEST(Login, DeadPeerDetection) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const PhaseOneId sa = login.at_server.Last<PhaseOneUp>()->sa;
  const auto probe = [&](absl::Time now, auto& out) {
    EXPECT_TRUE(login.responder->StartDpd(now, sa, out));
  };
  login.pipe->DoB(probe);
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Count<PeerAlive>(), 1u);
  EXPECT_EQ(login.at_client.Count<PeerAlive>(), 1u);
  login.pipe->faults().loss_percent = 100;
  login.pipe->DoB(probe);
  login.pipe->RunFor(absl::Seconds(60));
  EXPECT_EQ(login.at_server.Count<PeerDead>(), 1u);
  EXPECT_NE(login.responder->Find(sa), nullptr);  // the verdict is the owner's
}

TEST(Login, NoProbesToAPeerThatNeverAdvertisedThem) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  setup.client->dpd = false;
  Login login(std::move(setup));
  ASSERT_TRUE(login.Complete());
  const size_t before = login.to_client.size();
  login.pipe->DoB([&](absl::Time now, auto& out) {
    EXPECT_FALSE(login.responder->StartDpd(now, login.at_server.Last<PhaseOneUp>()->sa, out));
  });
  login.pipe->RunFor(absl::Seconds(60));
  EXPECT_EQ(login.to_client.size(), before);
}

TEST(Login, PhaseOneExpiresAndItsChildrenDoNot) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  for (PhaseOneSuite& suite : setup.client->phase_one) suite.lifetime.seconds = 3600;
  Login login(std::move(setup));
  ASSERT_TRUE(login.Complete());
  login.pipe->faults().loss_percent = 100;  // the client's own DELETE at 3600 s is lost
  login.pipe->RunFor(absl::Seconds(3599));
  EXPECT_EQ(login.at_server.Count<PhaseOneGone>(), 0u);
  login.pipe->RunFor(absl::Seconds(70));
  ASSERT_EQ(login.at_server.Count<PhaseOneGone>(), 1u);
  EXPECT_EQ(login.at_server.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kExpired);
  EXPECT_EQ(login.at_server.Count<ChildDeleted>() + login.at_server.Count<ChildFailed>(), 0u);
}

// strongSwan with rekeying off offers 0 seconds. The SA is kept as long as the client is there.
TEST(Login, LifetimeOfZeroGoesOnWhileTheClientAnswers) {
  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk());
  for (PhaseOneSuite& suite : setup.client->phase_one) suite.lifetime.seconds = 0;
  Login login(std::move(setup));
  ASSERT_TRUE(login.Complete());
  EXPECT_LT(login.at_server.Last<PhaseOneUp>()->expires - test::kStart, absl::Hours(9));
  login.pipe->RunFor(absl::Hours(100));
  EXPECT_EQ(login.at_server.Count<PhaseOneGone>(), 0u);
  login.pipe->faults().loss_percent = 100;
  login.pipe->RunFor(absl::Hours(17));
  ASSERT_EQ(login.at_server.Count<PhaseOneGone>(), 1u);
  EXPECT_EQ(login.at_server.Last<PhaseOneGone>()->why, PhaseOneGone::Why::kExpired);
}

TEST(Login, OddPhaseOneLifetimes) {
  const Options ours;
  const auto until = [&](std::optional<uint32_t> seconds, bool client_speaks_dpd) {
    Login::Setup setup;
    setup.client = InitiatorOptions::Default(Psk());
    setup.client->dpd = client_speaks_dpd;
    for (PhaseOneSuite& suite : setup.client->phase_one) suite.lifetime.seconds = seconds;
    Login login(std::move(setup));
    EXPECT_TRUE(login.Complete());
    login.pipe->faults().loss_percent = 100;  // the client's own end is not to be seen
    login.pipe->RunFor(ours.longest_lifetime * 2);
    EXPECT_EQ(login.at_server.Count<PhaseOneGone>(), 1u);
    return login.at_server.Last<PhaseOneUp>()->expires - test::kStart - ours.lifetime_grace;
  };
  const auto about = [](absl::Duration length) {
    return testing::AllOf(testing::Ge(length), testing::Lt(length + absl::Seconds(1)));
  };
  EXPECT_THAT(until(1, true), about(absl::Seconds(1)));
  EXPECT_THAT(until(0xffffffff, true), about(ours.longest_lifetime));
  EXPECT_THAT(until(std::nullopt, true), about(ours.default_lifetime));
  EXPECT_THAT(until(0, false), about(ours.default_lifetime));
}

TEST(Login, ARefusedSpiFailsTheQuickMode) {
  Login login;
  login.refuse_spi = true;
  login.Start();
  ASSERT_TRUE(login.BothUp());
  login.QuickMode();
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Last<ChildFailed>()->why, Failure::kRefusedHere);
  EXPECT_EQ(login.at_client.Last<ChildFailed>()->notify, NotifyType::kNoProposalChosen);
}

TEST(Login, APeerThatMovedIsFollowedOnceItProves) {
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  login.nat_offset = 2000;  // the NAT forgot, and gives another port
  login.pipe->DoA([&](absl::Time now, auto& out) { login.client->StartDpd(now, out); });
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Count<PathChanged>(), 0u);  // a first probe might be a recording
  login.QuickMode();
  ASSERT_TRUE(login.ChildUpTimes(2));
  ASSERT_EQ(login.at_server.Count<PathChanged>(), 1u);
  EXPECT_EQ(login.at_server.Last<PathChanged>()->path.remote.port, 6500);
}

}  // namespace
