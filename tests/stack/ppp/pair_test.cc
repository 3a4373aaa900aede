// Client half against gateway half, over a line that loses, repeats and reorders. Whatever it does
// while it is bad, both ends agree in the end: both up, with the same address, or both down.
#include <map>

#include "tests/stack/ppp/script.h"

namespace stack::ppp {
namespace {

// A line, and what is spoken over it.
struct Line {
  double loss = 0, twice = 0;
  absl::Duration least = absl::Milliseconds(10), jitter = absl::ZeroDuration();
  absl::Duration bad_for = absl::InfiniteDuration();  // then it is perfect
  AuthProtocol protocol = AuthProtocol::kMsChapV2;
};

class Pair {
 public:
  Pair(uint64_t seed, const Line& line)
      : random_(seed),
        client_rng_(2 * seed + 1),
        lns_rng_(2 * seed + 2),
        line_(line),
        client(ClientOptions{"CORP\\alice", 1400, {}, {line.protocol}}, client_rng_),
        lns(LnsOptions{.timing = {}, .authentication = {line.protocol}}, lns_rng_) {}

  void Start() {
    client.Start();
    Send(client.frames, false);
    lns.Start();
    Send(lns.frames, true);
  }

  // Runs both, and the line between them, up to this time.
  void Until(absl::Duration end) {
    while (true) {
      absl::Time next = std::min(client.link.NextDeadline(), lns.link.NextDeadline());
      if (!wire_.empty()) next = std::min(next, wire_.begin()->first);
      if (next > absl::UnixEpoch() + end) return;
      ASSERT_LT(++steps_, 20000) << "no rest";
      Step(next);
    }
  }

  // What each end was told, in short.
  std::map<std::string, int> told;

 private:
  struct Flight {
    bool to_client;
    Bytes frame;
  };

  void Step(absl::Time now) {
    client.now = lns.now = now;
    if (!wire_.empty() && wire_.begin()->first <= now) {
      const Flight flight = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      flight.to_client ? client.link.OnPacket(now, flight.frame, client.out)
                       : lns.link.OnPacket(now, flight.frame, lns.out);
    }
    client.link.OnDeadline(now, client.out);
    lns.link.OnDeadline(now, lns.out);
    Settle();
  }

  // Answers questions until there are none.
  void Settle() {
    while (!client.out.empty() || !lns.out.empty()) {
      for (const std::string& line : client.Drain()) Answer(line);
      Send(client.frames, false);
      for (const std::string& line : lns.Drain()) Answer(line);
      Send(lns.frames, true);
    }
  }

  void Answer(const std::string& line) {
    ++told[line.substr(0, line.find(' '))];
    if (line.starts_with("NeedResponse")) {
      client.link.OnResponse(client.now, client.ticket, Respond(), client.out);
    } else if (line.starts_with("NeedCheckSuccess")) {
      EXPECT_EQ(line, "NeedCheckSuccess " + ::test::kGoodResponse);
      client.link.OnSuccessChecked(client.now, client.ticket, true, client.out);
    } else if (line.starts_with("NeedVerify")) {
      EXPECT_EQ(line, "NeedVerify CORP\\alice alice");
      lns.link.OnVerified(lns.now, lns.ticket, Judge(), lns.out);
    } else if (line.starts_with("NeedAddress")) {
      lns.link.OnAddress(lns.now, lns.ticket, kAssignment, lns.out);
    }
  }

  // The challenge, reversed, stands for the hash.
  Response Respond() const {
    const Bytes& challenge = client.challenge.challenge;
    wire::MsChapV2Response ms_chap;
    ChapMd5Response md5;
    switch (client.challenge.protocol) {
      case AuthProtocol::kMsChapV2:
        std::reverse_copy(challenge.begin(), challenge.end(), ms_chap.nt_response.begin());
        return ms_chap;
      case AuthProtocol::kChapMd5:
        std::reverse_copy(challenge.begin(), challenge.end(), md5.begin());
        return md5;
      case AuthProtocol::kPap:
        break;
    }
    return Password(AsBytes("secret"));
  }

  Verdict Judge() const {
    const auto reversed = [](const auto& challenge, const auto& given) {
      return std::equal(challenge.rbegin(), challenge.rend(), given.begin());
    };
    if (const auto* pap = std::get_if<PapProof>(&lns.verify.proof)) {
      return AsText(pap->password.view()) == "secret" ? Verdict(Accepted{}) : Verdict(Refused{});
    }
    if (const auto* md5 = std::get_if<ChapMd5Proof>(&lns.verify.proof)) {
      return reversed(md5->challenge, md5->response) ? Verdict(Accepted{}) : Verdict(Refused{});
    }
    const auto& proof = std::get<MsChapV2Proof>(lns.verify.proof);
    const bool right = reversed(proof.challenge, proof.response.nt_response);
    return right ? Verdict(Accepted{::test::kGoodResponse}) : Verdict(Refused{});
  }

  void Send(const std::vector<Bytes>& frames, bool to_client) {
    const bool bad = client.now < absl::UnixEpoch() + line_.bad_for;
    for (const Bytes& frame : frames) {
      if (bad && Chance(line_.loss)) continue;
      for (int copies = bad && Chance(line_.twice) ? 2 : 1; copies > 0; --copies) {
        const double late = bad ? static_cast<double>(random_.Below(1000)) / 1000 : 0;
        wire_.emplace(client.now + line_.least + late * line_.jitter, Flight{to_client, frame});
      }
    }
  }
  bool Chance(double p) { return static_cast<double>(random_.Below(10000)) < p * 10000; }

  ::test::FixedRng random_, client_rng_, lns_rng_;
  const Line line_;
  std::multimap<absl::Time, Flight> wire_;
  int steps_ = 0;

 public:
  static inline const Assignment kAssignment = {
      *Ip4::Parse("10.99.0.10"), *Ip4::Parse("10.99.0.1"), {*Ip4::Parse("9.9.9.9")}};
  ::test::Script<ClientLink, ClientOptions> client;
  ::test::Script<LnsLink, LnsOptions> lns;
};

TEST(Pair, UpWithinFourRoundTripsOnAGoodLine) {
  Pair pair(1, Line{});
  pair.Start();
  pair.Until(absl::Milliseconds(120));
  EXPECT_TRUE(pair.client.link.is_up());
  EXPECT_TRUE(pair.lns.link.is_up());
  EXPECT_EQ(pair.told["drop"], 0);
  EXPECT_EQ(pair.told["Up"], 1);
  EXPECT_EQ(pair.told["ClientUp"], 1);
}

TEST(Pair, EchoKeepsAnIdleLinkUp) {
  Pair pair(1, Line{});
  pair.Start();
  pair.Until(absl::Hours(1));
  EXPECT_TRUE(pair.client.link.is_up());
  EXPECT_TRUE(pair.lns.link.is_up());
  EXPECT_EQ(pair.told["Suspended"], 0);
}

TEST(Pair, EitherEndCanEndIt) {
  for (const bool by_client : {true, false}) {
    Pair pair(1, Line{});
    pair.Start();
    pair.Until(absl::Seconds(1));
    by_client
        ? pair.client.link.Terminate(pair.client.now, DownReason::kAdministrative, pair.client.out)
        : pair.lns.link.Terminate(pair.lns.now, DownReason::kAdministrative, pair.lns.out);
    pair.Until(absl::Seconds(10));
    EXPECT_EQ(pair.told["Down"], 2);
    EXPECT_EQ(pair.client.link.NextDeadline(), absl::InfiniteFuture());
    EXPECT_EQ(pair.lns.link.NextDeadline(), absl::InfiniteFuture());
  }
}

struct Weather {
  const char* name;
  Line line;
  int least_up;  // of kSeeds
};
constexpr int kSeeds = 120;

class BadLine : public testing::TestWithParam<Weather> {};

TEST_P(BadLine, EndsInAgreement) {
  int up = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Pair pair(seed, GetParam().line);
    pair.Start();
    pair.Until(absl::Minutes(10));
    const bool client_up = pair.client.link.is_up(), lns_up = pair.lns.link.is_up();
    EXPECT_EQ(client_up, lns_up) << "seed " << seed;
    EXPECT_EQ(pair.told["Down"], client_up ? 0 : 2) << "seed " << seed;
    up += client_up ? 1 : 0;
  }
  EXPECT_GE(up, GetParam().least_up);
}

INSTANTIATE_TEST_SUITE_P(
    , BadLine,
    testing::Values(
        Weather{"Reorders",
                {0, 0, absl::Milliseconds(5), absl::Milliseconds(100), absl::Seconds(40)},
                kSeeds},
        Weather{"Repeats",
                {0, 0.3, absl::Milliseconds(5), absl::Milliseconds(50), absl::Seconds(40)},
                kSeeds},
        Weather{"Loses",
                {0.15, 0, absl::Milliseconds(20), absl::ZeroDuration(), absl::Seconds(40)},
                kSeeds - 3},
        Weather{"LosesMost",
                {0.6, 0, absl::Milliseconds(20), absl::ZeroDuration(), absl::Seconds(40)},
                kSeeds / 3},
        Weather{"DoesItAll",
                {0.2, 0.1, absl::Milliseconds(5), absl::Milliseconds(400), absl::Seconds(40)},
                kSeeds - 10},
        Weather{"DoesItAllToChapMd5",
                {0.2, 0.1, absl::Milliseconds(5), absl::Milliseconds(400), absl::Seconds(40),
                 AuthProtocol::kChapMd5},
                kSeeds - 10},
        Weather{"DoesItAllToPap",
                {0.2, 0.1, absl::Milliseconds(5), absl::Milliseconds(400), absl::Seconds(40),
                 AuthProtocol::kPap},
                kSeeds - 10},
        Weather{"IsDead",
                {1, 0, absl::Milliseconds(5), absl::ZeroDuration(), absl::InfiniteDuration()},
                0}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace stack::ppp
