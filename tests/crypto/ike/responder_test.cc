// What strangers, clumsy clients and bad networks send to the responder, and what it makes of it.
#include "crypto/ike/responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "crypto/ike/informational.h"
#include "crypto/ike/natt.h"
#include "crypto/ike/proposal.h"
#include "tests/crypto/ike/login.h"

namespace {

using namespace crypto::ike;  // NOLINT: a test reads as a script
using stack::Drop;
using stack::FromHex;
using test::Login;
using test::Psk;

std::vector<PayloadType> TypesOf(const Bytes& bytes) {
  const auto message = Isakmp::Parse(bytes);
  const auto chain = PayloadChain::Parse(message->header.next_payload, message->body);
  std::vector<PayloadType> types;
  for (const auto& payload : *chain) types.push_back(payload.type);
  return types;
}

TEST(Responder, RepliesHoldNothingApplesClientWouldAbortOn) {
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  using enum PayloadType;
  EXPECT_THAT(TypesOf(login.to_client[0].first), testing::ElementsAre(kSa, kVendorId, kVendorId));
  EXPECT_THAT(TypesOf(login.to_client[1].first),
              testing::ElementsAre(kKeyExchange, kNonce, kNatD, kNatD));
}

TEST(Responder, FirstRepliesAreNoLargerThanTheirRequests) {
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LE(login.to_client[i].first.size(), login.to_server[i].first.size()) << i;
  }
}

TEST(Responder, DuplicatesGetTheSameReplyThreeTimes) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const std::vector<std::pair<Bytes, Path>> requests = login.to_server;
  // A new login, message by message: MM1, then eight times MM1 again, from 500 and from 4500.
  Login fresh;
  fresh.pipe->faults().loss_percent = 0;
  const Bytes mm1 = requests[0].first;
  const Path from500{test::kGateway, test::kClient};
  const Path from4500{{test::kGateway.ip, 4500}, {test::kClient.ip, 4500}};
  fresh.Inject(mm1, from500);
  for (int i = 0; i < 8; ++i) fresh.Inject(mm1, from4500);
  fresh.pipe->RunFor(absl::Seconds(1));
  ASSERT_EQ(fresh.to_client.size(), 4u);
  EXPECT_EQ(fresh.at_server.Drops(Drop::kIkeDuplicate), 8u);
  EXPECT_EQ(fresh.responder->half_open(), 1u);
  for (const auto& [bytes, path] : fresh.to_client) {
    EXPECT_EQ(bytes, fresh.to_client[0].first);
  }
  EXPECT_EQ(fresh.to_client[0].second.local.port, 500);
  EXPECT_EQ(fresh.to_client[1].second.local.port, 4500);
}

TEST(Responder, EveryRequestMayBeRepeatedAtAnyLaterTime) {
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  const auto requests = login.to_server;
  const int agreed = login.server_crew.agreed;
  const size_t told = login.at_server.events.size();
  for (const auto& [bytes, path] : requests) login.Inject(bytes, path);
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.server_crew.agreed, agreed);
  for (size_t i = told; i < login.at_server.events.size(); ++i) {
    EXPECT_TRUE(std::holds_alternative<Drop>(login.at_server.events[i])) << i;
  }
  EXPECT_EQ(login.responder->established(), 1u);
  login.QuickMode();
  EXPECT_TRUE(login.ChildUpTimes(2));
}

TEST(Responder, ARecordedQuickModeStartsNothingLongAfter) {
  Login login;
  ASSERT_TRUE(login.Complete());
  const auto qm1 = login.to_server[3];
  login.pipe->RunFor(absl::Minutes(10));  // the finished machine is long gone
  const size_t before = login.to_client.size();
  Path elsewhere = qm1.second;
  elsewhere.remote = {{0xc6336401}, 500};
  login.Inject(qm1.first, elsewhere);
  EXPECT_EQ(login.at_server.Count<ChildReady>(), 1u);
  EXPECT_EQ(login.to_client.size(), before);
  EXPECT_EQ(login.at_server.Count<PathChanged>(), 0u);
}

TEST(Responder, BitErrorsAnywhereDisturbNothing) {
  // Each message of a login, with each of its octets damaged in turn, before the true one.
  for (size_t which = 0; which < 5; ++which) {
    Login recorded({.nat = true});
    ASSERT_TRUE(recorded.Complete());
    Login login({.nat = true});
    size_t seen = 0;
    auto carry = login.pipe->carry_to_b;
    login.pipe->carry_to_b = [&](ByteView bytes, const Path& path, const auto& deliver) {
      // MM1 is open to anybody: each damaged one may begin a login of its own.
      Path elsewhere = path;  // would show if a damaged one were believed
      ++elsewhere.local.port;
      if (seen++ == which && which != 0) {
        const size_t stride = which == 1 ? 7 : 1;  // of MM3 a sample: each one costs an agreement
        for (size_t at = which == 1 ? 16 : 0; at < bytes.size(); at += stride) {
          Bytes damaged = stack::ToBytes(bytes);
          damaged[at] ^= std::byte{0x41};
          // A damaged value or nonce in MM3 cannot be told from a true one by anybody, and of MM5
          // the HASH covers the ID alone, not the notify behind it (RFC 2409 section 5).
          if (which == 1 && at >= 28) continue;
          if (which == 2 && at >= 28 + 48) continue;
          carry(damaged, elsewhere, deliver);
        }
      }
      carry(bytes, path, deliver);
    };
    ASSERT_TRUE(login.Complete()) << which;
    EXPECT_EQ(login.at_server.Count<PhaseOneUp>(), 1u);
    EXPECT_EQ(login.at_server.Count<ChildReady>(), 1u);
    EXPECT_EQ(login.at_server.Count<ChildUp>(), 1u);
    EXPECT_EQ(login.at_server.Count<PhaseOneFailed>(), 0u);
    EXPECT_EQ(login.at_server.Count<PathChanged>(), 0u);
    EXPECT_EQ(login.at_server.Last<ChildReady>()->path.remote.port, 5500);
  }
}

TEST(Responder, EveryPrefixOfEveryMessageIsInert) {
  Login recorded({.nat = true});
  ASSERT_TRUE(recorded.Complete());
  Login login({.nat = true});
  ASSERT_TRUE(login.Complete());
  const size_t established = login.responder->established();
  for (const auto& [bytes, path] : login.to_server) {
    for (size_t n = 0; n < bytes.size(); ++n) {
      login.Inject(stack::ToBytes(ByteView(bytes).first(n)), path);
    }
  }
  EXPECT_EQ(login.responder->established(), established);
  EXPECT_EQ(login.responder->half_open(), 0u);
  EXPECT_EQ(login.at_server.Count<ChildReady>(), 1u);
}

TEST(Responder, MessagesOutOfOrderDoNothing) {
  // Phase 2 and Informational before the peer is authenticated, MM5 before MM3, and so on.
  Login recorded;
  ASSERT_TRUE(recorded.Complete());
  recorded.pipe->DoA([&](absl::Time now, auto& out) { recorded.client->DeletePhase1(now, out); });
  recorded.pipe->RunFor(absl::Seconds(1));
  const auto requests = recorded.to_server;  // MM1 MM3 MM5 QM1 QM3 D
  ASSERT_EQ(requests.size(), 6u);
  Login login;
  login.Inject(requests[0].first, requests[0].second);
  ASSERT_EQ(login.responder->half_open(), 1u);
  login.pipe->RunFor(absl::Milliseconds(100));
  const uint64_t cookie = stack::Load64(login.to_client[0].first.data() + 8);
  const size_t replies = login.to_client.size();
  for (size_t i : {size_t{2}, size_t{3}, size_t{4}, size_t{5}}) {
    Bytes message = requests[i].first;
    stack::Store64(message.data() + 8, cookie);  // an attacker on the path knows it
    login.Inject(message, requests[i].second);
  }
  login.pipe->RunFor(absl::Milliseconds(100));
  EXPECT_EQ(login.to_client.size(), replies);
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeExchange), 4u);
  EXPECT_EQ(login.at_server.Count<PhaseOneUp>() + login.at_server.Count<ChildReady>() +
                login.at_server.Count<PhaseOneGone>(),
            0u);
}

TEST(Responder, ARefusedFirstMessageLeavesNoCookie) {
  Login::Setup setup;
  setup.options.phase_one.groups = {crypto::Group::kModp4096};
  Login login(std::move(setup));
  login.Start();
  login.pipe->RunFor(absl::Milliseconds(100));
  ASSERT_EQ(login.to_client.size(), 1u);
  const auto header = Isakmp::Parse(login.to_client[0].first)->header;
  EXPECT_EQ(header.exchange, ExchangeType::kInformational);
  EXPECT_EQ(header.responder_cookie, 0u);
  EXPECT_EQ(login.responder->half_open(), 0u);
}

TEST(Responder, UnknownVersionsExchangesAndCookies) {
  Login login;
  login.Start();
  login.pipe->RunFor(absl::Milliseconds(15));
  const Path path{test::kGateway, test::kClient};
  Bytes mm1 = login.to_server[0].first;
  const auto with = [&](size_t at, int value) {
    Bytes copy = mm1;
    copy[at] = static_cast<std::byte>(value);
    return copy;
  };
  const auto drops = [&](Drop drop) { return login.at_server.Drops(drop); };
  login.Inject(with(17, 0x20), path);
  EXPECT_EQ(drops(Drop::kIkeVersion), 1u);
  for (const int exchange : {0, 1, 3, 4, 5, 6, 32, 33, 34, 255}) {
    login.Inject(with(18, exchange), path);
  }
  EXPECT_EQ(drops(Drop::kIkeExchange), 10u);
  login.Inject(with(19, 1), path);  // encrypted
  login.Inject(with(23, 1), path);  // a message id
  EXPECT_EQ(drops(Drop::kIkeExchange), 12u);
  login.Inject(with(15, 1), path);  // a responder cookie
  EXPECT_EQ(drops(Drop::kIkeUnknownCookie), 1u);
  login.Inject({}, path);
  EXPECT_EQ(drops(Drop::kTruncated), 1u);
  Bytes long_length = with(24, 1);
  login.Inject(long_length, path);
  EXPECT_EQ(drops(Drop::kIkeMalformed), 1u);
  EXPECT_EQ(login.responder->half_open(), 1u);
}

// A first message of a stranger's.
Bytes FirstMessageOf(uint64_t cookie) {
  InitiatorOptions options = InitiatorOptions::Default(Psk());
  PayloadList payloads;
  payloads.Add(PayloadType::kSa, OfferPhaseOne(options.phase_one));
  return ClearMessage({cookie, 0}, ExchangeType::kIdentityProtection, 0, payloads);
}

TEST(Responder, HalfOpenLoginsAreBounded) {
  Login::Setup setup;
  setup.options.max_half_open = 10;
  setup.options.max_half_open_per_prefix = 4;
  Login login(std::move(setup));
  for (uint32_t i = 1; i <= 6; ++i) {
    login.Inject(FirstMessageOf(i), {test::kGateway, {{0x01000001}, 500}});
  }
  EXPECT_EQ(login.responder->half_open(), 4u);
  EXPECT_EQ(login.at_server.Count<PhaseOneFailed>(), 2u);  // the oldest of them
  for (uint32_t i = 1; i <= 100; ++i) {
    login.Inject(FirstMessageOf(i), {test::kGateway, {{0x02000000 + (i << 8)}, 500}});
    ASSERT_LE(login.responder->half_open(), 10u);
  }
  EXPECT_EQ(login.at_server.Last<PhaseOneFailed>()->why, Failure::kCrowdedOut);
  // In the flood a true client still gets through: its MM3 follows at once and protects it.
  ASSERT_TRUE(login.Complete());
  login.pipe->RunFor(absl::Seconds(31));
  EXPECT_EQ(login.responder->half_open(), 0u);
  EXPECT_EQ(login.responder->established(), 1u);
}

TEST(Responder, AMessageThatOffersNothingTakesNobodysPlace) {
  Login::Setup setup;
  setup.options.max_half_open = 1;
  Login login(std::move(setup));
  login.Inject(FirstMessageOf(1), {test::kGateway, {{0x01000001}, 500}});
  ASSERT_EQ(login.responder->half_open(), 1u);
  PayloadList payloads;
  payloads.Add(PayloadType::kVendorId, stack::AsBytes("sixteen octets.."));
  login.Inject(ClearMessage({2, 0}, ExchangeType::kIdentityProtection, 0, payloads),
               {test::kGateway, {{0x02000001}, 500}});
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeMalformed), 1u);
  EXPECT_EQ(login.responder->half_open(), 1u);
  EXPECT_EQ(login.at_server.Last<PhaseOneFailed>(), nullptr);
}

TEST(Responder, AProvenLoginIsNotCrowdedOut) {
  Login::Setup setup{.server_psk = "another"};  // so that it stays half-open after MM3
  setup.options.max_half_open = 3;
  Login login(std::move(setup));
  login.Start();
  login.pipe->RunFor(absl::Seconds(1));
  ASSERT_EQ(login.at_server.Count<WrongPskSuspected>(), 1u);
  for (uint32_t i = 1; i <= 50; ++i) {
    login.Inject(FirstMessageOf(i), {test::kGateway, {{0x02000000 + i}, 500}});
  }
  EXPECT_EQ(login.responder->half_open(), 3u);
  login.pipe->RunFor(absl::Seconds(31));
  EXPECT_EQ(login.at_server.Last<PhaseOneFailed>()->why == Failure::kTimeout ||
                login.at_server.Last<PhaseOneFailed>()->why == Failure::kWrongPreSharedKey,
            true);
  size_t crowded = 0, wrong_key = 0;
  for (const Event& event : login.at_server.events) {
    if (const auto* failed = std::get_if<PhaseOneFailed>(&event)) {
      crowded += failed->why == Failure::kCrowdedOut ? 1 : 0;
      wrong_key += failed->why == Failure::kWrongPreSharedKey ? 1 : 0;
    }
  }
  EXPECT_EQ(crowded, 48u);
  EXPECT_EQ(wrong_key, 1u);
}

TEST(Responder, CookiesCarryABucketOfTheShard) {
  Login::Setup setup;
  setup.options.buckets = {3, 77, 200};
  Login login(std::move(setup));
  std::set<uint64_t> buckets;
  for (uint32_t i = 1; i <= 100; ++i) {
    login.Inject(FirstMessageOf(i), {test::kGateway, {{0x02000000 + i}, 500}});
  }
  for (const Event& event : login.at_server.events) {
    if (const auto* step = std::get_if<Step>(&event)) buckets.insert(step->sa.cookie & 0xff);
  }
  EXPECT_THAT(buckets, testing::ElementsAre(3, 77, 200));
}

TEST(Responder, NoPreSharedKeyForAnAddress) {
  test::FixedRng rng;
  auto psks = std::make_shared<PskStore>();
  psks->Add(*stack::Prefix::Parse("198.51.100.0/24"), Psk());
  Options options;
  options.psks = psks;
  Responder responder(test::kStart, options, rng);
  stack::PacketPool pool(8, 1);
  Out out(pool);
  const Bytes mm1 = FirstMessageOf(1);
  responder.OnPacket(test::kStart, {mm1, {{0xcb007105}, 500}, test::kGateway}, out);
  ASSERT_EQ(out.items().size(), 3u);  // failed, refusal, drop
  const auto& failed = std::get<PhaseOneFailed>(std::get<1>(out.items()[0]));
  EXPECT_EQ(failed.why, Failure::kNoPreSharedKey);
  EXPECT_EQ(responder.half_open(), 0u);
}

TEST(Responder, NewPreSharedKeysAreForThoseWhoBeginLater) {
  Login login;
  login.Start();
  login.pipe->RunFor(absl::Milliseconds(15));  // MM1 is there, MM3 is not
  ASSERT_EQ(login.responder->half_open(), 1u);
  login.responder->SetPsks(test::Psks("another"));
  EXPECT_TRUE(login.BothUp());
  login.QuickMode();
  EXPECT_TRUE(login.ChildUpTimes(1));

  Login::Setup setup;
  setup.client = InitiatorOptions::Default(Psk("another"));
  Login later(std::move(setup));
  later.responder->SetPsks(test::Psks("another"));
  EXPECT_TRUE(later.Complete());
}

TEST(PskStore, TheLongestPrefixWins) {
  PskStore psks;
  psks.SetWildcard(Psk("all"));
  psks.Add(*stack::Prefix::Parse("10.0.0.0/8"), Psk("ten"));
  psks.Add(*stack::Prefix::Parse("10.1.0.0/16"), Psk("ten-one"));
  psks.Add(*stack::Prefix::Parse("10.1.0.0/16"), Psk("ten-one again"));
  EXPECT_EQ(*psks.Find({0x0a010203}), Psk("ten-one again"));
  EXPECT_EQ(*psks.Find({0x0a020203}), Psk("ten"));
  EXPECT_EQ(*psks.Find({0xc0000201}), Psk("all"));
  psks.Add(*stack::Prefix::Parse("10.1.2.3"), Psk("one"));
  EXPECT_EQ(*psks.Find({0x0a010203}), Psk("one"));
  EXPECT_EQ(*psks.Find({0x0a010204}), Psk("ten-one again"));
  EXPECT_EQ(PskStore().Find({1}), nullptr);
}

// Two clients behind one NAT address, the second driven beside the first on the same responder.
TEST(Responder, TwoClientsWithEverythingAlikeButTheirCookies) {
  Login one({.nat = true});
  ASSERT_TRUE(one.Complete());
  // A second initiator with the same private address, seen from another port of the same NAT.
  test::FixedRng rng(99);
  Initiator two(test::kStart, InitiatorOptions::Default(Psk()),
                {test::kPrivateClient, test::kGateway}, rng);
  test::Pipe<Initiator, Responder> pipe(one.pipe->now(), two, *one.responder);
  pipe.carry_to_b = [](ByteView bytes, const Path& path, const auto& deliver) {
    const auto port = static_cast<uint16_t>(path.local.port + 7000);
    deliver({bytes, {test::kNat, port}, path.remote});
  };
  pipe.carry_to_a = [](ByteView bytes, const Path& path, const auto& deliver) {
    const auto port = static_cast<uint16_t>(path.remote.port - 7000);
    deliver({bytes, path.local, {test::kPrivateClient.ip, port}});
  };
  test::Crew crew;
  test::Story at_two, at_server;
  uint32_t spi = 0x9000;
  pipe.a().on_event = [&](absl::Time now, Event event, Out& out) {
    if (auto* pair = std::get_if<NeedKeyPair>(&event)) {
      return two.OnKeyPair(now, crew.Answer(*pair), out);
    }
    if (auto* agree = std::get_if<NeedAgreement>(&event)) {
      return two.OnDh(now, crew.Answer(*agree), out);
    }
    if (auto* need = std::get_if<NeedSpi>(&event)) two.OnSpi(now, {need->ticket, {++spi}}, out);
    at_two.events.push_back(std::move(event));
  };
  pipe.b().on_event = [&](absl::Time now, Event event, Out& out) {
    if (auto* dh = std::get_if<NeedDh>(&event)) {
      return one.responder->OnDh(now, crew.Answer(*dh), out);
    }
    if (auto* need = std::get_if<NeedSpi>(&event)) {
      one.responder->OnSpi(now, {need->ticket, {++spi}}, out);
    }
    at_server.events.push_back(std::move(event));
  };
  pipe.DoA([&](absl::Time now, auto& out) { two.Start(now, out); });
  ASSERT_TRUE(pipe.RunUntil([&] { return two.sa() != nullptr; }, absl::Seconds(5)));
  EXPECT_EQ(one.responder->established(), 2u);
  EXPECT_EQ(at_server.Last<PhaseOneUp>()->peer, one.at_server.Last<PhaseOneUp>()->peer);
  // Its INITIAL-CONTACT names its own SA; whose others are meant is not IKE's to say.
  EXPECT_EQ(at_server.Last<InitialContact>()->sa, at_server.Last<PhaseOneUp>()->sa);
  pipe.DoA([&](absl::Time now, auto& out) { two.StartQuickMode(now, out); });
  ASSERT_TRUE(pipe.RunUntil([&] { return at_server.Count<ChildUp>() == 1; }, absl::Seconds(5)));
  EXPECT_EQ(at_server.Last<ChildReady>()->path.remote.port, 11500);
}

// Windows uses message id 1 for the first quick mode of every client: here two SAs with the same
// id.
TEST(Responder, AMessageIdBelongsToItsPhaseOne) {
  Login one, two({.faults = {.seed = 9}});
  ASSERT_TRUE(one.Complete());
  ASSERT_TRUE(two.Complete());
  const uint32_t id = one.at_server.Last<ChildReady>()->message_id;
  EXPECT_NE(id, 0u);
  // The other client's message under this one's cookies does not decrypt.
  Bytes foreign = two.to_server[3].first;
  std::copy_n(one.to_server[3].first.begin(), 24, foreign.begin());
  const size_t ready = one.at_server.Count<ChildReady>();
  one.Inject(foreign, one.to_server[3].second);
  EXPECT_EQ(one.at_server.Count<ChildReady>(), ready);
}

// ---- Informational, with a forger's pen
// ----------------------------------------------------------

// Seals what the client would, with the client's own SA.
class Forged : public testing::Test {
 protected:
  Forged() : login(Login::Setup{.nat = true}) {
    EXPECT_TRUE(login.Complete());
    sa = const_cast<IsakmpSa*>(login.client->sa());
    path = login.at_server.Last<PhaseOneUp>()->path;
  }
  Bytes Seal(const PayloadList& rest, uint32_t message_id, bool good_hash = true) {
    crypto::Secret hash = sa->HashOf(message_id, {rest.bytes()});
    if (!good_hash) hash.span()[0] ^= std::byte{1};
    Iv iv = sa->StartIv(message_id);
    return sa->Seal(ExchangeType::kInformational, message_id, hash, rest, iv);
  }
  Login login;
  IsakmpSa* sa;
  Path path;
};

TEST_F(Forged, WindowsPutsANonceInFrontOfItsDelete) {
  PayloadList rest;
  rest.Add(PayloadType::kNonce, FromHex("00112233445566778899aabbccddeeff"));
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolEsp, FromHex("00001001")));
  const size_t replies = login.to_client.size();
  login.Inject(Seal(rest, 7), path);
  ASSERT_NE(login.at_server.Last<ChildDeleted>(), nullptr);
  EXPECT_EQ(login.at_server.Last<ChildDeleted>()->spi_out[0].value, 0x1001u);
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.to_client.size(), replies);
}

TEST_F(Forged, AWrongHashIsOnlyADrop) {
  PayloadList rest;
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolIsakmp, sa->cookies.Octets()));
  login.Inject(Seal(rest, 7, false), path);
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeBadHash), 1u);
  EXPECT_EQ(login.responder->established(), 1u);
  login.Inject(Seal(rest, 7), path);  // the id was not used up by the forgery
  EXPECT_EQ(login.responder->established(), 0u);
}

TEST_F(Forged, InClearNothingIsBelieved) {
  PayloadList rest;
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolIsakmp, sa->cookies.Octets()));
  login.Inject(ClearMessage(sa->cookies, ExchangeType::kInformational, 7, rest), path);
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeExchange), 1u);
  EXPECT_EQ(login.responder->established(), 1u);
}

TEST_F(Forged, InitialContactOnItsOwn) {
  PayloadList rest;
  rest.Add(PayloadType::kNotify,
           EncodeNotify({kProtocolIsakmp, NotifyType::kInitialContact, sa->cookies.Octets(), {}}));
  const size_t before = login.at_server.Count<InitialContact>();
  login.Inject(Seal(rest, 7), path);
  EXPECT_EQ(login.at_server.Count<InitialContact>(), before + 1);
}

TEST_F(Forged, AreYouThereIsAnsweredWithItsOwnNumber) {
  PayloadList rest;
  const Bytes number = FromHex("0badcafe");
  rest.Add(PayloadType::kNotify,
           EncodeNotify({kProtocolIsakmp, NotifyType::kRUThere, sa->cookies.Octets(), number}));
  login.Inject(Seal(rest, 7), path);
  login.Inject(Seal(rest, 7), path);  // the same datagram twice
  login.pipe->RunFor(absl::Seconds(1));
  EXPECT_EQ(login.at_server.Drops(Drop::kIkeDuplicate), 1u);
  const auto ack = Isakmp::Parse(login.to_client.back().first);
  const auto opened = sa->cipher.Open(*ack, sa->StartIv(ack->header.message_id));
  ASSERT_TRUE(opened.ok());
  const auto notify = DecodeNotify(*opened->payloads.Only(PayloadType::kNotify));
  EXPECT_EQ(notify->type, NotifyType::kRUThereAck);
  EXPECT_EQ(stack::ToBytes(notify->data), number);
  EXPECT_EQ(stack::ToHex(notify->spi), stack::ToHex(sa->cookies.Octets()));
}

TEST_F(Forged, APeerIsFollowedOnAHigherNumberOnly) {
  const auto probe = [&](uint32_t number, uint32_t message_id, uint16_t port) {
    PayloadList rest;
    Bytes data(4);
    stack::Store32(data.data(), number);
    rest.Add(PayloadType::kNotify,
             EncodeNotify({kProtocolIsakmp, NotifyType::kRUThere, sa->cookies.Octets(), data}));
    Path from = path;
    from.remote.port = port;
    login.Inject(Seal(rest, message_id), from);
  };
  probe(100, 7, 5500);
  probe(100, 8, 6000);  // a recording could be sent from anywhere
  probe(99, 9, 6000);
  EXPECT_EQ(login.at_server.Count<PathChanged>(), 0u);
  probe(101, 10, 6000);
  ASSERT_EQ(login.at_server.Count<PathChanged>(), 1u);
  EXPECT_EQ(login.at_server.Last<PathChanged>()->path.remote.port, 6000);
}

TEST_F(Forged, OddDeletesAndNotifies) {
  const std::vector<std::pair<PayloadType, std::string>> odd = {
      {PayloadType::kDelete, ""},
      {PayloadType::kDelete, "00000001"},
      {PayloadType::kDelete,
       "00000001"
       "03040002"
       "00001001"},  // one SPI too few
      {PayloadType::kDelete,
       "00000001"
       "03000001"},  // SPIs of no size
      {PayloadType::kDelete,
       "00000001"
       "03020001"
       "1001"},  // SPIs of two octets
      {PayloadType::kDelete,
       "00000001"
       "01100001"
       "00112233445566778899aabbccddeeff"},
      {PayloadType::kDelete,
       "00000001"
       "02040001"
       "00001001"},  // AH
      {PayloadType::kNotify,
       "00000001"
       "01ff8d28"},  // an SPI past the end
      {PayloadType::kNotify,
       "00000001"
       "01008d28"},  // R-U-THERE without a number
      {PayloadType::kNotify,
       "00000001"
       "01008d29"
       "00000001"},  // an ACK to nothing
  };
  uint32_t message_id = 100;
  for (const auto& [type, hex] : odd) {
    PayloadList rest;
    rest.Add(type, FromHex(hex));
    login.Inject(Seal(rest, message_id++), path);
  }
  EXPECT_EQ(login.at_server.Count<ChildDeleted>(), 0u);
  EXPECT_EQ(login.at_server.Count<PeerAlive>(), 0u);
  EXPECT_EQ(login.responder->established(), 1u);
}

TEST_F(Forged, RandomPaddingIsAccepted) {
  PayloadList rest;
  rest.Add(PayloadType::kDelete, EncodeDelete(kProtocolEsp, FromHex("00001001")));
  const crypto::Secret hash = sa->HashOf(7, {rest.bytes()});
  // By hand: HASH, D, and padding of two blocks that looks like payloads.
  Bytes plain = FromHex("0c0000" + std::string(hash.size() == 32 ? "24" : "18"));
  plain.insert(plain.end(), hash.view().begin(), hash.view().end());
  plain.insert(plain.end(), rest.bytes().begin(), rest.bytes().end());
  while (plain.size() % 16 != 0) plain.push_back(std::byte{0xa5});
  plain.insert(plain.end(), 16, std::byte{0x0c});
  IsakmpHeader header;
  header.initiator_cookie = sa->cookies.initiator;
  header.responder_cookie = sa->cookies.responder;
  header.next_payload = PayloadType::kHash;
  header.exchange = ExchangeType::kInformational;
  header.message_id = 7;
  Iv iv = sa->StartIv(7);
  login.Inject(sa->cipher.Seal(header, plain, iv), path);
  EXPECT_EQ(login.at_server.Count<ChildDeleted>(), 1u);
}

// ---- NAT-T details
// -------------------------------------------------------------------------------

TEST(Natt, OneVersionIsEchoedAndTheBest) {
  struct {
    std::vector<const char*> ids;
    const char* best;
  } rows[] = {
      // Apple's list, its own id and late drafts among them.
      {{"4a131c81070358455c5728f20e95452f", "4df37928e9fc4fd1b3262170d515c662",
        "8f8d83826d246b6fc7a8a6a428c11de8", "7d9419a65310ca6f2c179d9215529d56",
        "cd60464335df21f87cfdb2fc68b6a448", "90cb80913ebb696e086381b5ec427b1f"},
       "RFC 3947"},
      {{"cd60464335df21f87cfdb2fc68b6a448", "90cb80913ebb696e086381b5ec427b1f"}, "draft-02n"},
      {{"cd60464335df21f87cfdb2fc68b6a448"}, "draft-02"},
      {{"4df37928e9fc4fd1b3262170d515c662", "8f8d83826d246b6fc7a8a6a428c11de8"}, nullptr},
      {{"4a131c81070358455c5728f20e9545"}, nullptr},
      {{}, nullptr},
  };
  for (const auto& row : rows) {
    PayloadList list;
    for (const char* id : row.ids) list.Add(PayloadType::kVendorId, FromHex(id));
    const auto chain = PayloadChain::Parse(list.first(), list.bytes());
    const VendorsSeen seen = ReadVendorIds(*chain);
    EXPECT_EQ(seen.natt != nullptr, row.best != nullptr);
    if (seen.natt == nullptr || row.best == nullptr) continue;
    EXPECT_EQ(seen.natt->name, row.best);
  }
}

TEST(Natt, VendorIdsWithAndWithoutTheirTails) {
  PayloadList list;
  for (const char* id :
       {"4048b7d56ebce88525e7de7f00d6c2d380000000", "1e2b516905991c7d7c96fcbfb587e46100000009",
        "afcad71368a1f1c96b8696fc77570100", "26244d38eddb61b3172a36e3d0cfb819"}) {
    list.Add(PayloadType::kVendorId, FromHex(id));
  }
  const auto chain = PayloadChain::Parse(list.first(), list.bytes());
  const Vendors vendors = ReadVendorIds(*chain).vendors;
  EXPECT_TRUE(vendors.fragmentation && vendors.microsoft && vendors.dpd);
  EXPECT_EQ(vendors.unknown, 1);
}

TEST(Natt, ManyNatDPayloadsInAnyOrder) {
  const Cookies cookies{1, 2};
  const Path path{test::kGateway, test::kClient};
  const auto hash = crypto::HashId::kSha1;
  const auto local = NatD(hash, cookies, path.local), remote = NatD(hash, cookies, path.remote);
  const auto other = NatD(hash, cookies, {{1}, 1});
  const auto find = [&](std::initializer_list<const crypto::Digest*> told) {
    PayloadList list;
    for (const auto* digest : told) list.Add(PayloadType::kNatD, digest->view());
    return CompareNatD(*PayloadChain::Parse(list.first(), list.bytes()), NattRfc(), hash, cookies,
                       path);
  };
  EXPECT_FALSE(find({}).told);
  EXPECT_FALSE(find({&local, &remote}).peer);
  EXPECT_FALSE(find({&local, &other, &other, &remote}).peer);
  EXPECT_TRUE(find({&local, &other}).peer);
  EXPECT_TRUE(find({&other, &remote}).local);
  EXPECT_FALSE(find({&other, &remote}).peer);
  EXPECT_TRUE(find({&local}).peer);
}

}  // namespace
