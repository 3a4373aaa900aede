// ISAKMP header, payload chain, and every payload decoder of IKE on whatever the chain holds.
#include <cstdint>

#include "crypto/ike/natt.h"
#include "crypto/ike/options.h"
#include "crypto/ike/payload.h"
#include "crypto/ike/proposal.h"
#include "stack/wire/isakmp.h"

namespace {

using namespace crypto::ike;  // NOLINT

void Require(bool law) {
  if (!law) __builtin_trap();
}

void ReadSa(stack::ByteView body) {
  const auto offer = DecodeSa(body);
  if (!offer.ok()) return;
  EspPolicy esp;
  esp.ciphers.push_back({EspCipher::kTripleDes, 0});
  for (const bool udp : {false, true}) {
    const auto choice = ChooseEsp(*offer, esp, {256, udp, udp});
    Require(!choice || KeySizesOf(choice->suite).has_value());
  }
  const auto choice = ChoosePhaseOne(*offer, {});
  if (choice) {
    // What goes back is read again as the same suite.
    const Bytes reply = EncodeSa(choice->proposal);
    const auto again = DecodeSa(reply);
    Require(again.ok() && ReadPhaseOne(again->proposals[0].transforms[0]) == choice->suite);
  }
  for (const PhaseOneSuite& suite : ListPhaseOne(*offer)) (void)Text(suite);
  for (const EspSuite& suite : ListEsp(*offer)) (void)Text(suite);
}

void ReadAny(stack::ByteView body) {
  ReadSa(body);
  if (const auto id = DecodeId(body); id.ok()) {
    Require(EncodeId(*id) == stack::ToBytes(body));
    Require(id->Text().size() <= 300);
  }
  (void)DecodeNotify(body).ok();
  if (const auto del = DecodeDelete(body); del.ok()) Require(del->spis.size() <= kMaxDeletedSpis);
  (void)DecodeNatOa(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto message = stack::wire::Isakmp::Parse(stack::AsBytes(data, size));
  if (!message.ok()) return 0;
  const auto chain = PayloadChain::Parse(message->header.next_payload, message->body);
  if (!chain) return 0;
  Require(chain->octets() <= message->body.size());
  for (const auto& payload : *chain) ReadAny(payload.body);
  (void)ReadVendorIds(*chain);
  return 0;
}
