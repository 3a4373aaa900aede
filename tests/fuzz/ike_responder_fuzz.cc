// The whole responder under a login by a true client, with the fuzzer's messages thrown in at a
// chosen moment: nothing it sends may break the login, leave more than bounded state behind or make
// us talk.
//
// Input: one octet that chooses the moment and how cookies are filled in, then a message.
#include <cstdint>
#include <memory>
#include <optional>

#include "crypto/ike/initiator.h"
#include "crypto/ike/proposal.h"
#include "crypto/ike/responder.h"
#include "tests/support/rng.h"

namespace {

using namespace crypto::ike;  // NOLINT

void Require(bool law) {
  if (!law) __builtin_trap();
}

const stack::Endpoint kHere{{0xcb007101}, 500}, kThere{{0xcb00710a}, 500};

// A login in lockstep; the key agreement is a made-up secret both ends are given, which is quick.
class Lockstep {
 public:
  Lockstep() {
    auto psks = std::make_shared<PskStore>();
    psks->SetWildcard(crypto::Secret(stack::AsBytes("secret")));
    options_.psks = psks;
    responder_.emplace(now_, options_, server_rng_);
    responder_out_.emplace(pool_);
  }

  // Answers questions, and gives how many octets left.
  size_t Drain() {
    size_t octets = 0;
    while (!responder_out_->empty()) {
      auto items = std::move(responder_out_->items());
      responder_out_->Clear();
      for (auto& item : items) {
        if (auto* frame = std::get_if<0>(&item)) {
          octets += frame->buf.size();
          last_reply_ = stack::ToBytes(frame->buf.bytes());
          continue;
        }
        Event& event = std::get<1>(item);
        if (auto* dh = std::get_if<NeedDh>(&event)) {
          responder_->OnDh(now_,
                           {dh->ticket, DhAnswer::Outcome::kDone,
                            stack::Bytes(crypto::PublicValueSize(dh->group), std::byte{2}),
                            crypto::Secret(stack::AsBytes("shared"))},
                           *responder_out_);
        } else if (auto* spi = std::get_if<NeedSpi>(&event)) {
          responder_->OnSpi(now_, {spi->ticket, {0x1234}}, *responder_out_);
        }
        Require(!std::holds_alternative<PhaseOneUp>(event));  // nobody knows the key
        Require(!std::holds_alternative<ChildReady>(event));
      }
    }
    return octets;
  }

  size_t Send(stack::ByteView bytes) {
    responder_->OnPacket(now_, {bytes, kThere, kHere}, *responder_out_);
    return Drain();
  }

  void FirstMessage() {
    PayloadList payloads;
    InitiatorOptions client = InitiatorOptions::Default(crypto::Secret());
    payloads.Add(PayloadType::kSa, OfferPhaseOne(client.phase_one));
    Send(ClearMessage({kCookie, 0}, ExchangeType::kIdentityProtection, 0, payloads));
    cookies_ = {kCookie, last_reply_.size() >= 16 ? stack::Load64(last_reply_.data() + 8) : 0};
  }

  void KeyMessage() {
    PayloadList payloads;
    payloads.Add(PayloadType::kKeyExchange, stack::Bytes(256, std::byte{5}));
    payloads.Add(PayloadType::kNonce, stack::Bytes(16, std::byte{6}));
    Send(ClearMessage(cookies_, ExchangeType::kIdentityProtection, 0, payloads));
  }

  void End() {
    for (int i = 0; i < 8 && responder_->NextDeadline() != absl::InfiniteFuture(); ++i) {
      now_ = responder_->NextDeadline() + absl::Milliseconds(20);
      responder_->OnDeadline(now_, *responder_out_);
      Drain();
    }
    Require(responder_->half_open() == 0 && responder_->established() == 0);
  }

  Cookies cookies() const { return cookies_; }
  size_t half_open() const { return responder_->half_open(); }

 private:
  static constexpr uint64_t kCookie = 0x1122334455667788;

  stack::PacketPool pool_{64, 4};
  test::FixedRng server_rng_{2};
  absl::Time now_ = absl::UnixEpoch();
  Options options_;
  std::optional<Responder> responder_;
  std::optional<Out> responder_out_;
  stack::Bytes last_reply_;
  Cookies cookies_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const int moment = data[0] & 3;
  const bool fill_cookies = (data[0] & 4) != 0;
  stack::Bytes message = stack::ToBytes(stack::AsBytes(data + 1, size - 1));
  Lockstep login;
  if (moment >= 1) login.FirstMessage();
  if (moment >= 2) login.KeyMessage();
  if (fill_cookies && message.size() >= 16) {
    stack::Store64(message.data(), login.cookies().initiator);
    stack::Store64(message.data() + 8, login.cookies().responder);
  }
  const size_t before = login.half_open();
  for (int i = 0; i < 6; ++i) {
    const size_t octets = login.Send(message);
    // MM4 of a short MM3 is the one reply that may be longer, by its nonce.
    Require(octets <= message.size() + 64);
  }
  Require(login.half_open() <= before + 1);
  login.End();
  return 0;
}
