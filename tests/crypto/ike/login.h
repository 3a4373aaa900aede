// A client and a gateway that speak IKE with each other: both halves of crypto/ike on a Pipe, with
// a crew that answers at once, and a NAT between them if asked for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/ike/initiator.h"
#include "crypto/ike/responder.h"
#include "crypto/prim/dh.h"
#include "tests/support/pipe.h"
#include "tests/support/rng.h"

namespace test {

namespace ike = crypto::ike;

inline constexpr absl::Time kStart = absl::UnixEpoch();
inline const stack::Endpoint kGateway{{0xcb007101}, 500};        // 203.0.113.1
inline const stack::Endpoint kClient{{0xcb00710a}, 500};         // 203.0.113.10
inline const stack::Endpoint kPrivateClient{{0xc0a8320a}, 500};  // 192.168.50.10
inline const stack::Ip4 kNat{0xcb007102};                        // 203.0.113.2

inline crypto::Secret Psk(std::string_view text = "interop-psk") {
  return crypto::Secret(stack::AsBytes(text));
}

// A store with one key for everybody.
inline std::shared_ptr<const ike::PskStore> Psks(std::string_view text = "interop-psk") {
  auto psks = std::make_shared<ike::PskStore>();
  psks->SetWildcard(Psk(text));
  return psks;
}

// What one end told, in order, with the questions taken out.
struct Story {
  std::vector<ike::Event> events;

  template <class E>
  const E* Last() const {
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
      if (const E* e = std::get_if<E>(&*it)) return e;
    }
    return nullptr;
  }
  template <class E>
  size_t Count() const {
    size_t n = 0;
    for (const ike::Event& e : events) n += std::holds_alternative<E>(e) ? 1 : 0;
    return n;
  }
  size_t Drops(stack::Drop drop) const {
    size_t n = 0;
    for (const ike::Event& e : events) {
      const auto* d = std::get_if<stack::Drop>(&e);
      n += d != nullptr && *d == drop ? 1 : 0;
    }
    return n;
  }
};

// Plays the crew: real key agreement, done on the spot.
struct Crew {
  bool busy = false;
  int agreed = 0;

  ike::DhAnswer Answer(const ike::NeedDh& need) {
    if (busy) return {need.ticket, ike::DhAnswer::Outcome::kBusy, {}, {}};
    const auto pair = crypto::GenerateDh(need.group);
    auto shared = pair->Agree(need.peer_public);
    if (!shared.ok()) return {need.ticket, ike::DhAnswer::Outcome::kBadPublicValue, {}, {}};
    ++agreed;
    return {need.ticket, ike::DhAnswer::Outcome::kDone, stack::ToBytes(pair->public_value()),
            *std::move(shared)};
  }
  ike::KeyPairAnswer Answer(const ike::NeedKeyPair& need) {
    if (busy) return {need.ticket, nullptr};
    return {need.ticket,
            std::make_shared<const crypto::DhKeyPair>(*crypto::GenerateDh(need.group))};
  }
  ike::DhAnswer Answer(const ike::NeedAgreement& need) {
    if (busy) return {need.ticket, ike::DhAnswer::Outcome::kBusy, {}, {}};
    auto shared = need.pair->Agree(need.peer_public);
    if (!shared.ok()) return {need.ticket, ike::DhAnswer::Outcome::kBadPublicValue, {}, {}};
    return {need.ticket, ike::DhAnswer::Outcome::kDone, {}, *std::move(shared)};
  }
};

class Login {
 public:
  struct Setup {
    ike::Options options = {};
    std::optional<ike::InitiatorOptions> client = {};  // absent: the default one with the right key
    bool nat = false;                                  // a NAT with translated ports in between
    Faults faults = {};
    std::string server_psk = "interop-psk";
  };

  Login() : Login(Setup()) {}
  explicit Login(Setup setup)
      : rng_a_(setup.faults.seed * 2 + 1), rng_b_(setup.faults.seed * 2 + 2), nat_(setup.nat) {
    setup.options.psks = Psks(setup.server_psk);
    responder = std::make_unique<ike::Responder>(kStart, setup.options, rng_b_);
    auto client_options =
        setup.client ? *std::move(setup.client) : ike::InitiatorOptions::Default(Psk());
    client = std::make_unique<ike::Initiator>(kStart, std::move(client_options),
                                              ike::Path{nat_ ? kPrivateClient : kClient, kGateway},
                                              rng_a_);
    pipe = std::make_unique<Wire>(kStart, *client, *responder, setup.faults);
    Connect();
  }

  using Wire = Pipe<ike::Initiator, ike::Responder>;

  void Start() {
    pipe->DoA([&](absl::Time now, auto& out) { client->Start(now, out); });
  }
  void QuickMode() {
    pipe->DoA([&](absl::Time now, auto& out) { client->StartQuickMode(now, out); });
  }
  bool BothUp(absl::Duration limit = absl::Seconds(120)) {
    return pipe->RunUntil(
        [&] { return at_client.Last<ike::PhaseOneUp>() && at_server.Last<ike::PhaseOneUp>(); },
        limit);
  }
  bool ChildUpTimes(size_t n, absl::Duration limit = absl::Seconds(120)) {
    return pipe->RunUntil(
        [&] {
          return at_client.Count<ike::ChildUp>() >= n && at_server.Count<ike::ChildUp>() >= n;
        },
        limit);
  }
  // A whole login: phase 1 and one pair of ESP SAs.
  bool Complete() {
    Start();
    if (!BothUp()) return false;
    QuickMode();
    return ChildUpTimes(1);
  }
  // Injects a datagram at the gateway.
  void Inject(const stack::Bytes& bytes, const ike::Path& at_gateway) {
    pipe->DoB([&](absl::Time now, auto& out) {
      responder->OnPacket(now, {bytes, at_gateway.remote, at_gateway.local}, out);
    });
  }

  std::unique_ptr<ike::Responder> responder;
  std::unique_ptr<ike::Initiator> client;
  std::unique_ptr<Wire> pipe;
  Story at_client, at_server;
  Crew client_crew, server_crew;
  uint16_t nat_offset = 1000;  // added to the client's port by the NAT
  std::vector<std::pair<stack::Bytes, ike::Path>> to_server, to_client;  // frames as they arrived

 private:
  // The client's endpoint as the gateway sees it, and back.
  stack::Endpoint Outside(stack::Endpoint inside) const {
    if (!nat_) return inside;
    return {kNat, static_cast<uint16_t>(inside.port + nat_offset)};
  }
  stack::Endpoint Inside(stack::Endpoint outside) const {
    if (!nat_) return outside;
    return {kPrivateClient.ip, static_cast<uint16_t>(outside.port - nat_offset)};
  }

  void Connect() {
    pipe->carry_to_b = [this](stack::ByteView bytes, const ike::Path& path, const auto& deliver) {
      const stack::Datagram in{bytes, Outside(path.local), path.remote};
      to_server.push_back({stack::ToBytes(bytes), {in.to, in.from}});
      deliver(in);
    };
    pipe->carry_to_a = [this](stack::ByteView bytes, const ike::Path& path, const auto& deliver) {
      const stack::Datagram in{bytes, path.local, Inside(path.remote)};
      to_client.push_back({stack::ToBytes(bytes), {in.to, in.from}});
      deliver(in);
    };
    pipe->a().on_event = [this](absl::Time now, ike::Event event, ike::Out& out) {
      OnEvent(now, std::move(event), out, *client, client_crew, at_client);
    };
    pipe->b().on_event = [this](absl::Time now, ike::Event event, ike::Out& out) {
      OnEvent(now, std::move(event), out, *responder, server_crew, at_server);
    };
  }

  template <class M>
  void OnEvent(absl::Time now, ike::Event event, ike::Out& out, M& machine, Crew& crew,
               Story& story) {
    if (auto* dh = std::get_if<ike::NeedDh>(&event)) {
      if constexpr (requires { machine.StartDpd(now, ike::PhaseOneId{}, out); }) {
        return machine.OnDh(now, crew.Answer(*dh), out);
      }
    }
    if constexpr (requires { machine.OnKeyPair(now, ike::KeyPairAnswer{}, out); }) {
      if (auto* pair = std::get_if<ike::NeedKeyPair>(&event)) {
        return machine.OnKeyPair(now, crew.Answer(*pair), out);
      }
      if (auto* agree = std::get_if<ike::NeedAgreement>(&event)) {
        return machine.OnDh(now, crew.Answer(*agree), out);
      }
    }
    if (auto* spi = std::get_if<ike::NeedSpi>(&event)) {
      const uint32_t value = refuse_spi && &story == &at_server ? 0 : ++next_spi_;
      machine.OnSpi(now, {spi->ticket, {value}}, out);
    }
    story.events.push_back(std::move(event));
  }

  FixedRng rng_a_, rng_b_;
  bool nat_;
  uint32_t next_spi_ = 0x1000;

 public:
  bool refuse_spi = false;  // at the gateway
};

}  // namespace test
