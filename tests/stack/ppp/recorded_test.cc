// Both halves against real pppd: the frames of recorded sessions go in, and what we say must be
// what pppd said.
#include "tests/stack/ppp/recorded.h"

#include "tests/stack/ppp/script.h"

namespace stack::ppp {
namespace {

using ::test::AckOf;
using ::test::Recorded;
using wire::PppProtocol;

// Gives out the octets it was made with, in order: magic number, challenge.
class ScriptedRng : public Rng {
 public:
  explicit ScriptedRng(Bytes octets) : octets_(std::move(octets)) {}
  void Fill(ByteSpan out) override {
    for (std::byte& b : out) b = next_ < octets_.size() ? octets_[next_++] : std::byte{0x5a};
  }

 private:
  Bytes octets_;
  size_t next_ = 0;
};

Bytes Magic(const Bytes& configure_request) { return ToBytes(ByteView(configure_request).last(4)); }

Bytes WithId(Bytes frame, std::byte id) {
  frame[5] = id;
  return frame;
}

class RecordedSession : public testing::TestWithParam<Recorded> {
 protected:
  Bytes Client(PppProtocol protocol, int code, int id = -1) const {
    return GetParam().Find('>', protocol, code, id);
  }
  Bytes Server(PppProtocol protocol, int code, int id = -1) const {
    return GetParam().Find('<', protocol, code, id);
  }
};

TEST_P(RecordedSession, OurServerToTheRecordedClient) {
  const Bytes challenge = Server(PppProtocol::kChap, 1);
  Bytes random = Magic(Server(PppProtocol::kLcp, 1));
  random.insert(random.end(), challenge.begin() + 9, challenge.begin() + 25);
  ScriptedRng rng(random);
  LnsOptions options;
  options.name = "refserver";
  options.mru = 1280;
  test::Script<LnsLink, LnsOptions> lns(options, rng);

  lns.Start();
  // pppd's request differs in the ACCM, which means nothing on L2TP.
  EXPECT_EQ(ToHex(lns.frames.at(0)),
            "ff03c0210101001301040500"
            "0305c22381"
            "0506" +
                ToHex(ByteView(random).first(4)));
  lns.In(AckOf(lns.frames.at(0)));
  lns.In(Client(PppProtocol::kLcp, 1));
  EXPECT_EQ(ToHex(lns.frames.at(0)), ToHex(Server(PppProtocol::kLcp, 2)));
  const std::byte id = lns.frames.at(1)[5];
  EXPECT_EQ(ToHex(lns.frames.at(1)), ToHex(WithId(challenge, id)));
  lns.In(Server(PppProtocol::kLcp,
                9));  // pppd's own echo, as if the client sent it: our magic, so discarded
  EXPECT_TRUE(lns.frames.empty());

  lns.In(WithId(Client(PppProtocol::kChap, 2), id));
  EXPECT_EQ(lns.verify.name, "alice");
  const Bytes response = Client(PppProtocol::kChap, 2);
  const auto& proof = std::get<MsChapV2Proof>(lns.verify.proof);
  EXPECT_EQ(ToHex(proof.response.peer_challenge), ToHex(ByteView(response).subspan(9, 16)));
  EXPECT_EQ(ToHex(proof.response.nt_response), ToHex(ByteView(response).subspan(33, 24)));
  const Bytes success = Server(PppProtocol::kChap, 3);
  lns.link.OnVerified(lns.now, lns.ticket,
                      Accepted{std::string(AsText(ByteView(success).subspan(8, 42)))}, lns.out);
  lns.Drain();
  const Ip4 gateway = *Ip4::Parse("10.99.0.1");
  lns.link.OnAddress(lns.now, lns.ticket,
                     Assignment{*Ip4::Parse("10.99.0.10"), gateway, {gateway, gateway}}, lns.out);
  lns.Drain();
  EXPECT_EQ(ToHex(lns.frames.at(0)), ToHex(WithId(success, id)));
  EXPECT_EQ(ToHex(lns.frames.at(1)), ToHex(Server(PppProtocol::kIpcp, 1)));

  lns.In(Client(PppProtocol::kIpcp, 1, 1));
  EXPECT_EQ(ToHex(lns.frames.at(0)), ToHex(Server(PppProtocol::kIpcp, 3)));
  EXPECT_TRUE(lns.In(Client(PppProtocol::kIpcp, 2)).empty());
  const test::Lines up = lns.In(Client(PppProtocol::kIpcp, 1, 2));
  EXPECT_EQ(ToHex(lns.frames.at(0)), ToHex(Server(PppProtocol::kIpcp, 2)));
  EXPECT_EQ(up.back(), "Up 10.99.0.10 10.99.0.1 mru 1280 alice");
  const test::Lines down = lns.In(Client(PppProtocol::kLcp, 5));
  EXPECT_EQ(ToHex(lns.frames.at(0)), ToHex(Server(PppProtocol::kLcp, 6)));
  EXPECT_EQ(down.back(), "Down peer_terminated");
}

TEST_P(RecordedSession, OurClientToTheRecordedServer) {
  const Bytes request = Client(PppProtocol::kLcp, 1);
  ScriptedRng rng(Magic(request));
  test::Script<ClientLink, ClientOptions> client(ClientOptions{"alice", 1280, {}}, rng);

  client.Start();
  EXPECT_EQ(ToHex(client.frames.at(0)),
            "ff03c0210101000e01040500"
            "0506" +
                ToHex(Magic(request)));
  client.In(AckOf(client.frames.at(0)));
  client.In(Server(PppProtocol::kLcp, 1));
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(Client(PppProtocol::kLcp, 2)));
  client.In(Server(PppProtocol::kLcp, 9));
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(Client(PppProtocol::kLcp, 10)));

  client.In(Server(PppProtocol::kChap, 1));
  EXPECT_EQ(client.challenge.server, "refserver");
  const Bytes recorded = Client(PppProtocol::kChap, 2);
  const auto response = wire::MsChapV2Response::Parse(ByteView(recorded).subspan(9, 49));
  ASSERT_TRUE(response);
  client.link.OnResponse(client.now, client.ticket, *response, client.out);
  client.Drain();
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(recorded));
  const test::Lines success = client.In(Server(PppProtocol::kChap, 3));
  EXPECT_EQ(success.at(0),
            "NeedCheckSuccess " +
                std::string(AsText(ByteView(Server(PppProtocol::kChap, 3)).subspan(8, 42))));
  client.link.OnSuccessChecked(client.now, client.ticket, true, client.out);
  client.Drain();
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(Client(PppProtocol::kIpcp, 1, 1)));

  client.In(Server(PppProtocol::kIpcp, 1));
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(Client(PppProtocol::kIpcp, 2)));
  client.In(Server(PppProtocol::kIpcp, 3));
  EXPECT_EQ(ToHex(client.frames.at(0)), ToHex(Client(PppProtocol::kIpcp, 1, 2)));
  const test::Lines up = client.In(Server(PppProtocol::kIpcp, 2));
  EXPECT_EQ(up.back(), "ClientUp 10.99.0.10 10.99.0.1 dns 10.99.0.1 10.99.0.1 mru 1280");
}

INSTANTIATE_TEST_SUITE_P(Pppd, RecordedSession, testing::ValuesIn(::test::RecordedSessions()),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace stack::ppp
